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

    /// The stories of the clients or nodes that a name means.
    ///
    /// - Throws: ``Failure``, if it means none.
    static func all(named name: String, as role: OpenTrace.Role, _ open: OpenTrace) throws
        -> [NodeStory]
    {
        let nodes = try open.nodes(named: name, as: role)
        return try TraceOptions.wrap {
            let facts = try open.reader.rareFacts(of: open.run)
            let sums = try open.reader.sums(of: open.run)
            return nodes.map { node in
                switch role {
                case .client: client(node, open, facts, sums)
                case .node: broker(node, open, facts, sums)
                }
            }
        }
    }

    /// The story of a client.
    private static func client(
        _ node: NodeID,
        _ open: OpenTrace,
        _ facts: [Fact],
        _ sums: [FactSum]
    )
        -> NodeStory
    {
        let own = sums.filter { sum in
            sum.key.node == node
                || sum.key.kind.columns.peer == .node && sum.key.peer == node.raw
        }
        return NodeStory(node, open, facts, own, clientWordings(own, open))
    }

    /// The story of a node of a broker; connections of clients come and go without a line.
    private static func broker(
        _ node: NodeID,
        _ open: OpenTrace,
        _ facts: [Fact],
        _ sums: [FactSum]
    )
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
                || isElection(fact) && isSibling(open.text.node(fact.node.raw), name)
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
        var all = SumLine.each(
            .messagePublished,
            in: sums,
            { name in { n, _ in "publishes \(n) to \(name)" } },
            open
        )
        all.append(
            Wording(
                kind: .messageConfirmed,
                words: { n, mean in "has \(n) confirmed, after \(mean) on average" }
            )
        )
        all.append(Wording(kind: .messageNacked, words: { n, _ in "has \(n) nacked" }))
        all.append(Wording(kind: .messageReturned, words: { n, _ in "gets \(n) back, unroutable" }))
        all.append(Wording(kind: .messageRetried, words: { n, _ in "publishes \(n) again" }))
        let unknown = ["timed out", "connection lost", "never asked", "still waiting at the end"]
        for (number, words) in unknown.enumerated() {
            let isOne = { (variant: UInt8) in Int(variant) == number }
            all.append(
                Wording(
                    kind: .messageUnknown,
                    variants: isOne,
                    words: { n, _ in "does not know what became of \(n): \(words)" }
                )
            )
        }
        all += SumLine.each(
            .deliverySent,
            in: sums,
            { name in { n, mean in "is sent \(n) from \(name), after \(mean) in line on average" }
            },
            open
        )
        all.append(
            Wording(
                kind: .deliverySent,
                variants: SumLine.isRedelivered,
                words: { n, _ in "gets \(n) of them as redelivered" }
            )
        )
        all += SumLine.each(
            .recordRead,
            in: sums,
            { name in { n, _ in "is sent \(n) records from \(name)" } },
            open
        )
        all += SumLine.each(
            .recordSettled,
            in: sums,
            { name in { n, _ in "is done with \(n) records of \(name)" } },
            open
        )
        all += SumLine.each(
            .deliveryAcked,
            in: sums,
            { name in { n, _ in "acknowledges \(n) of \(name)" } },
            open
        )
        for (isOne, words) in [(UInt8(1), " and wants them requeued"), (0, "")] {
            all.append(
                Wording(
                    kind: .deliveryRejected,
                    variants: { $0 == isOne },
                    words: { n, _ in "rejects \(n)\(words)" }
                )
            )
        }
        all.append(
            Wording(
                kind: .messageHandled,
                words: { n, mean in "finishes \(n) pieces of work, \(mean) each on average" }
            )
        )
        for failure in WorkFailure.allCases {
            all.append(
                Wording(
                    kind: .workFailed,
                    variants: { $0 == failure.rawValue },
                    words: { n, _ in "\(failure.words) \(n) times" }
                )
            )
        }
        all += SumLine.each(
            .effectApplied,
            in: sums,
            { name in { n, _ in "the effect \(name) takes place \(n) times" } },
            open
        )
        all += SumLine.each(
            .effectSkipped,
            in: sums,
            { name in { n, _ in "the effect \(name) is skipped \(n) times" } },
            open
        )
        all.append(
            Wording(
                kind: .publishFailed,
                words: { n, _ in "cannot publish \(n) that were to follow" }
            )
        )
        all.append(Wording(kind: .callStarted, words: { n, _ in "sends \(n) requests" }))
        all.append(
            Wording(
                kind: .callAnswered,
                words: { n, mean in "has \(n) answers, after \(mean) on average" }
            )
        )
        all.append(Wording(kind: .callFailed, words: { n, _ in "gives \(n) calls up" }))
        all.append(
            Wording(
                kind: .answerDiscarded,
                words: { n, _ in "discards \(n) answers that came too late" }
            )
        )
        return all
    }

    private static func brokerWordings(_ sums: [FactSum], _ open: OpenTrace) -> [SumLine.Wording] {
        typealias Wording = SumLine.Wording
        let isTaken = { (variant: UInt8) in variant == 0 }
        var all = SumLine.each(
            .messageRouted,
            in: sums,
            variants: isTaken,
            { name in { n, _ in "puts \(n) copies into \(name)" } },
            open
        )
        all += SumLine.each(
            .messageRouted,
            in: sums,
            variants: { $0 == 2 },
            { name in { n, _ in "writes \(n) records to \(name)" } },
            open
        )
        all += SumLine.each(
            .messageRouted,
            in: sums,
            variants: { $0 == 1 },
            { name in { n, _ in "refuses \(n) copies: \(name) is full" } },
            open
        )
        all += SumLine.each(
            .deliverySent,
            in: sums,
            { name in { n, _ in "sends \(n) from \(name)" } },
            open
        )
        all += SumLine.each(
            .recordRead,
            in: sums,
            { name in { n, _ in "sends \(n) records from \(name)" } },
            open
        )
        all += SumLine.each(
            .messageDeadLettered,
            in: sums,
            { name in { n, _ in "dead-letters \(n) of \(name)" } },
            open
        )
        all += SumLine.each(
            .messageDropped,
            in: sums,
            { name in { n, _ in "loses or drops \(n) of \(name)" } },
            open
        )
        all += SumLine.each(
            .messageRecovered,
            in: sums,
            { name in { n, _ in "finds \(n) of \(name) again" } },
            open
        )
        all.append(Wording(kind: .messageUnroutable, words: { n, _ in "finds nobody for \(n)" }))
        return all
    }

    /// For people; `most` lines of what happened.
    func lines(_ most: Int) -> [String] {
        var lines = [Console.strong(name)]
        lines += happened.texts(most)
        if !did.isEmpty { lines.append("") }
        lines += did.map(\.text)
        if let idle_since_ns {
            let since = FactText.time(Instant(nanoseconds: idle_since_ns))
            lines.append("  idle since \(since)")
        } else {
            lines.append("  no message ever")
        }
        return lines
    }
}

/// Whether a node of a cluster leads a queue from now on, so that the others follow it.
private func isElection(_ fact: Fact) -> Bool {
    fact.kind == .leaderElected || fact.kind == .mirrorPromoted
}

/// Whether two nodes are of one cluster: nodes of a broker are called `broker/node`.
private func isSibling(_ one: String, _ other: String) -> Bool {
    guard let broker = one.split(separator: "/").first, one.contains("/") else { return false }
    return other.hasPrefix(broker + "/")
}

/// Whether a client's name is that of an instance.
private func isNamed(_ client: String, _ instance: String) -> Bool {
    client == instance || instance.hasPrefix(client + "#")
}
