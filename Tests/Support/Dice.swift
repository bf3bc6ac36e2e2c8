/// Chance for tests: the same seed throws the same.
public struct Dice: Sendable {
    private var state: UInt64

    /// Dice with a seed.
    public init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 ^ 0xD1B5_4A32_D192_ED03 }

    /// 64 random bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// A number below a bound, which must not be 0.
    public mutating func below(_ bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A number in a range.
    public mutating func number(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.count)
    }

    /// Yes, so many times in a hundred.
    public mutating func happens(_ percent: Int) -> Bool { below(100) < percent }

    /// One of some things, of which there must be one.
    public mutating func pick<Element>(_ things: [Element]) -> Element {
        things[below(things.count)]
    }

    /// A number whose size is random as well: small ones are as likely as large ones.
    public mutating func scale(_ range: ClosedRange<Int>) -> Int {
        let low = max(range.lowerBound, 1)
        let bits = Int.bitWidth - (range.upperBound / low).leadingZeroBitCount
        let bound = min(range.upperBound, low << below(bits + 1))
        return number(min(range.lowerBound, bound)...bound)
    }
}
