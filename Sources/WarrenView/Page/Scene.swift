/// What stands in the picture of a run, and where: objects in layers from the left to the right, and the ways between them.
public struct Scene: Sendable {
    /// What an object is.
    public enum Kind: String, Sendable, Hashable {
        case producer, exchange, queue, consumer
    }

    /// Something that stands in the picture.
    public struct Object: Sendable {
        public var kind: Kind
        public var name: String
        /// What it is, in a few words: the type of an exchange or queue, what a client does.
        public var note: String
        /// The symbols of it, and its nodes: a client has one for each instance.
        public var symbols: [UInt32]
        public var nodes: [UInt32]
        /// How many deliveries an instance may hold; 0 for no limit.
        public var prefetch: Int
        /// How many messages fit; 0 for no limit.
        public var room: Int
        /// How many things it stands for: more than one, if it is a group of things with names of one pattern.
        package internal(set) var members = 1
        var layer = 0
        package fileprivate(set) var x = 0.0
        package fileprivate(set) var y = 0.0
        package fileprivate(set) var width = 0.0
        package fileprivate(set) var height = 0.0

        /// An object that has no place yet.
        public init(
            _ kind: Kind,
            _ name: String,
            note: String = "",
            symbols: [UInt32] = [],
            nodes: [UInt32] = [],
            prefetch: Int = 0,
            room: Int = 0
        ) {
            self.kind = kind
            self.name = name
            self.note = note
            self.symbols = symbols
            self.nodes = nodes
            self.prefetch = prefetch
            self.room = room
        }
    }

    /// A way from one object to another.
    public struct Edge: Sendable, Hashable {
        /// What goes along it.
        public enum Kind: String, Sendable, Hashable {
            case message, deadLetter, alternate
        }

        public var from: Int
        public var to: Int
        public var kind: Kind
        public var label: String

        /// A way between the objects with these numbers.
        public init(from: Int, to: Int, kind: Kind = .message, label: String = "") {
            self.from = from
            self.to = to
            self.kind = kind
            self.label = label
        }
    }

    public private(set) var objects: [Object]
    public private(set) var edges: [Edge]
    /// The brokers, with the nodes of each: a frame around what belongs to them.
    public private(set) var brokers: [(name: String, note: String, nodes: [UInt32])]
    private(set) var width = 0.0
    private(set) var height = 0.0
    private var narrow: [(x: Double, y: Double)] = []
    private var narrowHeight = 0.0
    private var chips: [[(node: UInt32, x: Double, y: Double, width: Double)]] = []
    private var frame = (x: 0.0, y: 0.0, width: 0.0, height: 0.0)

    /// The picture of some objects, with a place for each: the same objects give the same picture, always.
    public init(
        _ objects: [Object],
        _ edges: [Edge],
        brokers: [(name: String, note: String, nodes: [UInt32])]
    ) {
        let folded = Folding(objects, edges)
        self.objects = folded.objects
        self.edges = folded.edges
        self.brokers = brokers
        setSizes()
        setLayers()
        place()
    }

    // MARK: Sizes and layers

    private mutating func setSizes() {
        for index in objects.indices {
            let count = max(objects[index].nodes.count, 1)
            switch objects[index].kind {
            case .producer: (objects[index].width, objects[index].height) = (118, 54)
            case .exchange: (objects[index].width, objects[index].height) = (124, 38)
            case .queue: (objects[index].width, objects[index].height) = (176, 34)
            case .consumer:
                objects[index].width = 172
                let rows = objects[index].members > 1 ? 2 : min(count, 12)
                objects[index].height = 34 + 9 * Double(rows)
            }
        }
    }

    /// Whoever publishes stands first, then exchanges as far from them as the longest way, then queues, then consumers.
    private mutating func setLayers() {
        let exchanges = objects.indices.filter { objects[$0].kind == .exchange }
        for index in exchanges { objects[index].layer = 1 }
        for _ in exchanges {
            for edge in edges
            where edge.kind == .message && objects[edge.from].kind == .exchange
                && objects[edge.to].kind == .exchange
            {
                let next = objects[edge.from].layer + 1
                // A circle of exchanges is no longer than there are exchanges.
                if next <= exchanges.count {
                    objects[edge.to].layer = max(objects[edge.to].layer, next)
                }
            }
        }
        let last = exchanges.map { objects[$0].layer }.max() ?? 0
        // What is fed by an exchange or a queue alone stands beyond the others.
        for index in exchanges where last == 1 {
            let incoming = edges.filter { $0.to == index }
            if !incoming.isEmpty, incoming.allSatisfy({ objects[$0.from].kind != .producer }) {
                objects[index].layer = 2
            }
        }
        let queues = (exchanges.map { objects[$0].layer }.max() ?? 0) + 1
        for index in objects.indices {
            switch objects[index].kind {
            case .producer: objects[index].layer = 0
            case .exchange: break
            case .queue: objects[index].layer = queues
            case .consumer: objects[index].layer = queues + 1
            }
        }
    }

