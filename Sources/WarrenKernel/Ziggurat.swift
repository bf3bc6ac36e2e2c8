/// Tables for exponential and normal variates, built with ``ExactMath``.
///
/// - Source: Marsaglia and Tsang, *The Ziggurat Method for Generating Random Variables*, 2000.
@usableFromInline
struct Ziggurat: Sendable {
    /// Layer edges; `x[i + 1]` is inside layer i for certain.
    @usableFromInline var x: ContiguousArray<Double>
    /// The density at the edges.
    var f: ContiguousArray<Double>
    /// Where the tail begins.
    var tail: Double

    static let exponential = Ziggurat(
        tail: 7.69711747013104972,
        area: 0.0039496598225815571993,
        density: { ExactMath.exp(-$0) },
        inverse: { -ExactMath.log($0) }
    )

    static let normal = Ziggurat(
        tail: 3.6541528853610088,
        area: 0.00492867323399,
        density: { ExactMath.exp(-0.5 * $0 * $0) },
        inverse: { (-2 * ExactMath.log($0)).squareRoot() }
    )

    private init(
        tail: Double,
        area: Double,
        density: (Double) -> Double,
        inverse: (Double) -> Double
    ) {
        var edges = ContiguousArray(repeating: 0.0, count: 257)
        edges[0] = area / density(tail)
        edges[1] = tail
        for layer in 1..<255 {
            edges[layer + 1] = inverse(area / edges[layer] + density(edges[layer]))
        }
        edges[256] = 0
        x = edges
        f = ContiguousArray(edges.map(density))
        self.tail = tail
    }

    /// An exponential variate with mean 1.
    @inlinable
    @inline(__always)
    func drawExponential(_ stream: inout Xoshiro256) -> Double {
        let bits = stream.next()
        let layer = Int(truncatingIfNeeded: bits & 255)
        // Signed conversions are one instruction, unsigned ones several; 53 bits fit either.
        let share = Double(Int64(bitPattern: bits &>> 11)) * 0x1p-53
        let (candidate, isInside) = x.withUnsafeBufferPointer { x in
            (share * x[layer], share * x[layer] < x[layer &+ 1])
        }
        return isInside ? candidate : slowExponential(layer, candidate, &stream)
    }

    @usableFromInline
    @inline(never)
    func slowExponential(_ first: Int, _ drawn: Double, _ stream: inout Xoshiro256)
        -> Double
    {
        var layer = first
        var candidate = drawn
        while true {
            if candidate < x[layer &+ 1] { return candidate }
            if layer == 0 { return tail - ExactMath.log(stream.unit()) }
            let height = f[layer] + (f[layer + 1] - f[layer]) * stream.unit()
            if height < ExactMath.exp(-candidate) { return candidate }
            let bits = stream.next()
            layer = Int(bits & 255)
            candidate = Double(bits &>> 11) * 0x1p-53 * x[layer]
        }
    }

    /// A normal variate with mean 0 and deviation 1.
    func drawNormal(_ stream: inout Xoshiro256) -> Double {
        while true {
            let bits = stream.next()
            let layer = Int(bits & 255)
            let sign: Double = bits & 256 == 0 ? 1 : -1
            let candidate = Double(bits &>> 11) * 0x1p-53 * x[layer]
            if candidate < x[layer &+ 1] { return sign * candidate }
            if layer == 0 {
                while true {
                    let a = -ExactMath.log(stream.unit()) / tail
                    let b = -ExactMath.log(stream.unit())
                    if b + b > a * a { return sign * (tail + a) }
                }
            }
            let height = f[layer] + (f[layer + 1] - f[layer]) * stream.unit()
            if height < ExactMath.exp(-0.5 * candidate * candidate) { return sign * candidate }
        }
    }
}
