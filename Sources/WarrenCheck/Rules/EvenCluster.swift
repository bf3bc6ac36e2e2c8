import RabbitMQModel
import WarrenTopology

/// Quorum queues on an even number of nodes.
enum EvenCluster: Rule {
    static let manual = Manual(
        "even-cluster",
        .warning,
        "quorum queues or streams are on a cluster with an even number of nodes, or ask for more members than there are nodes",
        why:
            "two nodes survive the loss of none and four no more than three: a majority is more than half",
        remedy: "use three or five nodes",
        source: "RMQ-QQ; website docs/clustering, the section on node count",
        bad: .broker("nodes: [a, b]\nqueues: { jobs: { type: quorum } }"),
        good: .broker("nodes: [a, b, c]\nqueues: { jobs: { type: quorum } }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        guard let broker = subject.broker else { return }
        let replicated = subject.liveQueues.filter {
            subject.rules($0.index, in: $0.host).kind != .classic
        }
        guard let first = replicated.first else { return }
        let count = broker.nodes.count
        if count.isMultiple(of: 2) {
            let queue = subject.set.queues[first.index].value.name
            report.add(
                "'\(broker.name)' has \(count) nodes, and replicated queues such as '\(queue)'",
                at: broker.tree["nodes"]?.place ?? broker.place,
                object: "broker '\(broker.name)'",
                label: "a majority of \(count) is \(count / 2 + 1)"
            )
        }
        for (index, host) in replicated {
            guard let size = subject.rules(index, in: host).groupSize, size > UInt64(count) else {
                continue
            }
            let item = subject.set.queues[index]
            report.add(
                "the queue '\(item.value.name)' asks for \(size) members of \(count) node\(count == 1 ? "" : "s")",
                at: subject.place(ofSetting: "x-quorum-initial-group-size", index, in: host),
                object: Named.queue(item.value.name, item.vhost),
                why: "it gets as many as there are nodes",
                remedy: "add nodes, or ask for fewer",
                severity: .note
            )
        }
    }
}
