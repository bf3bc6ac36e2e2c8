/// What the model said and what the broker did.
public struct Comparison: Sendable {
    /// How a difference is to be taken.
    public enum Kind: String, Sendable, Comparable {
        /// The model is wrong.
        case divergence
        /// Both are allowed: it depends on who was first.
        case race
        /// It is listed among the behaviours.
        case known

        /// Divergences first.
        public static func < (one: Kind, other: Kind) -> Bool { one.rank < other.rank }

        private var rank: Int {
            switch self {
            case .divergence: 0
            case .race: 1
            case .known: 2
            }
        }
    }

    /// A difference.
    public struct Difference: Sendable {
        public var kind: Kind
        /// What differs: a message, a queue or a client.
        public var subject: String
        public var model: String
        public var broker: String
        /// Why it is a race, or where it is known from.
        public var why: String?
    }

    /// How many messages were compared.
    public let messages: Int
    /// The differences, divergences first.
    public let differences: [Difference]

    /// How many differences are of a kind.
    public func count(_ kind: Kind) -> Int { differences.count { $0.kind == kind } }

    /// Compares what became of each message, what came out of each queue in which order, and what clients were
    /// told.
    ///
    /// - Parameters:
    ///   - model: what the model said.
    ///   - broker: what the broker did.
    ///   - leeway: what the topology leaves to the moment.
    ///   - name: names a publisher by its node.
    public init(
        model: MessageFates,
        broker: MessageFates,
        leeway: Leeway,
        name: (UInt32) -> String
    ) {
        var found: [Difference] = []
        let keys = Set(model.fates.keys).union(broker.fates.keys).sorted()
        messages = keys.count
        var moved: Set<MessageFates.Key> = []
        for key in keys {
            let subject = "message \(key.number) of \(name(key.publisher))"
            guard let one = model.fates[key], let other = broker.fates[key] else {
                moved.insert(key)
                found.append(
                    Difference(
                        kind: .race,
                        subject: subject,
                        model: model.fates[key] == nil ? "never published" : "published",
                        broker: broker.fates[key] == nil ? "never published" : "published",
                        why: "its publisher answers others, or was down"
                    )
                )
                continue
            }
            var why = Self.race(one, other, leeway)
            let publisher = name(key.publisher).prefix { $0 != "#" }
            if why == nil, leeway.expiring.contains(String(publisher)),
                Self.wasReadOut(one, other)
            {
                why = "its time to live was over, and reading out what is left lets it go"
            }
            // Queues that the broker names are one: how many got it counts as well.
            if why == nil,
                one.passages.mapValues(\.routed) != other.passages.mapValues(\.routed),
                model.changed(about: one.publishedAt) || broker.changed(about: other.publishedAt)
            {
                why = "a queue or binding came or went about when it was published"
            }
            for (said, did) in Self.differences(one, other) {
                moved.insert(key)
                found.append(
                    Difference(
                        kind: why == nil ? .divergence : .race,
                        subject: subject,
                        model: said,
                        broker: did,
                        why: why
                    )
                )
            }
        }
        found += Self.orders(model, broker, moved, leeway.unordered, name)
        found += Self.refusals(model, broker)
        found += Self.heard(model, broker, leeway)
        differences = found.enumerated()
            .sorted { ($0.element.kind, $0.offset) < ($1.element.kind, $1.offset) }.map(\.element)
    }

