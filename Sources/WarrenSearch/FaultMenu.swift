import WarrenKernel
public import WarrenTopology

/// The faults that a search may choose from: each with whom it hits, without when and how long.
public struct FaultMenu: Sendable {
    /// The faults; their moment is 0.
    public let items: [Topology.Fault]
    private let words: [[Int]]
    private let places: [String: Int]

    /// Which of them a fault is, whenever it begins; nil for one of the file.
    func index(of fault: Topology.Fault) -> Int? { places[fault.words] }

    /// What a topology allows, and its `search:` section asks for.
    public init(_ topology: Topology) {
        var items: [Topology.Fault] = []
        let wanted = topology.search.faults.map(Set.init) ?? Set(FaultWord.searched)
        for word in FaultWord.searched where wanted.contains(word) {
            items += Self.faults(word, topology)
        }
        if let hits = topology.search.hits.map(Set.init) {
            items = items.filter { !Self.ends(of: $0).isDisjoint(with: hits) }
        }
        self.items = items
        places = Dictionary(
            items.enumerated().map { ($0.element.words, $0.offset) },
            uniquingKeysWith: { first, _ in first }
        )
        words = FaultWord.searched.map { word in
            items.indices.filter { items[$0].action == word }
        }
        .filter { !$0.isEmpty }
    }

    /// One of them: each word is as likely as any other.
    func pick(_ dice: inout Dice) -> Topology.Fault? {
        guard !words.isEmpty else { return nil }
        let word = words[dice.below(words.count)]
        return items[word[dice.below(word.count)]]
    }

    private static func ends(of fault: Topology.Fault) -> Set<String> {
        var ends = Set([fault.node, fault.client].compactMap(\.self))
        ends.formUnion(fault.from + fault.to + fault.groups.flatMap(\.self))
        return ends
    }

    private static func faults(_ word: FaultWord, _ topology: Topology) -> [Topology.Fault] {
        let place = Place.start(of: 0)
        func make(_ change: (inout Topology.Fault) -> Void) -> Topology.Fault {
            var fault = Topology.Fault(word, at: 0, place: place)
            change(&fault)
            return fault
        }
        let nodes = topology.nodePaths.map { path in make { $0.node = path } }
        let clients = topology.clients.flatMap { client in
            (1...client.instances).map { number in
                make {
                    $0.client = client.name
                    $0.instance = client.instances == 1 ? nil : number
                }
            }
        }
        let groups = topology.brokers.filter { $0.nodes.count > 1 }.flatMap { broker in
            broker.nodes.map { name in
                (
                    "\(broker.name)/\(name)",
                    broker.nodes.filter { $0 != name }.map { "\(broker.name)/\($0)" }
                )
            }
        }
        // A publisher that is killed begins anew, and publishes all its messages once more: that breaks counts, and is
        // no flaw.
        let restartable = clients.filter { fault in
            let role = topology.clients.first { $0.name == fault.client }?.role
            return topology.search.hits != nil || role?.works == true
        }
        let withDisks = topology.brokers.filter { $0.kind == "rabbitmq" }.flatMap { broker in
            broker.nodes.map { name in make { $0.node = "\(broker.name)/\(name)" } }
        }
        switch word {
        case .kill: return nodes + restartable
        case .pause: return nodes + clients
        case .restart: return nodes
        case .dropConnection: return nodes + clients
        case .partition: return groups.map { one in make { $0.groups = [[one.0], one.1] } }
        case .cut:
            return groups.map { one in
                make {
                    $0.from = [one.0]
                    $0.to = one.1
                }
            }
        case .slow, .slowDisk:
            let working = topology.clients.filter(\.role.works)
            let slow =
                word == .slow ? working.map { one in make { $0.client = one.name } } : withDisks
            return slow.map { fault in
                var fault = fault
                fault.factor = 20
                return fault
            }
        case .diskFull, .memoryAlarm: return withDisks
        default: return []
        }
    }
}

/// Draws of a search, each from the number of its run.
struct Dice {
    private var chance: Chance
    private let stream: StreamID

    init(_ seed: UInt64) {
        chance = Chance(seed: seed)
        stream = chance.stream("search")
    }

    /// A number from 0 to below `bound`.
    mutating func below(_ bound: Int) -> Int { Int(chance.below(UInt64(max(bound, 1)), stream)) }

    mutating func next() -> UInt64 { chance.below(.max, stream) }

    /// Yes, so often in a hundred.
    mutating func happens(_ hundredths: Int) -> Bool { below(100) < hundredths }

    mutating func pick<Element>(_ all: [Element]) -> Element { all[below(all.count)] }
}
