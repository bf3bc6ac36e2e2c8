import Foundation
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenLedger
import WarrenStore
import WarrenTopology
import WarrenTrace

/// The workloads of the whole model: ordinary topologies.
enum BrokerWorkloads {
    /// What a workload could not do.
    struct Unfit: Error { var sentence: String }

    /// A simulation of a topology that is written here.
    static func simulation(_ text: String) throws -> Simulation {
        let result = TopologyReader.read("bench.yaml", vocabularies: Catalog.vocabularies) {
            _ throws(ReadFailure) in Array(text.utf8)
        }
        guard let topology = result.topology else {
            throw Unfit(sentence: result.findings.map(\.sentence).joined(separator: "\n"))
        }
        return try Simulation(topology, models: Catalog.models)
    }

    /// The workload of `broker.cpp` and `broker_simpy.py` as a topology.
    ///
    /// Four producers of 250 messages a second each, eight keys, three patterns that make 1.75 copies,
    /// three queues with four consumers each (or more), prefetch 20, 80 % load.
    static func text(
        _ messages: Int,
        consumers: Int = 4,
        consumerStart: String = "0s",
        quorum: Bool = false,
        pace: Int = 1
    ) -> String {
        let routes = [[0, 1, 2], [0, 1], [1, 2], [2], [1], [0, 1], [2], [1, 2]]
        let shares = [3.0 / 8, 6.0 / 8, 5.0 / 8]
        var text = """
            warren: 1
            name: bench
            network: { default: { latency: 200us } }
            brokers:
              main:
                kind: rabbitmq
                nodes: [\(quorum ? "r1, r2, r3" : "r1")]
                exchanges: { events: { type: topic } }
                queues:

            """
        let type = quorum ? ", type: quorum" : ""
        for queue in 0..<3 {
            let keys = routes.indices.filter { routes[$0].contains(queue) }.map { "\"k.\($0).#\"" }
            text +=
                "      q\(queue): { bind: { events: [\(keys.joined(separator: ", "))] }\(type) }\n"
        }
        let keys = routes.indices.map { "k.\($0): 1" }.joined(separator: ", ")
        text += """
            producers:
              p:
                to: { exchange: events, key: { pick: { \(keys) } } }
                instances: 4
                arrivals: { law: poisson, rate: \(250 * pace)/s }
                size: { law: uniform, min: 100B, max: 1123B }
                count: \(messages / 4)
                confirms: \(quorum)
            consumers:

            """
        for queue in 0..<3 {
            let mean = 0.8 * 1e6 * Double(consumers) / shares[queue]
            text += """
                  c\(queue):
                    from: q\(queue)
                    instances: \(consumers)
                    prefetch: 20
                    start: \(consumerStart)
                    service: { law: exponential, mean: \(Int(mean) / pace)ns }

                """
        }
        return text
    }

    static func run(_ text: String) throws -> Sample {
        var simulation = try simulation(text)
        let seconds = Clock.seconds { simulation.run() }
        guard simulation.imbalances().isEmpty else {
            throw Unfit(sentence: simulation.imbalances().joined(separator: "\n"))
        }
        let totals = simulation.ledger.totals
        return Sample(
            count: Int(totals.published),
            seconds: seconds,
            check: Double(totals.acked)
        )
    }

    /// Quorum queues on three nodes, each with a producer that waits for confirms and a consumer that acks.
    ///
    /// The load is so many messages a second for each queue.
    static func quorums(_ messages: Int, queues: Int, rate: Int) throws -> Sample {
        var text = """
            warren: 1
            name: many
            network: { default: { latency: 200us } }
            brokers:
              main:
                kind: rabbitmq
                nodes: [r1, r2, r3]
                queues:

            """
        for queue in 0..<queues { text += "      q\(queue): { type: quorum }\n" }
        text += "producers:\n"
        for queue in 0..<queues {
            text += """
                  p\(queue):
                    { to: q\(queue), start: 10s, arrivals: { law: poisson, rate: \(rate)/s },
                      size: 500B, confirms: true, count: \(messages / queues) }

                """
        }
        text += "consumers:\n"
        for queue in 0..<queues {
            text += "  c\(queue): { from: q\(queue), prefetch: 20, service: 100us }\n"
        }
        var simulation = try simulation(text)
        while simulation.ledger.totals.published == 0, simulation.advance() == .running {}
        let before = simulation.ledger.totals.published
        let seconds = Clock.seconds { simulation.run() }
        return Sample(
            count: Int(simulation.ledger.totals.published - before),
            seconds: seconds,
            check: Double(simulation.ledger.totals.acked)
        )
    }

