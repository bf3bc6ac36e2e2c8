import Foundation
import Support
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenTopology

/// The example files, with bytes, lines, words and numbers changed at random.
private struct Mutation {
    private var dice: Dice
    private let texts: [[UInt8]]

    init(seed: UInt64, _ texts: [[UInt8]]) {
        dice = Dice(seed: seed)
        self.texts = texts
    }

    mutating func make() -> [UInt8] {
        var text = dice.pick(texts)
        for _ in 0..<dice.pick([1, 1, 1, 2, 3, 8]) {
            switch dice.below(4) {
            case 0: changeByte(&text)
            case 1: changeLine(&text)
            case 2: changeWord(&text)
            default: changeNumber(&text)
            }
        }
        return text
    }

    private mutating func changeByte(_ text: inout [UInt8]) {
        guard !text.isEmpty else { return }
        let place = dice.below(text.count)
        switch dice.below(3) {
        case 0: text[place] = UInt8(truncatingIfNeeded: dice.next())
        case 1: text.remove(at: place)
        default: text.insert(dice.pick(Array("{}[]:,#-\"'\t &*!|>%@`\u{0}".utf8)), at: place)
        }
    }

    private mutating func changeLine(_ text: inout [UInt8]) {
        var lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let place = dice.below(lines.count)
        switch dice.below(3) {
        case 0: lines.remove(at: place)
        case 1: lines.insert(lines[dice.below(lines.count)], at: place)
        default: lines.swapAt(place, dice.below(lines.count))
        }
        text = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    }

    /// The stretches of a text of which each byte is of a kind.
    private func stretches(_ text: [UInt8], _ isPart: (UInt8) -> Bool) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var start: Int?
        for (place, byte) in text.enumerated() {
            if isPart(byte) {
                start = start ?? place
            } else if let first = start {
                found.append(first..<place)
                start = nil
            }
        }
        return found
    }

    private mutating func changeWord(_ text: inout [UInt8]) {
        let words = stretches(text) { byte in
            byte == UInt8(ascii: "_") || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 32
        }
        guard !words.isEmpty else { return }
        let other = dice.pick(texts)
        let theirs = stretches(other) { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 32 }
        let word = theirs.isEmpty ? Array("x".utf8) : Array(other[dice.pick(theirs)])
        text.replaceSubrange(dice.pick(words), with: word)
    }

    private mutating func changeNumber(_ text: inout [UInt8]) {
        let numbers = stretches(text) { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
        guard !numbers.isEmpty else { return }
        let wanted = dice.pick([
            "0", "1", "-1", "2", "255", "256", "65535", "65536", "4294967295", "4294967296",
            "9007199254740993", "18446744073709551615", "18446744073709551616", "0.5", "1e9",
            "99999999999999999999999999", "\(dice.below(1000))",
        ])
        text.replaceSubrange(dice.pick(numbers), with: Array(wanted.utf8))
    }
}

@Suite("A damaged example", .tags(.slow), .unlessQuick)
struct MutationTests {
    private static let parts = 4
    /// Enough for what a mutation changes to be met, and for no run to be long.
    private static let patience: UInt64 = 30_000

    @Test(arguments: 0..<parts)
    func `is refused with findings, or runs and balances its books`(part: Int) throws {
        let texts = try Repository.topologies.map { Array(try Repository.text($0).utf8) }
        let count = RandomRun.number("WARREN_MUTATIONS", usually: 2000) / Self.parts
        let first = RandomRun.number("WARREN_SEED", usually: 1) + part * count
        var ran = 0
        for number in 0..<count {
            let seed = UInt64(first + number)
            var mutation = Mutation(seed: seed, texts)
            let bytes = mutation.make()
            // A trap ends the process: what it was about is found here.
            let path = FileManager.default.temporaryDirectory.appending(
                path: "warren-mutation-\(part).yaml"
            )
            try Data(bytes).write(to: path)
            if let fault = try fault(in: bytes, &ran) {
                let kept = path.deletingLastPathComponent().appending(
                    path: "warren-mutation-\(seed).yaml"
                )
                try Data(bytes).write(to: kept)
                Issue.record("seed \(seed): \(fault); play it again: warren run \(kept.path)")
            }
            try? FileManager.default.removeItem(at: path)
        }
        #expect(ran * 10 > count, "\(ran) of \(count) ran: the rest of the program saw nothing")
    }

    private func fault(in bytes: [UInt8], _ ran: inout Int) throws -> String? {
        let read = TopologyReader.read("mutated.yaml", vocabularies: Catalog.vocabularies) {
            (path) throws(ReadFailure) in
            guard path == "mutated.yaml" else { throw ReadFailure("there is no such file") }
            return bytes
        }
        guard let topology = read.topology else {
            return read.findings.contains { $0.severity == .error } ? nil : "refused without a word"
        }
        var simulation: Simulation
        do {
            simulation = try Simulation(topology, models: Catalog.models)
        } catch {
            return error.findings.isEmpty ? "rejected without a word" : nil
        }
        ran += 1
        while simulation.advance(events: 5000) == .running {
            if simulation.world.eventCount > Self.patience {
                simulation.stop(because: "it is enough")
            }
        }
        _ = simulation.verdicts
        return simulation.imbalances().first
    }
}
