package import RabbitMQModel
import WarrenTopology

/// Where a message goes, binding by binding, and why not elsewhere.
///
/// - Source: RMQ-ROUTE-01 to -09, RMQ-TOPIC, RMQ-HDR, RMQ-AE, RMQ-DLX. Bindings are compared by the code that the
///   simulation routes with.
package struct RouteWalk: Sendable {
    /// A step along a binding, or to an alternate exchange.
    package struct Hop: Sendable {
        /// The exchange that it leaves.
        package var exchange: String
        /// What leads on.
        package var kind: Kind
        /// The queue or exchange where it ends.
        package var destination: String
        package var toExchange: Bool
        /// Steps before it.
        package var depth: Int
    }

    /// What leads from an exchange to the next thing.
    package enum Kind: Sendable, Hashable {
        /// A binding, by its key and headers.
        case binding(key: String, headers: String)
        /// The name of a queue, at the default exchange.
        case name
        /// An alternate exchange, because nothing else fits.
        case alternate
        /// The hash of the key, which is another one on a real broker.
        case hash
    }

    /// A binding that does not fit, and why.
    package struct Miss: Sendable {
        package var exchange: String
        package var destination: String
        package var toExchange: Bool
        package var key: String
        package var why: String
    }

    /// Where dead letters of a queue go.
    package struct Burial: Sendable {
        package var queue: String
        /// What makes a message a dead letter there.
        package var reasons: [String]
        package var exchange: String
        package var key: String
        /// Whether the exchange is there.
        package var exists: Bool
        package var queues: [String]
    }

    package private(set) var hops: [Hop] = []
    /// The queues that get a copy, in the order in which they are found.
    package private(set) var queues: [String] = []
    /// The bindings that come nearest, the nearest first.
    package private(set) var misses: [Miss] = []
    /// How many bindings were looked at and did not fit.
    package private(set) var missCount = 0
    package private(set) var burials: [Burial] = []
    /// The bindings that it went along, as places in ``DefinitionSet/bindings``.
    package private(set) var bindings: Set<Int> = []
    /// Exchanges whose way of routing is not known.
    package private(set) var unknownTypes: [String] = []

    private var seen: Set<String> = []
    private var nearest: [(score: Int, miss: Miss)] = []
    private let limit: Int

    /// The way of a message with a key and headers from an exchange.
    ///
    /// `limit`: how many near misses are kept.
    package init(
        _ subject: Subject,
        from exchange: String,
        key: String,
        headers: [FieldValue.Field],
        in host: Host,
        limit: Int = 10
    ) {
        self.limit = limit
        let letter = Letter(key: key, headers: headers.sortedByName, for: subject.version)
        walk(exchange, letter, subject, host, 0)
        misses = nearest.sorted { $0.score > $1.score }.map(\.miss)
        bury(letter, subject, host)
    }

    private mutating func reach(_ queue: String) {
        if !queues.contains(queue) { queues.append(queue) }
    }

    private mutating func walk(
        _ exchange: String,
        _ letter: Letter,
        _ subject: Subject,
        _ host: Host,
        _ depth: Int
    ) {
        guard seen.insert(exchange).inserted,
            let type = host.type(ofExchange: exchange, in: subject.set)
        else { return }
        if exchange.isEmpty {
            if host.queues[letter.key] != nil {
                hops.append(
                    Hop(
                        exchange: "",
                        kind: .name,
                        destination: letter.key,
                        toExchange: false,
                        depth: depth
                    )
                )
                reach(letter.key)
            } else {
                missByName(letter.key, host)
            }
            return
        }
        let before = hops.count
        if type == "x-consistent-hash" {
            hash(exchange, letter, subject, host, depth)
        } else {
            for index in host.from[exchange] ?? [] {
                follow(index, type, letter, subject, host, depth)
            }
        }
        if !["direct", "fanout", "topic", "headers", "x-consistent-hash"].contains(type) {
            unknownTypes.append(exchange)
        }
        guard hops.count == before, let number = host.exchanges[exchange],
            let alternate = subject.alternate(number, in: host)
        else { return }
        hops.append(
            Hop(
                exchange: exchange,
                kind: .alternate,
                destination: alternate,
                toExchange: true,
                depth: depth
            )
        )
        walk(alternate, letter, subject, host, depth + 1)
    }

    private mutating func follow(
        _ index: Int,
        _ type: String,
        _ letter: Letter,
        _ subject: Subject,
        _ host: Host,
        _ depth: Int
    ) {
        let binding = subject.set.bindings[index].value
        let isThere =
            binding.toExchange
            ? host.hasExchange(binding.destination) : host.queues[binding.destination] != nil
        guard isThere else { return }
        if let (score, why) = Near.miss(binding, type, letter) {
            miss(
                score,
                Miss(
                    exchange: binding.source,
                    destination: binding.destination,
                    toExchange: binding.toExchange,
                    key: type == "headers" ? Near.words(binding.arguments) : binding.key,
                    why: why
                )
            )
            return
        }
        bindings.insert(index)
        let headers = type == "headers" ? Near.words(binding.arguments) : ""
        go(binding, .binding(key: binding.key, headers: headers), letter, subject, host, depth)
    }

    private mutating func go(
        _ binding: BindingDeclaration,
        _ kind: Kind,
        _ letter: Letter,
        _ subject: Subject,
        _ host: Host,
        _ depth: Int
    ) {
        hops.append(
            Hop(
                exchange: binding.source,
                kind: kind,
                destination: binding.destination,
                toExchange: binding.toExchange,
                depth: depth
            )
        )
        if binding.toExchange {
            walk(binding.destination, letter, subject, host, depth + 1)
        } else {
            reach(binding.destination)
        }
    }

    private mutating func hash(
        _ exchange: String,
        _ letter: Letter,
        _ subject: Subject,
        _ host: Host,
        _ depth: Int
    ) {
        let places = (host.from[exchange] ?? []).filter {
            ConsistentHashExchange.weight(subject.set.bindings[$0].value.key) != nil
        }
        let rows = places.map { subject.set.bindings[$0].value }
        let arguments =
            host.exchanges[exchange].map { subject.set.exchanges[$0].value.arguments } ?? []
        guard var type = Exchange.type(named: "x-consistent-hash", arguments) else { return }
        for (number, binding) in rows.enumerated() {
            type.bind(binding.key, binding.arguments, to: .queue(Index(number)))
        }
        var targets: [Destination] = []
        type.routes(for: letter, into: &targets)
        for case .queue(let number) in targets {
            bindings.insert(places[number.place])
            go(rows[number.place], .hash, letter, subject, host, depth)
        }
    }

    private mutating func miss(_ score: Int, _ miss: Miss) {
        missCount += 1
        if nearest.count < limit {
            nearest.append((score, miss))
        } else if let least = nearest.indices.min(by: { nearest[$0].score < nearest[$1].score }),
            nearest[least].score < score
        {
            nearest[least] = (score, miss)
        }
    }

    private mutating func missByName(_ key: String, _ host: Host) {
        missCount += host.queues.count
        guard host.queues.count <= 10_000,
            let near = DidYouMean.nearest(to: key, in: host.queues.keys.sorted())
        else { return }
        misses.append(
            Miss(
                exchange: "",
                destination: near,
                toExchange: false,
                key: near,
                why: "the key is '\(key)'"
            )
        )
        nearest.append((1, misses.removeLast()))
    }

    // MARK: Dead letters

    private mutating func bury(_ letter: Letter, _ subject: Subject, _ host: Host) {
        var next = 0
        var list = queues
        while next < list.count, next < 100 {
            let name = list[next]
            next += 1
            guard let index = host.queues[name] else { continue }
            let rules = subject.rules(index, in: host)
            guard let exchange = rules.deadLetterExchange else { continue }
            let key = rules.deadLetterKey ?? letter.key
            var onward = letter
            onward.key = key
            let isThere = host.hasExchange(exchange)
            let targets =
                isThere
                ? RouteWalk(
                    subject,
                    from: exchange,
                    key: key,
                    headers: letter.headers,
                    in: host,
                    depth: 0
                ).queues : []
            burials.append(
                Burial(
                    queue: name,
                    reasons: Self.reasons(rules),
                    exchange: exchange,
                    key: key,
                    exists: isThere,
                    queues: targets
                )
            )
            for target in targets where !list.contains(target) { list.append(target) }
        }
    }

    /// A way without its dead letters.
    private init(
        _ subject: Subject,
        from exchange: String,
        key: String,
        headers: [FieldValue.Field],
        in host: Host,
        depth: Int
    ) {
        limit = 0
        walk(
            exchange,
            Letter(key: key, headers: headers, for: subject.version),
            subject,
            host,
            depth
        )
    }

    private static func reasons(_ rules: QueueRules) -> [String] {
        var reasons = rules.kind == .stream ? [] : ["rejected"]
        if let ttl = rules.ttl { reasons.append("waiting \(Words.time(ttl))") }
        if let limit = rules.maxLength, rules.overflow != .rejectPublish {
            reasons.append("beyond \(limit) messages")
        }
        if let bytes = rules.maxBytes, rules.overflow != .rejectPublish {
            reasons.append("beyond \(bytes) bytes")
        }
        if let limit = rules.deliveryLimit { reasons.append("back more than \(limit) times") }
        return reasons
    }
}

