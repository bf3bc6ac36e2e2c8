import WarrenTrace

/// A machine that is frozen: what reaches it gathers, and nothing is handled.
///
/// Its connections stay open and its timers ring; it hears of all that when it is thawed.
struct Frozen: Machine {
    /// Something that was not handled, and what caused it.
    struct Held: Sendable {
        var event: Event
        var cause: UInt64
    }

    var inner: any Machine
    var held: [Held] = []

    init(_ inner: any Machine) { self.inner = inner }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        held.append(Held(event: event, cause: turn.cause))
    }

    mutating func perish(_ disk: Recovery, _ turn: inout Turn) {
        for one in held {
            if case .arrived(let packet, _) = one.event { turn.loseUnsent(packet) }
        }
        inner.perish(disk, &turn)
    }

    func inventory(_ report: inout Inventory) {
        inner.inventory(&report)
        for one in held {
            if case .arrived(let packet, _) = one.event, packet.custody == 1 { report.inHand += 1 }
        }
    }

    func inventory(onDisk records: [Disk.Record], _ report: inout Inventory) {
        inner.inventory(onDisk: records, &report)
    }

    func parcels(_ holding: inout ParcelMarks) {
        inner.parcels(&holding)
        for one in held {
            if case .arrived(let packet, _) = one.event { holding.keep(packet.parcel) }
        }
    }

    var isWaiting: Bool { inner.isWaiting }
}
