import WarrenStore
import WarrenTrace
import WarrenView

/// A run along its time: depths, rates and faults in columns; the shape as JSON is stable: keys are added, never renamed.
struct Timeline: Encodable {
    /// A row of bars.
    struct Row: Encodable {
        var name: String
        /// For each column: messages, or messages per second.
        var values: [Double]
        /// The most of them, and when it was, in nanoseconds; of depths to the fact.
        var most: Double
        var most_ns: UInt64
    }

    /// Something that was done to the run.
    struct Mark: Encodable {
        var time_ns: UInt64
        var column: Int
        var sentence: String
    }

    let simulated_ns: UInt64
    /// How long a column is.
    let column_ns: UInt64
    let depths: [Row]
    let rates: [Row]
    let marks: [Mark]

    /// - Parameters:
    ///   - open: the run.
    ///   - columns: how many columns there are, at least 8.
    /// - Throws: a ``StoreError``.
    init(_ open: OpenTrace, columns: Int) throws {
        let (sliceWidth, queues) = try open.reader.slices(of: open.run)
        let length = max(open.run.simulated, 1)
        let width = max((length + UInt64(columns) - 1) / UInt64(columns), 1)
        simulated_ns = open.run.simulated
        column_ns = width
        func column(_ time: UInt64) -> Int { min(Int(time / width), columns - 1) }
        depths = queues.filter { $0.queue != .none }.map { queue, slices in
            Self.depths(open.text.name(queue), slices, columns, column)
        }
        .filter { $0.most > 0 }
        let whole = queues.first { $0.queue == .none }?.slices ?? []
        let kinds: [(String, (Slice) -> UInt64)] = [
            ("published/s", \.came), ("delivered/s", \.sent), ("acked/s", \.acked),
        ]
        let seconds = Double(width) / 1e9
        rates = kinds.map { name, count in
            var values = [Double](repeating: 0, count: columns)
            for slice in whole {
                // A slice that two columns share is split between them.
                var begin = slice.start.nanoseconds
                let end = min(begin + sliceWidth.nanoseconds, max(length, begin + 1))
                let share = Double(count(slice)) / Double(end - begin) / seconds
                while begin < end {
                    let place = column(begin)
                    let stop = place == columns - 1 ? end : min(end, UInt64(place + 1) * width)
                    values[place] += share * Double(stop - begin)
                    begin = stop
                }
            }
            let most = values.max() ?? 0
            let place = values.firstIndex(of: most) ?? 0
            return Row(
                name: name,
                values: values,
                most: most,
                most_ns: UInt64(place) * width
            )
        }
        let fault = open.faultWords()
        let kindsOfMarks: Set<FactKind> = [
            .faultBegan, .faultEnded, .nodeCrashed, .nodeStopped, .nodeFrozen, .nodePaused,
            .nodeYielded, .leaderElected, .mirrorPromoted, .alarmRaised, .alarmCleared,
            .queueDeleted, .errorRaised, .memberAdded, .memberDeleted,
        ]
        marks = try open.reader.rareFacts(of: open.run).filter {
            kindsOfMarks.contains($0.kind) || $0.kind == .nodeStarted && $0.variant == 1
        }
        .map { fact in
            let words =
                switch fact.kind {
                case .faultBegan: "fault \(fact.detail + 1): \(fault(fact))"
                case .faultEnded: "fault \(fact.detail + 1) is over"
                default: open.text.sentence(fact)
                }
            return Mark(
                time_ns: fact.time.nanoseconds,
                column: column(fact.time.nanoseconds),
                sentence: words
            )
        }
    }

    /// The depth in a column is the most that were ready in it at once; where nothing happened it stays as it was.
    private static func depths(
        _ name: String,
        _ slices: [Slice],
        _ columns: Int,
        _ column: (UInt64) -> Int
    ) -> Row {
        var values = [Double](repeating: 0, count: columns)
        var next = 0
        var depth = 0.0
        for slice in slices {
            let place = column(slice.start.nanoseconds)
            while next < place {
                values[next] = max(values[next], depth)
                next += 1
            }
            values[place] = max(values[place], Double(slice.deepest))
            depth = Double(slice.depth)
        }
        while next < columns {
            values[next] = max(values[next], depth)
            next += 1
        }
        let deepest = slices.map(\.deepest).max() ?? 0
        let first = slices.first { $0.deepest == deepest }
        return Row(
            name: name,
            values: values,
            most: Double(deepest),
            most_ns: first?.deepestAt.nanoseconds ?? 0
        )
    }

    // MARK: For people

    private static let bars = Array(" ▁▂▃▄▅▆▇█")

    /// One column for each value, as high as it is beside the most; what is not nothing shows.
    private static func bar(_ values: [Double], _ most: Double) -> String {
        String(
            values.map { value in
                guard value > 0, most > 0 else { return bars[0] }
                return bars[max(1, Int((value / most * 8).rounded()))]
            }
        )
    }

    private static func count(_ value: Double) -> String {
        value >= 10 || value == value.rounded()
            ? "\(Int(value.rounded()))" : "\((value * 10).rounded() / 10)"
    }

    /// The columns that a name and a number take beside bars in a terminal of some width.
    static let margin = 32

    /// The rows, the busiest `most` queues of them, and what happened.
    func lines(_ most: Int, marks limit: Int) -> [String] {
        let busiest = depths.enumerated().sorted {
            ($1.element.most, $0.offset) < ($0.element.most, $1.offset)
        }
        .prefix(most).map(\.offset).sorted().map { depths[$0] }
        var lines: [String] = []
        func title(_ text: String) { lines.append(Console.quiet(text)) }
        func row(_ row: Row) {
            let name = row.name.count > 18 ? row.name.prefix(17) + "…" : row.name[...]
            let label = String(repeating: " ", count: 18 - name.count) + name
            lines.append("\(label) │\(Self.bar(row.values, row.most))│ \(Self.count(row.most))")
        }
        if !busiest.isEmpty { title("ready, and the most at once") }
        for one in busiest { row(one) }
        if depths.count > busiest.count {
            title(
                "\(String(repeating: " ", count: 18)) … and \(depths.count - busiest.count) more queues"
            )
        }
        title("per second, and the most")
        for one in rates { row(one) }
        let columns = rates.first?.values.count ?? 0
        var flags = [Character](repeating: " ", count: columns)
        for mark in marks { flags[mark.column] = flags[mark.column] == " " ? "▲" : "◆" }
        let gap = String(repeating: " ", count: 18)
        lines.append("\(gap) └\(String(repeating: "─", count: columns))┘")
        if !marks.isEmpty { lines.append("\(gap)  \(String(flags))") }
        let end = FactText.time(Instant(nanoseconds: simulated_ns))
        let space = String(repeating: " ", count: max(1, columns - 2 - end.count))
        lines.append("\(gap)  0s\(space)\(end)")
        if !marks.isEmpty { lines.append("") }
        lines += marks.map { StoryLine(Instant(nanoseconds: $0.time_ns), $0.sentence) }
            .texts(limit)
        return lines
    }
}
