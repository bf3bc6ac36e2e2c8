import WarrenStore
import WarrenTrace
import WarrenView

/// What became of a queue; the shape as JSON is stable: keys are added, never renamed.
struct QueueStory: Encodable {
    struct Deepest: Encodable {
        var ready, time_ns: UInt64
    }

    let name: String
    let happened: [StoryLine]
    /// What came, who was sent what, and what went where.
    let came, consumers, went: [SumLine]
    @OrNull private(set) var deepest: Deepest?
    let ready, unacknowledged, settled_unworked: UInt64

    init(
        _ queue: Symbol,
        _ open: OpenTrace,
        _ facts: [Fact],
        _ sums: [FactSum],
        _ slices: [Slice],
        _ end: RunState
    ) {
        typealias Wording = SumLine.Wording
        name = open.names[queue]
        let kinds: Set<FactKind> = [
            .queueDeclared, .queueDeleted, .queuePurged, .consumerStarted, .consumerEnded,
            .leaderElected, .mirrorPromoted, .mirrorSynchronised, .memberAdded,
            .memberDeleted, .snapshotInstalled,
        ]
        happened = facts.filter { $0.subject == queue && kinds.contains($0.kind) }
            .map { StoryLine($0, open.text.sentence($0)) }
        let own = sums.filter { $0.key.subject == queue }
        func all(_ wordings: [Wording]) -> [SumLine] {
            wordings.compactMap { SumLine(own, $0, open) }
        }
        came = all([
            Wording(
                kind: .messageRouted,
                variants: { $0 == 0 },
                words: { n, _ in "\(n) copies came in" }
            ),
            Wording(
                kind: .messageRouted,
                variants: { $0 == 2 },
                words: { n, _ in "\(n) records were written" }
            ),
            Wording(
                kind: .messageRouted,
                variants: { $0 == 1 },
                words: { n, _ in "\(n) were refused: it was full" }
            ),
            Wording(
                kind: .messageRecovered,
                variants: { $0 == 0 },
                words: { n, _ in "\(n) were found on a disk after a restart" }
            ),
            Wording(
                kind: .messageRecovered,
                variants: { $0 == 1 },
                words: { n, _ in "\(n) that had been settled came back to life" }
            ),
        ])
        var takers: [UInt32] = []
        for sum in own where sum.key.kind == .deliverySent || sum.key.kind == .recordRead {
            if !takers.contains(sum.key.peer) { takers.append(sum.key.peer) }
        }
        consumers = all(
            takers.sorted().flatMap { taker -> [Wording] in
                let (peer, name) = (NodeID(taker), open.text.node(taker))
                return [
                    Wording(
                        kind: .deliverySent,
                        peer: peer,
                        words: { n, mean in
                            "\(name) was sent \(n), after \(mean) in line on average"
                        }
                    ),
                    Wording(
                        kind: .deliverySent,
                        peer: peer,
                        variants: SumLine.isRedelivered,
                        words: { n, _ in "\(name) got \(n) of them as redelivered" }
                    ),
                    Wording(
                        kind: .recordRead,
                        peer: peer,
                        words: { n, _ in "\(name) was sent \(n) records" }
                    ),
                    Wording(
                        kind: .recordSettled,
                        peer: peer,
                        words: { n, _ in "\(name) is done with \(n) of them" }
                    ),
                    Wording(
                        kind: .deliveryAcked,
                        peer: peer,
                        words: { n, _ in "\(name) acknowledged \(n)" }
                    ),
                    Wording(
                        kind: .deliveryRejected,
                        peer: peer,
                        words: { n, _ in "\(name) rejected \(n)" }
                    ),
                ]
            }
        )
        var ways: [Wording] = [
            Wording(kind: .deliveryAcked, words: { n, _ in "\(n) were acknowledged" })
        ]
        for reason in ReturnReason.allCases {
            ways.append(
                Wording(
                    kind: .deliveryRequeued,
                    variants: { $0 == reason.rawValue },
                    words: { n, _ in "\(n) went back in line: \(reason.words)" }
                )
            )
        }
        for reason in DropReason.allCases {
            ways.append(
                Wording(
                    kind: .messageDeadLettered,
                    variants: { $0 & 63 == reason.rawValue },
                    words: { n, _ in "\(n) left for the dead-letter exchange: \(reason.words)" }
                )
            )
            ways.append(
                Wording(
                    kind: .messageDropped,
                    variants: { $0 == reason.rawValue },
                    words: { n, _ in "\(n) are gone: \(reason.words)" }
                )
            )
        }
        ways.append(
            Wording(
                kind: .messageHandled,
                variants: { $0 == 1 },
                words: { n, _ in "\(n) were worked on after sending them had settled them" }
            )
        )
        went = all(ways)
        let most = slices.map(\.deepest).max() ?? 0
        deepest = slices.first { $0.deepest == most }
            .map { Deepest(ready: most, time_ns: $0.deepestAt.nanoseconds) }
        let held = end.queues.first { $0.symbol == queue }
        ready = held?.depth ?? 0
        unacknowledged = held?.unacked ?? 0
        settled_unworked = held?.transit ?? 0
    }

    /// For people; `most` lines of what happened.
    func lines(_ most: Int) -> [String] {
        var lines = [Console.strong(name)]
        lines += happened.texts(most)
        for part in [came, consumers, went] where !part.isEmpty {
            lines.append("")
            lines += part.map(\.text)
        }
        lines.append("")
        if let deepest, deepest.ready > 0 {
            let time = FactText.time(Instant(nanoseconds: deepest.time_ns))
            lines.append("  deepest at \(time), with \(deepest.ready) ready")
        } else {
            lines.append("  nothing ever waited in it")
        }
        var rest = ["\(ready) ready", "\(unacknowledged) unacknowledged"]
        if settled_unworked > 0 {
            rest.append("\(settled_unworked) acknowledged by sending and not worked on")
        }
        lines.append("  at the end: " + rest.joined(separator: ", "))
        return lines
    }
}
