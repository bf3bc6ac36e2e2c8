import RabbitMQModel

/// The keys that a message may have: one, or all that a pattern of words describes.
///
/// - Source: RMQ-TOPIC-01 to -04 for the words of patterns.
enum Keys: Hashable {
    case one(String)
    case pattern([String])
    /// Nothing is known of them.
    case any

    /// The keys that a binding lets through.
    init(binding key: String, exchangeType: String) {
        switch exchangeType {
        case "direct": self = .one(key)
        case "topic":
            let words = TopicExchange.words(of: key)
            self = words.contains { $0 == "*" || $0 == "#" } ? .pattern(words) : .one(key)
        default: self = .any
        }
    }

    /// Whether some key is among both.
    func overlaps(_ other: Keys) -> Bool {
        switch (self, other) {
        case (.any, _), (_, .any): true
        case (.one(let mine), .one(let theirs)): mine == theirs
        case (.one(let key), .pattern(let words)), (.pattern(let words), .one(let key)):
            Self.meet(words[...], TopicExchange.words(of: key)[...], isKey: true)
        case (.pattern(let mine), .pattern(let theirs)):
            Self.meet(mine[...], theirs[...], isKey: false)
        }
    }

    /// Whether some key matches both patterns; wildcards of a key are plain words.
    private static func meet(_ one: ArraySlice<String>, _ other: ArraySlice<String>, isKey: Bool)
        -> Bool
    {
        // Row by row over the words of both: at most a few dozen.
        let (a, b) = (Array(one), Array(other))
        var row = [Bool](repeating: false, count: b.count + 1)
        for i in stride(from: a.count, through: 0, by: -1) {
            var next = row
            for j in stride(from: b.count, through: 0, by: -1) {
                let mine = i < a.count ? a[i] : nil
                let theirs = j < b.count ? b[j] : nil
                var meets = mine == nil && theirs == nil
                if mine == "#" { meets = meets || row[j] || (j < b.count && next[j + 1]) }
                if theirs == "#", !isKey {
                    meets = meets || (j < b.count && next[j + 1]) || row[j] && i < a.count
                }
                if let mine, let theirs {
                    let fits = mine == "*" || (theirs == "*" && !isKey) || mine == theirs
                    let hasHash = mine == "#" || (theirs == "#" && !isKey)
                    if fits, !hasHash { meets = meets || row[j + 1] }
                }
                next[j] = meets
            }
            row = next
        }
        return row[0]
    }

    /// Whether every key of a pattern is one of another.
    static func covers(_ wide: [String], _ narrow: [String]) -> Bool {
        guard let first = wide.first else { return narrow.isEmpty }
        let rest = Array(wide.dropFirst())
        if first == "#" {
            return covers(rest, narrow)
                || !narrow.isEmpty && covers(wide, Array(narrow.dropFirst()))
        }
        guard let word = narrow.first, word != "#" else { return false }
        return (first == "*" || first == word) && covers(rest, Array(narrow.dropFirst()))
    }
}

extension Subject {
    /// Whether some message with one of these keys reaches a queue from an exchange, through exchanges and alternates.
    func reachesQueue(_ exchange: String, _ keys: Keys, in host: Host) -> Bool {
        var seen: Set<String> = []
        return reachesQueue(exchange, keys, host, &seen)
    }

    private func reachesQueue(
        _ exchange: String,
        _ keys: Keys,
        _ host: Host,
        _ seen: inout Set<String>
    ) -> Bool {
        guard seen.insert(exchange).inserted, let type = host.type(ofExchange: exchange, in: set)
        else { return false }
        if exchange.isEmpty {
            guard case .one(let key) = keys else { return !host.queues.isEmpty }
            return host.queues[key] != nil
        }
        for index in host.from[exchange] ?? [] {
            let binding = set.bindings[index].value
            guard keys.overlaps(Keys(binding: binding.key, exchangeType: type)) else { continue }
            if binding.toExchange {
                if reachesQueue(binding.destination, keys, host, &seen) { return true }
            } else if host.queues[binding.destination] != nil {
                return true
            }
        }
        guard let number = host.exchanges[exchange], let alternate = alternate(number, in: host)
        else { return false }
        return reachesQueue(alternate, keys, host, &seen)
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

    /// The queues that messages with one of these keys may reach from an exchange.
    func queues(from exchange: String, _ keys: Keys, in host: Host) -> [String] {
        var seen: Set<String> = []
        var found: [String] = []
        collect(exchange, keys, host, &seen, &found)
        return found
    }

    private func collect(
        _ exchange: String,
        _ keys: Keys,
        _ host: Host,
        _ seen: inout Set<String>,
        _ found: inout [String]
    ) {
        guard seen.insert(exchange).inserted, let type = host.type(ofExchange: exchange, in: set)
        else { return }
        if exchange.isEmpty {
            if case .one(let key) = keys, host.queues[key] != nil, !found.contains(key) {
                found.append(key)
            }
            return
        }
        var isRouted = false
        for index in host.from[exchange] ?? [] {
            let binding = set.bindings[index].value
            guard keys.overlaps(Keys(binding: binding.key, exchangeType: type)) else { continue }
            isRouted = true
            if binding.toExchange {
                collect(binding.destination, keys, host, &seen, &found)
            } else if host.queues[binding.destination] != nil, !found.contains(binding.destination)
            {
                found.append(binding.destination)
            }
        }
        if !isRouted, let number = host.exchanges[exchange],
            let alternate = alternate(number, in: host)
        {
            collect(alternate, keys, host, &seen, &found)
        }
    }
}
