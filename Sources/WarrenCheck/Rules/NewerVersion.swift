import RabbitMQModel
import WarrenTopology

/// A file of a newer broker than the one that is to take it, or of a much older one.
enum NewerVersion: Rule {
    static let manual = Manual(
        "newer-version",
        .warning,
        "the file was exported by a newer version than the one that is asked for, or by one from which no upgrade leads there",
        why:
            "what the newer version knows the older one refuses or ignores; an upgrade goes from 3.13 to 4.0 to 4.2, and not "
            + "further at once",
        remedy: "check with the version of the broker that will take it: --broker-version",
        source: "website docs/upgrade, the supported paths; rabbitmq.md, the section on versions",
        bad: .definitions(#"{"rabbit_version":"9.0.0","vhosts":[{"name":"/"}]}"#),
        good: .definitions(#"{"rabbit_version":"3.10.8","vhosts":[{"name":"/"}]}"#)
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        guard let stated = subject.set.statedVersion, subject.set.document != nil else { return }
        let parts = stated.split(separator: ".").prefix(2).compactMap { Int($0) }
        guard parts.count == 2 else { return }
        let mine = Version(parts[0], parts[1])
        let root = subject.set.document?.root
        let place = (root?["rabbitmq_version"] ?? root?["rabbit_version"])?.place
        let newest = Version.known.compactMap { Version($0) }.max()
        let isUnknown = newest.map { mine > $0 } ?? false
        if isUnknown || Version.nearest(to: stated).map({ $0 > subject.version }) ?? false {
            report.add(
                "the file comes from RabbitMQ \(stated), and is checked for \(subject.version.text)",
                at: place,
                object: "the file"
            )
        } else if mine < Version(3, 13), subject.version >= Version(4, 0) {
            report.add(
                "the file comes from RabbitMQ \(stated), and no upgrade leads from there to \(subject.version.text) at once",
                at: place,
                object: "the file",
                label: "by way of 3.13",
                severity: .note
            )
        }
    }
}
