import Support

/// Small definitions files with something wrong in every other one.
struct RandomDefinitions {
    private var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed) }

    private mutating func one(_ words: [String]) -> String { dice.pick(words) }

    private mutating func happens(_ percent: Int) -> Bool { dice.happens(percent) }

    private static let names = ["a", "b", "c", "d.e", "amq.x", "x-y"]
    private static let keys = ["k", "a.b", "#", "*.b", "a*", ""]

    private mutating func arguments() -> String {
        guard happens(40) else { return happens(5) ? "[]" : "{}" }
        let values = [
            "1000", "0", "-1", "\"5\"", "1.5", "true", "null", "\"\"", "\"drop-head\"", "\"a\"",
            "1e3", "300",
        ]
        let names = [
            "x-message-ttl", "x-expires", "x-max-length", "x-max-priority", "x-delivery-limit",
            "x-overflow", "x-queue-mode",
            "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-max-age", "x-foo", "expires",
            "x-single-active-consumer",
        ]
        var fields: [String] = []
        if happens(50) {
            fields.append("\"x-queue-type\":\"\(one(["classic", "quorum", "stream", "other"]))\"")
        }
        for _ in 0..<dice.below(3) { fields.append("\"\(one(names))\":\(one(values))") }
        return "{" + fields.joined(separator: ",") + "}"
    }

    /// Fields of an object, of which one may be missing or of another sort.
    private mutating func object(_ fields: [(String, String)]) -> String {
        var fields = fields
        if happens(3) { fields.remove(at: dice.below(fields.count)) }
        if happens(2) { fields[dice.below(fields.count)].1 = one(["null", "1", "\"yes\"", "{}"]) }
        return "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    private mutating func queue() -> String {
        object([
            ("name", "\"\(one(Self.names))\""), ("vhost", "\"/\""),
            ("durable", happens(85) ? "true" : "false"),
            ("auto_delete", happens(10) ? "true" : "false"), ("arguments", arguments()),
        ])
    }

    private mutating func exchange() -> String {
        let type = one([
            "direct", "fanout", "topic", "headers", "x-consistent-hash", "direct", "topic",
            happens(20) ? "odd" : "topic",
        ])
        return object([
            ("name", "\"\(one(Self.names))\""), ("vhost", "\"/\""), ("type", "\"\(type)\""),
            ("durable", "true"),
            ("auto_delete", "false"), ("internal", happens(10) ? "true" : "false"),
            ("arguments", "{}"),
        ])
    }

    private mutating func binding() -> String {
        let arguments =
            happens(20) ? "{\"x-match\":\"\(one(["all", "any", "some"]))\",\"h\":1}" : "{}"
        return object([
            ("source", "\"\(one(Self.names + ["amq.topic", "", "nowhere"]))\""), ("vhost", "\"/\""),
            ("destination", "\"\(one(Self.names + ["nowhere"]))\""),
            ("destination_type", happens(80) ? "\"queue\"" : "\"exchange\""),
            ("routing_key", "\"\(one(Self.keys + ["1"]))\""),
            ("arguments", arguments),
        ])
    }

    private mutating func policy() -> String {
        let keys = [
            "max-length", "message-ttl", "dead-letter-exchange", "x-max-length", "ha-mode",
            "overflow", "delivery-limit",
        ]
        let values = ["10", "\"10\"", "-1", "\"all\"", "\"drop-head\"", "true"]
        let definition = happens(10) ? "{}" : "{\"\(one(keys))\":\(one(values))}"
        return object([
            ("vhost", "\"/\""), ("name", "\"\(one(["p", "q"]))\""),
            ("pattern", "\"\(one([".*", "^a", "(", "*"]))\""),
            (
                "apply-to",
                "\"\(one(["all", "queues", "exchanges", "queues", happens(30) ? "others" : "all"]))\""
            ),
            ("definition", definition),
            ("priority", one(["0", "5", "0", happens(20) ? "\"1\"" : "1"])),
        ])
    }

    /// The text of a file.
    mutating func text() -> String {
        var lists: [String] = ["\"vhosts\":[{\"name\":\"/\"}]"]
        func list(_ name: String, _ most: Int, _ make: (inout Self) -> String) -> String {
            let objects = (0..<dice.below(most)).map { _ in make(&self) }
            return "\"\(name)\":[\(objects.joined(separator: ","))]"
        }
        lists.append(list("exchanges", 4) { $0.exchange() })
        if happens(30) { lists.append(list("policies", 3) { $0.policy() }) }
        lists.append(list("queues", 4) { $0.queue() })
        lists.append(list("bindings", 5) { $0.binding() })
        return "{" + lists.joined(separator: ",") + "}"
    }
}
