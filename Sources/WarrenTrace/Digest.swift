/// A fingerprint of a run: two runs with the same digest told the same facts in the same order.
///
/// Five lanes, one per word of a fact, are mixed independently (their multiplications overlap in the
/// processor) and folded at the end. It is not a cryptographic hash; it finds differences, not
/// adversaries.
public struct Digest: Sendable, Hashable {
    private var a: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var b: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private var c: UInt64 = 0x1656_67B1_9E37_79F9
    private var d: UInt64 = 0x27D4_EB2F_1656_67C5
    private var e: UInt64 = 0x94D0_49BB_1331_11EB

    /// The digest of nothing.
    public init() {}

    /// Mixes in one fact.
    @inline(__always)
    public mutating func add(_ fact: Fact) {
        let ids = UInt64(fact.node.raw) &<< 32 | UInt64(fact.message.raw)
        let names = UInt64(fact.subject.raw) &<< 32 | UInt64(fact.peer)
        let what = UInt64(fact.kind.rawValue) &<< 56 | UInt64(fact.variant) &<< 48
        a = Self.mix(a, fact.time.nanoseconds)
        b = Self.mix(b, fact.event ^ fact.cause &<< 32 ^ what)
        c = Self.mix(c, ids)
        d = Self.mix(d, names)
        e = Self.mix(e, fact.detail)
    }

    /// Mixes in a text, such as the version or a name.
    public mutating func add(_ text: String) {
        for byte in text.utf8 { a = Self.mix(a, UInt64(byte)) }
        b = Self.mix(b, UInt64(text.utf8.count))
    }

    /// The 64 bits of the digest.
    public var value: UInt64 {
        var sum = a
        for lane in [b, c, d, e] { sum = Self.finish(sum ^ lane) }
        return sum
    }

    /// Sixteen hexadecimal digits.
    public var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    @inline(__always)
    private static func mix(_ lane: UInt64, _ word: UInt64) -> UInt64 {
        let product = (lane ^ word) &* 0x9FB2_1C65_1E98_DF25
        return product ^ product &>> 29
    }

    private static func finish(_ value: UInt64) -> UInt64 {
        var bits = value
        bits = (bits ^ bits &>> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits &>> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits &>> 31
    }
}