    /// Why the two fates of a message may differ; nil if they may not.
    private static func race(
        _ one: MessageFates.Fate,
        _ other: MessageFates.Fate,
        _ leeway: Leeway
    ) -> String? {
        if one.wasInterrupted || other.wasInterrupted {
            return "a connection ended while it was out"
        }
        if [one, other].contains(where: { $0.wasOnItsWay && $0.passages.isEmpty }) {
            return "its publisher's connection ended while it was on its way"
        }
        if one.wasRetried || other.wasRetried || one.outcome == .unknown
            || other.outcome == .unknown
        {
            return "its publisher did not know what became of it"
        }
        if one.handled != other.handled, min(one.handled, other.handled) == 0,
            leeway.losingHands.contains(where: { queue in
                [one, other].allSatisfy { $0.passages[queue].map { $0.delivered > 0 } ?? false }
            })
        {
            return "a consumer died, and who held what depends on the moment"
        }
        if one.failed > 0 || other.failed > 0 {
            return "whether work fails depends on who gets the message as which"
        }
        let reasons = [one, other].flatMap { fate in
            fate.passages.values.flatMap { Array($0.deadLettered.keys) + Array($0.dropped.keys) }
        }
        if reasons.contains("expired") { return "it expired about when a consumer had room" }
        if reasons.contains("maxlen") { return "whether a queue is full depends on the moment" }
        let queues = Set(one.passages.keys).union(other.passages.keys).sorted()
        if let queue = queues.first(where: { leeway.losing[$0] != nil }) {
            return leeway.losing[queue]
        }
        if leeway.isCut, wasCut(one, other) { return "the run ended while it was under way" }
        return nil
    }

    /// Whether a message lies in a queue of the model, and nothing was seen of it on the broker.
    private static func wasReadOut(_ one: MessageFates.Fate, _ other: MessageFates.Fate) -> Bool {
        other.passages.isEmpty && one.passages.values.contains { $0.left > 0 && $0.delivered == 0 }
    }

    /// Whether a message was under way on one side when the run ended: it waits there for its confirm, lies in a queue
    /// that it has left on the other, or had not reached the model's broker (all that a real broker was sent is there
    /// when its queues are read out).
    private static func wasCut(_ one: MessageFates.Fate, _ other: MessageFates.Fate) -> Bool {
        if one.outcome != other.outcome, one.outcome == .waiting || other.outcome == .waiting {
            return true
        }
        if one.outcome == .unasked, one.passages.isEmpty, !one.wasUnroutable { return true }
        return one.passages.contains { queue, passage in
            other.passages[queue].map { $0.left != passage.left } ?? false
        }
    }

    private static func differences(_ one: MessageFates.Fate, _ other: MessageFates.Fate)
        -> [(String, String)]
    {
        var found: [(String, String)] = []
        if one.outcome != other.outcome {
            found.append((one.outcome.rawValue, other.outcome.rawValue))
        }
        for queue in Set(one.passages.keys).union(other.passages.keys).sorted() {
            let (mine, theirs) = (visible(one.passages[queue]), visible(other.passages[queue]))
            guard mine != theirs else { continue }
            found.append((words(mine, queue), words(theirs, queue)))
        }
        if one.handled != other.handled {
            found.append(("\(one.handled) times worked on", "\(other.handled) times"))
        }
        return found
    }

    /// A passage, unless nobody outside could see it: a copy that came and went without a word.
    private static func visible(_ passage: MessageFates.Passage?) -> MessageFates.Passage? {
        guard let passage, passage.delivered == 0, passage.left == 0, passage.deadLettered.isEmpty
        else { return passage }
        return nil
    }

    private static func words(_ passage: MessageFates.Passage?, _ queue: String) -> String {
        guard let passage else { return "never in \(queue)" }
        var parts = ["\(passage.routed) in \(queue)", "out \(passage.delivered)"]
        if passage.redelivered > 0 { parts.append("redelivered \(passage.redelivered)") }
        if passage.acked > 0 { parts.append("acked \(passage.acked)") }
        for (reason, count) in passage.deadLettered.sorted(by: { $0.key < $1.key }) {
            parts.append("dead-lettered \(count) (\(reason))")
        }
        for (reason, count) in passage.dropped.sorted(by: { $0.key < $1.key }) {
            parts.append("dropped \(count) (\(reason))")
        }
        if passage.left != 0 { parts.append("left \(passage.left)") }
        return parts.joined(separator: ", ")
    }

