import WarrenTrace

extension Scene {
    /// The ways that messages of a run took.
    public struct Ways: Sendable {
        /// By publisher's node and exchange or queue.
        public private(set) var publications: Set<[UInt32]> = []
        /// By exchange and queue.
        public private(set) var routes: Set<[UInt32]> = []
        /// By queue and consumer's node.
        public private(set) var deliveries: Set<[UInt32]> = []
        /// By queue that a dead letter left, and queue that it came to.
        public private(set) var burials: Set<[UInt32]> = []
        private var from: [UInt32] = []
        private var isDead: Set<UInt32> = []
        private var last: [UInt32] = [0, 0, 0]

        /// No ways yet.
        public init() {}

        mutating func take(_ fact: Fact) {
            let message = fact.message.raw
            switch fact.kind {
            case .messagePublished:
                if from.count <= Int(message) {
                    from += repeatElement(0, count: Int(message) + 1 - from.count)
                }
                from[Int(message)] = fact.subject.raw
                add(\.publications, 0, fact.node.raw, fact.subject.raw)
            case .messageRouted:
                guard Int(message) < from.count else { return }
                if isDead.remove(message) != nil {
                    burials.insert([from[Int(message)], fact.subject.raw])
                } else {
                    add(\.routes, 1, from[Int(message)], fact.subject.raw)
                }
            case .deliverySent, .recordRead: add(\.deliveries, 2, fact.subject.raw, fact.peer)
            case .messageDeadLettered:
                guard Int(message) < from.count else { return }
                isDead.insert(message)
                from[Int(message)] = fact.subject.raw
            default: break
            }
        }

        /// Most messages go where the one before went.
        private mutating func add(
            _ set: WritableKeyPath<Ways, Set<[UInt32]>>,
            _ slot: Int,
            _ one: UInt32,
            _ other: UInt32
        ) {
            let key = one &* 0x9E37_79B9 ^ other &+ 1
            guard last[slot] != key || self[keyPath: set].count < 2 else { return }
            last[slot] = key
            self[keyPath: set].insert([one, other])
        }
    }
}
