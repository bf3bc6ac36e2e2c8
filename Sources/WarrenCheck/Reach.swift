import RabbitMQModel

/// Where messages of a virtual host may come to: made as it is asked for, each question once.
final class Reach {
    /// The queues that messages with certain keys may reach from an exchange.
    struct Queues {
        /// In the order in which the bindings name them.
        var list: [String] = []
        var members: Set<String> = []

        mutating func add(_ queue: String) {
            if members.insert(queue).inserted { list.append(queue) }
        }
    }

    private struct Question: Hashable {
        var exchange: String
        var keys: Keys
    }

    /// More steps than that are not worth the answer.
    private static let most = 20_000_000

    private var indexes: [String: KeyIndex] = [:]
    private var answers: [Question: Queues] = [:]
    /// By exchange whose every message goes the same way.
    private var fixed: [String: Queues] = [:]
    private var steps = 0

    /// Whether some question was left without an answer, because there are too many ways.
    var isTooMuch: Bool { steps > Self.most }

    /// Counts work done with the answers as well.
    func spend(_ count: Int) { steps += count }

    /// The queues that messages with one of these keys may reach from an exchange, through exchanges and alternates;
    /// none once there was too much to follow.
    func queues(_ exchange: String, _ keys: Keys, _ subject: Subject, _ host: Host) -> Queues {
        if let known = fixed[exchange] { return known }
        let question = Question(exchange: exchange, keys: keys)
        if let known = answers[question] { return known }
        guard !isTooMuch else { return Queues() }
        var walk = Walk(subject: subject, host: host, keys: keys)
        collect(exchange, &walk)
        if walk.isFixed {
            fixed[exchange] = walk.found
        } else {
            answers[question] = walk.found
        }
        return walk.found
    }

    private struct Walk {
        let subject: Subject
        let host: Host
        let keys: Keys
        var seen: Set<String> = []
        var found = Queues()
        /// Whether no exchange on the way looked at the key.
        var isFixed = true
    }

    private func collect(_ exchange: String, _ walk: inout Walk) {
        let (subject, host) = (walk.subject, walk.host)
        guard walk.seen.insert(exchange).inserted,
            let type = host.type(ofExchange: exchange, in: subject.set)
        else { return }
        if exchange.isEmpty {
            walk.isFixed = false
            switch walk.keys {
            case .one(let key): if host.queues[key] != nil { walk.found.add(key) }
            case .any, .pattern: for (queue, _) in host.inOrder { walk.found.add(queue) }
            }
            return
        }
        let index = index(exchange, type, subject, host)
        walk.isFixed = walk.isFixed && index.takesNoNotice
        let (numbers, cost) = index.matching(walk.keys)
        steps += cost + numbers.count
        for number in numbers {
            let binding = subject.set.bindings[number].value
            if binding.toExchange {
                collect(binding.destination, &walk)
            } else if host.queues[binding.destination] != nil {
                walk.found.add(binding.destination)
            }
        }
        // Of several keys some may fit no binding, and headers nobody knows.
        let isCertain =
            if case .one = walk.keys { !index.takesNoNotice || type == "fanout" } else {
                type == "fanout"
            }
        if numbers.isEmpty || !isCertain, let number = host.exchanges[exchange],
            let alternate = subject.alternate(number, in: host)
        {
            collect(alternate, &walk)
        }
    }

    private func index(_ exchange: String, _ type: String, _ subject: Subject, _ host: Host)
        -> KeyIndex
    {
        if let known = indexes[exchange] { return known }
        var made = KeyIndex(exchangeType: type)
        for number in host.from[exchange] ?? [] {
            made.add(number, key: subject.set.bindings[number].value.key)
        }
        indexes[exchange] = made
        return made
    }
}

extension Host {
    /// The queues with their places, in file order.
    var inOrder: [(String, Int)] {
        queues.sorted { $0.value < $1.value }.map { ($0.key, $0.value) }
    }
}

extension Subject {
    /// Whether some message with one of these keys reaches a queue from an exchange; true if nobody can say.
    func reachesQueue(_ exchange: String, _ keys: Keys, in host: Host) -> Bool {
        !queues(from: exchange, keys, in: host).list.isEmpty || host.reach.isTooMuch
    }

    /// The queues that messages with one of these keys may reach from an exchange.
    func queues(from exchange: String, _ keys: Keys, in host: Host) -> Reach.Queues {
        host.reach.queues(exchange, keys, self, host)
    }

    /// The keys with which messages may come into a queue, as far as bindings tell; its own name if it has none.
    func keys(into queue: String, in host: Host, limit: Int = 16) -> [Keys] {
        var found: [Keys] = []
        for index in host.toQueue[queue] ?? [] {
            guard found.count < limit else { return [.any] }
            let binding = set.bindings[index].value
            guard let type = host.type(ofExchange: binding.source, in: set) else { continue }
            let keys = Keys(binding: binding.key, exchangeType: type)
            if !found.contains(keys) { found.append(keys) }
        }
        return found.isEmpty ? [.one(queue)] : found
    }
}
