import Support
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// A kind of broker, and how the contract's topologies are written for it.
struct ContractParty: Sendable, CustomTestStringConvertible {
    let kind: String
    /// The broker, with a place for messages called `work`.
    let broker: String
    /// What a producer says beside its arrivals, so that its messages are as safe as can be.
    let safely: String
    /// Where consumers that share take from.
    let shared: String

    var testDescription: String { kind }

    /// What its model says of itself; nothing for a kind that is not in the catalogue.
    var features: Features {
        Catalog.models.first { $0.vocabulary.kind == kind }?.features
            ?? Features(delivery: .atMostOnce, capabilities: [], approximations: [])
    }

    /// A topology: the broker, and the rest as given.
    func topology(_ rest: String) -> String {
        """
        warren: 1
        name: contract
        seed: 3
        brokers:
          main: \(broker)
        \(rest)
        """
    }

    /// Every model that is in the catalogue must be here.
    static let all = [
        ContractParty(
            kind: "rabbitmq",
            broker: "{ kind: rabbitmq, queues: { work: {} } }",
            safely: "persistent: true, confirms: { timeout: 5s, retries: 5 }",
            shared: "work"
        ),
        ContractParty(
            kind: "nats",
            broker: "{ kind: nats }",
            safely: "size: 64B",
            shared: "{ subject: work, group: workers }"
        ),
    ]
}

/// What every model of a broker keeps, whatever the broker; and that each can do what its ``Features`` say, and
/// cannot do the rest.
@Suite("The contract of the brokers") struct BrokerContract {
    private func run(_ text: String) throws -> (run: Simulation, facts: [Fact]) {
        var run = try Simulate.make(text)
        var facts: [Fact] = []
        run.run { facts += $0 }
        #expect(run.imbalances().isEmpty, "\(run.imbalances())")
        #expect(run.ledger.misfits == 0)
        return (run, facts)
    }

    /// Work, with a consumer and a node that die on the way.
    private func rough(_ party: ContractParty) -> String {
        party.topology(
            """
            producers:
              web: { to: work, start: 100ms, arrivals: 100/s, count: 1500, \(party.safely) }
            consumers:
              worker: { from: \(party.shared), instances: 2, service: 4ms }
            faults:
              - { at: 1s, do: kill, client: worker, for: 500ms }
              - { at: 3s, do: kill, node: main/main, for: 1s }
            """
        )
    }

