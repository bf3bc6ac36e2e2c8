import RabbitMQModel
import WarrenTopology

/// A permission whose pattern is no regular expression.
enum PermissionPatternInvalid: Rule {
    static let manual = Manual(
        "permission-pattern-invalid",
        .error,
        "a pattern of a permission is no regular expression",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file with `invalid_regexp`, and creates no exchange, no queue and no binding",
        remedy: "look at its brackets; a pattern is no wildcard: write `.*` and not `*`",
        source: "tried on 3.10.8; rabbit_auth_backend_internal:validate_permission",
        bad: .broker(
            "users: { shop: { tags: [] } }\npermissions: { shop: { configure: \"*\", write: \".*\", read: \".*\" } }"
        ),
        good: .broker(
            "users: { shop: { tags: [administrator] } }\npermissions: { shop: { configure: \".*\", write: \".*\", read: \".*\" } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        for item in set.permissions {
            for (field, pattern) in [
                ("configure", item.value.configure), ("write", item.value.write),
                ("read", item.value.read),
            ]
            where NamePattern(pattern) == nil {
                report.add(
                    "`\(field)` of '\(item.value.user)' is no regular expression: '\(pattern)'",
                    at: set.place(item.origin, field),
                    object: "permission of '\(item.value.user)'"
                )
            }
        }
        for item in set.topicPermissions {
            for (field, pattern) in [("write", item.value.write), ("read", item.value.read)]
            where NamePattern(pattern) == nil {
                report.add(
                    "`\(field)` of the topic permission of '\(item.value.user)' is no regular expression: '\(pattern)'",
                    at: set.place(item.origin, field),
                    object: "topic permission of '\(item.value.user)'"
                )
            }
        }
    }
}
