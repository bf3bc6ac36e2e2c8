/// What a file says of clients.
extension TopologyReader {
    mutating func client(
        _ entry: Tree.Entry,
        _ role: Topology.Role,
        _ brokers: [Topology.Broker]
    ) -> Topology.Client? {
        let what = "\(role.section).\(entry.key)"
        let tree = entry.value
        let key = role == .producer || role == .caller ? "to" : "from"
        let target: Tree? = role == .script ? tree : tree[key]
        guard let broker = broker(for: target, entry, key, brokers),
            let words = vocabularies.first(where: { $0.kind == broker.kind })
        else { return nil }
        var onward: Topology.Client.End?
        let fields: [Field]
        switch role {
        case .producer: fields = CommonShapes.producer(words)
        case .consumer: fields = CommonShapes.consumer(words)
        case .caller: fields = CommonShapes.caller(words)
        case .server: fields = CommonShapes.server(words)
        case .script: fields = CommonShapes.script(words)
        case .bridge:
            guard let other = self.broker(for: tree["to"], entry, "to", brokers),
                let others = vocabularies.first(where: { $0.kind == other.kind }),
                let end = tree["to"]
            else { return nil }
            onward = Topology.Client.End(broker: other.name, target: others.spelledOut(end))
            fields = CommonShapes.bridge(from: words, to: others)
        }
        check(tree, .record(fields), what)
        guard var target = target.map(words.spelledOut) else { return nil }
        // What stands beside `to:` and `from:` is the same as what stands in them.
        if let vhost = tree["vhost"], target["vhost"] == nil, role != .script {
            let entry = Tree.Entry(key: "vhost", place: vhost.place, value: vhost)
            target = Tree(content: .map(target.entries + [entry]), place: target.place)
        }
        func time(_ name: String) -> Double? { tree[name]?.text.flatMap(Units.duration) }
        func share(_ name: String) -> Double {
            tree["fails"]?[name]?.text.flatMap(Units.share) ?? 0
        }
        let restart = tree["fails"]?["restart_after"]?.text.flatMap(Units.duration)
        let size = tree[role == .server ? "reply_size" : "size"]
        let effect = tree["effect"]
        let idempotentBy = (effect?["idempotent_by"] ?? tree["idempotent_by"])?.text
        let poison = tree["fails"]?["poison"]
        let patience = tree["reconnect"]?.text
        let isSingle = tree["count"]?.text == "1"
        if role == .producer || role == .caller, tree["arrivals"] == nil, !isSingle {
            findings.append(
                Finding(
                    "missing-key",
                    "'\(entry.key)' does not say when it publishes",
                    at: entry.place,
                    remedy: "add `arrivals: 120/s`, or `count: 1` for a single message"
                )
            )
        }
        let arrivals =
            tree["arrivals"].flatMap { LawForm.arrivals($0) } ?? .constant(isSingle ? 0 : 1e9)
        if arrivals.mean == 0, tree["count"] == nil {
            findings.append(
                Finding(
                    "endless",
                    "'\(entry.key)' publishes without end and without a pause",
                    at: tree["arrivals"]?.place ?? entry.place,
                    why: "time would never move on",
                    remedy: "give it a `count:`, or gaps that are longer than nothing"
                )
            )
        }
        return Topology.Client(
            name: entry.key,
            place: entry.place,
            role: role,
            broker: broker.name,
            onward: onward,
            instances: tree["instances"]?.text.flatMap { Int($0) } ?? 1,
            connection: tree["connection"]?.text,
            channel: tree["channel"]?.text,
            target: target,
            reconnect: patience == "never" ? nil : patience.flatMap(Units.duration) ?? 5e9,
            start: time("start") ?? 0,
            arrivals: arrivals,
            count: tree["count"]?.text.flatMap { UInt64($0) },
            size: size.flatMap { LawForm.law($0, Units.size) } ?? .constant(1024),
            service: tree["service"].flatMap { LawForm.law($0, Units.duration) } ?? .constant(1e6),
            fails: Topology.Fails(
                error: share("error"),
                hang: share("hang"),
                crashAfterWork: share("crash_after_work_before_ack"),
                crashDuringWork: share("crash_during_work"),
                crashBetween: share("crash_between"),
                poison: (poison?["share"] ?? poison)?.text.flatMap(Units.share) ?? 0,
                poisonKills: poison?["kills"]?.text == "true",
                restartAfter: restart ?? 1e9
            ),
            effect: effect?.text ?? effect?["name"]?.text,
            idempotentBy: idempotentBy,
            timeout: time("timeout") ?? 5e9,
            tree: tree
        )
    }

    mutating func broker(
        for target: Tree?,
        _ entry: Tree.Entry,
        _ key: String,
        _ brokers: [Topology.Broker]
    ) -> Topology.Broker? {
        guard let target else {
            findings.append(
                Finding(
                    "missing-key",
                    "'\(entry.key)' needs '\(key)'",
                    at: entry.place,
                    remedy: "say where it \(key == "to" ? "publishes" : "consumes"): `\(key): jobs`"
                )
            )
            return nil
        }
        guard let named = target["broker"] else {
            if brokers.count == 1 { return brokers[0] }
            if brokers.count > 1 {
                findings.append(
                    Finding(
                        "which-broker",
                        "'\(entry.key)' does not say which broker it talks to",
                        at: target.place,
                        label: "known here: \(brokers.map(\.name).joined(separator: ", "))",
                        remedy: "write `\(key): { broker: \(brokers[0].name), … }`"
                    )
                )
            }
            return nil
        }
        if let broker = brokers.first(where: { $0.name == named.text }) { return broker }
        findings.append(
            Finding(
                "unknown-broker",
                "there is no broker \(named.description)",
                at: named.place,
                label: DidYouMean.hint(named.text ?? "", in: brokers.map(\.name))
            )
        )
        return nil
    }
}
