import WarrenKernel

/// Some nodes of a cluster, a bit for each.
package struct PeerSet: BitwiseCopyable, Hashable, Sendable {
    package let bits: UInt64

    package init(bits: UInt64) { self.bits = bits }

    /// These nodes, of which each is below 64.
    package init(_ peers: some Sequence<PeerIndex>) { bits = peers.reduce(0) { $0 | $1.bit } }

    /// No node.
    package static let none = PeerSet(bits: 0)

    package var isEmpty: Bool { bits == 0 }

    /// How many nodes.
    package var count: Int { bits.nonzeroBitCount }

    /// The nodes by their number.
    package var peers: [PeerIndex] { Array(self) }

    /// Whether a node is one of them.
    @inline(__always)
    package func contains(_ peer: PeerIndex) -> Bool {
        peer.wire < 64 && bits >> UInt64(peer.wire) & 1 != 0
    }

    /// How many of the nodes have a lower number than one of them; nil of any other node.
    @inline(__always)
    package func place(of peer: PeerIndex) -> Int? {
        contains(peer) ? (bits & (peer.bit - 1)).nonzeroBitCount : nil
    }
}

extension PeerSet: Sequence {
    /// The nodes by their number.
    package struct Iterator: IteratorProtocol {
        fileprivate var rest: UInt64

        /// The next one.
        @inline(__always)
        package mutating func next() -> PeerIndex? {
            guard rest != 0 else { return nil }
            defer { rest &= rest - 1 }
            return PeerIndex(rest.trailingZeroBitCount)
        }
    }

    /// Exactly how many.
    package var underestimatedCount: Int { count }

    /// Goes through them by their number.
    @inline(__always)
    package func makeIterator() -> Iterator { Iterator(rest: bits) }
}
