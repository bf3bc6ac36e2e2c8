/// Logarithm and exponential from `+ - * /` alone, so that every machine gets the same bits.
///
/// The C library's versions differ in the last bit between libraries, versions and processors. These
/// are within a few units in the last place of the true value over the range that laws use, and, more
/// to the point, they are the same everywhere.
enum ExactMath {
    static let ln2 = 0.693147180559945309417232121458176568

    /// The natural logarithm of a positive, finite number.
    static func log(_ x: Double) -> Double {
        // x = m * 2^e with m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh((m - 1) / (m + 1)).
        var exponent = Double(x.exponent)
        var m = x.significand
        if m > 1.41421356237309504880 {
            m *= 0.5
            exponent += 1
        }
        let z = (m - 1) / (m + 1)
        let square = z * z
        // |z| < 0.1716, so 12 terms leave less than 2^-60.
        var sum = 0.0
        var k = 23.0
        while k >= 1 {
            sum = sum * square + 1 / k
            k -= 2
        }
        return 2 * z * sum + exponent * ln2
    }

    /// e to the power x; 0 below -745, infinity above 709.
    static func exp(_ x: Double) -> Double {
        if x < -745 { return 0 }
        if x > 709 { return .infinity }
        let n = (x / ln2).rounded()
        // Two-part reduction keeps the remainder exact to the last bits.
        let high = 0.693147180369123816490
        let low = 1.90821492927058770002e-10
        let r = (x - n * high) - n * low
        var sum = 1.0
        var k = 18.0
        while k >= 1 {
            sum = 1 + sum * r / k
            k -= 1
        }
        return scale(sum, by: Int(n))
    }

    private static func scale(_ value: Double, by exponent: Int) -> Double {
        var result = value
        var left = exponent
        while left > 1000 {
            result *= 0x1p1000
            left -= 1000
        }
        while left < -1000 {
            result *= 0x1p-1000
            left += 1000
        }
        return result * Double(sign: .plus, exponent: left, significand: 1)
    }
}
