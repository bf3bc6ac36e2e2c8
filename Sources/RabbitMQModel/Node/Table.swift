import WarrenKernel
import WarrenTrace

/// The place of a row in one of a node's tables: as cheap as the integer inside, and no place of any other table.
///
/// `none` is the place of nothing, as ``ConnectionID/none`` is; a table has no row there.
package struct Index<Row>: Sendable, Hashable, Comparable {
    /// The place, as a packet carries it; all ones for none.
    package let wire: UInt32

    /// The row at `place`, which must fit into 32 bits.
    @inline(__always)
    package init(_ place: Int) { wire = UInt32(place) }

    /// The row whose place a packet carries; all ones is none.
    @inline(__always)
    package init(wire: UInt32) { self.wire = wire }

    /// No row.
    @inline(__always)
    package static var none: Index { Index(wire: .max) }

    /// As the number of an array that runs beside the table.
    @inline(__always)
    package var place: Int { Int(wire) }

    @inline(__always)
    package static func < (one: Index, other: Index) -> Bool { one.wire < other.wire }
}

extension Index: BitwiseCopyable {}

extension Index where Row == Peer {
    /// The node in a set of nodes that is a bit for each, of which there are at most 64.
    var bit: UInt64 {
        precondition(wire < 64, "a set of nodes has room for 64")
        return 1 << UInt64(wire)
    }
}

/// Rows that are found by their ``Index``; what was added keeps its place.
struct Table<Row: Sendable>: Sendable, Sequence, ExpressibleByArrayLiteral {
    private var rows: ContiguousArray<Row>

    init(arrayLiteral rows: Row...) { self.rows = ContiguousArray(rows) }

    init(_ rows: some Sequence<Row>) { self.rows = ContiguousArray(rows) }

    var count: Int { rows.count }

    /// The places of all rows.
    var indices: Indices { Indices(count: rows.count) }

    /// The place that the next row will have.
    var endIndex: Index<Row> { Index(rows.count) }

    /// Whether there is a row at `index`.
    @inline(__always)
    func has(_ index: Index<Row>) -> Bool { index.place < rows.count }

    /// The row at `index`, read and changed where it lies.
    ///
    /// An address and not a coroutine: around the array's own the optimiser would leave a call at each access.
    subscript(index: Index<Row>) -> Row {
        @inline(__always)
        unsafeAddress { unsafe address(of: index) }
        @inline(__always)
        unsafeMutableAddress { unsafe mutableAddress(of: index) }
    }

    /// Where the row at `index` lies, for a subscript of a part that keeps the table to itself.
    @inline(__always)
    func address(of index: Index<Row>) -> UnsafePointer<Row> {
        precondition(index.place < rows.count, "no such row")
        return unsafe rows.withUnsafeBufferPointer {
            unsafe $0.baseAddress.unsafelyUnwrapped + index.place
        }
    }

    /// Where the row at `index` lies, to be changed there.
    @inline(__always)
    mutating func mutableAddress(of index: Index<Row>) -> UnsafeMutablePointer<Row> {
        precondition(index.place < rows.count, "no such row")
        return unsafe rows.withUnsafeMutableBufferPointer {
            unsafe $0.baseAddress.unsafelyUnwrapped + index.place
        }
    }

    /// Adds a row, and says where.
    @discardableResult
    mutating func append(_ row: Row) -> Index<Row> {
        rows.append(row)
        return Index(rows.count - 1)
    }

    /// The first row for which `matches` holds.
    func firstIndex(where matches: (Row) -> Bool) -> Index<Row>? {
        rows.firstIndex(where: matches).map { Index($0) }
    }

    func makeIterator() -> ContiguousArray<Row>.Iterator { rows.makeIterator() }

    /// The places of a table's rows, rising.
    struct Indices: RandomAccessCollection {
        typealias Index = Int

        let count: Int
        var startIndex: Int { 0 }
        var endIndex: Int { count }

        @inline(__always)
        subscript(place: Int) -> RabbitMQModel.Index<Row> { RabbitMQModel.Index(place) }
    }
}

/// What a ``Directory`` can be read by: small numbers, handed out from 0 on.
protocol DirectoryKey {
    var raw: UInt32 { get }
}

extension Symbol: DirectoryKey {}
extension ConnectionID: DirectoryKey {}

/// Something for each symbol, or for each connection.
struct Directory<Key: DirectoryKey, Value: Sendable>: Sendable {
    private var values: ContiguousArray<Value> = []
    private let nothing: Value

    /// A directory that has `nothing` for every key.
    init(_ nothing: Value) { self.nothing = nothing }

    /// What belongs to `key`.
    @inline(__always)
    subscript(key: Key) -> Value {
        get { Int(key.raw) < values.count ? values[Int(key.raw)] : nothing }
        set {
            while values.count <= Int(key.raw) { values.append(nothing) }
            values[Int(key.raw)] = newValue
        }
    }
}

package typealias QueueIndex = Index<Queue>
package typealias ExchangeIndex = Index<Exchange>
package typealias ChannelIndex = Index<Channel>
package typealias ConsumerIndex = Index<Consumer>
typealias SessionIndex = Index<Session>
package typealias PeerIndex = Index<Peer>
package typealias QuorumIndex = Index<QuorumGroup>
typealias MemberIndex = Index<QuorumMember>
/// The place of a message in the slab.
typealias MessageIndex = Index<MessageRow>
package typealias ConfirmSlot = Index<Confirms.Pending>
