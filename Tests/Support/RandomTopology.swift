import WarrenCatalog
import WarrenTopology

/// Random topologies, made by walking the vocabulary of topology files: whatever may be said is said now and then.
///
/// Names and numbers come from here; which keys there are comes from the vocabulary, so that a new key is
/// tried as soon as it exists.
public struct RandomTopology {
    /// The seed.
    public let seed: UInt64
    private var dice: Dice
    private var words: Vocabulary
    private var nodes: [String] = []
    private var queues: [String] = []
    private var exchanges: [String] = []
    private var clients: [(name: String, instances: Int)] = []

    private init(_ seed: UInt64) {
        self.seed = seed
        dice = Dice(seed: seed)
        let vocabularies = Catalog.vocabularies
        words = vocabularies[0]
        if dice.happens(10) { words = dice.pick(vocabularies) }
    }

    /// The topology of a seed.
    public static func make(seed: UInt64) -> Document {
        var maker = RandomTopology(seed)
        return maker.document()
    }

    private mutating func document() -> Document {
        let isRabbit = words.kind == "rabbitmq"
        let nodeCount = isRabbit ? dice.pick([1, 1, 2, 3, 3, 3, 4, 5]) : 1
        nodes = (1...nodeCount).map { "n\($0)" }
        queues = (0..<dice.number(1...4)).map { "q\($0)" }
        exchanges = (0..<dice.number(0...3)).map { "e\($0)" }
        let broker = broker()
        var entries: [Document.Entry] = [
            .init("warren", .text("1")), .init("name", .text("random-\(seed)")),
            .init("seed", .text("\(dice.number(1...1_000_000))")),
            .init("brokers", .map([.init("main", broker)])),
        ]
        for (section, fields) in sections where dice.happens(section.percent) {
            var made: [Document.Entry] = []
            for number in 0..<dice.number(1...2) {
                let name = "\(section.name.dropLast())\(number)"
                let client = record(fields, at: section.name)
                var instances = 1
                if case .text(let text)? = client["instances"] { instances = Int(text) ?? 1 }
                clients.append((name, instances))
                made.append(.init(name, client))
            }
            entries.append(.init(section.name, .map(made)))
        }
        if dice.happens(40), ends.count > 1 {
            entries.append(.init("network", value(CommonShapes.network, at: "network")))
        }
        var faults: [Document] = []
        for _ in 0..<dice.pick([0, 1, 2, 3, 4, 6]) { faults.append(fault()) }
        if !faults.isEmpty { entries.append(.init("faults", .list(faults))) }
        if dice.happens(30) { entries.append(.init("expect", expectations())) }
        let length = dice.pick(["5s", "20s", "45s", "2m", "10m"])
        entries.append(.init("run", .map([.init("for", .text(length))])))
        return .map(entries)
    }

    private var sections: [((name: String, percent: Int), [Field])] {
        [
            (("producers", 95), CommonShapes.producer(words)),
            (("consumers", 85), CommonShapes.consumer(words)),
            (("callers", 20), CommonShapes.caller(words)),
            (("servers", 20), CommonShapes.server(words)),
            (("bridges", 15), CommonShapes.bridge(from: words, to: words)),
            (("scripts", words.steps.isEmpty ? 0 : 35), CommonShapes.script(words)),
        ]
    }

    // MARK: Brokers

    private mutating func broker() -> Document {
        var entries: [Document.Entry] = [.init("kind", .text(words.kind))]
        if dice.happens(40) { entries.append(.init("version", .text(dice.pick(words.versions)))) }
        let list = nodes.map { node -> Document in
            guard dice.happens(4) else { return .text(node) }
            let loses = dice.pick([("hostname", "random"), ("data", "none")])
            return .map([.init("name", .text(node)), .init(loses.0, .text(loses.1))])
        }
        entries.append(.init("nodes", .list(list)))
        for field in words.broker where field.notModelled == nil {
            switch field.name {
            case "exchanges" where !exchanges.isEmpty:
                entries.append(.init("exchanges", named(exchanges, field.shape, at: "exchanges")))
            case "queues":
                entries.append(.init("queues", named(queues, field.shape, at: "queues")))
            case "exchanges", "vhosts", "permissions", "topic_permissions", "users": break
            default:
                if dice.happens(12) {
                    entries.append(.init(field.name, value(field, at: field.name)))
                }
            }
        }
        return .map(entries)
    }