/// Why a binding does not fit, and how near it comes.
private enum Near {
    /// Nil if it fits.
    static func miss(_ binding: BindingDeclaration, _ type: String, _ letter: Letter) -> (
        score: Int, why: String
    )? {
        switch type {
        case "fanout": nil
        case "topic": topic(binding.key, letter.key)
        case "headers": headers(binding.arguments, letter)
        default: direct(binding.key, letter.key)
        }
    }

    private static func direct(_ wanted: String, _ key: String) -> (Int, String)? {
        if wanted == key { return nil }
        let same = zip(wanted.utf8, key.utf8).prefix { $0.0 == $0.1 }.count
        let hint =
            wanted.contains("*") || wanted.contains("#")
            ? "; a direct exchange has no wildcards" : ""
        return (same * 10 - wanted.utf8.count, "the key is '\(key)'\(hint)")
    }

    private static func topic(_ pattern: String, _ key: String) -> (Int, String)? {
        let keys = Keys(binding: pattern, exchangeType: "topic")
        if keys.overlaps(.one(key)) { return nil }
        let wanted = TopicExchange.words(of: pattern)
        let words = TopicExchange.words(of: key)
        for (index, word) in wanted.enumerated() where word != "#" {
            guard index < words.count else {
                return (index * 10, "the key ends before word \(index + 1), '\(word)'")
            }
            if word == "*" || word == words[index] { continue }
            let hint =
                word.contains("*") || word.contains("#")
                ? "; a wildcard within a word is a plain letter" : ""
            return (index * 10, "word \(index + 1) is '\(words[index])' and not '\(word)'\(hint)")
        }
        if let hash = wanted.firstIndex(of: "#") {
            return (hash * 10, "what comes after '#' does not fit the end of the key")
        }
        return (
            wanted.count * 10, "the key has \(words.count) words, and the pattern \(wanted.count)"
        )
    }

    private static func headers(_ arguments: [FieldValue.Field], _ letter: Letter) -> (Int, String)?
    {
        let sorted = arguments.sortedByName
        if HeadersExchange.matches(sorted, letter.headers, exactly: letter.version >= Version(4, 0))
        {
            return nil
        }
        let mode = HeadersExchange.Mode(of: arguments)
        let compared = sorted.filter {
            $0.name != "x-match" && (mode.takesX || !$0.name.hasPrefix("x-"))
        }
        guard mode.needsAll else {
            return (
                0,
                compared.isEmpty
                    ? "it names no header, and x-match is any"
                    : "none of its headers is as it wants"
            )
        }
        var hits = 0
        for field in compared {
            guard let value = letter.headers[field.name] else {
                return (hits * 10, "the header '\(field.name)' is missing")
            }
            guard field.value == .void || field.value.matches(value) else {
                return (
                    hits * 10,
                    "the header '\(field.name)' is \(value.term) and not \(field.value.term)"
                )
            }
            hits += 1
        }
        return (hits * 10, "a header does not fit")
    }

    static func words(_ arguments: [FieldValue.Field]) -> String {
        arguments.map { "\($0.name)=\($0.value.printed)" }.joined(separator: " ")
    }
}
