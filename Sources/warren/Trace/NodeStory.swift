import WarrenStore
import WarrenTrace
import WarrenView

/// What became of a client or of a node of a broker; the shape as JSON is stable: keys are added, never renamed.
struct NodeStory: Encodable {
    let name: String
    /// What happened to it beside messages.
    let happened: [StoryLine]
    /// What it did with messages, summed up.
    let did: [SumLine]
    /// When it did the last thing with a message; null if it did none.
    @OrNull private(set) var idle_since_ns: UInt64?

    /// The story of a client.
    static func client(_ node: NodeID, _ open: OpenTrace, _ facts: [Fact], _ sums: [FactSum])
        -> NodeStory
    {
        let own = sums.filter { sum in
            sum.key.node == node
                || sum.key.kind.columns.peer == .node && sum.key.peer == node.raw
        }
        return NodeStory(node, open, facts, own, clientWordings(own, open))
    }

    /// The story of a node of a broker; connections of clients come and go without a line.
    static func broker(_ node: NodeID, _ open: OpenTrace, _ facts: [Fact], _ sums: [FactSum])
        -> NodeStory
    {
        let own = sums.filter { $0.key.node == node }
        let clients: Set<FactKind> = [
            .connectionOpened, .connectionClosed, .channelOpened, .channelClosed,
            .consumerStarted, .consumerEnded, .bindingCreated, .bindingDeleted,
        ]
        return NodeStory(
            node,
            open,
            facts.filter { !clients.contains($0.kind) },
            own,
            brokerWordings(own, open)
        )
    }

    private init(
        _ node: NodeID,
        _ open: OpenTrace,
        _ facts: [Fact],
        _ sums: [FactSum],
        _ wordings: [SumLine.Wording]
    ) {
        let name = open.text.node(node.raw)
        self.name = name
        let fault = open.faultWords()
        happened = facts.filter { fact in
            fact.node == node || fact.kind.columns.peer == .node && fact.peer == node.raw
                || fact.kind == .workSlowed && isNamed(open.names[Symbol(fact.peer)], name)
        }
        .map { fact in
            let isFault = fact.kind == .faultBegan
            return StoryLine(fact, isFault ? fault(fact) : open.text.sentence(fact))
        }
        did = wordings.compactMap { SumLine(sums, $0, open) }
        idle_since_ns = sums.map(\.last.nanoseconds).max()
    }

    private static func clientWordings(_ sums: [FactSum], _ open: OpenTrace) -> [SumLine.Wording] {
        typealias Wording = SumLine.Wording
        var all = SumLine.each(.messagePublished, in: sums, { "publishes % to \($0)" }, open)
        all.append(Wording(kind: .messageConfirmed, words: "has % confirmed, after ~ on average"))
        all.append(Wording(kind: .messageNacked, words: "has % nacked"))
        all.append(Wording(kind: .messageReturned, words: "gets % back, unroutable"))
        all.append(Wording(kind: .messageRetried, words: "publishes % again"))
        let unknown = ["timed out", "connection lost", "never asked", "still waiting at the end"]
        for (number, words) in unknown.enumerated() {
            let isOne = { (variant: UInt8) in Int(variant) == number }
            all.append(
                Wording(
                    kind: .messageUnknown,
                    variants: isOne,
                    words: "does not know what became of %: \(words)"
                )
            )
        }
        all += SumLine.each(
            .deliverySent,
            in: sums,
            { "is sent % from \($0), after ~ in line on average" },
            open
        )
        all.append(
            Wording(
                kind: .deliverySent,
                variants: SumLine.isRedelivered,
                words: "gets % of them as redelivered"
            )
        )
        all += SumLine.each(.recordRead, in: sums, { "is sent % records from \($0)" }, open)
        all += SumLine.each(.deliveryAcked, in: sums, { "acknowledges % of \($0)" }, open)
        for (isOne, words) in [(UInt8(1), "rejects % and wants them requeued"), (0, "rejects %")] {
            all.append(Wording(kind: .deliveryRejected, variants: { $0 == isOne }, words: words))
        }
        all.append(
            Wording(kind: .messageHandled, words: "finishes % pieces of work, ~ each on average")
        )
        for failure in WorkFailure.allCases {
            all.append(
                Wording(
                    kind: .workFailed,
                    variants: { $0 == failure.rawValue },
                    words: "\(failure.words) % times"
                )
            )
        }
        all += SumLine.each(
            .effectApplied,
            in: sums,
            { "the effect \($0) takes place % times" },
            open
        )
        all += SumLine.each(
            .effectSkipped,
            in: sums,
            { "the effect \($0) is skipped % times" },
            open
        )
        all.append(Wording(kind: .publishFailed, words: "cannot publish % that were to follow"))
        all.append(Wording(kind: .callStarted, words: "sends % requests"))
        all.append(Wording(kind: .callAnswered, words: "has % answers, after ~ on average"))
        all.append(Wording(kind: .callFailed, words: "gives % calls up"))
        all.append(Wording(kind: .answerDiscarded, words: "discards % answers that came too late"))
        return all
    }

    private static func brokerWordings(_ sums: [FactSum], _ open: OpenTrace) -> [SumLine.Wording] {
        typealias Wording = SumLine.Wording
        let isTaken = { (variant: UInt8) in variant == 0 }
        var all = SumLine.each(
            .messageRouted,
            in: sums,
            variants: isTaken,
            { "puts % copies into \($0)" },
            open
        )
        all += SumLine.each(
            .messageRouted,
            in: sums,
            variants: { $0 == 1 },
            { "refuses % copies: \($0) is full" },
            open
        )
        all += SumLine.each(.deliverySent, in: sums, { "sends % from \($0)" }, open)
        all += SumLine.each(.recordRead, in: sums, { "sends % records from \($0)" }, open)
        all += SumLine.each(.messageDeadLettered, in: sums, { "dead-letters % of \($0)" }, open)
        all += SumLine.each(.messageDropped, in: sums, { "loses or drops % of \($0)" }, open)
        all += SumLine.each(.messageRecovered, in: sums, { "finds % of \($0) again" }, open)
        all.append(Wording(kind: .messageUnroutable, words: "finds nobody for %"))
        return all
    }

    /// For people; `most` lines of what happened.
    func lines(_ most: Int) -> [String] {
        var lines = [Console.strong(name)]
        lines += happened.texts(most)
        if !did.isEmpty { lines.append("") }
        for line in did {
            let from = FactText.time(Instant(nanoseconds: line.first_ns))
            let until = FactText.time(Instant(nanoseconds: line.last_ns))
            lines.append(
                "  \(line.sentence)  "
                    + Console.quiet(line.count == 1 ? "(at \(from))" : "(\(from) to \(until))")
            )
        }
        if let idle_since_ns {
            let since = FactText.time(Instant(nanoseconds: idle_since_ns))
            lines.append("  idle since \(since)")
        } else {
            lines.append("  no message ever")
        }
        return lines
    }
}

/// Whether a client's name is that of an instance.
private func isNamed(_ client: String, _ instance: String) -> Bool {
    client == instance || instance.hasPrefix(client + "#")
}
