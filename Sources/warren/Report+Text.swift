import Foundation
import TextTable
import WarrenTrace
import WarrenView

/// The report for people.
extension Report {
    func text(for file: String) -> String {
        var lines: [String] = []
        lines.append(heading)
        lines.append("")
        lines += ledgerLines
        if queues.contains(where: { $0.log == nil }) { lines += ["", queueTable] }
        if queues.contains(where: { $0.log != nil }) { lines += ["", logTable] }
        if !timeline.isEmpty { lines += [""] + timelineLines }
        if !imbalances.isEmpty {
            lines += ["", Console.bad("The books do not balance. This is a bug of Warren:")]
            lines += imbalances.map { "  \($0)" }
        }
        if !idle.isEmpty { lines += [""] + idle.map { "idle       \($0)" } }
        if !expectations.isEmpty { lines += [""] + expectationLines }
        lines += [""] + closing(file)
        return lines.joined(separator: "\n")
    }

    private static func seconds(_ nanoseconds: UInt64) -> String {
        FactText.length(Interval(nanoseconds: nanoseconds))
    }

    private var heading: String {
        let rate = wall_ns == 0 ? 0 : Double(events) / (Double(wall_ns) * 1e-9)
        let speed = String(format: "%.1f million events/s", rate / 1e6)
        return Console.strong(topology)
            + "  \(Self.seconds(simulated_ns)) simulated in \(Self.seconds(wall_ns)), "
            + "\(events) events, \(speed)"
            + (stopped.map { "\n\(Console.bad("stopped")): \($0)" } ?? "")
    }

    /// One line per kind of account; what is zero and not asked for stays out.
    private var ledgerLines: [String] {
        func list(_ parts: [(UInt64, String)]) -> String {
            let shown = parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
            return shown.isEmpty ? "none" : shown.joined(separator: " · ")
        }
        var lines = [
            "messages   \(messages.published) published = "
                + list([
                    (messages.confirmed, "confirmed"), (messages.nacked, "nacked"),
                    (messages.returned, "returned"),
                    (messages.not_asked, "without asking for a confirm"),
                    (messages.given_up, "given up on: too late, or cut off"),
                    (messages.awaited, "waiting for their confirm"),
                ]),
            "copies     \(messages.routed_copies) routed = "
                + list([
                    (messages.routed_copies - min(messages.routed_copies, ended), "acknowledged"),
                    (messages.dead_lettered, "dead-lettered"), (dropped_copies, "dropped"),
                    (messages.remaining, "remaining"),
                ]),
            "deliveries \(messages.delivered) sent, \(messages.redelivered) of them redelivered; "
                + "\(messages.acked) acknowledged; "
                + (messages.records_read > 0 ? "\(messages.records_read) records read; " : "")
                + "\(messages.handled) pieces of work done",
        ]
        if messages.lost > 0 {
            lines.append(
                Console.bad("lost       \(messages.lost)")
                    + " confirmed, and no copy is anywhere; the first is \(messages.first_lost ?? "none")"
            )
        }
        if resurrected > 0 {
            lines.append(
                "came back  \(resurrected) copies whose ack had not reached the disk of a node that was killed, or that another node had as well"
            )
        }
        if effects > 0 { lines.append("effects    \(effects)") }
        if calls.started > 0 {
            lines.append(
                "calls      \(calls.started) started, \(calls.answered) answered, \(calls.failed) failed"
            )
        }
        if messages.relayed > 0 {
            lines.append("relayed    \(messages.relayed) carried to another broker")
        }
        if messages.derived > 0 {
            lines.append(
                "           \(messages.derived) of the publications by consumers, because of what they had"
            )
        }
        for error in broker_errors.prefix(Self.mostErrors) {
            let times = error.count == 1 ? "once" : "\(error.count) times"
            let whom = error.client.map { ", to \($0)" } ?? ""
            lines.append(
                Console.bad("refused")
                    + "    \(error.code) \(error.text) - \(times)\(whom), first at \(Self.seconds(error.first_ns))"
            )
        }
        if broker_errors.count > Self.mostErrors {
            lines.append(
                "refused    … and \(broker_errors.count - Self.mostErrors) other things; --format json has all"
            )
        }
        for (reason, count) in drops.sorted(by: { $0.key < $1.key }) {
            lines.append("dropped    \(count): \(reason)")
        }
        for (failure, count) in failures.sorted(by: { $0.key < $1.key }) {
            lines.append("failures   \(count == 1 ? "once" : "\(count) times") a client \(failure)")
        }
        return lines
    }

    private static let mostErrors = 10
    private static let longestTimeline = 30

    private var timelineLines: [String] {
        func line(_ line: TimelineLine) -> String {
            let time = Self.seconds(line.time_ns)
            return String(repeating: " ", count: max(0, 10 - time.count))
                + "\(time)  \(line.sentence)"
        }
        guard timeline.count > Self.longestTimeline else { return timeline.map(line) }
        let half = Self.longestTimeline / 2
        return timeline.prefix(half).map(line)
            + ["            … \(timeline.count - 2 * half) more; --format json has all"]
            + timeline.suffix(half).map(line)
    }

