import RabbitMQModel
import WarrenTopology

/// The default user, kept.
enum GuestUser: Rule {
    static let manual = Manual(
        "guest-user",
        .note,
        "the file creates the user guest",
        outcome: .created,
        why:
            "everybody knows its password; by default it may connect from the broker's own machine only, and many lift that",
        remedy:
            "remove it from the file, and create a user of your own before you delete it on the broker",
        source: "website docs/access-control: the default user",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"users":[{"name":"guest","password_hash":"0E4cVl+Zl15+WkQHDL7Sp9fT+wLqn9A/yWl6p5qOADBTutOA","hashing_algorithm":"rabbit_password_hashing_sha256","tags":"administrator"}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"users":[{"name":"ops","password_hash":"0E4cVl+Zl15+WkQHDL7Sp9fT+wLqn9A/yWl6p5qOADBTutOA","hashing_algorithm":"rabbit_password_hashing_sha256","tags":"administrator"}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.users
        where item.value.name == "guest" && subject.set.document != nil {
            report.add(
                "the file creates the user 'guest'",
                at: subject.set.place(item.origin),
                object: Named.user("guest")
            )
        }
    }
}
