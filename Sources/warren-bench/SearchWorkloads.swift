import Foundation
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenSearch
import WarrenTopology

/// How quickly many small worlds are lived.
enum SearchWorkloads {
    /// A worker queue: one producer, three workers, gaps and work of exponential length.
    private static func topology(_ messages: Int) throws -> Topology {
        let text = """
            warren: 1
            name: search
            brokers: { main: { kind: rabbitmq, queues: { jobs: {} } } }
            producers: { web: { to: jobs, arrivals: { law: exponential, mean: 10ms }, count: \(messages) } }
            consumers: { worker: { from: jobs, instances: 3, prefetch: 10, service: { law: exponential, mean: 20ms } } }

            """
        return try BrokerWorkloads.simulation(text).topology
    }

    /// So many runs of a thousand messages, one after another on a stage, or side by side with several `jobs`.
    static func runs(_ count: Int, jobs: Int) throws -> Sample {
        let topology = try topology(1000)
        let start = DispatchTime.now().uptimeNanoseconds
        let survey = try Survey(
            topology,
            models: Catalog.models,
            seeds: 1...UInt64(count),
            jobs: jobs
        )
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
        let events = survey.rows.reduce(0) { $0 + Double($1.events) }
        return Sample(count: count, seconds: seconds, check: events, bytes: Memory.peak)
    }

    /// One run of so many messages.
    static func whole(_ messages: Int) throws -> Sample {
        let stage = try Stage(try topology(messages), models: Catalog.models)
        var run = stage.begin(Stage.Schedule(seed: 1))
        let seconds = Clock.seconds { run.run() }
        return Sample(count: messages, seconds: seconds, check: Double(run.world.eventCount))
    }
}
