public import WarrenTrace

/// A labelled stream of chance; see ``Chance/stream(_:)``.
@frozen
public struct StreamID: BitwiseCopyable, Sendable, Hashable {
    /// The position of the stream, from 0.
    public var raw: UInt32

    /// The stream at position `raw`.
    @inlinable
    public init(_ raw: UInt32) { self.raw = raw }
}

/// Every draw of a run.
///
/// Each draw comes from a stream that was forked from the seed by a label, so that adding a node does
/// not move another node's draws. A draw is a whole number: a length of time, an index, a yes or no.
/// The list of draws is the *schedule* of the run; a seed is only one way to write a schedule.
public struct Chance: Sendable {
    /// One draw of a schedule.
    public struct Draw: BitwiseCopyable, Sendable, Hashable {
        /// The stream that it came from.
        public var stream: StreamID
        /// What was drawn.
        public var value: UInt64

        /// A draw.
        public init(stream: StreamID, value: UInt64) {
            self.stream = stream
            self.value = value
        }
    }

    @usableFromInline enum Mode: Sendable { case plain, recording, playing }

    /// The seed of the run.
    public private(set) var seed: UInt64
    /// The labels, by stream.
    public private(set) var labels: [String] = []
    /// What was drawn since ``startRecording()``, in order.
    public private(set) var recorded: ContiguousArray<Draw> = []
    @usableFromInline var streams: ContiguousArray<Xoshiro256> = []
    private var known: [String: StreamID] = [:]
    /// By stream: what its label adds to the seed.
    private var salts: ContiguousArray<UInt64> = []
    @usableFromInline var mode = Mode.plain
    private var script: ContiguousArray<ContiguousArray<UInt64>> = []
    private var played: ContiguousArray<Int> = []
    private var scripted: [String: ContiguousArray<UInt64>] = [:]
    @usableFromInline let exponential = Ziggurat.exponential
    private let normal = Ziggurat.normal
    var samples: ContiguousArray<Double> = []

    /// The chance of a run with this seed.
    public init(seed: UInt64) { self.seed = seed }

    /// The stream with this label, made on first use.
    public mutating func stream(_ label: String) -> StreamID {
        if let stream = known[label] { return stream }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in label.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        var mixer = SplitMix64(state: seed)
        let stream = StreamID(UInt32(streams.count))
        streams.append(Xoshiro256(seed: mixer.next() ^ hash))
        salts.append(hash)
        labels.append(label)
        known[label] = stream
        script.append(scripted[label] ?? [])
        played.append(0)
        return stream
    }

    /// Begins anew with another seed: the streams that there are yield what they would have from the start.
    package mutating func reseed(_ seed: UInt64) {
        self.seed = seed
        var mixer = SplitMix64(state: seed)
        let first = mixer.next()
        for position in streams.indices {
            streams[position] = Xoshiro256(seed: first ^ salts[position])
        }
    }

    /// Keeps every draw from now on in ``recorded``.
    public mutating func startRecording() { mode = .recording }

    /// Plays a schedule: each stream yields the values given under its label, in order, and then what
    /// its seed says.
    public mutating func play(_ schedule: [String: [UInt64]]) {
        scripted = schedule.mapValues { ContiguousArray($0) }
        for (position, label) in labels.enumerated() { script[position] = scripted[label] ?? [] }
        mode = .playing
    }

    /// A draw of a law, in nanoseconds for a length of time, in units otherwise.
    @inlinable
    @inline(__always)
    public mutating func sample(_ law: Law, _ stream: StreamID) -> Interval {
        if law.kind == .constant { return Interval(nanoseconds: UInt64(law.p)) }
        if mode == .plain, law.kind == .exponential {
            let x = exponential.drawExponential(&streams[Int(stream.raw)])
            return Interval(nanoseconds: UInt64(bitPattern: Int64(x * law.p + 0.5)))
        }
        return sampleRare(law, stream)
    }