    private mutating func named(_ names: [String], _ shape: Shape, at place: String) -> Document {
        guard case .map(let element) = shape else { return .map([]) }
        var entries: [Document.Entry] = []
        for name in names {
            let made = value(element, at: place)
            entries.append(.init(name, place == "queues" ? Self.fitting(made) : made))
        }
        return .map(entries)
    }

    /// What a queue of some type may say; the broker would refuse the rest.
    private static let spoken: [String: Set<String>] = [
        "classic": [
            "message_ttl", "expires", "max_length", "max_length_bytes", "overflow", "durable",
            "auto_delete", "dead_letter", "max_priority", "single_active_consumer", "mode",
        ],
        "quorum": [
            "message_ttl", "expires", "max_length", "max_length_bytes", "overflow",
            "delivery_limit", "dead_letter", "single_active_consumer", "initial_group_size",
            "leader_locator",
        ],
        "stream": ["max_length_bytes", "max_age", "max_segment_size", "leader_locator"],
    ]

    private static func fitting(_ queue: Document) -> Document {
        guard case .map(let entries) = queue else { return queue }
        var type = "classic"
        if case .text(let text)? = queue["type"] { type = text }
        let known = spoken[type, default: []].union(["type", "bind", "node"])
        let fit = entries.filter { entry in
            known.contains(entry.key)
                && !(entry.key == "expires" && entry.value == .text("0ms"))
                && !(type == "quorum" && entry.value == .text("reject-publish-dlx"))
        }.map { entry in
            guard type == "classic", entry.key == "dead_letter",
                case .map(let letter) = entry.value
            else { return entry }
            return Document.Entry("dead_letter", .map(letter.filter { $0.key != "strategy" }))
        }
        return .map(fit)
    }

    // MARK: Faults and expectations

    private mutating func fault() -> Document {
        let word = dice.happens(40) ? dice.pick(Self.hard) : dice.pick(FaultWord.allCases)
        var wanted = word.needs
        guard let target = targets(of: word) else { return fault() }
        wanted.append(target)
        var entries: [Document.Entry] = [
            .init("at", .text("\(dice.scale(1...60_000))ms")), .init("do", .text(word.rawValue)),
        ]
        for key in wanted { entries.append(.init(key, hit(key))) }
        if word != .clockJump, dice.happens(70) {
            entries.append(.init("for", .text("\(dice.scale(1...30_000))ms")))
        }
        if word == .restart, wanted.contains("node"), dice.happens(25) {
            entries.append(.init("hostname", .text("random")))
        }
        if dice.happens(12) {
            entries.append(.init("every", .text("\(dice.scale(100...20_000))ms")))
            entries.append(.init("times", .text("\(dice.number(1...4))")))
        }
        return .map(entries)
    }

    /// What nodes suffer most from.
    private static let hard: [FaultWord] = [.kill, .stop, .restart, .partition, .pause]

    private mutating func targets(of word: FaultWord) -> String? {
        let possible = word.targets.filter {
            switch $0 {
            case "client": !clients.isEmpty
            case "between", "groups", "from": ends.count > 1
            case "leader_of": words.kind == "rabbitmq"
            default: true
            }
        }
        return possible.isEmpty ? nil : dice.pick(possible)
    }

    private var ends: [String] { nodes.map { "main/\($0)" } + clients.map(\.name) }