    // MARK: Places

    /// What nothing but dead letters and what finds no way comes to.
    private var buried: Set<Int> {
        var buried: Set<Int> = []
        var isMore = true
        while isMore {
            isMore = false
            for index in objects.indices where !buried.contains(index) {
                let incoming = edges.filter { $0.to == index }
                let isBuried =
                    !incoming.isEmpty
                    && incoming.allSatisfy { $0.kind != .message || buried.contains($0.from) }
                if isBuried {
                    buried.insert(index)
                    isMore = true
                }
            }
        }
        return buried
    }

    private mutating func place() {
        var layers: [[Int]] = []
        for index in objects.indices {
            while layers.count <= objects[index].layer { layers.append([]) }
            layers[objects[index].layer].append(index)
        }
        layers.removeAll { $0.isEmpty }
        order(&layers)
        let gapY = 36.0
        let buried = buried
        let heights = layers.map { layer in
            layer.reduce(-gapY) { $0 + objects[$1].height + gapY }
        }
        let tallest = heights.max() ?? 0
        var x = 28.0
        for (number, layer) in layers.enumerated() {
            let wide = layer.map { objects[$0].width }.max() ?? 0
            // What takes dead letters alone stands low, out of the way of what goes past it.
            let isLow = layer.allSatisfy(buried.contains) && number > 0
            var y = (tallest - heights[number]) / (isLow ? 1 : 2)
            for index in layer {
                objects[index].x = x + (wide - objects[index].width) / 2
                objects[index].y = y
                y += objects[index].height + gapY
            }
            let longest =
                edges.filter { layer.contains($0.from) && $0.kind == .message }
                .map { min($0.label.count, 26) }.max() ?? 0
            x += wide + (longest > 0 ? 90 + Double(longest) * 4 : 72)
        }
        width = x - 72 + 28
        let inside = objects.filter { $0.kind == .exchange || $0.kind == .queue }
        let left = (inside.map(\.x).min() ?? 0) - 24
        let right = (inside.map { $0.x + $0.width }.max() ?? 0) + 24
        let rows = placeNodes(left + 14, right - 14)
        // The name of a queue stands above it, and below the nodes.
        let top = 44 + 23 * Double(rows) + (rows > 1 ? 12 : 0)
        for index in objects.indices { objects[index].y += top }
        height = top + tallest + 40
        frame = (left, 14, max(right - left, 0), height - 28)
        placeNarrow()
    }

    /// The nodes of brokers stand in rows at the top of the frame; returns how many rows there are.
    private mutating func placeNodes(_ left: Double, _ right: Double) -> Int {
        var (x, row) = (left, 0)
        chips = brokers.map { broker in
            broker.nodes.map { node in
                let wide = 150.0
                if x + wide > right, x > left { (x, row) = (left, row + 1) }
                defer { x += wide + 8 }
                return (node, x, 44 + 23 * Double(row), wide)
            }
        }
        return row + 1
    }

    /// Places for a narrow page: whoever publishes and exchanges at the top, each queue beside who consumes from it.
    private mutating func placeNarrow() {
        narrow = objects.map { _ in (0, 0) }
        var (left, right) = (24.0, 24.0)
        for index in objects.indices where objects[index].kind == .producer {
            narrow[index] = (14, left)
            left += 70
        }
        for index in objects.indices where objects[index].kind == .exchange {
            narrow[index] = (236, right)
            right += 52
        }
        var y = max(left, right) + 24
        var placed: Set<Int> = []
        for index in objects.indices.sorted(by: { (objects[$0].y, $0) < (objects[$1].y, $1) })
        where objects[index].kind == .queue {
            narrow[index] = (14, y)
            var consumersY = y - 6
            for edge in edges where edge.from == index && objects[edge.to].kind == .consumer {
                guard placed.insert(edge.to).inserted else { continue }
                narrow[edge.to] = (214, consumersY)
                consumersY += objects[edge.to].height + 10
            }
            y = max(y + 56, consumersY + 22)
        }
        for index in objects.indices
        where objects[index].kind == .consumer && !placed.contains(index) {
            narrow[index] = (214, y)
            y += objects[index].height + 12
        }
        narrowHeight = y + 10
    }

