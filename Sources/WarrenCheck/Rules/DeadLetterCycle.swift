import RabbitMQModel
import WarrenTopology

/// Dead letters that come back to where they died.
enum DeadLetterCycle: Rule {
    static let manual = Manual(
        "dead-letter-cycle",
        .warning,
        "dead letters come back to the queue where they died",
        outcome: .created,
        why:
            "where messages go round by expiry alone RabbitMQ drops them the second time, without a word; where a consumer "
            + "rejects them once a round they go round for ever",
        remedy:
            "count the rounds in the consumer (x-death), or end them with a delivery limit and a queue of its own",
        source:
            "RMQ-DLX on cycles; rabbitmq-server#737, #1061, #11159; rabbit_dead_letter:is_cycle, tried on 3.10.8",
        bad: .broker(
            "queues:\n  jobs: { message_ttl: 5s, dead_letter: { exchange: \"\", key: again } }\n  again: { message_ttl: 5s, dead_letter: { exchange: \"\", key: jobs } }"
        ),
        good: .broker(
            "queues:\n  jobs: { message_ttl: 5s, dead_letter: { exchange: \"\", key: buried } }\n  buried: {}"
        )
    )

    private struct Stop: Hashable {
        var queue: String
        var keys: Keys
    }

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        var told: Set<[String]> = []
        for (index, host) in subject.liveQueues
        where subject.rules(index, in: host).deadLetterExchange != nil {
            let name = subject.set.queues[index].value.name
            for keys in subject.keys(into: name, in: host, limit: 8) {
                guard let cycle = cycle(from: Stop(queue: name, keys: keys), subject, host) else {
                    continue
                }
                guard told.insert([host.name] + cycle.sorted()).inserted else { continue }
                tell(cycle, index, subject, host, &report)
            }
        }
    }

    /// The shortest way of a dead letter back to its queue, if there is one.
    private static func cycle(from start: Stop, _ subject: Subject, _ host: Host) -> [String]? {
        var ways: [(stop: Stop, way: [String])] = [(start, [start.queue])]
        var seen: Set<Stop> = [start]
        var next = 0
        while next < ways.count, !host.reach.isTooMuch {
            let (stop, way) = ways[next]
            next += 1
            guard let queue = host.queues[stop.queue] else { continue }
            let rules = subject.rules(queue, in: host)
            guard let exchange = rules.deadLetterExchange else { continue }
            let keys = rules.deadLetterKey.map { Keys.one($0) } ?? stop.keys
            let targets = subject.queues(from: exchange, keys, in: host)
            if targets.members.contains(start.queue) { return way }
            host.reach.spend(targets.list.count)
            for target in targets.list {
                let further = Stop(queue: target, keys: keys)
                if seen.insert(further).inserted { ways.append((further, way + [target])) }
            }
        }
        return nil
    }

    private static func tell(
        _ cycle: [String],
        _ index: Int,
        _ subject: Subject,
        _ host: Host,
        _ report: inout RuleReport
    ) {
        let item = subject.set.queues[index]
        let object = Named.queue(item.value.name, item.vhost)
        let expiring = cycle.filter { name in
            host.queues[name].map { subject.rules($0, in: host).ttl != nil } ?? false
        }
        let isAllExpiry = expiring.count == cycle.count
        let way = (cycle + [cycle[0]]).joined(separator: " → ")
        report.add(
            "dead letters of the \(object) go round: \(way)",
            at: subject.place(ofSetting: "x-dead-letter-exchange", index, in: host),
            object: object,
            label: isAllExpiry
                ? "by expiry alone"
                : expiring.isEmpty ? "by rejection" : "a retry, if a consumer ends it",
            why: isAllExpiry
                ? "every queue of the round lets its messages expire: RabbitMQ drops a message that comes back without a "
                    + "rejection on its way, and says nothing"
                : "a consumer that rejects each time keeps a message going round for ever",
            severity: isAllExpiry ? .warning : .note
        )
    }
}
