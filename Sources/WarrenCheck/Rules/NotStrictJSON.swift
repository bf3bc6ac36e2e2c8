import RabbitMQModel
import WarrenTopology

/// A file that is no JSON and that older versions read all the same.
enum NotStrictJSON: Rule {
    static let manual = Manual(
        "not-strict-json",
        .warning,
        "the file has comments, a comma before a bracket, or single quotes",
        outcome: .created,
        why:
            "RabbitMQ up to 3.10 reads it all the same; from 3.11 on, with another parser, it refuses the whole file, and so do "
            + "most tools",
        remedy: "write JSON: no comments, no comma after the last element, double quotes",
        source: "tried on 3.10.8, which takes it; rabbitmq-server#5356 for 3.11",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}},]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        guard let document = subject.set.document else { return }
        let isRefused = subject.version > Version(3, 10)
        for oddity in document.oddities {
            report.add(
                oddity.sentence,
                at: document.file.place(ofByte: oddity.offset, in: document.number),
                object: "the file",
                remedy: oddity.remedy,
                severity: isRefused ? .error : .warning,
                outcome: isRefused ? .refused : .created
            )
        }
    }
}
