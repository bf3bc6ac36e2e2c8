import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTopology
public import WarrenTrace
import WarrenView

/// What somebody who watches a run sees and does: keys go in, lines come out.
public struct WatchScreen {
    /// What can be done, whatever key it is on.
    public enum Command: Sendable, Hashable {
        case step, back, stepMany, backMany, nextFault, lastFault, start, end
        case up, down, play, faster, slower
        case kill, freeze, anotherFuture, help, quit
    }

    /// A node or an instance of a client.
    private struct Participant {
        var node: NodeID
        var name: String
        var isClient: Bool
    }

    /// The run.
    public private(set) var playback: Playback
    /// Whether time goes on by itself.
    public private(set) var isPlaying = false
    /// Whether it is to end.
    public private(set) var isOver = false
    /// What is looked for, as far as it was not found yet.
    private var sought: Sought?
    private var speed = 0
    private var chosen = 0
    private var showsHelp = false
    private var notice = ""
    private let participants: [Participant]
    private let title: String
    private let faults: [String]

    /// How parts of a line are set off: by the escapes of a terminal, or not at all.
    public struct Style {
        let strong, quiet, bad, good, chosen: (String) -> String

        /// Each part by a function that changes no letter of it.
        public init(
            strong: @escaping (String) -> String,
            quiet: @escaping (String) -> String,
            bad: @escaping (String) -> String,
            good: @escaping (String) -> String,
            chosen: @escaping (String) -> String
        ) {
            self.strong = strong
            self.quiet = quiet
            self.bad = bad
            self.good = good
            self.chosen = chosen
        }

        /// Nothing is set off.
        public static var plain: Style {
            Style(strong: { $0 }, quiet: { $0 }, bad: { $0 }, good: { $0 }, chosen: { $0 })
        }
    }

    /// A run at its beginning.
    public init(_ playback: Playback) {
        self.playback = playback
        let run = playback.run
        let names = run.world.names
        let clients = Set(run.clients.flatMap(\.nodes).map(\.raw))
        let all = (0..<UInt32(run.world.nodeCount)).map { number in
            let node = NodeID(number)
            return Participant(
                node: node,
                name: names[run.world.name(of: node)],
                isClient: clients.contains(number)
            )
        }
        participants = all.filter { !$0.isClient } + all.filter(\.isClient)
        title = run.topology.name
        faults = run.topology.faults.map(\.words)
    }

    // MARK: Keys

    /// How much simulated time passes in a second of one's own.
    private static let speeds: [(words: String, nanoseconds: UInt64)] = [
        ("1:1", 1_000_000_000), ("10 times slower", 100_000_000),
        ("100 times slower", 10_000_000), ("1000 times slower", 1_000_000),
    ]

    /// Nanoseconds of the run for each second of the watcher.
    public var pace: UInt64 { Self.speeds[speed].nanoseconds }

    private static func isFault(_ fact: Fact) -> Bool {
        switch fact.kind {
        case .faultBegan, .nodeCrashed, .nodeStopped, .nodeFrozen, .errorRaised, .peerLost,
            .nodePaused, .nodeYielded, .alarmRaised:
            true
        default: false
        }
    }

    /// Something to go on to.
    private enum Sought { case fault, end }

    /// Whether it is on its way to what was asked for: ``seek()`` goes on, any key stops it.
    public var isSeeking: Bool { sought != nil }

    /// Does what a key asks for.
    public mutating func take(_ command: Command) {
        notice = ""
        sought = nil
        if showsHelp {
            showsHelp = false
            if command == .help { return }
        }
        if command != .play, command != .faster, command != .slower, command != .up,
            command != .down
        {
            isPlaying = false
        }
        switch command {
        case .step: playback.forward()
        case .back: playback.go(to: playback.step - 1)
        case .stepMany: playback.go(to: playback.step + 100)
        case .backMany: playback.go(to: playback.step - 100)
        case .start: playback.go(to: 0)
        case .end, .nextFault:
            sought = command == .end ? .end : .fault
            seek()
        case .lastFault: playback.back(to: Self.isFault)
        case .up: chosen = (chosen + participants.count - 1) % max(participants.count, 1)
        case .down: chosen = (chosen + 1) % max(participants.count, 1)
        case .play: isPlaying = !isPlaying && !playback.isOver
        case .faster: speed = max(0, speed - 1)
        case .slower: speed = min(Self.speeds.count - 1, speed + 1)
        case .kill: kill()
        case .freeze: freeze()
        case .anotherFuture:
            playback.reseed()
            notice = "from here on all chance is another one"
        case .help: showsHelp = true
        case .quit: isOver = true
        }
        if playback.isOver {
            isPlaying = false
            if notice.isEmpty { notice = "the run is over; ← goes back" }
        }
    }

