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

    /// The nodes by their number.
    package var peers: [PeerIndex] {
        (0..<64).filter { bits >> UInt64($0) & 1 != 0 }.map { PeerIndex($0) }
    }
}
