import CMalloc
import Dispatch
import Synchronization
import WarrenBroker
import WarrenTopology

/// Stages of one topology, so many as runs go on at once: each is used by one thread at a time.
final class Workers: @unchecked Sendable {
    private let stages: [Stage]

    init(
        _ topology: Topology,
        _ models: [any BrokerModel.Type],
        jobs: Int
    ) throws(Simulation.Rejection) {
        Self.keepMemory
        var stages: [Stage] = []
        for _ in 0..<max(jobs, 1) { stages.append(try Stage(topology, models: models)) }
        self.stages = stages
    }

    /// What a world gives back is kept for the next one, and not handed to the system and asked for again thousands of
    /// times a second: that takes a twentieth of a short run.
    private static let keepMemory: Void = {
        let most: Int32 = 64 << 20
        mallopt(M_TRIM_THRESHOLD, most)
        mallopt(M_MMAP_THRESHOLD, most)
    }()

    /// The stage of the calling thread, where there is no other.
    var first: Stage { stages[0] }

    /// Does something so many times, each by the stage that is free; the answers come in the order of their numbers.
    ///
    /// What was not begun when it is stopped is left out.
    func map<Answer: Sendable>(
        _ count: Int,
        isStopped: @Sendable () -> Bool = { false },
        _ body: @Sendable (Int, Stage) -> Answer
    ) -> [Answer] {
        let answers = Mutex<[Answer?]>(Array(repeating: nil, count: count))
        let next = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: stages.count) { job in
            while !isStopped() {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < count else { return }
                let answer = body(index, stages[job])
                answers.withLock { $0[index] = answer }
            }
        }
        return answers.withLock { $0.compactMap(\.self) }
    }
}