    private mutating func hit(_ key: String) -> Document {
        switch key {
        case "node": .text("main/\(dice.pick(nodes))")
        case "leader_of": .text(dice.pick(queues))
        case "client": .text(dice.pick(clients).name)
        case "broker": .text("main")
        case "factor": .text(dice.pick(["2", "10", "0.5", "300"]))
        case "share": .text(dice.pick(["1%", "20%", "60%", "100%"]))
        case "by": .text(dice.pick(["5s", "-5s", "300ms", "-1h"]))
        case "version": .text(dice.pick(words.versions))
        case "groups":
            .list(split().map { .list($0.map { .text($0) }) })
        default: .list(split()[key == "from" ? 0 : 1].prefix(2).map { .text($0) })
        }
    }

    /// Everybody, in two groups of at least one; for `between`, two of them.
    private mutating func split() -> [[String]] {
        var all = ends
        let first = all.remove(at: dice.below(all.count))
        let second = all.remove(at: dice.below(all.count))
        var groups = [[first], [second]]
        for end in all { groups[dice.below(2)].append(end) }
        return groups
    }

    private mutating func expectations() -> Document {
        let queue = dice.pick(queues)
        let known = words.kind == "rabbitmq"
        var lines: [(String, String)] = [
            ("never", "confirmed and dropped and not handled"), ("always", "published"),
            ("measure", "handled >= 0"), ("eventually", "delivered >= 0"),
        ]
        if known {
            lines += [
                ("always", "depth(\(queue)) <= 1000000"), ("measure", "p99(wait(\(queue))) < 10h"),
                ("never", "confirmed and not in queue(\(queue))"),
                ("eventually", "depth(\(queue)) == 0 and unacked(\(queue)) == 0"),
            ]
        }
        let (kind, text) = dice.pick(lines)
        return .map([.init(kind, .map([.init("it", .text(text))]))])
    }

    // MARK: Values by shape

    private mutating func record(_ all: [Field], at place: String) -> Document {
        var entries: [Document.Entry] = []
        var fields = all
        if place.hasSuffix("policies") {
            let plain: Set = [
                "name", "pattern", "apply_to", "priority", "message_ttl", "max_length",
                "max_length_bytes",
            ]
            fields.removeAll { !plain.contains($0.name) }
        }
        for field in fields where field.notModelled == nil {
            guard field.isRequired || dice.happens(share(of: field.name)),
                !Self.leftOut.contains(field.name)
            else { continue }
            entries.append(.init(field.name, value(field, at: place)))
        }
        if Self.roles.contains(place), fields.contains(where: { $0.name == "connection" }) {
            share(&entries)
        }
        return .map(entries)
    }

    private static let roles: Set = ["producers", "consumers", "callers", "servers"]

    /// Puts some of the roles on one connection, and some of these on one channel.
    private mutating func share(_ entries: inout [Document.Entry]) {
        guard dice.happens(25) else { return }
        // What one says of how it connects all of them would have to say.
        let agreed: Set = [
            "hosts", "heartbeat", "reconnect", "recovery", "backoff", "connect_timeout",
        ]
        entries.removeAll { agreed.contains($0.key) }
        entries.append(.init("connection", .text("process")))
        if dice.happens(50) { entries.append(.init("channel", .text("one"))) }
    }

    /// Names of other places, which would have to fit.
    private static let leftOut: Set = [
        "vhost", "user", "broker", "user_id", "declares", "definitions", "imported_from",
        "connection", "channel",
    ]

    /// How often a key is said, in a hundred.
    private func share(of name: String) -> Int {
        switch name {
        case "count", "type", "bind", "arrivals": 100
        case "prefetch", "persistent", "confirms", "reconnect", "node": 50
        default: 18
        }
    }

    /// An end of a bridge from the broker to itself.
    private mutating func end(_ fields: [Field], canBeExchange: Bool) -> Document {
        let addresses: Set = ["queue", "exchange", "key", "subject"]
        let rest = record(fields.filter { !addresses.contains($0.name) }, at: "bridges")
        var entries: [Document.Entry] = []
        if words.kind != "rabbitmq" {
            entries.append(.init("subject", .text(dice.pick(queues))))
        } else if canBeExchange, !exchanges.isEmpty, dice.happens(40) {
            entries.append(.init("exchange", .text(dice.pick(exchanges))))
            if dice.happens(50) { entries.append(.init("key", .text(key()))) }
        } else {
            entries.append(.init("queue", .text(dice.pick(queues))))
        }
        if case .map(let more) = rest { entries += more }
        return .map(entries)
    }