    @Test func `has every model of the catalogue in it`() {
        #expect(
            Set(Catalog.models.map { $0.vocabulary.kind }) == Set(ContractParty.all.map(\.kind))
        )
    }

    @Test(arguments: ContractParty.all)
    func `no message comes from nowhere, and none is settled twice`(party: ContractParty) throws {
        let (_, facts) = try run(rough(party))
        var published: Set<MessageID> = []
        /// By message: deliveries that are out.
        var out: [MessageID: Int] = [:]
        var delivered = 0
        for fact in facts {
            switch fact.kind {
            case .messagePublished: published.insert(fact.message)
            case .messageRouted, .deliverySent:
                #expect(published.contains(fact.message), "\(fact.kind.name) from nowhere")
                guard fact.kind == .deliverySent else { continue }
                delivered += 1
                // One that is settled by sending is never out.
                if fact.variant & 2 == 0 { out[fact.message, default: 0] += 1 }
            case .deliveryAcked, .deliveryRequeued:
                out[fact.message, default: 0] -= 1
                #expect(out[fact.message, default: 0] >= 0, "settled twice")
            default: break
            }
        }
        #expect(published.count == 1500)
        #expect(delivered > 400)
    }

    @Test(arguments: ContractParty.all)
    func `the same seed lives the same life, and another one another`(party: ContractParty) throws {
        let text = rough(party).replacing(
            "arrivals: 100/s",
            with: "arrivals: { law: poisson, rate: 100/s }"
        )
        let first = try run(text)
        let again = try run(text)
        #expect(first.facts == again.facts)
        #expect(first.run.digest == again.run.digest)
        #expect(try Simulate.run(text, seed: 4).digest != first.run.digest)
    }

    @Test(arguments: ContractParty.all)
    func `a node that was killed serves again`(party: ContractParty) throws {
        let (_, facts) = try run(rough(party))
        let back = try #require(facts.last { $0.kind == .nodeStarted }?.time)
        #expect(facts.contains { $0.kind == .deliverySent && $0.time > back })
    }

    @Test(arguments: ContractParty.all)
    func `handles a message as often as it promises`(party: ContractParty) throws {
        let (run, facts) = try run(rough(party))
        let handled = facts.filter { $0.kind == .messageHandled }.map(\.message)
        switch party.features.delivery {
        case .atMostOnce:
            #expect(Set(handled).count == handled.count, "nothing is handled twice")
            #expect(handled.count < 1500, "something was lost when nodes died")
        case .atLeastOnce:
            #expect(Set(handled).count == 1500, "everything is handled")
            #expect(run.ledger.lost == 0)
        }
    }

    /// What a capability comes to: whether the broker shows it.
    private func shows(_ capability: Features.Capability, _ party: ContractParty) throws -> Bool {
        switch capability {
        case .keepsForLater:
            let late = party.topology(
                """
                producers:
                  web: { to: work, start: 100ms, arrivals: 100/s, count: 20 }
                consumers:
                  worker: { from: \(party.shared), start: 5s, service: 1ms }
                """
            )
            return try run(late).run.ledger.totals.handled == 20
        case .sharesWork:
            let two = party.topology(
                """
                producers:
                  web: { to: work, start: 1s, arrivals: 100/s, count: 200 }
                consumers:
                  worker: { from: \(party.shared), instances: 2, service: 1ms }
                """
            )
            let (run, facts) = try run(two)
            let workers = Set(facts.filter { $0.kind == .deliverySent }.map(\.peer))
            return run.ledger.totals.handled == 200 && workers.count == 2
        case .returnsUnfinished:
            let dying = party.topology(
                """
                producers:
                  web: { to: work, start: 1s, arrivals: 100/s, count: 20 }
                consumers:
                  worker: { from: \(party.shared), service: 500ms }
                faults:
                  - { at: 1500ms, do: kill, client: worker, for: 1s }
                """
            )
            return try Set(
                run(dying).facts.filter { $0.kind == .messageHandled }.map(\.message)
            ).count == 20
        case .confirms:
            let asking = party.topology(
                """
                producers:
                  web: { to: work, start: 100ms, arrivals: 100/s, count: 20, confirms: true }
                consumers:
                  worker: { from: \(party.shared), service: 1ms }
                """
            )
            guard let facts = try? run(asking).facts else { return false }
            return facts.count { $0.kind == .messageConfirmed } == 20
        case .survivesRestart:
            let killed = party.topology(
                """
                producers:
                  web: { to: work, start: 100ms, arrivals: 100/s, count: 20, \(party.safely) }
                consumers:
                  worker: { from: \(party.shared), start: 20s, service: 1ms }
                faults:
                  - { at: 5s, do: kill, node: main/main, for: 1s }
                """
            )
            return try run(killed).run.ledger.totals.handled == 20
        case .answersRequests:
            let calling = party.topology(
                """
                callers:
                  shop: { to: work, start: 1s, arrivals: 20/s, count: 20, timeout: 2s }
                servers:
                  desk: { from: \(party.shared), service: 1ms }
                """
            )
            return try run(calling).run.ledger.totals.answered == 20
        }
    }

    @Test(arguments: ContractParty.all, Features.Capability.allCases)
    func `can do what it says, and nothing else`(
        party: ContractParty,
        capability: Features.Capability
    ) throws {
        let says = party.features.capabilities.contains(capability)
        let shows = try shows(capability, party)
        #expect(
            shows == says,
            "\(party.kind) \(says ? "does not show" : "shows"): \(capability.rawValue)"
        )
    }
}