    /// Steps that are gone before keys are looked at again.
    private static let stretch = 2000

    /// Goes some way on to what was asked for.
    public mutating func seek() {
        guard let sought else { return }
        let isFound = playback.forward(most: Self.stretch) {
            sought == .fault && Self.isFault($0)
        }
        notice = ""
        if isFound || playback.isOver {
            self.sought = nil
            if !isFound, sought == .fault { notice = "nothing more goes wrong; ← goes back" }
        } else {
            notice = "on its way; any key stops it"
        }
    }

    private mutating func kill() {
        guard !participants.isEmpty else { return }
        let participant = participants[chosen]
        if playback.isOver {
            notice = "the run is over; ← goes back to where something can be done"
        } else if playback.run.world.isUp(participant.node) {
            playback.act(.kill(participant.node))
            notice = "\(participant.name) is killed; k starts it again, ← undoes it"
        } else {
            playback.act(.start(participant.node))
            notice = "\(participant.name) starts"
        }
    }

    private mutating func freeze() {
        guard !participants.isEmpty, !playback.isOver else { return }
        let participant = participants[chosen]
        guard playback.run.world.isUp(participant.node) else {
            notice = "\(participant.name) is down"
            return
        }
        let isFrozen = playback.isFrozen(participant.node)
        playback.act(isFrozen ? .thaw(participant.node) : .freeze(participant.node))
        notice =
            isFrozen ? "\(participant.name) goes on" : "\(participant.name) hangs; z lets it go on"
    }

    /// Lets time go on by itself, up to a moment of the run.
    public mutating func play(until moment: Instant) {
        guard isPlaying else { return }
        while playback.run.world.now < moment, !playback.isOver { playback.forward() }
        if playback.isOver {
            isPlaying = false
            notice = "the run is over; ← goes back"
        }
    }

    // MARK: Lines

    /// The screen, exactly `height` lines of at most `width` columns.
    public func lines(width: Int, height: Int, style: Style = .plain) -> [String] {
        let width = max(width, 40)
        let height = max(height, 8)
        var lines = [head(width, style), ""]
        if showsHelp {
            lines += Self.help.map { Self.cut($0, width) }
        } else {
            let room = height - 4
            let table = tables(width, min(max(room / 2, 4), participants.count + 1), style)
            lines += table + [""]
            lines += story(width, height - lines.count - 2, style)
        }
        while lines.count < height - 2 { lines.append("") }
        lines = Array(lines.prefix(height - 2))
        lines.append(notice.isEmpty ? "" : style.strong(Self.cut(notice, width)))
        let keys =
            width >= 100
            ? "→ step  ← back  PgDn/PgUp 100 steps  f/F fault  space play  ↑↓ choose  k kill  z freeze  n another future  ? help  q quit"
            : "→ ← step  f/F fault  space play  ↑↓ choose  k kill  ? help  q quit"
        lines.append(style.quiet(Self.cut(keys, width)))
        return lines
    }

    private func head(_ width: Int, _ style: Style) -> String {
        let run = playback.run
        let time = FactText.time(run.world.now)
        let state =
            playback.isOver ? "over" : isPlaying ? "▶ \(Self.speeds[speed].words)" : "paused"
        let interventions = playback.done.count
        let hand = interventions == 0 ? "" : "  \(interventions) by hand"
        let right = "step \(playback.step)  event \(run.world.eventCount)\(hand)  \(state)"
        let left = "\(title)  \(time)"
        let gap = String(repeating: " ", count: max(2, width - left.count - right.count))
        let line = Self.cut(left + gap + right, width)
        return style.strong(line)
    }

    /// Queues at the left, nodes and clients at the right.
    private func tables(_ width: Int, _ rows: Int, _ style: Style) -> [String] {
        let half = width / 2 - 1
        let queues = queueRows(half, rows, style)
        let nodes = participantRows(width - half - 2, rows, style)
        return (0..<max(queues.count, nodes.count)).map { row in
            let left = row < queues.count ? queues[row] : ("", 0)
            let right = row < nodes.count ? nodes[row].0 : ""
            return left.0 + String(repeating: " ", count: half + 2 - left.1) + right
        }
    }

