package import WarrenTrace

/// What stands in queues and what consumers hold, folded from facts: what the page folds as well.
package struct Holdings {
    /// A queue: what is ready in the order of its places, and what consumers hold.
    package struct Queue {
        /// Place above, message below, in the order of the places.
        private(set) var ready: ContiguousArray<UInt64> = []
        private var head = 0
        /// Message and holder, with the place that it would go back to.
        package private(set) var held: [(message: UInt32, peer: UInt32, place: UInt32)] = []
        /// Where each message stands; a queue with two masters has some of them twice, whose other places are beside.
        private var places: [UInt32: UInt32] = [:]
        private var others: [UInt32: [UInt32]] = [:]
        private var next: UInt32 = 0

        package var depth: Int { ready.count - head }
        /// What is ready, the first in line first.
        var waiting: ArraySlice<UInt64> { ArraySlice(ready[head...]) }

        mutating func append(_ message: UInt32) {
            stand(message, next)
            ready.append(UInt64(next) << 32 | UInt64(message))
            next += 1
        }

        private mutating func stand(_ message: UInt32, _ place: UInt32) {
            if let other = places.updateValue(place, forKey: message) {
                others[message, default: []].append(other)
            }
        }

        /// Takes a message out of the line; its place, if it stood there.
        @discardableResult
        mutating func remove(_ message: UInt32) -> UInt32? {
            guard let place = places[message] else { return nil }
            let key = UInt64(place) << 32 | UInt64(message)
            let index = index(of: key)
            guard index < ready.count, ready[index] == key else { return nil }
            places[message] = others[message]?.popLast()
            if index == head {
                head += 1
                if head > 4096, head * 2 > ready.count {
                    ready.removeFirst(head)
                    head = 0
                }
            } else {
                ready.remove(at: index)
            }
            return place
        }

        mutating func hold(_ message: UInt32, _ peer: UInt32, _ place: UInt32) {
            held.append((message, peer, place))
        }

        /// Takes a message out of a consumer's hands.
        @discardableResult
        mutating func release(_ message: UInt32) -> UInt32? {
            guard let index = held.firstIndex(where: { $0.message == message }) else { return nil }
            return held.remove(at: index).place
        }

        mutating func putBack(_ message: UInt32, _ place: UInt32) {
            let key = UInt64(place) << 32 | UInt64(message)
            stand(message, place)
            let index = index(of: key)
            if index == head, head > 0 {
                head -= 1
                ready[head] = key
            } else {
                ready.insert(key, at: index)
            }
        }

        private func index(of key: UInt64) -> Int {
            var (low, high) = (head, ready.count)
            while low < high {
                let middle = (low + high) / 2
                if ready[middle] < key { low = middle + 1 } else { high = middle }
            }
            return low
        }

        /// The place that the next message gets.
        var nextPlace: UInt32 { next }
    }

    /// Nothing yet.
    package init() {}

    /// By symbol, in the order of the first fact about each.
    package private(set) var queues: [(symbol: Symbol, queue: Queue)] = []
    private var indexOf: [Symbol: Int] = [:]
    /// Who leads what, which nodes are down, and what each of several masters of a queue has ready.
    package private(set) var masters = Masters()
    /// Faults that have begun and are not over.
    private(set) var faults: Set<UInt64> = []
    /// Connections that are open, with the client and the node of each.
    private(set) var connections: [UInt64: (client: UInt32, node: UInt32)] = [:]

    /// The queue that a fact is about, for its depth.
    func depth(of symbol: Symbol) -> Int { indexOf[symbol].map { queues[$0].queue.depth } ?? 0 }

    private mutating func change(_ symbol: Symbol, _ body: (inout Queue) -> Void) {
        let index: Int
        if let known = indexOf[symbol] {
            index = known
        } else {
            index = queues.count
            indexOf[symbol] = index
            queues.append((symbol, Queue()))
        }
        body(&queues[index].queue)
    }

    /// Takes in a fact.
    package mutating func take(_ fact: Fact) {
        guard masters.sides[fact.subject] != nil else { return fold(fact) }
        let before = depth(of: fact.subject)
        fold(fact)
        let change = depth(of: fact.subject) - before
        masters.change(fact.subject, at: fact.node.raw, by: change)
    }

    private mutating func fold(_ fact: Fact) {
        let message = fact.message.raw
        switch fact.kind {
        case .messageRouted where fact.variant != 1: change(fact.subject) { $0.append(message) }
        case .messageRecovered where fact.variant == 1:
            change(fact.subject) { $0.append(message) }
            masters.take(fact, depth: depth(of: fact.subject))
        case .deliverySent:
            change(fact.subject) { queue in
                let place = queue.remove(message) ?? queue.nextPlace
                if fact.variant & 2 == 0 { queue.hold(message, fact.peer, place) }
            }
        case .deliveryAcked: change(fact.subject) { $0.release(message) }
        case .deliveryRequeued:
            change(fact.subject) { queue in
                queue.putBack(message, queue.release(message) ?? queue.nextPlace)
            }
        case .messageDeadLettered where fact.variant & 64 == 0: leave(fact)
        case .messageDropped where fact.detail <= CopyPlace.unacked.rawValue: leave(fact)
        case .queueDeclared:
            change(fact.subject) { _ in }
            masters.take(fact, depth: 0)
        case .nodeStarted, .nodeCrashed, .nodeStopped, .nodeYielded, .leaderElected,
            .mirrorPromoted:
            masters.take(fact, depth: depth(of: fact.subject))
        case .connectionOpened: connections[fact.detail] = (fact.peer, fact.node.raw)
        case .connectionClosed: connections[fact.detail] = nil
        case .faultBegan: faults.insert(fact.detail)
        case .faultEnded: faults.remove(fact.detail)
        default: break
        }
    }

    private mutating func leave(_ fact: Fact) {
        let message = fact.message.raw
        change(fact.subject) { queue in
            let wasHeld =
                fact.kind == .messageDeadLettered
                ? fact.variant & 128 != 0 : fact.detail != CopyPlace.ready.rawValue
            if wasHeld {
                if queue.release(message) == nil { queue.remove(message) }
            } else if queue.remove(message) == nil {
                queue.release(message)
            }
        }
    }
}
