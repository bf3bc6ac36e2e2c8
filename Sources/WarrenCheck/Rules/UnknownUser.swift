import RabbitMQModel
import WarrenTopology

/// Permissions for somebody whom the file does not create.
enum UnknownUser: Rule {
    static let manual = Manual(
        "unknown-user",
        .error,
        "permissions are for a user whom the file does not create",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file with `no_such_user` unless the user is there already, and creates nothing of "
            + "what comes later: no exchange, no queue",
        remedy: "add the user to \"users\", or create it before the import",
        source: "tried on 3.10.8; rabbit_auth_backend_internal:set_permissions",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"users":[],"permissions":[{"user":"shop","vhost":"/","configure":"","write":"","read":""}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"users":[{"name":"shop","password_hash":"0E4cVl+Zl15+WkQHDL7Sp9fT+wLqn9A/yWl6p5qOADBTutOA","hashing_algorithm":"rabbit_password_hashing_sha256","tags":""}],"permissions":[{"user":"shop","vhost":"/","configure":"","write":"","read":""}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        guard set.form != .virtualHost else { return }
        let known = Set(set.users.map(\.value.name))
        let isTopology = set.form == .topology
        func see(_ user: String, _ origin: DefinitionSet.Origin, _ what: String) {
            guard !known.contains(user),
                !(user == "guest" && (isTopology || !set.document.hasList("users")))
            else { return }
            report.add(
                "\(what) is for '\(user)', and there is no such user in the file",
                at: set.place(origin, "user"),
                object: "\(what) of '\(user)'",
                label: DidYouMean.hint(user, in: known.sorted()),
                severity: user == "guest"
                    ? .note
                    : isTopology || set.document.hasList("users") ? .error : .warning,
                // A fresh broker has it.
                outcome: user == "guest" ? .created : .refused
            )
        }
        for item in set.permissions { see(item.value.user, item.origin, "a permission") }
        for item in set.topicPermissions { see(item.value.user, item.origin, "a topic permission") }
    }
}

extension JSONDocument? {
    /// Whether a definitions file has a list, empty or not.
    func hasList(_ name: String) -> Bool { self?.root[name] != nil }
}
