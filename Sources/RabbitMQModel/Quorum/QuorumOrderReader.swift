import WarrenTopology

/// Reads what an operator wants of the members of quorum queues.
enum QuorumOrderReader {
    private static let member = Shape.record([
        Field("queue", .text, "the quorum queue", required: true),
        Field("node", .text, "whose member: a node of the broker", required: true),
    ])
    private static let patterns = [
        Field("queues", .text, "a regular expression over their names; all"),
        Field("vhosts", .text, "a regular expression over virtual hosts; all"),
    ]

    /// The words of a script.
    static let fields = [
        Field("add_member", member, "gives a quorum queue a member more"),
        Field("delete_member", member, "takes a member from a quorum queue"),
        Field(
            "grow",
            .record(
                [
                    Field("node", .text, "a node of the broker", required: true),
                    Field(
                        "strategy",
                        .choice(["all", "even"]),
                        "all quorum queues, or those with an even number of members; all"
                    ),
                ] + patterns
            ),
            "gives quorum queues a member on a node"
        ),
        Field(
            "shrink",
            .record([Field("node", .text, "a node of the broker", required: true)]),
            "takes the members of all quorum queues from a node"
        ),
        Field(
            "rebalance",
            .record(patterns),
            "spreads the leaders of quorum queues over the nodes"
        ),
    ]

    /// The order that a word of a script says; nil if it is none of these.
    static func order(_ word: String, _ value: Tree, _ vhost: String) -> QuorumOrder? {
        func text(_ key: String, _ other: String = "") -> String { value[key]?.text ?? other }
        switch word {
        case "add_member":
            return .addMember(queue: text("queue"), vhost: vhost, node: text("node"))
        case "delete_member":
            return .deleteMember(queue: text("queue"), vhost: vhost, node: text("node"))
        case "grow":
            return .grow(
                node: text("node"),
                evenOnly: text("strategy") == "even",
                vhosts: text("vhosts", ".*"),
                queues: text("queues", ".*")
            )
        case "shrink": return .shrink(node: text("node"))
        case "rebalance":
            return .rebalance(vhosts: text("vhosts", ".*"), queues: text("queues", ".*"))
        default: return nil
        }
    }
}
