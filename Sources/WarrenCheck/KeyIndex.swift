import RabbitMQModel

/// The bindings of an exchange, found by the keys that a message may have.
///
/// Asking for one key costs what the key's words cost, however many bindings there are.
///
/// - Source: RMQ-ROUTE-01 to -04, RMQ-TOPIC-01 to -04.
struct KeyIndex {
    private enum Form {
        /// By the key itself.
        case direct([String: [Int]])
        /// By words.
        case topic([Node])
        /// The key plays no part, or nobody knows which.
        case every
    }

    /// A place in the tree of patterns; what follows `#` hangs under a node that takes any word and stays.
    private struct Node {
        var words: [String: Int] = [:]
        var star: Int?
        var hash: Int?
        var staysOnAnyWord = false
        var ends: [Int] = []
    }

    private struct Spot: Hashable {
        var node: Int
        var position: Int
    }

    private var form: Form
    private var all: [Int] = []

    /// Whether every message finds the same bindings.
    var takesNoNotice: Bool {
        if case .every = form { true } else { false }
    }

    init(exchangeType: String) {
        form =
            switch exchangeType {
            case "direct": .direct([:])
            case "topic": .topic([Node()])
            default: .every
            }
    }

    /// Takes a binding in, under a number of the caller's.
    mutating func add(_ number: Int, key: String) {
        all.append(number)
        switch form {
        case .direct(var keys):
            form = .every
            keys[key, default: []].append(number)
            form = .direct(keys)
        case .topic(var nodes):
            form = .every
            var at = 0
            for word in TopicExchange.words(of: key) { at = Self.step(word, from: at, &nodes) }
            nodes[at].ends.append(number)
            form = .topic(nodes)
        case .every: break
        }
    }

    private static func step(_ word: String, from at: Int, _ nodes: inout [Node]) -> Int {
        let known =
            switch word {
            case "*": nodes[at].star
            case "#": nodes[at].hash
            default: nodes[at].words[word]
            }
        if let known { return known }
        nodes.append(Node())
        let made = nodes.count - 1
        switch word {
        case "*": nodes[at].star = made
        case "#":
            nodes[at].hash = made
            nodes[made].staysOnAnyWord = true
        default: nodes[at].words[word] = made
        }
        return made
    }

    /// The numbers of the bindings that some message with these keys finds, in the order in which they came, and what it
    /// cost to find them.
    func matching(_ keys: Keys) -> (numbers: [Int], steps: Int) {
        switch (form, keys) {
        case (.every, _), (_, .any): return (all, all.count)
        case (.direct(let index), .one(let key)): return (index[key] ?? [], 1)
        case (.direct(let index), .pattern(let words)):
            var found: [Int] = []
            let pattern = Keys.pattern(words)
            for (key, numbers) in index where pattern.overlaps(.one(key)) { found += numbers }
            return (found.sorted(), index.count)
        case (.topic(let nodes), .one(let key)):
            return Self.walk(nodes, TopicExchange.words(of: key), isKey: true)
        case (.topic(let nodes), .pattern(let words)):
            return Self.walk(nodes, words, isKey: false)
        }
    }

    /// Goes through the tree of patterns and the words side by side; wildcards of a key are plain words.
    private static func walk(_ nodes: [Node], _ words: [String], isKey: Bool) -> ([Int], Int) {
        var seen: Set<Spot> = []
        var open: [Spot] = []
        var found: [Int] = []
        func visit(_ node: Int?, _ position: Int) {
            guard let node else { return }
            let spot = Spot(node: node, position: position)
            if seen.insert(spot).inserted { open.append(spot) }
        }
        visit(0, 0)
        while let spot = open.popLast() {
            let node = nodes[spot.node]
            visit(node.hash, spot.position)
            guard spot.position < words.count else {
                found += node.ends
                continue
            }
            let word = words[spot.position]
            let isHash = !isKey && word == "#"
            if isHash { visit(spot.node, spot.position + 1) }
            let next = isHash ? spot.position : spot.position + 1
            if isHash || !isKey && word == "*" {
                for child in node.words.values { visit(child, next) }
            } else {
                visit(node.words[word], next)
            }
            visit(node.star, next)
            if node.staysOnAnyWord { visit(spot.node, next) }
        }
        return (found.sorted(), seen.count)
    }
}
