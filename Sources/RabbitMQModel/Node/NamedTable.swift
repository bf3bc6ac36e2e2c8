import WarrenTrace

/// Rows that are found by their place and by their name.
///
/// A row that is forgotten keeps its place, and its name may be given to another one.
struct NamedTable<Row: Sendable>: Sendable, Sequence {
    private var rows: Table<Row> = []
    private var places = Directory<Symbol, Index<Row>>(.none)

    /// The places of all rows.
    var indices: Table<Row>.Indices { rows.indices }

    /// The row at `index`, read and changed where it lies.
    subscript(index: Index<Row>) -> Row {
        @inline(__always)
        unsafeAddress { unsafe rows.address(of: index) }
        @inline(__always)
        unsafeMutableAddress { unsafe rows.mutableAddress(of: index) }
    }

    /// The place of the row with this name, or none.
    @inline(__always)
    func index(of name: Symbol) -> Index<Row> { places[name] }

    /// Adds a row under a name, and says where.
    mutating func append(_ row: Row, named name: Symbol) -> Index<Row> {
        assert(places[name] == .none, "a name is given twice")
        places[name] = rows.endIndex
        return rows.append(row)
    }

    /// Nothing has this name any more.
    mutating func forget(_ name: Symbol) { places[name] = .none }

    func makeIterator() -> ContiguousArray<Row>.Iterator { rows.makeIterator() }
}