    /// Neighbours stand at the same height as far as they can.
    ///
    /// In four sweeps, each layer goes by the middle of those before or behind it; where that is the same, as in the file. Dead letters count double, and sink.
    private func order(_ layers: inout [[Int]]) {
        var rank = [Double](repeating: 0, count: objects.count)
        for layer in layers {
            for (place, index) in layer.enumerated() { rank[index] = Double(place) }
        }
        var neighbours = [[(Int, Double)]](repeating: [], count: objects.count)
        for edge in edges {
            let weight = edge.kind == .message ? 1.0 : 2.0
            neighbours[edge.to].append((edge.from, weight))
            neighbours[edge.from].append((edge.to, weight))
        }
        let buried = buried
        for sweep in 0..<4 {
            let numbers = sweep % 2 == 0 ? Array(layers.indices) : layers.indices.reversed()
            for number in numbers {
                let other = sweep % 2 == 0 ? number - 1 : number + 1
                guard layers.indices.contains(other) else { continue }
                let near = Set(layers[other])
                let middle = layers[number].enumerated().map {
                    place,
                    index -> (Int, Double, Double, Int) in
                    let found = neighbours[index].filter { near.contains($0.0) }
                    let weight = found.reduce(0) { $0 + $1.1 }
                    let sum = found.reduce(0) { $0 + rank[$1.0] * $1.1 }
                    return (
                        buried.contains(index) ? 1 : 0, weight > 0 ? sum / weight : rank[index], 0,
                        place
                    )
                }
                let sorted = layers[number].indices.sorted {
                    (middle[$0].0, middle[$0].1, middle[$0].3) < (
                        middle[$1].0, middle[$1].1, middle[$1].3
                    )
                }
                layers[number] = sorted.map { layers[number][$0] }
                for (place, index) in layers[number].enumerated() { rank[index] = Double(place) }
            }
        }
    }

    // MARK: The page

    package var json: JSONText {
        .map([
            ("width", .number(width)), ("height", .number(height)),
            (
                "frame",
                .list([frame.x, frame.y, frame.width, frame.height].map { .number($0) })
            ),
            (
                "brokers",
                .list(
                    zip(brokers, chips).map { broker, chips in
                        .map([
                            ("name", .string(broker.name)), ("note", .string(broker.note)),
                            ("nodes", .list(broker.nodes.map { .int(Int($0)) })),
                            (
                                "chips",
                                .list(
                                    chips.map {
                                        .list([
                                            .int(Int($0.node)), .number($0.x), .number($0.y),
                                            .number($0.width),
                                        ])
                                    }
                                )
                            ),
                        ])
                    }
                )
            ),
            ("objects", .list(objects.map(Self.json))),
            ("narrow", .list(narrow.map { .list([.number($0.x), .number($0.y)]) })),
            ("narrowHeight", .number(narrowHeight)),
            (
                "edges",
                .list(
                    edges.map {
                        .map([
                            ("from", .int($0.from)), ("to", .int($0.to)),
                            ("kind", .string($0.kind.rawValue)), ("label", .string($0.label)),
                        ])
                    }
                )
            ),
        ])
    }

    private static func json(_ object: Object) -> JSONText {
        .map([
            ("kind", .string(object.kind.rawValue)), ("name", .string(object.name)),
            ("note", .string(object.note)),
            ("symbols", .list(object.symbols.map { .int(Int($0)) })),
            ("nodes", .list(object.nodes.map { .int(Int($0)) })),
            ("prefetch", .int(object.prefetch)), ("room", .int(object.room)),
            ("members", .int(object.members)),
            ("x", .number(object.x.rounded())), ("y", .number(object.y.rounded())),
            ("w", .number(object.width)), ("h", .number(object.height)),
        ])
    }
}
