import Support
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

@Suite("Every topology of the repository")
struct TopologiesTests {
    private func simulation(_ path: String) throws -> Simulation {
        try Simulate.make(file: path)
    }

    @Test(arguments: Repository.topologies)
    func `runs to its end, balances its books and keeps its expectations`(path: String) throws {
        var run = try simulation(path)
        run.run()
        #expect(run.state == .ended)
        #expect(run.imbalances().isEmpty, "\(run.imbalances())")
        #expect(!run.verdicts.isEmpty, "a topology teaches by what it expects")
        for verdict in run.verdicts {
            #expect(verdict.isAsMeant, "\(verdict.name): \(verdict.sentence)")
        }
    }

    @Test(.tags(.slow), .unlessQuick, arguments: Repository.topologies)
    func `lives the same life twice, event by event`(path: String) throws {
        var first = try simulation(path)
        var second = try simulation(path)
        while first.state == .running {
            var facts: [Fact] = []
            var others: [Fact] = []
            first.advance(facts: 64) { facts += $0 }
            second.advance(facts: 64) { others += $0 }
            for (one, other) in zip(facts, others) where one != other {
                Issue.record("the first different event is #\(one.event): \(one.kind.name)")
                return
            }
            #expect(facts.count == others.count)
        }
        #expect(first.digest == second.digest)
    }

    @Test(.tags(.slow), .unlessQuick, arguments: Repository.topologies)
    func `keeps its invariants under another seed`(path: String) throws {
        for seed: UInt64 in [101, 202, 303] {
            var run = try Simulate.make(file: path, seed: seed)
            run.run()
            #expect(
                run.imbalances().isEmpty,
                "warren run \(path) --seed \(seed): \(run.imbalances())"
            )
        }
    }
}
