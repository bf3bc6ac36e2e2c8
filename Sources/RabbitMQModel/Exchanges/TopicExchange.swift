/// Routes by patterns of words: `*` stands for one word, `#` for any number of them.
///
/// The patterns form a trie of words; a key walks all branches that it can take at once.
/// - Source: RMQ-TOPIC-01 to RMQ-TOPIC-04.
package struct TopicExchange: ExchangeType {
    private struct Node: Sendable {
        var next: [String: Int] = [:]
        var destinations: [Destination] = []
    }

    private var nodes = [Node()]

    /// Adds a binding.
    package mutating func bind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        to destination: Destination
    ) {
        var node = 0
        for word in Self.words(of: key) {
            if let known = nodes[node].next[word] {
                node = known
            } else {
                nodes.append(Node())
                nodes[node].next[word] = nodes.count - 1
                node = nodes.count - 1
            }
        }
        nodes[node].destinations.append(destination)
    }

    /// Takes a binding away.
    package mutating func unbind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        from destination: Destination
    ) {
        // The branch stays: an empty one costs a look-up and comes back into use when bound again.
        var node = 0
        for word in Self.words(of: key) {
            guard let known = nodes[node].next[word] else { return }
            node = known
        }
        guard let index = nodes[node].destinations.firstIndex(of: destination) else { return }
        nodes[node].destinations.remove(at: index)
    }

    /// Adds the targets of a message.
    package func routes(for letter: Letter, into targets: inout [Destination]) {
        let words = Self.words(of: letter.key)
        var seen: Set<Place> = []
        walk(Place(node: 0, word: 0), words, &seen, &targets)
    }

    private struct Place: Hashable {
        var node: Int
        var word: Int
    }

    private func walk(
        _ place: Place,
        _ words: [String],
        _ seen: inout Set<Place>,
        _ targets: inout [Destination]
    ) {
        // Two ways to the same place would only repeat it: this bounds patterns such as #.#.#.
        guard seen.insert(place).inserted else { return }
        let node = nodes[place.node]
        if place.word == words.count {
            targets += node.destinations
        } else {
            if let same = node.next[words[place.word]], !Self.isWildcard(words[place.word]) {
                walk(Place(node: same, word: place.word + 1), words, &seen, &targets)
            }
            if let one = node.next["*"] {
                walk(Place(node: one, word: place.word + 1), words, &seen, &targets)
            }
        }
        if let any = node.next["#"] {
            for skipped in place.word...words.count {
                walk(Place(node: any, word: skipped), words, &seen, &targets)
            }
        }
    }

    /// Wildcards in a published key are plain words, and no pattern can hold them as such.
    private static func isWildcard(_ word: String) -> Bool { word == "*" || word == "#" }

    /// The words of a key: none for "", and empty ones between two dots.
    package static func words(of key: String) -> [String] {
        key.isEmpty
            ? [] : key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    }
}
