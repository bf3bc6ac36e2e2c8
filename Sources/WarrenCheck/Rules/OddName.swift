import RabbitMQModel
import WarrenTopology

/// A name that people or clients will stumble over.
enum OddName: Rule {
    static let manual = Manual(
        "odd-name",
        .warning,
        "a name is empty, too long, or holds what nobody sees",
        outcome: .created,
        why:
            "an import takes any name; a client cannot say one of more than 255 octets, and spaces at an end, line breaks and "
            + "letters of another alphabet look like something else",
        remedy: "use letters, digits, dots, dashes and underscores",
        source: "tried on 3.10.8, which takes them all; rabbitmq-server#2171",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs ","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        for item in set.queues {
            look(
                item.value.name,
                Named.queue(item.value.name, item.vhost),
                set.place(item.origin),
                &report
            )
        }
        for item in set.exchanges where !item.value.name.isEmpty {
            look(
                item.value.name,
                Named.exchange(item.value.name, item.vhost),
                set.place(item.origin),
                &report
            )
        }
    }

    private static func look(
        _ name: String,
        _ object: String,
        _ place: Place?,
        _ report: inout RuleReport
    ) {
        var isPlain = true
        for byte in name.utf8 where byte < 0x21 || byte > 0x7E {
            isPlain = false
            break
        }
        if isPlain, !name.isEmpty, name.utf8.count <= 255 { return }
        if name.isEmpty {
            report.add(
                "a queue has an empty name",
                at: place,
                object: object,
                why:
                    "no client can name it: to clients an empty name means one that the broker makes",
                severity: .error
            )
        } else if name.utf8.count > 255 {
            report.add(
                "the name '\(name.prefix(20))…' has \(name.utf8.count) octets",
                at: place,
                object: "queue or exchange '\(name.prefix(20))…'",
                why: "no client can say it: a name takes at most 255 octets on the wire",
                severity: .error
            )
        } else if name.unicodeScalars.contains(where: {
            $0.properties.generalCategory == .control || $0.value == 0x200B || $0.value == 0xFEFF
        }) {
            report.add(
                "the name of the \(object.replacing("\n", with: "\\n")) holds what nobody sees",
                at: place,
                object: object
            )
        } else if name.first == " " || name.last == " " {
            report.add(
                "the name of the \(object) has a space at its end or beginning",
                at: place,
                object: object
            )
        } else if mixesAlphabets(name) {
            report.add(
                "the name of the \(object) mixes letters of several alphabets",
                at: place,
                object: object
            )
        }
    }

    /// Latin letters beside Greek or Cyrillic ones, of which many look the same.
    private static func mixesAlphabets(_ name: String) -> Bool {
        let isLatin = name.unicodeScalars.contains {
            $0.properties.isAlphabetic && $0.value < 0x250
        }
        return isLatin
            && name.unicodeScalars.contains {
                (0x370...0x52F).contains($0.value) && $0.properties.isAlphabetic
            }
    }
}
