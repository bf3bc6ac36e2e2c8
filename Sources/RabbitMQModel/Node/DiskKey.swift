import WarrenTrace

/// Where a broker keeps what on its disk.
enum DiskKey {
    enum Kind: UInt64 {
        case vhost = 0
        case exchange, queue, binding, message, vote, snapshot, cluster, copy
    }

    static func vhost(_ scope: Symbol) -> UInt64 { UInt64(scope.raw) }
    static func exchange(_ symbol: Symbol) -> UInt64 {
        Kind.exchange.rawValue << 60 | UInt64(symbol.raw)
    }
    static func queue(_ symbol: Symbol) -> UInt64 { Kind.queue.rawValue << 60 | UInt64(symbol.raw) }
    static func binding(_ number: UInt64) -> UInt64 { Kind.binding.rawValue << 60 | number }

    /// Symbols take 28 bits and positions 32: four thousand million messages in the life of a queue.
    static func message(_ queue: Symbol, _ position: UInt64) -> UInt64 {
        Kind.message.rawValue << 60 | UInt64(queue.raw & 0xFFF_FFFF) << 32 | position & 0xFFFF_FFFF
    }

    /// A message of a queue of which other nodes keep copies.
    static func copy(_ queue: Symbol, _ position: UInt64) -> UInt64 {
        Kind.copy.rawValue << 60 | UInt64(queue.raw & 0xFFF_FFFF) << 32 | position & 0xFFFF_FFFF
    }
    static func vote(_ queue: Symbol) -> UInt64 { Kind.vote.rawValue << 60 | UInt64(queue.raw) }
    static func snapshot(_ queue: Symbol) -> UInt64 {
        Kind.snapshot.rawValue << 60 | UInt64(queue.raw)
    }
    /// The nodes that were running when this one was last heard of.
    static let cluster = Kind.cluster.rawValue << 60

    static func kind(of key: UInt64) -> Kind? { Kind(rawValue: key >> 60) }
    static func queue(of key: UInt64) -> Symbol { Symbol(UInt32(key >> 32 & 0xFFF_FFFF)) }
    static func position(of key: UInt64) -> UInt64 { key & 0xFFFF_FFFF }
}