    /// Rows with the columns that they take, without what styles add.
    private func queueRows(_ width: Int, _ rows: Int, _ style: Style) -> [(String, Int)] {
        let names = playback.run.world.names
        // What holds something comes first, if there is no room for all; else they stand as they came.
        var accounts = playback.run.ledger.queues
        if accounts.count > rows - 1 {
            accounts = accounts.enumerated().sorted {
                let (one, other) = ($0.element, $1.element)
                let (mine, theirs) = (one.depth + one.unacked, other.depth + other.unacked)
                return (theirs, $0.offset) < (mine, $1.offset)
            }
            .prefix(rows - 1).map(\.element)
        }
        let label = min(max(width - 22, 8), 30)
        let title = Self.pad("queue", label) + "   depth unacked"
        var found = [(style.quiet(Self.cut(title, width)), min(title.count, width))]
        let room = max(width - label - 18, 0)
        for account in accounts {
            let depth = Self.padLeft("\(account.depth)", 8)
            let unacked = Self.padLeft("\(account.unacked)", 8)
            let bar = Self.bar(account.depth, room)
            let text = Self.cut(Self.pad(names[account.symbol], label) + depth + unacked, width - 1)
            found.append((text + " " + style.good(bar), text.count + 1 + bar.count))
        }
        return found
    }

    /// A block for each message, and at last one for many.
    private static func bar(_ count: UInt64, _ room: Int) -> String {
        guard room > 1 else { return "" }
        if count <= UInt64(room) { return String(repeating: "■", count: Int(count)) }
        return String(repeating: "■", count: room - 1) + "»"
    }

    private func participantRows(_ width: Int, _ rows: Int, _ style: Style) -> [(String, Int)] {
        let label = min(max(width - 20, 10), 40)
        let title = "  " + Self.pad("node or client", label) + " published handled"
        var found = [(style.quiet(Self.cut(title, width)), min(title.count, width))]
        // The chosen one is always among those that are shown.
        let first = min(max(chosen - (rows - 2), 0), max(participants.count - (rows - 1), 0))
        for (place, participant) in participants.enumerated().dropFirst(first).prefix(
            max(rows - 1, 1)
        ) {
            let isUp = playback.run.world.isUp(participant.node)
            let isFrozen = playback.isFrozen(participant.node)
            let counts =
                !isUp || isFrozen
                ? Self.padLeft(isUp ? "frozen" : "down", 18)
                : participant.isClient
                    ? Self.padLeft("\(playback.published(by: participant.node))", 10)
                        + Self.padLeft("\(playback.handled(by: participant.node))", 8)
                    : String(repeating: " ", count: 18)
            let mark = place == chosen ? "▸ " : "  "
            let name = Self.pad(participant.name, label)
            let text = Self.cut("\(mark)\(name)\(counts)", width)
            let styled = place == chosen ? style.chosen(text) : isUp ? text : style.bad(text)
            found.append((styled, text.count))
        }
        return found
    }

    /// What happened last, the newest at the bottom; what the last step told is plain, all before it quiet.
    private func story(_ width: Int, _ rows: Int, _ style: Style) -> [String] {
        guard rows > 0 else { return [] }
        let world = playback.run.world
        let text = FactText(
            names: world.names,
            nodes: (0..<world.nodeCount).map { world.names[world.name(of: NodeID(UInt32($0)))] }
        )
        let fresh = playback.lastStep.startIndex
        let facts = playback.facts.suffix(rows)
        var lines = [String](repeating: "", count: rows - facts.count)
        for place in facts.indices {
            let fact = facts[place]
            let message = fact.message == .none ? "" : "m\(fact.message.raw)  "
            let sentence =
                fact.kind == .faultBegan && Int(fact.detail) < faults.count
                ? "fault \(fact.detail + 1): \(faults[Int(fact.detail)])" : text.sentence(fact)
            let time = Self.padLeft(FactText.time(fact.time), 11)
            let line = Self.cut("\(time)  \(message)\(sentence)", width)
            let isWrong = Self.isFault(fact)
            lines.append(
                place < fresh ? style.quiet(line) : isWrong ? style.bad(line) : line
            )
        }
        return lines
    }

    private static let help = [
        "  →  l          one step on: one event that has something to tell",
        "  ←  h          one step back; what was done by hand is undone with it",
        "  PgDn  PgUp    a hundred steps",
        "  Home  End     the beginning, the end",
        "  f  F          to the next thing that goes wrong, to the last one",
        "  space         time goes on by itself, or stops;  +  -  faster, slower",
        "  ↑  ↓          choose a node or a client",
        "  k             kill what is chosen; once more: start it",
        "  z             freeze what is chosen; once more: let it go on",
        "  n             another future: all chance from here on is another one",
        "  q             quit",
        "",
        "  Back, and something else done there, is another future from that moment on;",
        "  back alone, and on again, is the same future to the bit.",
    ]

    // MARK: Texts

    private static func cut(_ text: String, _ width: Int) -> String {
        text.count > width ? String(text.prefix(width - 1)) + "…" : text
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        let text = cut(text, width)
        return text + String(repeating: " ", count: width - text.count)
    }

    private static func padLeft(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
