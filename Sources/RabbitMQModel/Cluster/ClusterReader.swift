import WarrenKernel
import WarrenTopology
import WarrenTrace

/// Reads what a topology file says about a broker's cluster.
enum ClusterReader {
    /// The fields of a broker that speak of its cluster.
    static let fields = [
        Field(
            "partition_handling",
            .choice(PartitionHandling.allCases.map(\.rawValue)),
            "what a node does that sees only part of its cluster; ignore"
        ),
        Field(
            "net_ticktime",
            .duration,
            "after how much silence a node counts as down, at the earliest; 60s"
        ),
        Field(
            "boot_time",
            .duration,
            "how long a node of a cluster takes from its start to its first word; 6s"
        ),
        Field(
            "stop_time",
            .duration,
            "how long a node of a cluster takes to stop in good order; 20ms and 1.07ms for each durable classic queue"
        ),
    ]

    /// The fields of a disk.
    static let disk = [
        Field("sync", .timeLaw, "how long a batch of writes takes; 1ms"),
        Field("torn", .share, "how often a kill leaves a batch half written; 0%"),
        Field("lost", .share, "how often a synced batch is gone after a kill; 0%"),
    ]

    /// The cluster of a broker whose first node will have the number `first`.
    static func plan(_ broker: Topology.Broker, _ first: UInt32) -> ClusterPlan {
        var plan = ClusterPlan(
            names: broker.nodes.map { "rabbit@\($0)" },
            nodes: broker.nodes.indices.map { NodeID(first + UInt32($0)) }
        )
        func length(_ key: String) -> Interval? {
            broker.tree[key]?.text.flatMap(Units.duration).map {
                Interval(clamping: $0)
            }
        }
        if let text = broker.tree["partition_handling"]?.text,
            let handling = PartitionHandling(rawValue: text)
        {
            plan.handling = handling
        }
        if let time = length("net_ticktime") { plan.tickTime = time }
        if let time = length("boot_time") { plan.bootTime = time }
        plan.stopTime = length("stop_time")
        plan.disksLie = diskFaults(broker).lost != .never
        return plan
    }

    static func diskFaults(_ broker: Topology.Broker) -> Disk.Faults {
        var faults = Disk.Faults()
        func share(_ key: String) -> Share {
            Share(broker.tree["disk"]?[key]?.text.flatMap(Units.share) ?? 0)
        }
        faults.torn = share("torn")
        faults.lost = share("lost")
        return faults
    }

    /// What cannot be, in a cluster of this size and version.
    static func check(
        _ broker: Topology.Broker,
        _ definitions: [Definitions],
        _ findings: inout [Finding]
    ) {
        guard broker.nodes.count > 64 else { return }
        findings.append(
            Finding(
                "too-many-nodes",
                "a cluster of \(broker.nodes.count) nodes",
                at: broker.tree["nodes"]?.place,
                why:
                    "a RabbitMQ cluster of more than nine nodes is rare, and 64 is where this model ends",
                remedy: "name fewer nodes"
            )
        )
    }
}
