package import WarrenKernel
package import WarrenTrace

/// The copies that a node keeps of queues that live on other nodes, by the queue's name.
///
/// - Source: RMQ-MIR-02, -07; RMQ-STREAM-14; rabbitmq-server `rabbit_mirror_queue_slave.erl`.
package struct Mirrors: Sendable {
    /// A queue of which the disk has taken copies, up to a position.
    package struct Safe: Hashable, Sendable {
        package let queue: Symbol
        package let position: UInt64
    }

    private var mirrors: [Symbol: Mirror] = [:]

    package init() {}

    /// What is kept of a queue; nil if nothing is.
    package subscript(queue: Symbol) -> Mirror? { mirrors[queue] }

    /// Keeps this of a queue from now on, and nothing else.
    package mutating func keep(_ mirror: Mirror, of queue: Symbol) { mirrors[queue] = mirror }

    /// Keeps nothing of a queue any more.
    ///
    /// - Returns: what was kept; nil if nothing was.
    package mutating func take(_ queue: Symbol) -> Mirror? { mirrors.removeValue(forKey: queue) }

    /// The writer of a stream begins an epoch that reaches to `end`: what lies behind is void, and what an earlier
    /// writer sent is nothing that this one has counted on.
    ///
    /// - Returns: the positions that are gone, rising.
    package mutating func restart(_ queue: Symbol, epoch: UInt32, end: UInt64) -> [UInt64] {
        mirrors[queue, default: Mirror()].restart(epoch: epoch, end: end)
    }

    /// The copies that follow are records of an epoch.
    package mutating func begin(_ epoch: UInt32, of queue: Symbol) { mirrors[queue]?.epoch = epoch }

    /// A copy comes.
    package mutating func put(_ copy: Packet, at position: UInt64, of queue: Symbol) {
        mirrors[queue, default: Mirror()].put(copy, at: position)
    }

    /// A copy is done with.
    package mutating func drop(_ position: UInt64, of queue: Symbol) -> Packet? {
        mirrors[queue]?.drop(position)
    }

    /// A copy can be acknowledged after a write: its own, or if it has none, the last one before it.
    ///
    /// - Returns: false if there is nothing to wait for.
    package mutating func await(_ write: UInt64?, for position: UInt64, of queue: Symbol) -> Bool {
        mirrors[queue]?.await(write, for: position) ?? false
    }

    /// The disk has everything up to `write`.
    ///
    /// - Returns: what is safe now and was not, by name.
    package mutating func stored(upTo write: UInt64) -> [Safe] {
        guard !mirrors.isEmpty else { return [] }
        return mirrors.keys.sorted { $0.raw < $1.raw }.compactMap { queue in
            mirrors[queue]?.stored(upTo: write).map { Safe(queue: queue, position: $0) }
        }
    }

    /// Names what its copies hold.
    package func parcels(_ holding: inout ParcelMarks) {
        // In any order: each is kept.
        for mirror in mirrors.values {
            for copy in mirror.copies.values { holding.keep(copy.parcel) }
        }
    }
}
