import RabbitMQModel
import WarrenTopology

/// A permission that covers everything, or more than it seems to.
enum PermissionTooWide: Rule {
    static let manual = Manual(
        "permission-too-wide",
        .note,
        "a user who is no administrator may configure everything, or a pattern matches in the middle of names",
        outcome: .created,
        why:
            "an application that may configure everything can delete the queues of all others; a pattern is looked for "
            + "anywhere in a name",
        remedy: "give each application the names that it needs, such as ^shop\\..*",
        source: "website docs/production-checklist; RMQ-PERM",
        bad: .broker(
            "users: { shop: { tags: [] } }\npermissions: { shop: { configure: \".*\", write: \".*\", read: \".*\" } }"
        ),
        good: .broker(
            "users: { shop: { tags: [] } }\npermissions: { shop: { configure: \"^shop\", write: \"^shop\", read: \"^shop\" } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        let strong = Set(
            set.users.filter { $0.value.tags?.contains("administrator") ?? false }.map(\.value.name)
        )
        for item in set.permissions
        where !strong.contains(item.value.user) && item.value.user != "guest" {
            let object =
                "permission of '\(item.value.user)'" + (item.vhost.map { " in '\($0)'" } ?? "")
            if item.value.configure == ".*" {
                report.add(
                    "the \(object) covers everything",
                    at: set.place(item.origin, "configure"),
                    object: object
                )
                continue
            }
            for (field, pattern) in [
                ("configure", item.value.configure), ("write", item.value.write),
                ("read", item.value.read),
            ] {
                guard let first = pattern.first, first.isLetter,
                    pattern.allSatisfy({ $0.isLetter || $0.isNumber || "-_.*\\".contains($0) })
                else { continue }
                report.add(
                    "`\(field)` of the \(object) is looked for anywhere in a name",
                    at: set.place(item.origin, field),
                    object: object,
                    label: "begin it with ^"
                )
                break
            }
        }
    }
}
