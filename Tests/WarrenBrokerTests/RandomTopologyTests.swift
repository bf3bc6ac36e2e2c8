import Foundation
import Support
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// What a random topology is asked: it runs, balances its books, and does the same again.
enum RandomRun {
    /// How a run came out.
    enum Outcome: Equatable {
        /// The file is refused, with a finding; such files are not counted.
        case refused
        case fine
        /// Something is wrong with it: a short word for the kind of fault, and a sentence.
        case bad(String, String)
    }

    /// After so many events it is enough: the rest would not be different.
    static let patience: UInt64 = 150_000

    /// Lives through a text that must be without fault; what is wrong with the run, beside what is expected of it.
    static func live(_ text: String) throws -> (run: Simulation, wrong: [String]) {
        var run = try Simulate.make(text)
        run.checksInvariants = true
        while run.advance(facts: 4096, events: 10_000) == .running {
            if run.world.eventCount > 1_000_000 { run.stop(because: "it goes round") }
        }
        var wrong = run.imbalances()
        if case .stopped(let reason) = run.state { wrong.append(reason) }
        return (run, wrong)
    }

    static func outcome(of text: String) -> Outcome {
        guard let first = once(text, facts: 1024), let second = once(text, facts: 37) else {
            return .refused
        }
        if let fault = first.fault { return .bad(fault.0, fault.1) }
        if first.isWhole, second.isWhole, first.digest != second.digest {
            return .bad("digest", "two runs differ, first at \(firstDifference(text))")
        }
        return .fine
    }

    private struct Life {
        var digest: String
        /// Whether it came to its end.
        var isWhole: Bool
        var fault: (String, String)?
    }

    private static func once(_ text: String, facts: Int) -> Life? {
        guard let topology = Simulate.read(text).topology,
            var simulation = try? Simulation(topology, models: Catalog.models)
        else { return nil }
        simulation.checksInvariants = facts == 37
        var audit = DeliveryAudit(of: simulation)
        while simulation.advance(facts: facts, events: 20_000, { audit.take($0) }) == .running {
            if simulation.world.eventCount > patience {
                simulation.stop(because: "it is enough")
            }
        }
        var life = Life(digest: simulation.digest, isWhole: simulation.state == .ended)
        _ = simulation.verdicts
        if let fault = audit.fault {
            life.fault = ("work", fault)
        } else if let fault = simulation.imbalances().first {
            life.fault = (String(fault.filter { !$0.isNumber && $0 != "'" }.prefix(40)), fault)
        }
        return life
    }

    /// The first event after which the lives of a file differ that are lived in larger and in smaller steps.
    private static func firstDifference(_ text: String) -> String {
        var lives: [[Fact]] = []
        for facts in [1024, 37] {
            guard let topology = Simulate.read(text).topology,
                var simulation = try? Simulation(topology, models: Catalog.models)
            else { return "" }
            var all: [Fact] = []
            while simulation.advance(facts: facts, { all += $0 }) == .running {}
            lives.append(all)
        }
        for (one, other) in zip(lives[0], lives[1]) where one != other {
            return
                "event \(one.event) \(one.kind.name) or \(other.event) \(other.kind.name), \(one.time)"
        }
        return "the end: \(lives[0].count) and \(lives[1].count) facts"
    }

    /// Why a file is refused.
    static func findings(_ text: String) -> String {
        let read = Simulate.read(text)
        guard let topology = read.topology else {
            return read.findings.map { "\($0.slug) \($0.sentence)" }.joined(separator: "; ")
        }
        do {
            _ = try Simulation(topology, models: Catalog.models)
            return ""
        } catch {
            return error.findings.filter { $0.severity == .error }.map {
                "\($0.slug) \($0.sentence) \($0.why)"
            }.joined(separator: "; ")
        }
    }

    /// Writes a file beside the others of its kind, and says how to play it again.
    static func keep(_ text: String, _ name: String) -> String {
        let folder = FileManager.default.temporaryDirectory
        let path = folder.appending(path: "\(name).yaml").path
        try? text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// A number from the environment, for more cases than usual.
    static func number(_ variable: String, usually: Int) -> Int {
        ProcessInfo.processInfo.environment[variable].flatMap { Int($0) } ?? usually
    }
}

@Suite("A random topology", .tags(.slow), .unlessQuick)
struct RandomTopologyTests {
    private static let parts = 4

    /// A file that was kept, once more: `WARREN_FILE=/tmp/….yaml`.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["WARREN_FILE"] != nil))
    func `is played again`() throws {
        let path = ProcessInfo.processInfo.environment["WARREN_FILE"] ?? ""
        let outcome = RandomRun.outcome(of: try String(contentsOfFile: path, encoding: .utf8))
        #expect(outcome == .fine)
    }

    @Test(arguments: KeptSchedules.files("topology"))
    func `does what it should where it once did not`(path: String) throws {
        let outcome = RandomRun.outcome(of: try Repository.text(path))
        #expect(outcome == .fine, "\(path): \(outcome)")
    }

    @Test(arguments: 0..<parts)
    func `runs without a crash, balances its books, and lives the same life twice`(part: Int) {
        let count = RandomRun.number("WARREN_TOPOLOGIES", usually: 500) / Self.parts
        let first = RandomRun.number("WARREN_SEED", usually: 1) + part * count
        var refused = 0
        for number in 0..<count {
            let seed = UInt64(first + number)
            let document = RandomTopology.make(seed: seed)
            // A trap ends the process: what it was about is found here.
            let path = RandomRun.keep(document.yaml, "warren-random-\(part)")
            switch RandomRun.outcome(of: document.yaml) {
            case .fine: break
            case .refused:
                refused += 1
                if let why = ProcessInfo.processInfo.environment["WARREN_WHY"], !why.isEmpty {
                    print("seed \(seed): \(RandomRun.findings(document.yaml))")
                }
            case .bad(let kind, let sentence):
                let small = document.shrunk(tries: 400) {
                    if case .bad(kind, _) = RandomRun.outcome(of: $0.yaml) { true } else { false }
                }
                let kept =
                    (try? KeptSchedules.keep(small.yaml, "topology", seed, because: sentence))
                    ?? RandomRun.keep(small.yaml, "warren-random-\(seed)")
                FileHandle.standardError.write(Data("seed \(seed): \(sentence): \(kept)\n".utf8))
                Issue.record("seed \(seed): \(sentence); play it again: warren run \(kept)")
            }
            try? FileManager.default.removeItem(atPath: path)
        }
        #expect(refused * 3 < count * 2, "\(refused) of \(count) are refused: they test nothing")
    }
}
