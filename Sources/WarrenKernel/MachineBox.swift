/// The place where one machine lives, so that a turn changes it where it lies.
///
/// An `any Machine` in an array would be checked for other owners and unwrapped in each turn.
class MachineBox {
    func handle(_ event: Event, _ turn: inout Turn) { fatalError("a box without a machine") }
    func perish(_ disk: Recovery, _ turn: inout Turn) { fatalError("a box without a machine") }
    func copy() -> MachineBox { fatalError("a box without a machine") }
    var isWaiting: Bool { fatalError("a box without a machine") }
    /// The machine: a copy, as every value.
    var machine: any Machine { fatalError("a box without a machine") }

    /// A box for a machine of any type.
    static func make(_ machine: some Machine) -> MachineBox { Boxed(machine) }
}

private final class Boxed<M: Machine>: MachineBox {
    private let place: UnsafeMutablePointer<M>

    init(_ machine: M) {
        place = .allocate(capacity: 1)
        place.initialize(to: machine)
    }

    deinit {
        place.deinitialize(count: 1)
        place.deallocate()
    }

    override func handle(_ event: Event, _ turn: inout Turn) { place.pointee.handle(event, &turn) }
    override func perish(_ disk: Recovery, _ turn: inout Turn) { place.pointee.perish(disk, &turn) }
    override var isWaiting: Bool { place.pointee.isWaiting }
    override func copy() -> MachineBox { Boxed(place.pointee) }
    override var machine: any Machine { place.pointee }
}
