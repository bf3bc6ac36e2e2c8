/// A parcel of fixed size that is nothing but numbers, of at most 104 bytes.
///
/// It costs no allocation and is not counted when it is looked at: for what is made once per message.
public protocol PlainParcel: ParcelBundle, BitwiseCopyable {}

extension PlainParcel {
    fileprivate static func mark(_ bytes: UnsafeRawBufferPointer, _ marks: inout ParcelMarks) {
        bytes.loadUnaligned(as: Self.self).parcels(&marks)
    }

    fileprivate static func value(_ bytes: UnsafeRawBufferPointer) -> Any {
        bytes.loadUnaligned(as: Self.self)
    }
}

/// Parcels that are plain values, in rows of one size.
///
/// Rows that are free are used again from the first one on, so that what comes one after the other lies side by side.
@usableFromInline
struct PlainParcels: Sendable {
    @usableFromInline typealias Words = InlineArray<13, UInt64>

    @usableFromInline
    struct Row: BitwiseCopyable, Sendable {
        /// The place of its type among the kinds, from 1; 0 if it is free.
        @usableFromInline var kind: UInt64
        @usableFromInline var words: Words

        @inlinable
        init(kind: UInt64) {
            self.kind = kind
            words = Words(repeating: 0)
        }
    }

    /// How many bytes a value may take.
    @usableFromInline static var room: Int { MemoryLayout<Words>.size }

    @usableFromInline var rows: ContiguousArray<Row> = []
    @usableFromInline var free: ContiguousArray<UInt32> = []
    /// The types of the values that there were so far: a handful.
    @usableFromInline var kinds: [any PlainParcel.Type] = []

    /// How many rows there are, used or not.
    var capacity: Int { rows.count }
    /// How many parcels are alive.
    var count: Int { rows.count - free.count }

    /// Keeps a value, and says in which row.
    @inlinable
    mutating func put<Value: PlainParcel>(_ value: Value) -> UInt32 {
        precondition(MemoryLayout<Value>.size <= Self.room, "a parcel is too large for a row")
        let kind = kind(of: Value.self)
        let place: UInt32
        if let last = free.popLast() {
            place = last
        } else {
            place = UInt32(truncatingIfNeeded: rows.count)
            rows.append(Row(kind: 0))
        }
        rows[Int(place)].kind = kind
        withUnsafeMutableBytes(of: &rows[Int(place)].words) {
            $0.storeBytes(of: value, as: Value.self)
        }
        return place
    }

    /// The value in a row, or nil if there is none or it is something else.
    @inlinable
    @inline(__always)
    func get<Value: PlainParcel>(_ place: UInt32, as type: Value.Type) -> Value? {
        guard Int(place) < rows.count else { return nil }
        return rows.withUnsafeBytes { bytes -> Value? in
            let start = Int(place) &* MemoryLayout<Row>.stride
            let kind = bytes.load(fromByteOffset: start, as: UInt64.self)
            guard kind > 0, kinds[Int(truncatingIfNeeded: kind) - 1] == Value.self else {
                return nil
            }
            return bytes.loadUnaligned(
                fromByteOffset: start + MemoryLayout<UInt64>.size,
                as: Value.self
            )
        }
    }

    @inlinable
    @inline(__always)
    mutating func kind<Value: PlainParcel>(of type: Value.Type) -> UInt64 {
        for (place, known) in kinds.enumerated() where known == type { return UInt64(place) + 1 }
        return addKind(type)
    }

    @usableFromInline
    @inline(never)
    mutating func addKind(_ type: any PlainParcel.Type) -> UInt64 {
        kinds.append(type)
        return UInt64(kinds.count)
    }

    private func look<Result>(
        at place: Int,
        _ body: (any PlainParcel.Type, UnsafeRawBufferPointer) -> Result
    ) -> Result? {
        let kind = Int(rows[place].kind)
        guard kind > 0 else { return nil }
        return withUnsafeBytes(of: rows[place].words) { body(kinds[kind - 1], $0) }
    }

    /// Keeps what those that are alive hold themselves; `alive` has one flag per row.
    func mark(_ marks: inout ParcelMarks, alive: ContiguousArray<Bool>) {
        for place in rows.indices where alive[place] {
            _ = look(at: place) { $0.mark($1, &marks) }
        }
    }

    /// Frees what `alive` does not name.
    mutating func sweep(keeping alive: ContiguousArray<Bool>) {
        for place in rows.indices.reversed() where !alive[place] && rows[place].kind > 0 {
            rows[place].kind = 0
            free.append(UInt32(place))
        }
    }
}

/// What a structural hash sees of it: the values, and not the bytes between their parts.
extension PlainParcels: CustomReflectable {
    @usableFromInline var customMirror: Mirror {
        let values = rows.indices.map { place in look(at: place) { $0.value($1) } }
        return Mirror(self, children: ["values": values, "free": free])
    }
}
