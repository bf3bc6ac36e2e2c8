/// A part of a disk that grows at its end: packets under consecutive numbers.
///
/// Cheaper than records under keys for what is written in order and thrown away in order, such as a log.
public struct Journal: Sendable {
    /// The number of the first packet.
    public private(set) var first: UInt64 = 0
    private var packets: ContiguousArray<Packet> = []
    /// Packets at the front that are gone, and whose room is not freed yet.
    private var gone = 0

    /// An empty journal.
    public init() {}

    /// How many packets there are.
    public var count: Int { packets.count - gone }
    /// The number behind the last packet.
    public var end: UInt64 { first + UInt64(count) }

    /// The packet with a number, or nil.
    public subscript(number: UInt64) -> Packet? {
        number >= first && number < end ? packets[gone + Int(number - first)] : nil
    }

    /// Writes a packet; what had this number or a later one is gone.
    ///
    /// After a gap the journal begins anew.
    mutating func put(_ packet: Packet, at number: UInt64) {
        if number == end, count > 0 {
            packets.append(packet)
            return
        }
        if number >= first, number < end { truncate(from: number) } else { truncate(from: 0) }
        if count == 0 { first = number }
        packets.append(packet)
    }

    /// Throws away a packet and all behind it.
    mutating func truncate(from number: UInt64) {
        guard number < end else { return }
        let kept = number > first ? Int(number - first) : 0
        packets.removeLast(count - kept)
    }

    /// Throws away all packets before a number.
    mutating func trim(before number: UInt64) {
        guard number > first else { return }
        let dropped = Int(min(number, end) - first)
        gone += dropped
        first += UInt64(dropped)
        if gone > 64, gone > packets.count / 2 {
            packets.removeFirst(gone)
            gone = 0
        }
    }

    /// Calls `body` for each packet.
    func forEach(_ body: (Packet) -> Void) {
        for index in gone..<packets.count { body(packets[index]) }
    }
}
