import Foundation
import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace

/// Ordinary producers and consumers as the systems of queueing theory, of which the answers are known.
///
/// The table in the kernel's documentation is made of these runs.
@Suite("Queueing theory", .tags(.slow), .unlessQuick)
struct TheoryTests {
    /// A system: how many servers, how the service varies, how busy, and how many customers to watch.
    struct System: Sendable, CustomTestStringConvertible {
        var servers: Int
        var service: String
        var load: Double
        var customers: Int

        var testDescription: String {
            "M/\(service == "constant" ? "D" : "M")/\(servers) at \(load)"
        }
    }

    static let systems: [System] = [0.5, 0.8, 0.9].flatMap { load in
        [
            System(
                servers: 1,
                service: "exponential",
                load: load,
                customers: load > 0.85 ? 4_000_000 : 1_000_000
            ),
            System(
                servers: 4,
                service: "exponential",
                load: load,
                customers: load > 0.85 ? 4_000_000 : 1_500_000
            ),
            System(
                servers: 1,
                service: "constant",
                load: load,
                customers: load > 0.85 ? 3_000_000 : 1_000_000
            ),
        ]
    }

    /// Mean wait in units of the mean service time; Erlang's C formula, and half of it for M/D/1.
    static func wait(_ system: System) -> Double {
        let c = Double(system.servers)
        if system.service == "constant" { return system.load / (2 * (1 - system.load)) }
        let offered = c * system.load
        var term = 1.0
        var sum = 1.0
        for n in 1..<max(system.servers, 1) {
            term *= offered / Double(n)
            sum += term
        }
        let last = term * offered / c / (1 - system.load)
        return last / (sum + last) / (c * (1 - system.load))
    }

    @Test(arguments: systems)
    func `agrees with the formulas within two percent`(system: System) throws {
        // One message per millisecond of service at load 1.
        let rate = 1000 * system.load * Double(system.servers)
        let service =
            system.service == "constant" ? "1ms" : "{ law: exponential, mean: 1ms }"
        let simulation = try Simulate.run(
            """
            warren: 1
            name: theory
            seed: 20
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            network: { default: { latency: 0ms } }
            producers:
              p: { to: q, arrivals: { law: poisson, rate: \(rate)/s }, count: \(system.customers), size: 1B }
            consumers:
              c: { from: q, instances: \(system.servers), prefetch: 1, service: \(service) }
            """
        )
        let account = try #require(simulation.ledger.queues.first)
        let wait = Self.wait(system)
        let seen = account.wait.mean / 1e6
        let depth = account.depthMean(at: simulation.world.now)
        // Little's law: the mean depth is the arrival rate times the mean wait.
        let wanted = wait * system.load * Double(system.servers)
        let row =
            "| \(system.testDescription) | \(system.customers) |"
            + String(format: " %.4f | %.4f | %.4f | %.4f |", wait, seen, wanted, depth)
        let table = try Repository.text("Sources/WarrenKernel/WarrenKernel.docc/Theory.md")
        #expect(table.contains(row), "the table in Theory.md does not have \(row)")
        #expect(abs(seen / wait - 1) < 0.02, "wait \(seen), the formula says \(wait)")
        #expect(abs(depth / wanted - 1) < 0.02, "depth \(depth), the formula says \(wanted)")
    }
}
