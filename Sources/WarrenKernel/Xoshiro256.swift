/// The generator behind every draw: xoshiro256**, seeded through SplitMix64.
///
/// - Source: Blackman and Vigna, *Scrambled linear pseudorandom number generators*, 2021.
@frozen
public struct Xoshiro256: BitwiseCopyable, Sendable {
    @usableFromInline var a: UInt64
    @usableFromInline var b: UInt64
    @usableFromInline var c: UInt64
    @usableFromInline var d: UInt64

    /// The stream that a seed stands for.
    public init(seed: UInt64) {
        var mixer = SplitMix64(state: seed)
        a = mixer.next()
        b = mixer.next()
        c = mixer.next()
        d = mixer.next()
    }

    /// The next 64 bits.
    @inlinable
    @inline(__always)
    public mutating func next() -> UInt64 {
        let product = b &* 5
        let result = (product &<< 7 | product &>> 57) &* 9
        let shifted = b &<< 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = d &<< 45 | d &>> 19
        return result
    }

    /// A number in (0, 1].
    @inline(__always)
    mutating func unit() -> Double { Double(Int64(bitPattern: next() &>> 11 &+ 1)) * 0x1p-53 }
}

/// The generator that turns seeds into states.
struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ bits &>> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits &>> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits &>> 31
    }
}
