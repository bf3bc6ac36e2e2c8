/// A fingerprint of a run: two runs with the same digest told the same facts in the same order.
///
/// The six words of a fact go through three full multiplications, of which only one has to wait for the
/// fact before. It is not a cryptographic hash; it finds differences, not adversaries.
public struct Digest: Sendable, Hashable {
    @usableFromInline var state: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// The digest of nothing.
    public init() {}

    /// Mixes in one fact.
    @inlinable
    @inline(__always)
    public mutating func add(_ fact: Fact) {
        let ids = UInt64(fact.node.raw) &<< 32 | UInt64(fact.message.raw)
        let names = UInt64(fact.subject.raw) &<< 32 | UInt64(fact.peer)
        let what = UInt64(fact.kind.rawValue) &<< 56 | UInt64(fact.variant) &<< 48
        let when = Self.fold(
            fact.time.nanoseconds ^ 0xC2B2_AE3D_27D4_EB4F,
            fact.event ^ 0x1656_67B1_9E37_79F9
        )
        let whom = Self.fold(ids ^ 0x27D4_EB2F_1656_67C5, names ^ 0x94D0_49BB_1331_11EB)
        state = Self.fold(
            state ^ when &+ fact.detail,
            whom ^ what ^ fact.cause &+ 0x9FB2_1C65_1E98_DF25
        )
    }

    /// Mixes in a text, such as the version or a name.
    public mutating func add(_ text: String) {
        for byte in text.utf8 {
            state = Self.fold(state ^ UInt64(byte), 0x9FB2_1C65_1E98_DF25)
        }
        state = Self.fold(state ^ UInt64(text.utf8.count), 0xC2B2_AE3D_27D4_EB4F)
    }

    /// The 64 bits of the digest.
    public var value: UInt64 { Self.finish(state) }

    /// Sixteen hexadecimal digits.
    public var text: String { Self.text(value) }

    /// A digest of 64 bits in sixteen hexadecimal digits.
    public static func text(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    @inlinable
    @inline(__always)
    static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    private static func finish(_ value: UInt64) -> UInt64 {
        var bits = value
        bits = (bits ^ bits &>> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits &>> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits &>> 31
    }
}
