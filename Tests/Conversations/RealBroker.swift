import Foundation
import WarrenGateway

/// Threads for conversations, which wait for their broker: the others must not wait with them.
final class ConversationThreads: TaskExecutor {
    static let shared = ConversationThreads()

    private let queue = DispatchQueue(label: "conversations", attributes: .concurrent)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Lets so many at once in.
actor Gate {
    /// As many conversations as a broker on two cores holds without haste.
    static let shared = Gate(6)
    /// One.
    static let alone = Gate(1)

    private var room: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ room: Int) { self.room = room }

    func enter() async {
        if room > 0 { room -= 1 } else { await withCheckedContinuation { waiting.append($0) } }
    }

    func leave() {
        if waiting.isEmpty { room += 1 } else { waiting.removeFirst().resume() }
    }
}

/// The brokers of this process of tests: one for all, and one for those that must be alone.
actor RealBroker {
    struct Running: Sendable {
        var cluster: LocalCluster
        var node: LocalCluster.Node
    }

    static let shared = RealBroker()
    static let alone = RealBroker()

    private var starting: Task<Running, any Error>?

    /// The broker; the first to ask waits until it is up.
    func running() async throws -> Running {
        if let starting { return try await starting.value }
        let task = Task {
            let folder = FileManager.default.temporaryDirectory
                .appending(path: "warren-\(getpid())-\(UUID().uuidString.prefix(8))").path
            let cluster = try await LocalCluster.start(in: folder)
            return Running(cluster: cluster, node: await cluster.nodes[0])
        }
        starting = task
        return try await task.value
    }
}