    /// The same workload while 750,000 further messages wait in a queue that nobody consumes.
    static func backlog(_ messages: Int, _ waiting: Int) throws -> Sample {
        var text = text(messages)
        text = text.replacing("      q0:", with: "      lake: {}\n      q0:")
        text = text.replacing(
            "consumers:\n",
            with: "  flood: { to: lake, arrivals: 1ns, size: 1B, count: \(waiting) }\nconsumers:\n"
        )
        var simulation = try simulation(text)
        // The flood is over within a simulated millisecond; what follows is measured.
        while simulation.ledger.totals.routedCopies < UInt64(waiting),
            simulation.advance() == .running
        {}
        let before = simulation.ledger.totals.published
        let seconds = Clock.seconds { simulation.run() }
        return Sample(
            count: Int(simulation.ledger.totals.published - before),
            seconds: seconds,
            check: Double(simulation.ledger.remaining)
        )
    }

    /// Messages that wait, and the memory that they take.
    static func waiting(_ messages: Int) throws -> Sample {
        let text = """
            warren: 1
            name: lake
            brokers: { main: { kind: rabbitmq, queues: { lake: {} } } }
            producers: { p: { to: lake, arrivals: 1us, size: 1KiB, count: \(messages) } }
            """
        let base = Memory.now
        var simulation = try simulation(text)
        let seconds = Clock.seconds { simulation.run() }
        return Sample(
            count: messages,
            seconds: seconds,
            check: Double(simulation.ledger.remaining),
            bytes: Memory.peak - base
        )
    }

    /// A topic exchange with many bindings, a thousandth of which a message meets.
    static func bindings(_ count: Int, queues: Int, _ messages: Int) throws -> Sample {
        var text = """
            warren: 1
            name: wide
            brokers:
              main:
                kind: rabbitmq
                exchanges: { events: { type: topic } }
                queues:

            """
        let each = max(1, count / queues)
        for queue in 0..<queues {
            let keys = (0..<each).map { "\"a.\(queue).\($0).*\"" }.joined(separator: ", ")
            text += "      q\(queue): { bind: { events: [\(keys)] } }\n"
        }
        let picks = (0..<min(1000, queues * each)).map { number in
            let spread = number * (queues * each / min(1000, queues * each))
            return "a.\(spread / each).\(spread % each).x: 1"
        }
        text += """
            producers:
              p:
                to: { exchange: events, key: { pick: { \(picks.joined(separator: ", ")) } } }
                start: 1s
                arrivals: 100us
                size: 100B
                count: \(messages)

            """
        var simulation = try simulation(text)
        // What is measured is the messages, not the declarations.
        while simulation.ledger.totals.published == 0, simulation.advance() == .running {}
        let before = simulation.ledger.totals.published
        let seconds = Clock.seconds { simulation.run() }
        return Sample(
            count: Int(simulation.ledger.totals.published - before),
            seconds: seconds,
            check: Double(simulation.ledger.totals.routedCopies)
        )
    }

    /// The broker workload with every fact recorded.
    static func recorded(_ messages: Int, _ path: String) throws -> Sample {
        var simulation = try simulation(text(messages))
        let writer = try TraceWriter(
            path: path,
            heading: .init(name: "bench", topology: "", seed: 1, version: Simulation.version),
            names: simulation.world.names,
            nodes: []
        )
        var chunk: [Fact] = []
        var count = 0
        var failure: (any Error)?
        let seconds = Clock.seconds {
            simulation.run { facts in
                count += facts.count
                chunk.append(contentsOf: facts)
                guard chunk.count >= TraceWriter.chunkSize else { return }
                do { try writer.append(chunk) } catch { failure = error }
                chunk.removeAll(keepingCapacity: false)
                chunk.reserveCapacity(TraceWriter.chunkSize)
            }
            do {
                try writer.append(chunk)
                try writer.finish(
                    .init(
                        digest: "",
                        simulated: 0,
                        events: 0,
                        messages: 0,
                        complete: true,
                        summary: ""
                    ),
                    names: simulation.world.names
                )
            } catch { failure = error }
        }
        if let failure { throw failure }
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
        return Sample(count: count, seconds: seconds, bytes: size)
    }
}
