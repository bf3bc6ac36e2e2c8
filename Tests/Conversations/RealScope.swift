import Synchronization
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