    @usableFromInline
    @inline(never)
    mutating func sampleRare(_ law: Law, _ stream: StreamID) -> Interval {
        assert(stream.raw < streams.count, "a draw from a stream that was not made")
        return Interval(nanoseconds: draw(stream) { $0.variate(law, $1) })
    }

    /// A whole number below `bound`, which must not be 0.
    public mutating func below(_ bound: UInt64, _ stream: StreamID) -> UInt64 {
        assert(bound > 0, "nothing is below zero")
        assert(stream.raw < streams.count, "a draw from a stream that was not made")
        if mode == .plain {
            return streams[Int(stream.raw)].next().multipliedFullWidth(by: bound).high
        }
        let value = draw(stream) { chance, position in
            chance.streams[position].next().multipliedFullWidth(by: bound).high
        }
        return min(value, bound - 1)
    }

    /// Yes with a probability of `share` in 2^64; see ``Share``.
    public mutating func happens(_ share: Share, _ stream: StreamID) -> Bool {
        assert(stream.raw < streams.count, "a draw from a stream that was not made")
        if share.parts == 0 { return false }
        return draw(stream) { chance, position in
            chance.streams[position].next() < share.parts ? 1 : 0
        } != 0
    }

    private mutating func draw(
        _ stream: StreamID,
        _ make: (inout Chance, Int) -> UInt64
    ) -> UInt64 {
        let position = Int(stream.raw)
        switch mode {
        case .plain:
            return make(&self, position)
        case .recording:
            let value = make(&self, position)
            recorded.append(Draw(stream: stream, value: value))
            return value
        case .playing:
            let fresh = make(&self, position)
            let index = played[position]
            played[position] += 1
            let value = index < script[position].count ? script[position][index] : fresh
            recorded.append(Draw(stream: stream, value: value))
            return value
        }
    }

    private mutating func variate(_ law: Law, _ position: Int) -> UInt64 {
        let value: Double
        switch law.kind {
        case .constant:
            value = law.p
        case .uniform:
            value = law.p + law.q * streams[position].unit()
        case .exponential:
            value = law.p * exponential.drawExponential(&streams[position])
        case .normal:
            value = law.p + law.q * normal.drawNormal(&streams[position])
        case .lognormal:
            value = ExactMath.exp(law.p + law.q * normal.drawNormal(&streams[position]))
        case .gamma:
            value = law.q * gammaVariate(shape: law.p, position)
        case .empirical:
            let bits = streams[position].next()
            let index = bits.multipliedFullWidth(by: UInt64(law.count)).high
            value = samples[Int(law.first) + Int(index)]
        }
        // The largest draw is about 146 years in nanoseconds.
        return value < 0x1p62 ? UInt64(max(value + 0.5, 0)) : 1 << 62
    }

    /// - Source: Marsaglia and Tsang, *A Simple Method for Generating Gamma Variables*, 2000.
    private mutating func gammaVariate(shape: Double, _ position: Int) -> Double {
        if shape < 1 {
            let boost = ExactMath.exp(ExactMath.log(streams[position].unit()) / shape)
            return gammaVariate(shape: shape + 1, position) * boost
        }
        let d = shape - 1.0 / 3.0
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal.drawNormal(&streams[position])
            let root = 1 + c * x
            guard root > 0 else { continue }
            let v = root * root * root
            let u = streams[position].unit()
            if ExactMath.log(u) < 0.5 * x * x + d - d * v + d * ExactMath.log(v) { return d * v }
        }
    }
}

/// A probability, as parts of 2^64, so that deciding needs no floating point.
public struct Share: BitwiseCopyable, Sendable, Hashable {
    /// Parts of 2^64; the largest value stands for "always".
    public var parts: UInt64

    /// A probability from 0 to 1; what lies outside is taken as the nearer end.
    public init(_ probability: Double) {
        parts = probability >= 1 ? .max : UInt64(max(probability, 0) * 0x1p64)
    }

    /// Never.
    @inlinable
    public static var never: Share { Share(0) }
}
