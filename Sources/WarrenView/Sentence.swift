/// A sentence about a fact with places for what the fact says: the same pieces are read by the terminal and by the page.
public struct Sentence: Sendable, Hashable, ExpressibleByStringInterpolation {
    /// What stands at a place.
    public enum Field: String, Sendable, Hashable, CaseIterable {
        /// The node that it happened at.
        case here
        /// The name that it is about.
        case subject
        /// The other node or name, and the detail: ``FactColumns`` says which, and in which unit.
        case peer, detail
        /// Of a publication: its headers.
        case headers
    }

    /// A part of the sentence.
    public enum Piece: Sendable, Hashable {
        case text(String)
        case field(Field)
    }

    /// The parts, in their order.
    public private(set) var pieces: [Piece] = []

    /// A sentence that says the same of every fact.
    public init(stringLiteral text: String) { pieces = [.text(text)] }

    /// A sentence with places.
    public init(stringInterpolation: StringInterpolation) { pieces = stringInterpolation.pieces }

    /// Adds a sentence to another.
    static func + (left: Sentence, right: Sentence) -> Sentence {
        var sum = left
        sum.pieces += right.pieces
        return sum
    }

    /// Gathers the pieces of a literal.
    public struct StringInterpolation: StringInterpolationProtocol, Sendable {
        fileprivate var pieces: [Piece] = []

        /// An empty one.
        public init(literalCapacity: Int, interpolationCount: Int) {}

        /// Adds text.
        public mutating func appendLiteral(_ literal: String) {
            if !literal.isEmpty { pieces.append(.text(literal)) }
        }

        /// Adds a place.
        public mutating func appendInterpolation(_ field: Field) { pieces.append(.field(field)) }

        /// Adds text that is the same for every fact of a kind and variant.
        public mutating func appendInterpolation(_ text: String) { appendLiteral(text) }
    }
}
