import NIOCore

/// A string of the protocol: octets, mostly UTF-8, which nobody checks.
///
/// Short strings have at most 255 octets. Two are equal if their octets are; text that merely looks the
/// same is not.
public struct Octets: Sendable {
    private enum Storage {
        case text(String)
        /// What is no UTF-8.
        case raw([UInt8])
    }

    private var storage: Storage

    /// A text as UTF-8.
    public init(_ text: String) {
        storage = .text(text)
    }

    /// Octets as they are.
    public init(_ octets: some Sequence<UInt8>) {
        self = Array(octets).withUnsafeBufferPointer { Octets(copying: $0) }
    }

    init(copying bytes: UnsafeBufferPointer<UInt8>) {
        // Names and keys are ASCII nearly always, which needs no closer look.
        if bytes.allSatisfy({ $0 < 0x80 }) {
            storage = .text(String(decoding: bytes, as: UTF8.self))
        } else if let text = String(validating: bytes, as: UTF8.self) {
            storage = .text(text)
        } else {
            storage = .raw(Array(bytes))
        }
    }

    /// How many octets there are.
    public var count: Int {
        switch storage {
        case .text(let text): text.utf8.count
        case .raw(let octets): octets.count
        }
    }

    /// Whether there are none.
    public var isEmpty: Bool {
        if case .text(let text) = storage { text.isEmpty } else { false }
    }

    /// The octets.
    public var bytes: [UInt8] {
        switch storage {
        case .text(let text): Array(text.utf8)
        case .raw(let octets): octets
        }
    }

    /// As text; what is no UTF-8 is replaced.
    public var text: String {
        switch storage {
        case .text(let text): text
        case .raw(let octets): String(decoding: octets, as: UTF8.self)
        }
    }

    /// Whether they are UTF-8.
    public var isText: Bool {
        if case .text = storage { true } else { false }
    }

    func write(to buffer: inout ByteBuffer) {
        switch storage {
        case .text(let text): buffer.writeString(text)
        case .raw(let octets): buffer.writeBytes(octets)
        }
    }
}

/// By their octets.
extension Octets: Hashable {
    /// Whether the octets are the same.
    public static func == (one: Octets, other: Octets) -> Bool {
        switch (one.storage, other.storage) {
        case (.text(let one), .text(let other)): one.utf8.elementsEqual(other.utf8)
        case (.raw(let one), .raw(let other)): one == other
        case (.text, .raw), (.raw, .text): false
        }
    }

    /// Of the octets.
    public func hash(into hasher: inout Hasher) {
        switch storage {
        case .text(let text): for octet in text.utf8 { hasher.combine(octet) }
        case .raw(let octets): hasher.combine(octets)
        }
    }
}

/// Written as text.
extension Octets: ExpressibleByStringLiteral, CustomStringConvertible {
    /// A text as UTF-8.
    public init(stringLiteral text: String) { self.init(text) }

    public var description: String { text }
}
