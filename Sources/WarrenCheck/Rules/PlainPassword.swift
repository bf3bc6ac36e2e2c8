import RabbitMQModel
import WarrenTopology

/// A password that anybody who reads the file knows.
enum PlainPassword: Rule {
    static let manual = Manual(
        "plain-password",
        .warning,
        "a user has a password in plain text, or none at all",
        outcome: .created,
        why:
            "whoever reads the file knows the password; a user without one gets a random one, and nobody can log in",
        remedy:
            "write password_hash and hashing_algorithm instead: rabbitmqctl hash_password makes one",
        source: "tried on 3.10.8; LavinMQ #1496",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"users":[{"name":"shop","password":"open sesame","tags":""}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"users":[{"name":"shop","password_hash":"0E4cVl+Zl15+WkQHDL7Sp9fT+wLqn9A/yWl6p5qOADBTutOA","hashing_algorithm":"rabbit_password_hashing_sha256","tags":""}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        guard subject.set.document != nil else { return }
        for item in subject.set.users {
            let object = Named.user(item.value.name)
            switch item.value.secret {
            case .password:
                report.add(
                    "the password of the \(object) stands in the file",
                    at: subject.set.place(item.origin),
                    object: object
                )
            case .none:
                report.add(
                    "the \(object) has no password",
                    at: subject.set.place(item.origin),
                    object: object,
                    why: "RabbitMQ gives it a random one, and nobody can log in with a password",
                    severity: .note
                )
            case .hash: continue
            }
        }
    }
}
