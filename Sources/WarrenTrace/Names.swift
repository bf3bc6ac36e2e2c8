/// What a name is a name of.
public enum NameKind: UInt8, Sendable, Hashable, CaseIterable {
    case none, broker, node, client, exchange, queue, subject, key, effect, text

    /// The word for it in text and SQL.
    public var word: String { String(describing: self) }
}

/// The names of a run, interned: small integers inside, text again only in views.
///
/// A name is known by its kind, its scope and its text, so that two brokers may each have a queue
/// `orders`. Names are added in the order of the run and never removed; symbol 0 is "no name".
public struct Names: Sendable {
    /// One name.
    public struct Entry: Sendable, Hashable {
        /// What it names.
        public var kind: NameKind
        /// What it belongs to, such as the broker of a queue; ``Symbol/none`` if to nothing.
        public var scope: Symbol
        /// The name itself.
        public var text: String
    }

    /// All names; the position is the symbol.
    public private(set) var entries: [Entry]

    private var known: [Entry: Symbol]

    /// A table with nothing but "no name".
    public init() {
        entries = [Entry(kind: .none, scope: .none, text: "")]
        known = [:]
    }

    /// How many symbols there are, "no name" included.
    public var count: Int { entries.count }

    /// The symbol of a name, made if it is new.
    ///
    /// Amortised constant time; hashes the text.
    public mutating func intern(_ kind: NameKind, _ text: String, in scope: Symbol = .none)
        -> Symbol
    {
        let entry = Entry(kind: kind, scope: scope, text: text)
        if let symbol = known[entry] { return symbol }
        let symbol = Symbol(UInt32(entries.count))
        entries.append(entry)
        known[entry] = symbol
        return symbol
    }

    /// The symbol of a name that is already known, or nil.
    public func find(_ kind: NameKind, _ text: String, in scope: Symbol = .none) -> Symbol? {
        known[Entry(kind: kind, scope: scope, text: text)]
    }

    /// The text of a symbol; empty for "no name" and for a symbol of another run.
    public subscript(symbol: Symbol) -> String {
        Int(symbol.raw) < entries.count ? entries[Int(symbol.raw)].text : ""
    }

    /// The names that queues or exchanges of several brokers bear, without their scopes.
    ///
    /// Linear in the number of names.
    public var shared: Set<Entry> {
        var seen: Set<Entry> = []
        var shared: Set<Entry> = []
        for entry in entries where [.queue, .exchange].contains(entry.kind) && !entry.text.isEmpty {
            let bare = Entry(kind: entry.kind, scope: .none, text: entry.text)
            if !seen.insert(bare).inserted { shared.insert(bare) }
        }
        return shared
    }

    /// The text of a symbol, with its broker if it is one of ``shared``.
    public func text(of symbol: Symbol, among shared: Set<Entry>) -> String {
        guard !shared.isEmpty, Int(symbol.raw) < entries.count else { return self[symbol] }
        let entry = entries[Int(symbol.raw)]
        let isShared = shared.contains(Entry(kind: entry.kind, scope: .none, text: entry.text))
        return isShared ? "\(self[entry.scope])/\(entry.text)" : entry.text
    }

    /// What kind of thing a symbol names.
    public func kind(of symbol: Symbol) -> NameKind {
        Int(symbol.raw) < entries.count ? entries[Int(symbol.raw)].kind : .none
    }
}
