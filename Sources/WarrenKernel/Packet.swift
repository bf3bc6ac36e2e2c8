public import WarrenTrace

/// What travels between nodes: a plain value of fixed size.
///
/// The kernel knows four things about a packet: which message it carries, the parcel that rides with
/// it, what it is about, and whether a copy of the message is lost when the packet is. Everything else
/// is the private matter of a model, which reads and writes it through typed views of its own.
@frozen
public struct Packet: BitwiseCopyable, Sendable, Hashable {
    /// The model's own word for what this is, such as a method of a protocol.
    public var word: UInt16
    /// Bits of the model.
    public var flags: UInt8
    /// What is lost with the packet, if anything.
    ///
    /// 1 if the message's copy exists nowhere but in this packet: when the connection ends before it
    /// arrives, the world records that the copy of `subject` is gone. 2 if it is a publication that is
    /// in no queue yet: then the world records that nobody took it.
    public var custody: UInt8
    /// A stream within the connection, such as a channel.
    public var port: UInt32
    /// The message that it carries, or none.
    public var message: MessageID
    /// What rides along: an immutable value in the world's ``Parcels``.
    public var parcel: ParcelID
    /// What it is about: an exchange, a queue, a subject.
    public var subject: Symbol
    /// A second name, such as the routing key.
    public var key: Symbol
    /// Free for the model.
    public var c: UInt32
    /// Free for the model.
    public var d: UInt32
    /// Free for the model.
    public var x: UInt64
    /// Free for the model.
    public var y: UInt64

    /// A packet with the given parts; what is left out is zero.
    @inlinable
    public init(
        word: UInt16 = 0,
        flags: UInt8 = 0,
        custody: UInt8 = 0,
        port: UInt32 = 0,
        message: MessageID = .none,
        parcel: ParcelID = .none,
        subject: Symbol = .none,
        key: Symbol = .none,
        c: UInt32 = 0,
        d: UInt32 = 0,
        x: UInt64 = 0,
        y: UInt64 = 0
    ) {
        self.word = word
        self.flags = flags
        self.custody = custody
        self.port = port
        self.message = message
        self.parcel = parcel
        self.subject = subject
        self.key = key
        self.c = c
        self.d = d
        self.x = x
        self.y = y
    }
}

/// The place of a parcel in the world's ``Parcels``.
@frozen
public struct ParcelID: BitwiseCopyable, Sendable, Hashable {
    /// The slot, 0 for none.
    public var raw: UInt32

    /// The parcel in slot `raw`.
    @inlinable
    public init(_ raw: UInt32) { self.raw = raw }

    /// No parcel.
    @inlinable
    public static var none: ParcelID { ParcelID(0) }

    /// Says that a number is that of a row of plain parcels.
    @usableFromInline static var plainBit: UInt32 { 1 << 31 }
    /// Its row, if it is a plain parcel.
    @inlinable
    @inline(__always)
    var row: UInt32? { raw & Self.plainBit == 0 ? nil : raw & ~Self.plainBit }
}

/// A parcel that names further parcels, which must live as long as it does.
///
/// Bundles hold no bundles.
public protocol ParcelBundle: Sendable {
    /// Names them.
    func parcels(_ holding: inout ParcelMarks)
}

/// What is large or rare and rides with a packet: headers, properties, declarations.
///
/// A parcel is immutable. Packets, disks and machines hold its number; what nobody holds any more is
/// swept now and then (see ``World/sweepParcels()``), always at the same events of a run.
public struct Parcels {
    private var slots: ContiguousArray<Parcel?> = [nil]
    private var free: ContiguousArray<UInt32> = []

    /// Those that are plain values; their numbers have ``ParcelID/plainBit``.
    @usableFromInline var plain = PlainParcels()

    /// How many parcels are alive.
    public var count: Int { slots.count - 1 - free.count + plain.count }

    /// Keeps a plain value and says where.
    @inlinable
    public mutating func put<Value: PlainParcel>(plain value: Value) -> ParcelID {
        ParcelID(plain.put(value) | ParcelID.plainBit)
    }

    /// The plain value `id`, or nil if there is none or it is something else.
    @inlinable
    @inline(__always)
    public func get<Value: PlainParcel>(plain id: ParcelID, as type: Value.Type = Value.self)
        -> Value?
    {
        guard let row = id.row else { return nil }
        return plain.get(row, as: type)
    }

    /// Keeps `value` and says where.
    public mutating func put<Value: Sendable>(_ value: Value) -> ParcelID { keep(Filled(value)) }

    /// Keeps `value`, which names further parcels, and says where.
    public mutating func put<Value: ParcelBundle>(_ value: Value) -> ParcelID {
        keep(Bundle(value))
    }

    private mutating func keep(_ parcel: Parcel) -> ParcelID {
        if let slot = free.popLast() {
            slots[Int(slot)] = parcel
            return ParcelID(slot)
        }
        slots.append(parcel)
        return ParcelID(UInt32(slots.count - 1))
    }

    /// The parcel `id` as a `Value`, or nil if there is none or it is something else.
    public func get<Value: Sendable>(_ id: ParcelID, as type: Value.Type = Value.self) -> Value? {
        guard Int(id.raw) < slots.count, let parcel = slots[Int(id.raw)],
            parcel.kind == ObjectIdentifier(Value.self)
        else { return nil }
        return unsafeDowncast(parcel, to: Filled<Value>.self).value
    }

    /// Keeps what the parcels that are kept hold themselves.
    func markBundles(_ marks: inout ParcelMarks) {
        for slot in slots.indices where marks.alive[slot] { slots[slot]?.mark(&marks) }
        plain.mark(&marks, alive: marks.aliveRows)
    }

    /// Marks for all that there are, none of which is alive yet, but for the first slots.
    func marks(keeping slots: Int) -> ParcelMarks {
        var marks = ParcelMarks(capacity: self.slots.count, rows: plain.capacity)
        for slot in 0..<slots { marks.keep(ParcelID(UInt32(slot))) }
        return marks
    }

    /// Frees what is not alive.
    mutating func sweep(keeping marks: ParcelMarks) {
        for slot in 1..<slots.count where !marks.alive[slot] && slots[slot] != nil {
            slots[slot] = nil
            free.append(UInt32(slot))
        }
        plain.sweep(keeping: marks.aliveRows)
    }

    /// How many slots there are, used or not, "none" included.
    var capacity: Int { slots.count }
}

/// A parcel of some kind; asking for the kind is cheaper than asking the runtime for a cast.
private class Parcel {
    let kind: ObjectIdentifier

    init(_ kind: ObjectIdentifier) { self.kind = kind }

    func mark(_ marks: inout ParcelMarks) {}
}

private class Filled<Value: Sendable>: Parcel {
    let value: Value

    init(_ value: Value) {
        self.value = value
        super.init(ObjectIdentifier(Value.self))
    }
}

private final class Bundle<Value: ParcelBundle>: Filled<Value> {
    override func mark(_ marks: inout ParcelMarks) { value.parcels(&marks) }
}
