import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace

/// Dead letters that go round, and scripts that repeat themselves.
@Suite("What goes round") struct CircleTests {
    private func run(_ share: String) throws -> Simulation {
        try Simulate.run(
            """
            warren: 1
            name: circle
            brokers:
              main:
                kind: rabbitmq
                queues:
                  work: { dead_letter: { exchange: "", key: wait } }
                  wait: { message_ttl: 5s, dead_letter: { exchange: "", key: work } }
            producers: { p: { to: work, arrivals: 10/s, count: 40 } }
            consumers: { c: { from: work, prefetch: 5, fails: { \(share) }, on_error: { requeue: false } } }
            """
        )
    }

    @Test("without progress ends the run, and says which queues and how often")
    func circle() throws {
        let ended = try run("poison: 20%")
        guard case .stopped(let why) = ended.state else {
            Issue.record("it is \(ended.state)")
            return
        }
        #expect(why.contains("messages circle"))
        #expect(why.contains("work → wait → work") || why.contains("wait → work → wait"))
        #expect((Double(ended.world.now.nanoseconds) * 1e-9) < 3600)
    }

    @Test("with progress goes on to its end")
    func retry() throws {
        let ended = try run("error: 60%")
        #expect(ended.state == .ended)
        #expect(ended.ledger.totals.handled == 40)
    }

    @Test("in a script is said as often as it says")
    func script() throws {
        let ended = try Simulate.run(
            """
            warren: 1
            name: repeat
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            scripts: { s: { steps: [{ repeat: { times: 7, steps: [{ publish: { to: q } }, { wait: 1s }] } }, { publish: { to: q } }] } }
            """
        )
        #expect(ended.ledger.totals.published == 8)
        #expect(ended.world.now.nanoseconds > 7_000_000_000)
    }
}
