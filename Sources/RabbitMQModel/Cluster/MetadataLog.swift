import DequeModule
package import WarrenKernel
import WarrenTrace

/// Changes of what all nodes know, while they are on their way: those that this node wants, and those that it has put
/// in order and that not all have made.
///
/// A change has two numbers: one of the node that wants it, by which that node goes on, and one of the node that orders
/// it, by which the others say that they have made it.
///
/// - Source: RMQ-CLUS-01; RMQ-QQ-35 to -37; RMQ-PART-08; Mnesia's transactions.
package struct MetadataLog: Sendable {
    /// What goes on when all have made a change.
    package enum Then: Sendable {
        case nothing
        /// Receive this packet of a channel again.
        case again(channel: ChannelIndex, Packet)
        /// Go on with an order about quorum queues.
        case order(UInt64)
        /// Say this, if it is a method.
        case say(Packet, ConnectionID, channel: ChannelIndex)
    }

    /// A change that this node wants, and that has yet to be made.
    package struct Wanted: Sendable {
        /// Its number among those of this node.
        package let number: UInt64
        package let parcel: ParcelID
        package let then: Then
    }

    /// A change that this node ordered.
    private struct Ordered {
        var origin: PeerIndex
        var number: UInt64
        var waiting: Set<PeerIndex>
        var made: Int
    }

    /// By rising number.
    private var wanted: [Wanted] = []
    private var wantedCount: UInt64 = 0
    private var ordered: [UInt64: Ordered] = [:]
    private var orderedCount: UInt64 = 0

    package init() {}

    /// This node wants a change, which `parcel` puts where others find it, given its number.
    package mutating func want(then: Then, _ parcel: (UInt64) -> ParcelID) -> Wanted {
        wantedCount += 1
        let one = Wanted(number: wantedCount, parcel: parcel(wantedCount), then: then)
        wanted.append(one)
        return one
    }

    /// What this node wants and nobody has said to be made, by rising number.
    package var unmade: [Wanted] { wanted }

    /// A change that this node wants is made.
    ///
    /// - Returns: what goes on; nil if it went on before.
    package mutating func made(_ number: UInt64) -> Then? {
        guard let index = wanted.firstIndex(where: { $0.number == number }) else { return nil }
        return wanted.remove(at: index).then
    }

    /// Puts a change in order that a node wants under a number; this node makes it, and so do others.
    ///
    /// - Returns: its number here.
    package mutating func order(
        _ number: UInt64,
        of origin: PeerIndex,
        among others: [PeerIndex]
    ) -> UInt64 {
        orderedCount += 1
        ordered[orderedCount] = Ordered(
            origin: origin,
            number: number,
            waiting: Set(others),
            made: 1
        )
        return orderedCount
    }

    /// A node has made a change that this one ordered.
    package mutating func made(_ number: UInt64, by peer: PeerIndex) {
        ordered[number]?.waiting.remove(peer)
        ordered[number]?.made += 1
    }

    /// A node is down: nobody waits for it any longer.
    ///
    /// - Returns: the numbers of all that this node ordered and that is not settled, rising.
    package mutating func lose(_ peer: PeerIndex) -> [UInt64] {
        let numbers = ordered.keys.sorted()
        for number in numbers { ordered[number]?.waiting.remove(peer) }
        return numbers
    }

    /// Whether a change is made for good, which can be said of it once.
    ///
    /// `enough` is how many nodes must have made it; nil for all that are there.
    ///
    /// - Returns: who wanted it, and under which number; nil if it is not yet.
    package mutating func settle(_ number: UInt64, enough: Int?) -> (
        origin: PeerIndex, number: UInt64
    )? {
        assert(number > 0, "changes are numbered from 1")
        guard let one = ordered[number],
            enough.map({ one.made >= $0 }) ?? one.waiting.isEmpty
        else { return nil }
        ordered[number] = nil
        return (one.origin, one.number)
    }

    /// Names what its changes hold.
    package func parcels(_ holding: inout ParcelMarks) {
        for one in wanted {
            holding.keep(one.parcel)
            switch one.then {
            case .nothing, .order: break
            case .again(_, let packet), .say(let packet, _, _): holding.keep(packet.parcel)
            }
        }
    }

    /// What must hold between turns.
    package func checkInvariants() {
        precondition(
            zip(wanted, wanted.dropFirst()).allSatisfy { $0.number < $1.number },
            "changes that a node wants are not in their order"
        )
        precondition(
            ordered.values.allSatisfy { $0.made > 0 },
            "a change was ordered that not even its own node has made"
        )
    }
}
