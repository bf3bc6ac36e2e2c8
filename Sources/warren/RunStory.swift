import RabbitMQModel
import WarrenBroker
import WarrenCheck
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace
import WarrenView

/// What happened in a run beside its messages, in words.
struct RunStory {
    private let simulation: Simulation
    private let text: FactText
    private let names: Names

    init(_ simulation: Simulation) {
        self.simulation = simulation
        let world = simulation.world
        names = world.names
        text = FactText(
            names: names,
            nodes: (0..<world.nodeCount).map { world.names[world.name(of: NodeID(UInt32($0)))] }
        )
    }

    /// What the file speaks of and what did nothing: faults, clients, policies.
    static func idle(_ simulation: Simulation) -> [String] {
        var found = simulation.idleFaults
        for client in simulation.idleClients {
            found.append("'\(client)' never had a connection")
        }
        let names = simulation.world.names
        for relay in simulation.ledger.chronicle.idleRelays {
            found.append("the \(names[relay]) never ran")
        }
        for broker in simulation.topology.brokers where broker.kind == RabbitMQ.vocabulary.kind {
            let subject = Subject(
                DefinitionSet(broker),
                topology: simulation.topology,
                broker: broker
            )
            found += Check.findings(subject, of: "policy-matches-nothing").map(\.sentence)
        }
        return found
    }

    /// What the broker refused, the first one first.
    var errors: [Report.ErrorLine] {
        simulation.ledger.chronicle.refusals.map { refusal in
            Report.ErrorLine(
                text: names[refusal.text],
                code: refusal.code,
                client: refusal.client == .none ? nil : names[refusal.client],
                count: refusal.count,
                first_ns: refusal.first.nanoseconds,
                closes_connection: refusal.closesConnection
            )
        }
    }

    /// Faults, and what came of them.
    var timeline: [Report.TimelineLine] {
        let chronicle = simulation.ledger.chronicle
        var lines = chronicle.moments.compactMap { moment -> Report.TimelineLine? in
            // Queues that the broker named come and go with their clients, and nobody misses them.
            if case .deserted(let queue, _) = moment.entry, names[queue].hasPrefix("amq.gen-") {
                return nil
            }
            return Report.TimelineLine(
                time_ns: moment.time.nanoseconds,
                sentence: sentence(moment.entry, moment.time)
            )
        }
        if chronicle.untold > 0 {
            lines.append(
                Report.TimelineLine(
                    time_ns: simulation.world.now.nanoseconds,
                    sentence: "and \(chronicle.untold) things more, which the trace tells"
                )
            )
        }
        return lines
    }

    /// What a fault of the timeline is, for the fact that it began.
    func fault(_ fact: Fact) -> String {
        let faults = simulation.topology.faults
        guard Int(fact.detail) < faults.count else { return text.sentence(fact) }
        return "fault \(fact.detail + 1): \(faults[Int(fact.detail)].words)"
    }

    private func sentence(_ entry: Chronicle.Entry, _ time: Instant) -> String {
        switch entry {
        case .fact(let fact) where fact.kind == .faultBegan || fact.kind == .faultEnded:
            return fact.kind == .faultBegan ? fault(fact) : "fault \(fact.detail + 1) is over"
        case .fact(let fact): return text.sentence(fact)
        case .cut(let client, let count, let back):
            let connections = count == 1 ? "its connection" : "\(count) connections"
            guard let back else { return "\(names[client]) loses \(connections), and is not back" }
            return
                "\(names[client]) loses \(connections), and is back after \(FactText.length(back - time))"
        case .deserted(let queue, let until):
            guard let until else { return "\(text.name(queue)) has no consumer from now on" }
            return "\(text.name(queue)) has no consumer for \(FactText.length(until - time))"
        }
    }
}
