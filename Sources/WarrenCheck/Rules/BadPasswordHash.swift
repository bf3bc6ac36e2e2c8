import RabbitMQModel
import WarrenTopology

/// A hash that no password has.
enum BadPasswordHash: Rule {
    static let manual = Manual(
        "bad-password-hash",
        .error,
        "the password hash of a user cannot be one of its algorithm",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file if the hash is no base64; if it has the wrong length or the algorithm is unknown the "
            + "user is created, and cannot log in",
        remedy: "rabbitmqctl hash_password makes one: base64 of four octets of salt and the digest",
        source: "tried on 3.10.8: `not_base64`; rabbit_password_hashing_sha256 and _sha512",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"users":[{"name":"shop","password_hash":"no hash","hashing_algorithm":"rabbit_password_hashing_sha256","tags":""}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"users":[{"name":"shop","password_hash":"0E4cVl+Zl15+WkQHDL7Sp9fT+wLqn9A/yWl6p5qOADBTutOA","hashing_algorithm":"rabbit_password_hashing_sha256","tags":""}]}"#
        )
    )

    private static let lengths = [
        "rabbit_password_hashing_sha256": 36, "rabbit_password_hashing_sha512": 68,
        "rabbit_password_hashing_md5": 20,
    ]

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.users {
            guard case .hash(let octets, let algorithm) = item.value.secret else { continue }
            let object = Named.user(item.value.name)
            let name = algorithm ?? "rabbit_password_hashing_md5"
            guard let octets else {
                report.add(
                    "the password hash of the \(object) is no base64",
                    at: subject.set.place(item.origin, "hashing_algorithm"),
                    object: object
                )
                continue
            }
            // An empty hash is how a user without a password is exported.
            guard octets > 0 else { continue }
            guard let length = lengths[name] else {
                report.add(
                    "the \(object) has the unknown hashing algorithm '\(name)'",
                    at: subject.set.place(item.origin, "hashing_algorithm"),
                    object: object,
                    label: DidYouMean.hint(name, in: lengths.keys.sorted()),
                    severity: .warning,
                    outcome: .ignored
                )
                continue
            }
            // Files older than 3.6 say no algorithm, and some of them are not MD5.
            guard octets != length, algorithm != nil || !lengths.values.contains(octets) else {
                continue
            }
            report.add(
                "the password hash of the \(object) has \(octets) octets, and \(name) makes \(length)",
                at: subject.set.place(item.origin, "hashing_algorithm"),
                object: object,
                severity: .warning,
                outcome: .ignored
            )
        }
    }
}
