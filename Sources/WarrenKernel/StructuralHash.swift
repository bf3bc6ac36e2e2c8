import WarrenTrace

/// A number for a value that has no `Hashable` of its own, made of all that it is made of: values that are alike have the
/// same, and two that differ have different ones but for one in 2^64.
///
/// Sets and dictionaries count as what they hold, in whatever order. What cannot be looked into, such as memory behind a
/// pointer, makes the hash ``isBlind``: it says nothing then. Closures are taken for constants.
public struct StructuralHash {
    /// The number so far.
    public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325
    /// Whether something could not be looked into.
    public private(set) var isBlind = false
    /// Labels of stored properties that do not count: what only tells how a value came to be.
    private let ignored: Set<String>
    private var depth = 0

    /// Deeper than this nothing is built; what is goes round in a circle.
    private static let deepest = 64

    /// The hash of nothing.
    public init(ignoring ignored: Set<String> = []) { self.ignored = ignored }

    /// Adds a number.
    public mutating func add(_ number: UInt64) {
        value = (value ^ number) &* 0x100_0000_01B3
        value ^= value &>> 29
    }

    /// Adds what another hash is made of.
    public mutating func add(_ other: StructuralHash) {
        add(other.value)
        isBlind = isBlind || other.isBlind
    }

    /// Adds a value with all that it holds.
    public mutating func add(_ any: Any) {
        if addPlain(any) { return }
        depth += 1
        defer { depth -= 1 }
        guard depth < Self.deepest else {
            isBlind = true
            return
        }
        let mirror = Mirror(reflecting: any)
        switch mirror.displayStyle {
        case .dictionary, .set: addUnordered(mirror)
        case .enum where mirror.children.isEmpty: add("\(any)")
        case .class:
            var level: Mirror? = mirror
            while let one = level {
                addChildren(of: one)
                level = one.superclassMirror
            }
        case nil where mirror.children.isEmpty: addOpaque(any)
        default: addChildren(of: mirror)
        }
    }

    private mutating func addChildren(of mirror: Mirror) {
        var count: UInt64 = 0
        for child in mirror.children {
            count += 1
            if let label = child.label {
                if ignored.contains(label) { continue }
                // Which case of an enum it is stands in the label.
                if mirror.displayStyle == .enum { add(label) }
            }
            add(child.value)
        }
        add(count)
    }

    private mutating func addUnordered(_ mirror: Mirror) {
        var sum: UInt64 = 0
        for child in mirror.children {
            var one = StructuralHash(ignoring: ignored)
            one.depth = depth
            one.add(child.value)
            isBlind = isBlind || one.isBlind
            sum &+= one.value
        }
        add(sum)
        add(UInt64(mirror.children.count))
    }

    /// Adds a text.
    public mutating func add(_ text: String) {
        for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
        add(UInt64(text.utf8.count))
    }

    /// The usual plain values, and rows of them, for which looking into them costs too much.
    private mutating func addPlain(_ any: Any) -> Bool {
        switch any {
        case let number as Int: add(UInt64(bitPattern: Int64(number)))
        case let number as UInt64: add(number)
        case let number as UInt32: add(UInt64(number))
        case let number as UInt8: add(UInt64(number))
        case let number as UInt16: add(UInt64(number))
        case let number as Int32: add(UInt64(bitPattern: Int64(number)))
        case let number as Int64: add(UInt64(bitPattern: number))
        case let bool as Bool: add(bool ? 1 : 2)
        case let number as Double: add(number.bitPattern)
        case let text as String: add(text)
        case let type as ObjectIdentifier: add(UInt64(UInt(bitPattern: type)))
        case let rows as [UInt64]: addRow(rows)
        case let rows as [UInt8]: addRow(rows)
        case let rows as [Int64]: addRow(rows)
        case let rows as ContiguousArray<UInt64>: addRow(rows)
        case let rows as ContiguousArray<UInt32>: addRow(rows)
        case let rows as ContiguousArray<UInt16>: addRow(rows)
        case let rows as ContiguousArray<UInt8>: addRow(rows)
        default: return false
        }
        return true
    }

    private mutating func addRow<Row: RandomAccessCollection>(_ row: Row)
    where Row.Element: FixedWidthInteger {
        for number in row { add(UInt64(truncatingIfNeeded: number)) }
        add(UInt64(row.count))
    }

    private mutating func addOpaque(_ any: Any) {
        let name = "\(type(of: any))"
        if name.contains("Pointer") || name.contains("Unmanaged") { isBlind = true }
        add(name)
    }
}

extension World {
    /// What counts for all that is still to come: the machines, what is on its way, the disks, and chance.
    ///
    /// The numbers of events do not count, nor what caused them: they tell how the world came here, and lead nowhere.
    public mutating func addState(to hash: inout StructuralHash) {
        turn.own()
        hash.add(now.nanoseconds)
        for index in nodes.indices {
            let node = nodes[index]
            for flag in [node.up, node.crashed, node.isEmpty, node.forgets, node.leaves] {
                hash.add(flag)
            }
            hash.add(UInt64(node.starts))
            hash.add(UInt64(node.directory))
            hash.add(node.aside)
            if let packet = node.configuration { hash.add(packet) }
            hash.add(turn.owner.machines[index].machine)
        }
        hash.add(turn.incarnations)
        hash.add(turn.disks)
        hash.add(turn.links)
        hash.add(turn.chance.streams)
        hash.add(turn.parcels)
        hash.add(turn.outside)
        hash.add(UInt64(turn.nextMessage))
        for index in 0..<turn.agenda.pointee.connections.count {
            hash.add(turn.agenda.pointee.connections[index])
        }
        var line: [(time: UInt64, stamp: UInt64)] = []
        turn.agenda.pointee.pending.forEachKey { line.append(($0, $1)) }
        line.sort { ($0.time, $0.stamp) < ($1.time, $1.stamp) }
        for one in line where !isStale(one.stamp) {
            let row = turn.agenda.pointee.slab.rows[PendingSet.slot(of: one.stamp)]
            hash.add(one.time)
            hash.add(UInt64(row.kind.rawValue) << 8 | UInt64(row.variant))
            hash.add(UInt64(row.node) << 32 | UInt64(row.kind == .action ? 0 : row.subject))
            hash.add(UInt64(row.generation))
            hash.add(row.background)
            if row.kind == .action {
                hash.add(actions[Int(row.subject)])
            } else if row.kind != .timer {
                hash.add(row.packet)
            }
        }
    }
}
