import Testing
import WarrenKernel
import WarrenTrace

@Suite("Chance")
struct ChanceTests {
    /// The mean and the deviation of a law, and what they should be.
    @Test(arguments: [
        ("constant", Law.constant(units: 700), 700.0, 0.0),
        ("uniform", Law.uniform(1000, 3000), 2000, 577.35),
        ("exponential", Law.exponential(mean: 5e6), 5e6, 5e6),
        ("normal", Law.normal(mean: 1e6, deviation: 1e5), 1e6, 1e5),
        ("gamma", Law.gamma(mean: 4e6, variation: 0.8), 4e6, 3.2e6),
        ("gamma below one", Law.gamma(mean: 4e6, variation: 2), 4e6, 8e6),
        // median 2e6, p99 15e6: sigma = ln(7.5) / 2.3263 = 0.8661.
        ("lognormal", Law.lognormal(median: 2e6, p99: 15e6), 2.9102e6, 3.0765e6),
    ])
    func `draws have the mean and the deviation of their law`(
        name: String,
        law: Law,
        mean: Double,
        deviation: Double
    ) {
        var chance = Chance(seed: 11)
        let stream = chance.stream(name)
        let count = 400_000.0
        var sum = 0.0
        var squares = 0.0
        for _ in 0..<Int(count) {
            let value = Double(chance.sample(law, stream).nanoseconds)
            sum += value
            squares += value * value
        }
        let seen = sum / count
        let spread = max(0, squares / count - seen * seen).squareRoot()
        #expect(abs(seen - mean) <= mean * 0.01, "\(name), seed 11: mean \(seen)")
        #expect(abs(spread - deviation) <= deviation * 0.05 + 1, "\(name): deviation \(spread)")
    }

    @Test func `an empirical law draws nothing but its samples`() {
        var chance = Chance(seed: 1)
        let stream = chance.stream("samples")
        let law = Law.empirical([3, 5, 9], in: &chance)
        var seen: Set<UInt64> = []
        for _ in 0..<100 { seen.insert(chance.sample(law, stream).nanoseconds) }
        #expect(seen == [3, 5, 9])
    }

    @Test func `a new stream does not move the draws of another`() {
        var alone = Chance(seed: 5)
        let first = alone.stream("a")
        var crowded = Chance(seed: 5)
        for number in 0..<50 { _ = crowded.stream("other \(number)") }
        let second = crowded.stream("a")
        for _ in 0..<100 {
            _ = crowded.below(10, crowded.stream("other 7"))
            let one = alone.below(1 << 40, first)
            let other = crowded.below(1 << 40, second)
            #expect(one == other)
        }
    }

    @Test func `draws are the same on every machine`() {
        var chance = Chance(seed: 42)
        let stream = chance.stream("golden")
        var values: [UInt64] = []
        for law in [
            Law.exponential(mean: 1e9), .normal(mean: 1e9, deviation: 1e8),
            .lognormal(median: 1e6, p99: 5e6), .gamma(mean: 1e9, variation: 0.5), .uniform(0, 1e9),
        ] {
            values.append(chance.sample(law, stream).nanoseconds)
        }
        #expect(values == [1_252_518_161, 984_837_775, 2_359_368, 1_730_492_023, 542_275_279])
    }

    @Test func `a recorded schedule plays again under another seed`() {
        func draws(_ chance: inout Chance) -> [UInt64] {
            let stream = chance.stream("work")
            let law = Law.exponential(mean: 1e6)
            return (0..<20).map { _ in chance.sample(law, stream).nanoseconds }
                + [chance.below(100, stream), chance.happens(Share(0.5), stream) ? 1 : 0]
        }
        var original = Chance(seed: 1)
        original.startRecording()
        let wanted = draws(&original)
        #expect(original.recorded.map(\.value) == wanted)

        var replayed = Chance(seed: 999)
        replayed.play(["work": original.recorded.map(\.value)])
        let again = draws(&replayed)
        #expect(again == wanted)
    }

    @Test func `a share of nothing never happens and a share of all always does`() {
        var chance = Chance(seed: 1)
        let stream = chance.stream("share")
        for _ in 0..<1000 {
            let never = chance.happens(.never, stream)
            let always = chance.happens(Share(1), stream)
            #expect(!never)
            #expect(always)
        }
    }
}
