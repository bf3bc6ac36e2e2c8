import WarrenKernel
import WarrenTrace

/// What an operator wants of the members of quorum queues, in the words of `rabbitmq-queues`.
///
/// Names of queues and virtual hosts are regular expressions, which are looked for anywhere in a name.
package enum QuorumOrder: Sendable, Hashable {
    case addMember(queue: String, vhost: String, node: String)
    case deleteMember(queue: String, vhost: String, node: String)
    /// All queues get a member on a node, or those that have an even number of members.
    case grow(node: String, evenOnly: Bool, vhosts: String, queues: String)
    /// All queues lose their member on a node.
    case shrink(node: String)
    /// The leaders are spread over the nodes.
    case rebalance(vhosts: String, queues: String)
}

/// Orders about the members of quorum queues, at the node that was asked: each is carried out one queue after the other.
///
/// It says what is to be done next, and its owner does it.
///
/// - Source: `rabbit_quorum_queue:add_member`, `delete_member`, `grow`, `shrink_all`; `rabbit_amqqueue:rebalance` of
///   3.10.8; RMQ-QQ-57 to -62.
struct QuorumOrders: Sendable {
    /// One thing to do with one queue.
    struct Task: Sendable {
        let kind: Words.Member.Kind
        let queue: Symbol
        let node: PeerIndex
    }

    /// How far the task is that is being done.
    enum Stage: Sendable, Hashable {
        /// Nothing was asked yet.
        case none
        /// The new member is being started.
        case starting
        /// The leader is to be asked, once it is known: `server` is the member that would be.
        case seeking(server: PeerIndex)
        /// The leader has been asked.
        case asking(server: PeerIndex, leader: PeerIndex)
        /// The leader has asked another one to lead, and is not heard of before that does.
        case yielding(leader: PeerIndex)
        /// All nodes are being told.
        case recording
    }

    /// An order that is not done.
    struct Order: Sendable {
        let number: UInt64
        /// Who waits for the answer, or none.
        let connection: ConnectionID
        /// What is to be done, the first of it now.
        var tasks: [Task]
        /// What follows from the outcome, if the tasks come of the last one.
        var rebalance: Rebalance?
        /// Whether the answer names the queues.
        let namesQueues: Bool
        var stage = Stage.none
        /// The number of the last question that was asked for it: no earlier answer counts.
        var question: UInt64 = 0
        /// The members that can still be asked for the leader.
        var servers: [PeerIndex] = []
        /// What those that were asked said, the last first.
        var errors: [String] = []
        /// When whoever was asked has had its time.
        var due: Instant?
        /// What came of the queues that are done.
        var said: [String] = []
    }

    /// How long an answer of a member is awaited.
    static let patience = Interval.seconds(5)

    private var orders: [Order] = []
    private var count: UInt64 = 0
    private var questions: UInt64 = 0

    /// Takes an order.
    ///
    /// - Returns: its number.
    mutating func add(
        _ tasks: [Task],
        _ rebalance: Rebalance? = nil,
        for connection: ConnectionID,
        namesQueues: Bool
    ) -> UInt64 {
        count += 1
        orders.append(
            Order(
                number: count,
                connection: connection,
                tasks: tasks,
                rebalance: rebalance,
                namesQueues: namesQueues
            )
        )
        return count
    }

    /// An order that is not done; nil if it is.
    subscript(number: UInt64) -> Order? {
        get { orders.first { $0.number == number } }
        set {
            guard let index = orders.firstIndex(where: { $0.number == number }) else { return }
            if let newValue { orders[index] = newValue } else { orders.remove(at: index) }
        }
    }

    /// A question is asked for an order, which is answered until `due`.
    ///
    /// - Returns: its number.
    mutating func ask(for number: UInt64, until due: Instant) -> UInt64 {
        questions += 1
        if let index = orders.firstIndex(where: { $0.number == number }) {
            (orders[index].question, orders[index].due) = (questions, due)
        }
        return questions
    }

    /// The order for which a question was asked last; nil if nobody waits for the answer.
    func order(asking question: UInt64) -> Order? { orders.first { $0.question == question } }

    /// The numbers of all that are not done, rising.
    var numbers: [UInt64] { orders.map(\.number) }

    /// When the first of those that were asked has had its time.
    var nextDue: Instant? { orders.compactMap(\.due).min() }

    /// What must hold between turns.
    func checkInvariants() {
        precondition(
            orders.allSatisfy { $0.stage != .none && !$0.tasks.isEmpty },
            "an order rests that has nothing to wait for"
        )
    }
}