    private mutating func value(_ field: Field, at place: String) -> Document {
        known(field.name, at: place) ?? value(field.shape, at: "\(place).\(field.name)")
    }

    /// What stands under a key that speaks of something else in the file.
    private mutating func known(_ name: String, at place: String) -> Document? {
        switch name {
        case "bind" where place == "queues" || place == "exchanges":
            guard !exchanges.isEmpty, place == "queues" || dice.happens(20) else { return .map([]) }
            let keys = (0..<dice.number(1...2)).map { _ in Document.text(key()) }
            return .map([.init(dice.pick(exchanges), .list(keys))])
        case "queue":
            return .text(
                place.hasPrefix("scripts") && dice.happens(25)
                    ? "s\(dice.below(3))" : dice.pick(queues)
            )
        case "exchange":
            return .text(exchanges.isEmpty || dice.happens(25) ? "" : dice.pick(exchanges))
        case "alternate", "alternate_exchange", "dead_letter_exchange", "destination":
            return .text(exchanges.isEmpty ? "amq.fanout" : dice.pick(exchanges))
        case "key", "dead_letter_routing_key", "purge":
            return .text(dice.happens(50) ? dice.pick(queues) : key())
        case "node": return .text(dice.pick(nodes))
        case "hosts": return .list([.text(dice.pick(nodes)), .text(dice.pick(nodes))])
        case "from" where place == "bridges": return end(words.bridgeFrom, canBeExchange: false)
        case "to" where place == "bridges": return end(words.bridgeTo, canBeExchange: true)
        case "to":
            guard place == "producers" || place == "callers" else {
                return .text(dice.pick(queues))
            }
            if exchanges.isEmpty || dice.happens(70) || words.kind != "rabbitmq" {
                return .text(dice.pick(queues))
            }
            return .map([
                .init("exchange", .text(dice.pick(exchanges))), .init("key", .text(key())),
            ])
        case "bindings":
            guard !exchanges.isEmpty else { return .list([]) }
            return .list([
                .map([
                    .init("from", .text(dice.pick(exchanges))),
                    .init("queue", .text(dice.pick(queues))), .init("key", .text(key())),
                ])
            ])
        case "from":
            guard words.kind == "rabbitmq", dice.happens(15) else {
                return .text(dice.pick(queues))
            }
            var own: [Document.Entry] = [
                .init(dice.pick(["exclusive", "auto_delete", "durable"]), .text("true")),
                .init("again", .text(dice.pick(["new", "same", "never"]))),
            ]
            if dice.happens(40) { own.append(.init("name", .text("own"))) }
            if !exchanges.isEmpty {
                own.append(
                    .init("bind", .map([.init(dice.pick(exchanges), .list([.text(key())]))]))
                )
            }
            return .map([.init("own", .map(own))])
        case "then":
            guard case .record(let consumer) = Shape.record(CommonShapes.consumer(words)) else {
                return nil
            }
            // Several that go out together would have to say the same about their order.
            let outer =
                place.hasSuffix("on_error") ? consumer.first { $0.name == "on_error" }?.shape : nil
            var fields = consumer
            if case .record(let inner)? = outer { fields = inner }
            guard case .either(let shapes)? = fields.first(where: { $0.name == "then" })?.shape,
                let one = shapes.last
            else { return nil }
            return value(one, at: "\(place).then")
        case "between": return .list(split().map { .text($0[0]) })
        case "net_ticktime", "boot_time", "stop_time": return .text("\(dice.scale(500...60_000))ms")
        case "instances": return .text("\(dice.number(1...3))")
        case "count": return .text("\(dice.scale(1...300))")
        case "times": return .text("\(dice.scale(1...50))")
        case "deliveries": return .text("\(dice.number(1...5))")
        case "offset": return .text(dice.pick(["first", "last", "next", "3", "1h"]))
        case "replies": return .text(dice.pick(["exclusive", "direct", dice.pick(queues)]))
        case "priority" where place == "consumers" || place == "servers":
            return .text(dice.pick(["-1", "0", "5"]))
        case "factor": return .text(dice.pick(["1", "2", "3.5"]))
        case "max_age": return .text(dice.pick(["1h", "7D", "30s"]))
        case "pattern": return .text(dice.pick(["", "^q", "q0$", "."]))
        case "tag", "cancel": return .text("t\(dice.below(2))")
        case "dead_letter_strategy": return .text(dice.pick(["at-most-once", "at-least-once"]))
        case "arguments": return .map([])
        case "headers": return .map([.init("h", .text("\(dice.below(3))"))])
        case "arrivals": return .text("\(dice.scale(1...1000))ms")
        case "effect": return .text("effect")
        case "steps":
            guard case .record(let fields)? = stepShape else { return nil }
            let isRepeated = place.contains("repeat")
            let steps = fields.filter {
                $0.notModelled == nil && !(isRepeated && $0.name == "repeat")
            }
            var made: [Document] = []
            for _ in 0..<dice.number(1...8) {
                let step = dice.pick(steps)
                made.append(.map([.init(step.name, value(step, at: "scripts"))]))
            }
            return .list(made)
        default: return nil
        }
    }

