import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// What a simulation looks at before it begins.
extension Simulation {
    /// A run must be able to end.
    static func checkEnds(_ topology: Topology, _ blueprint: inout Blueprint) {
        guard topology.duration == nil else { return }
        for client in topology.clients
        where client.count == nil && (client.role == .producer || client.role == .caller) {
            blueprint.findings.append(
                Finding(
                    "endless",
                    "'\(client.name)' publishes without end, and the run has no end either",
                    at: client.place,
                    remedy: "give it a `count:`, or the file `run: { for: 10m }`"
                )
            )
        }
    }

    /// Nodes are upgraded to versions that their model knows.
    static func checkUpgrades(
        _ topology: Topology,
        _ models: [any BrokerModel.Type],
        _ blueprint: inout Blueprint
    ) {
        for fault in topology.faults {
            guard let version = fault.version,
                let broker = topology.brokers.first(where: { $0.name == fault.broker }),
                let known = models.first(where: { $0.vocabulary.kind == broker.kind })?.vocabulary
                    .versions, !known.contains(version)
            else { continue }
            blueprint.findings.append(
                Finding(
                    "unknown-version",
                    "there is no version '\(version)' of \(broker.kind) here",
                    at: fault.place,
                    label: DidYouMean.hint(version, in: known),
                    remedy: "known are \(known.joined(separator: ", "))"
                )
            )
        }
    }

    /// The symbols of the names in an expression.
    static func resolve(
        _ expression: Expression,
        _ place: Place,
        _ files: [SourceFile],
        _ blueprint: inout Blueprint
    ) -> [String: Symbol] {
        var symbols: [String: Symbol] = [:]
        for (name, kind) in expression.names {
            // The age of a message is asked for at a client, or at a queue.
            let kinds: [NameKind] = kind == .text ? [.client, .queue] : [kind]
            if let symbol = kinds.compactMap({ find(name, $0, blueprint) }).first {
                symbols[name] = symbol
                continue
            }
            let known = blueprint.world.names.entries.filter { $0.kind == kind }.map(\.text)
            blueprint.findings.append(
                Finding(
                    "unknown-name",
                    "the expectation speaks of \(kind == .client ? "a client" : kind == .queue ? "a queue" : kind == .text ? "a queue or client" : "an effect") '\(name)', and there is none",
                    at: place.of(name, in: files),
                    label: DidYouMean.hint(name, in: known)
                )
            )
        }
        return symbols
    }

    private static func find(_ name: String, _ kind: NameKind, _ blueprint: Blueprint) -> Symbol? {
        let names = blueprint.world.names
        if kind != .queue { return names.find(kind, name) }
        let matches = names.entries.indices.filter {
            let entry = names.entries[$0]
            guard entry.kind == .queue else { return false }
            return entry.text == name || "\(names[entry.scope])/\(entry.text)" == name
        }
        return matches.first.map { Symbol(UInt32($0)) }
    }
}

extension Expression {
    /// The names that it speaks of, and what they name.
    fileprivate var names: [(String, NameKind)] {
        let terms = messageTerms.compactMap { term -> (String, NameKind)? in
            switch term {
            case .handled(let client?): (client, .client)
            case .from(let client): (client, .client)
            case .inQueue(let queue): (queue, .queue)
            case .published, .confirmed, .nacked, .returned, .unknown, .unroutable, .deadLettered,
                .dropped, .expired, .redelivered, .delivered, .handled, .kept, .key, .header:
                nil
            }
        }
        let quantities = quantities.compactMap { quantity -> (String, NameKind)? in
            switch quantity {
            case .depth(let queue), .unacked(let queue), .lag(let queue),
                .statistic(_, .unacked(let queue)), .statistic(_, .lag(let queue)):
                (queue, .queue)
            case .answered(let client), .failed(let client), .outOfOrder(let client):
                (client, .client)
            case .statistic(_, .age(let name)): (name, .text)
            case .effects(let effect), .effectsPerMessage(let effect): (effect, .effect)
            case .statistic(_, .wait(let queue)), .statistic(_, .depth(let queue)):
                (queue, .queue)
            case .statistic(_, .roundTrip(let client)), .statistic(_, .confirm(let client)),
                .statistic(_, .work(let client)):
                (client, .client)
            case .count, .redeliveries, .queueCount, .connectionCount, .channelCount: nil
            }
        }
        return terms + quantities
    }
}