    private var ended: UInt64 {
        messages.dead_lettered + dropped_copies + messages.remaining
    }

    private var queueTable: String {
        let names = queues.map(\.name)
        let once = Dictionary(grouping: names) { $0 }.filter { $0.value.count == 1 }
        let table = TextTable<QueueLine> { line in
            let isShared = once[line.name] == nil
            return [
                Column(
                    title: "queue",
                    value: isShared ? "\(line.broker)/\(line.name)" : line.name
                ),
                Column(title: "now", value: line.now, align: .right),
                Column(title: "most", value: line.depth_max, align: .right),
                Column(title: "delivered", value: line.delivered, align: .right),
                Column(
                    title: "wait mean",
                    value: Self.seconds(UInt64(line.wait_mean_ns)),
                    align: .right
                ),
                Column(title: "p50", value: Self.seconds(line.wait_p50_ns), align: .right),
                Column(title: "p99", value: Self.seconds(line.wait_p99_ns), align: .right),
            ]
        }
        // A run may make thousands of callback queues; the busiest are shown.
        let all = queues.filter { $0.log == nil }
        let shown = all.sorted { $0.delivered > $1.delivered }.prefix(20)
        let order = all.filter { line in
            shown.contains { $0.name == line.name && $0.broker == line.broker }
        }
        let rest = all.count - order.count
        let text = table.string(for: order, style: Style.plain) ?? ""
        return text.trimmingCharacters(in: .newlines)
            + (rest > 0 ? "\n… and \(rest) more" : "")
    }

    /// A line for each reader of a log, and one for a log that nobody read.
    private struct LogRow {
        var log: String
        var line: LogLine
        var reader: LogLine.Reader?

        var cells: [Column] {
            func number(_ value: UInt64?) -> String { value.map { "\($0)" } ?? "" }
            let away = reader?.away == true ? ", away" : ""
            return [
                Column(title: "log", value: log),
                Column(title: "oldest", value: line.first, align: .right),
                Column(title: "next", value: line.end, align: .right),
                Column(title: "most behind", value: line.lag_max, align: .right),
                Column(title: "reader", value: reader.map { $0.name + away } ?? "nobody reads it"),
                Column(title: "records", value: number(reader?.records), align: .right),
                Column(title: "done to", value: number(reader?.settled), align: .right),
                Column(title: "behind", value: number(reader?.lag), align: .right),
            ]
        }
    }

    private var logTable: String {
        let rows = queues.flatMap { queue -> [LogRow] in
            guard let log = queue.log else { return [] }
            if log.readers.isEmpty { return [LogRow(log: queue.name, line: log)] }
            return log.readers.map { LogRow(log: queue.name, line: log, reader: $0) }
        }
        let table = TextTable<LogRow> { $0.cells }
        let rest = rows.count - Self.longestLogs
        let text = table.string(for: Array(rows.prefix(Self.longestLogs)), style: Style.plain) ?? ""
        return text.trimmingCharacters(in: .newlines)
            + (rest > 0 ? "\n… and \(rest) more readers" : "")
    }

    private static let longestLogs = 20

    private var expectationLines: [String] {
        expectations.flatMap { line -> [String] in
            let word = line.held ? "held  " : "broken"
            let mark = line.isAsMeant ? Console.good(word) : Console.bad(word)
            let note =
                line.meant_to_break
                ? line.held ? ", and was meant to break" : ", as it is meant to be" : ""
            var lines = ["\(mark)  \(line.name): \(line.sentence)\(note)"]
            if let first = line.first {
                let whom = first.message.map { "first by \($0)" } ?? first.seen
                lines.append("        \(whom), at \(Self.seconds(first.time_ns))")
                if let trace {
                    let command =
                        first.message.map { "warren trace message \($0) \(trace)" }
                        ?? "warren trace at \(Self.seconds(first.time_ns)) \(trace)"
                    lines.append("        see it: \(command)")
                }
            }
            return lines
        }
    }

    private func closing(_ file: String) -> [String] {
        var lines = ["seed \(seed)  digest \(digest)  version \(version)"]
        for approximation in approximations {
            lines.append(Console.quiet("approximated  \(approximation)"))
        }
        if let trace {
            lines.append("trace \(trace)")
            // A message worth looking at: one that broke a promise, or one that is lost.
            if let message = expectations.first(where: { !$0.held })?.first?.message
                ?? messages.first_lost
            {
                lines.append("next: warren trace message \(message) \(trace)")
            } else if messages.published > 0 {
                lines.append("next: warren trace message m1 \(trace)")
            } else {
                lines.append("next: warren trace summary \(trace)")
            }
        } else {
            lines.append("next: warren run \(file)    (without --no-trace, to look into it)")
        }
        return lines
    }
}

extension Report.QueueLine {
    /// What is ready in it, by side where it has several masters.
    fileprivate var now: String {
        sides.map { sides in sides.map { "\($0.depth)" }.joined(separator: " + ") } ?? "\(depth)"
    }
}