    private var stepShape: Shape? { words.steps.isEmpty ? nil : .record(words.steps) }

    private mutating func key() -> String {
        dice.pick(["", "a", "b", "a.b", "1", "2", "*.b", "#"])
    }

    private mutating func value(_ shape: Shape, at place: String) -> Document {
        switch shape {
        case .text: .text("x\(dice.below(3))")
        case .choice(let words): .text(dice.pick(words))
        case .boolean: .text(dice.pick(["true", "false"]))
        case .integer(let range):
            .text(
                "\(dice.scale(Int(clamping: range.lowerBound)...min(1000, Int(clamping: range.upperBound))))"
            )
        case .duration: .text("\(dice.scale(10...20_000))ms")
        case .size: .text("\(dice.scale(0...2_000_000))B")
        case .rate: .text("\(dice.scale(1...1000))/s")
        case .share: .text(dice.pick(["0%", "1%", "10%", "50%"]))
        case .timeLaw: law(["us"], 0...500_000)
        case .sizeLaw: law(["B"], 0...100_000)
        case .arrivals: .text("\(dice.scale(1...1000))ms")
        case .expression: .text("published >= 10")
        case .anything: .text("\(dice.below(10))")
        case .list(let element):
            .list((0..<dice.number(1...2)).map { _ in value(element, at: place) })
        case .map(let element): .map([.init("\(dice.below(4))", value(element, at: place))])
        case .record(let fields): record(fields, at: place)
        case .either(let shapes): value(dice.pick(shapes), at: place)
        }
    }

    private mutating func law(_ units: [String], _ range: ClosedRange<Int>) -> Document {
        let unit = dice.pick(units)
        let middle = dice.scale(range)
        guard dice.happens(40) else { return .text("\(middle)\(unit)") }
        func entries(_ law: String, _ parts: [(String, String)]) -> Document {
            .map([.init("law", .text(law))] + parts.map { .init($0.0, .text($0.1)) })
        }
        switch dice.below(5) {
        case 0: return entries("exponential", [("mean", "\(middle)\(unit)")])
        case 1: return entries("uniform", [("min", "0\(unit)"), ("max", "\(middle)\(unit)")])
        case 2:
            return entries(
                "lognormal",
                [("median", "\(middle + 1)\(unit)"), ("p99", "\(middle * 5 + 1)\(unit)")]
            )
        case 3: return entries("gamma", [("mean", "\(middle + 1)\(unit)"), ("cv", "0.8")])
        default:
            return entries(
                "normal",
                [("mean", "\(middle)\(unit)"), ("deviation", "\(middle / 2)\(unit)")]
            )
        }
    }
}