    /// The order in which messages came out of each queue; those whose fates differ are left out.
    private static func orders(
        _ model: MessageFates,
        _ broker: MessageFates,
        _ moved: Set<MessageFates.Key>,
        _ unordered: [String: String],
        _ name: (UInt32) -> String
    ) -> [Difference] {
        var found: [Difference] = []
        for queue in Set(model.order.keys).union(broker.order.keys).sorted() {
            let mine = (model.order[queue] ?? []).filter { !moved.contains($0) }
            let theirs = (broker.order[queue] ?? []).filter { !moved.contains($0) }
            guard mine != theirs else { continue }
            // One publisher's messages keep their order; those of several may come in any.
            let publishers = Set((mine + theirs).map(\.publisher)).sorted()
            func own(_ all: [MessageFates.Key], _ publisher: UInt32) -> [MessageFates.Key] {
                all.filter { $0.publisher == publisher }
            }
            let stray = publishers.first { own(mine, $0) != own(theirs, $0) }
            // What was out when a connection ended comes back in its own time.
            let isInterrupted = { (key: MessageFates.Key) in
                model.fates[key]?.wasInterrupted == true
                    || broker.fates[key]?.wasInterrupted == true
            }
            let isCalm = publishers.allSatisfy { publisher in
                own(mine, publisher).filter { !isInterrupted($0) }
                    == own(theirs, publisher).filter { !isInterrupted($0) }
            }
            let (left, right) = stray.map { (own(mine, $0), own(theirs, $0)) } ?? (mine, theirs)
            let place = zip(left, right).enumerated().first { $0.element.0 != $0.element.1 }
            func word(_ key: MessageFates.Key?) -> String {
                key.map { "message \($0.number) of \(name($0.publisher))" } ?? "nothing"
            }
            let index = place?.offset ?? min(left.count, right.count)
            let takers = model.takers[queue, default: []].union(broker.takers[queue, default: []])
            let why: String? =
                if stray == nil {
                    "\(publishers.count) publishers at once"
                } else if takers.count > 1 {
                    "what goes to \(takers.count) connections arrives in any order"
                } else if isCalm {
                    "a connection ended while it was out"
                } else {
                    unordered[queue]
                }
            found.append(
                Difference(
                    kind: why == nil ? .divergence : .race,
                    subject: stray.map { "order of \(queue), place \(index + 1) of \(name($0))" }
                        ?? "order of \(queue), place \(index + 1)",
                    model: word(index < left.count ? left[index] : nil),
                    broker: word(index < right.count ? right[index] : nil),
                    why: why
                )
            )
        }
        return found
    }

    /// Where what a script heard parts: what comes after that follows from it.
    private static func heard(
        _ model: MessageFates,
        _ broker: MessageFates,
        _ leeway: Leeway
    ) -> [Difference] {
        Set(model.heard.keys).union(broker.heard.keys).sorted().compactMap { script in
            let (mine, theirs) = (model.heard[script] ?? [], broker.heard[script] ?? [])
            let place = zip(mine, theirs).enumerated().first { $0.element.0 != $0.element.1 }
            guard mine != theirs else { return nil }
            let index = place?.offset ?? min(mine.count, theirs.count)
            let why =
                leeway.isAlone
                ? nil
                : leeway.isCut && place == nil ? "the run ended" : "others act at the same time"
            return Difference(
                kind: why == nil ? .divergence : .race,
                subject: "what \(script) heard, word \(index + 1)",
                model: index < mine.count ? mine[index] : "nothing",
                broker: index < theirs.count ? theirs[index] : "nothing",
                why: why
            )
        }
    }

    private static func refusals(_ model: MessageFates, _ broker: MessageFates) -> [Difference] {
        func count(_ all: [MessageFates.Refusal]) -> [MessageFates.Refusal: Int] {
            all.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        let (mine, theirs) = (count(model.refusals), count(broker.refusals))
        let all = Set(mine.keys).union(theirs.keys).sorted {
            ($0.client, $0.code, $0.text) < ($1.client, $1.code, $1.text)
        }
        return all.compactMap { refusal in
            let (one, other) = (mine[refusal] ?? 0, theirs[refusal] ?? 0)
            guard one != other else { return nil }
            // How often a client tries again is a matter of time; whether it is told so is not.
            return Difference(
                kind: one > 0 && other > 0 ? .race : .divergence,
                subject: "client \(refusal.client)",
                model: "\(one) times \(refusal.code) \(refusal.text)",
                broker: "\(other) times",
                why: one > 0 && other > 0 ? "how often it tried depends on the moment" : nil
            )
        }
    }
}
