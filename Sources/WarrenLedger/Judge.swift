public import WarrenTopology
public import WarrenTrace

/// The verdict on one expectation.
public struct Verdict: Sendable {
    /// How it was meant.
    public var kind: Topology.ExpectationKind
    /// Its name.
    public var name: String
    /// Whether it held.
    public var held: Bool
    /// Whether the file means it to break.
    public var isMeantToBreak: Bool
    /// Whether all is as the file says: it held, or broke as it was meant to.
    public var isAsMeant: Bool { held != isMeantToBreak }
    /// What it says, as a sentence.
    public var sentence: String
    /// The first message and moment that broke it.
    public var first: Watch.Broken?
}

/// Holds a run against its expectations.
public struct Judge: Sendable {
    private struct Item: Sendable {
        var expectation: Topology.Expectation
        var watched: Watched
        /// The number of the state that is watched for it.
        var state: Int?
    }

    private var items: [Item] = []
    /// Whether a client may ask that what no queue gets is returned.
    package var asksForReturns = true

    /// A judge of nothing.
    public init() {}

    /// Has an expectation watched.
    public mutating func add(
        _ expectation: Topology.Expectation,
        names: [String: Symbol],
        in watch: inout Watch
    ) {
        let watched = Watched(expectation.expression, names: names)
        var state: Int?
        switch expectation.kind {
        case .never where !expectation.expression.isAboutMessages:
            state = watch.add(watched, breaksWhen: true)
        case .always where !expectation.expression.isAboutMessages:
            state = watch.add(watched, breaksWhen: false)
        case .eventually:
            // Nothing breaks it on the way; the state remembers since when it has been true.
            state = watch.addPatient(watched)
        case .never, .always, .measure:
            watch.prepare(watched)
        }
        items.append(Item(expectation: expectation, watched: watched, state: state))
    }

    /// The verdicts, in file order.
    public func verdicts(_ ledger: Ledger) -> [Verdict] {
        items.map { item in
            let nothing = unmeasured(item, ledger)
            // What was not measured is neither kept nor broken by its numbers.
            let first =
                nothing != nil && item.expectation.holdsOnNothing
                ? nil : broken(item, ledger) ?? nothing
            return Verdict(
                kind: item.expectation.kind,
                name: item.expectation.name,
                held: first == nil,
                isMeantToBreak: item.expectation.isMeantToBreak,
                sentence: Self.sentence(item.expectation),
                first: first
            )
        }
    }

    private func broken(_ item: Item, _ ledger: Ledger) -> Watch.Broken? {
        let watch = ledger.watch
        switch item.expectation.kind {
        case .never, .always:
            if let state = item.state { return watch.states[state].first }
            return brokenMessage(item, ledger)
        case .measure:
            if watch.holds(item.watched, ledger) { return nil }
            return atEnd(ledger, watch.seen(item.watched, ledger))
        case .eventually:
            guard let state = item.state else { return nil }
            return brokenPromise(item, watch.states[state], ledger)
        }
    }

    /// An expectation about what never happened, or never could, does not hold: nothing was measured.
    private func unmeasured(_ item: Item, _ ledger: Ledger) -> Watch.Broken? {
        if item.expectation.expression.isAboutMessages, ledger.totals.published == 0 {
            return atEnd(ledger, "nothing was measured: no message was published")
        }
        if let reason = emptiness(of: item.expectation, ledger) {
            return atEnd(ledger, "nothing was measured: \(reason)")
        }
        let missing = item.watched.expression.quantities.first {
            ledger.watch.isUnmeasured($0, item.watched, ledger)
        }
        return missing.map { atEnd(ledger, "nothing was measured: \($0.words) has no value") }
    }

    private func atEnd(_ ledger: Ledger, _ seen: String) -> Watch.Broken {
        Watch.Broken(
            time: ledger.now,
            fact: ledger.factCount,
            event: 0,
            message: .none,
            seen: seen
        )
    }

    private func brokenPromise(_ item: Item, _ state: Watch.State, _ ledger: Ledger)
        -> Watch.Broken?
    {
        guard ledger.watch.holds(item.watched, ledger) else {
            return atEnd(
                ledger,
                "at the end " + ledger.watch.seen(item.watched, ledger)
            )
        }
        guard let within = item.expectation.within, let since = state.trueSince else { return nil }
        let deadline = ledger.lastStir + Interval(clamping: within)
        guard since > deadline else { return nil }
        return Watch.Broken(
            time: since,
            fact: 0,
            event: 0,
            message: .none,
            seen: "it came true too late"
        )
    }

    /// The first message that an expectation is broken for.
    private func brokenMessage(_ item: Item, _ ledger: Ledger) -> Watch.Broken? {
        guard let marks = ledger.watch.marks else { return nil }
        let bad = item.expectation.kind == .never
        for message in marks.bits.indices.dropFirst()
        where marks.bits[message] & Watch.published != 0 {
            let value = ledger.watch.isTrue(
                item.expectation.expression,
                of: message,
                item.watched,
                ledger
            )
            if value == bad {
                return Watch.Broken(
                    time: marks.last[message],
                    fact: 0,
                    event: 0,
                    message: MessageID(UInt32(message)),
                    seen: "m\(message)"
                )
            }
        }
        return nil
    }

    /// An expectation as a plain sentence.
    public static func sentence(_ expectation: Topology.Expectation) -> String {
        let inner = expectation.expression.sentence
        let about = expectation.expression.isAboutMessages
        switch expectation.kind {
        case .never: return about ? "no message ends so that \(inner)" : "never: \(inner)"
        case .always: return about ? "every message ends so that \(inner)" : "always: \(inner)"
        case .measure: return "over the whole run, \(inner)"
        case .eventually:
            guard let within = expectation.within else { return "in the end, \(inner)" }
            let time = Expression.Quantity.statistic(.mean, .wait("")).text(of: within)
            return "within \(time) of the last publication or fault, \(inner)"
        }
    }
}

extension Watch {
    /// Watches an expression that may be false on the way.
    mutating func addPatient(_ watched: Watched) -> Int {
        let number = add(watched, breaksWhen: false)
        states[number].isPatient = true
        return number
    }

    /// Watches a condition: ``hasHappened(_:)`` is true from the first moment at which it held.
    public mutating func addCondition(_ watched: Watched) -> Int { add(watched, breaksWhen: true) }
}
