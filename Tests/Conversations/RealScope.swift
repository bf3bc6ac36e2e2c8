import Foundation
import Support
import Synchronization
public import Testing
import WarrenGateway

/// A conversation test that is held with a real broker just now.
final class RealScope: Sendable {
    /// The one that this task is in; nil where the model is asked.
    @TaskLocal static var current: RealScope?

    /// The broker.
    let cluster: LocalCluster
    let node: LocalCluster.Node
    /// Its management plugin.
    var management: Management { Management(host: "127.0.0.1", port: node.managementPort) }
    /// How much longer than usual it waits for the broker to have finished.
    let pace: UInt64
    /// Whether nobody else speaks to the broker.
    let isAlone: Bool

    private struct State {
        var reason: String?
        var wantsToBeAlone = false
        var problems: [String] = []
        var works: [@Sendable () async -> Void] = []
    }
    private let state = Mutex(State())

    init(_ broker: RealBroker.Running, pace: UInt64, isAlone: Bool) {
        cluster = broker.cluster
        node = broker.node
        self.pace = pace
        self.isAlone = isAlone
    }

    /// Says that a real node cannot show this; what comes after it does not count.
    func giveUp(_ reason: String) { state.withLock { $0.reason = $0.reason ?? reason } }

    /// Says that this would disturb others; what comes after it does not count, unless nobody else is there.
    func wantToBeAlone() {
        guard !isAlone else { return }
        state.withLock { $0.wantsToBeAlone = true }
    }

    /// Why nothing counts any more.
    var reason: String? { state.withLock { $0.reason } }
    /// Whether it is to be held again where nobody else is.
    var wantsToBeAlone: Bool { state.withLock { $0.wantsToBeAlone } }
    /// Whether what happens does not count.
    var isOver: Bool { state.withLock { $0.reason != nil || $0.wantsToBeAlone } }
    /// What did not hold.
    var problems: [String] { state.withLock { $0.problems } }

    func note(problem: String) { state.withLock { $0.problems.append(problem) } }

    /// Has something done when the test is over.
    func atEnd(_ work: @escaping @Sendable () async -> Void) {
        state.withLock { $0.works.append(work) }
    }

    func end() async {
        let works = state.withLock { state in
            defer { state.works = [] }
            return state.works
        }
        for work in works { await work() }
    }
}

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

/// Which conversations were held with both.
enum HeldConversations {
    private struct Account {
        var both = 0
        var modelOnly: [String: [String]] = [:]
    }
    private static let account = Mutex(Account())
    private static let atExit: Void = {
        // Printed when the process of tests ends: no test knows which is the last.
        atexit { HeldConversations.report() }
    }()

    static func both(_ test: String) {
        _ = atExit
        account.withLock { $0.both += 1 }
    }

    static func modelOnly(_ test: String, _ reason: String) {
        _ = atExit
        account.withLock { $0.modelOnly[reason, default: []].append(test) }
    }

    private static func report() {
        let account = account.withLock { $0 }
        let version = Installation.find()?.version ?? "?"
        let others = account.modelOnly.values.reduce(0) { $0 + $1.count }
        var text =
            "\n\(account.both) conversations were held with the model and with RabbitMQ \(version); "
            + "\(others) with the model only:\n"
        for (reason, tests) in account.modelOnly.sorted(by: { $0.key < $1.key }) {
            text += "  \(tests.count)  \(reason)\n"
        }
        print(text)
    }
}

/// Holds each conversation of a suite with the model, and then with a real broker.
///
/// A difference counts when the broker says the same again, four times slower.
public struct HeldWithBoth: TestTrait, SuiteTrait, TestScoping {
    /// Each test is held on its own.
    public let isRecursive = true

    /// Runs a test twice: with the model, and with a real broker.
    public func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        try await function()
        guard ProcessInfo.processInfo.environment["WARREN_QUICK"] == nil, hasRealBroker else {
            return
        }
        let name = test.displayName ?? test.name
        let broker = try await RealBroker.shared.running()
        let scope = await hold(broker, pace: 1, isAlone: false, function)
        if let reason = scope.reason { return HeldConversations.modelOnly(name, reason) }
        if !scope.wantsToBeAlone, scope.problems.isEmpty {
            return HeldConversations.both(name)
        }
        var again = scope
        if scope.wantsToBeAlone {
            let own = try await RealBroker.alone.running()
            again = await hold(own, pace: 1, isAlone: true, function)
            if !again.problems.isEmpty, again.reason == nil {
                again = await hold(own, pace: 4, isAlone: true, function)
            }
        } else {
            again = await hold(broker, pace: 4, isAlone: false, function)
        }
        if let reason = again.reason { return HeldConversations.modelOnly(name, reason) }
        for problem in again.problems {
            Issue.record("RabbitMQ \(again.cluster.version) differs: \(problem)")
        }
        if again.problems.isEmpty { HeldConversations.both(name) }
    }

    private func hold(
        _ broker: RealBroker.Running,
        pace: UInt64,
        isAlone: Bool,
        _ function: @Sendable () async throws -> Void
    ) async -> RealScope {
        let gate = isAlone ? Gate.alone : Gate.shared
        await gate.enter()
        let scope = RealScope(broker, pace: pace, isAlone: isAlone)
        await RealScope.$current.withValue(scope) {
            await withTaskExecutorPreference(ConversationThreads.shared) {
                let comment: Comment = "a conversation with a real broker"
                do {
                    try await withKnownIssue(comment, isIntermittent: true) {
                        try await function()
                    } when: {
                        true
                    } matching: { issue in
                        if !scope.isOver { scope.note(problem: "\(issue)") }
                        return true
                    }
                } catch {
                    scope.note(problem: "\(error)")
                }
            }
        }
        await scope.end()
        await gate.leave()
        return scope
    }
}

extension Trait where Self == HeldWithBoth {
    /// Holds each conversation with the model, and with a real broker where there is one.
    public static var heldWithBoth: Self { HeldWithBoth() }
}
