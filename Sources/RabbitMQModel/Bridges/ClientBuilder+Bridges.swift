import WarrenBroker
import WarrenKernel
import WarrenTopology
import WarrenTrace

/// The ends of bridges: the client is that end alone, and all that it says stands in `from:` or `to:`.
extension ClientBuilder {
    /// The virtual host that the client uses, and its scope of names.
    func virtualHost(_ blueprint: inout Blueprint) -> (name: String, scope: Symbol) {
        let vhost = client.target["vhost"]?.text ?? "/"
        let broker = blueprint.symbol(of: client.broker)
        return (vhost, VirtualHost.scope(broker, client.broker, vhost, in: &blueprint))
    }

    func bridgeSource(_ blueprint: inout Blueprint) -> BridgeSourceFactory? {
        let (vhost, scope) = virtualHost(&blueprint)
        guard let queue = client.target["queue"] else { return nil }
        check(queue, .queue, scope, &blueprint)
        let tree = client.tree
        var plan = ConsumingEnd.Plan(
            link: linkPlan(vhost, &blueprint),
            queue: blueprint.world.intern(.queue, queue.text ?? "", in: scope),
            prefetch: tree["prefetch"]?.text.flatMap { UInt32($0) } ?? 0,
            ack: tree["ack"]?.text.flatMap { BridgeAck(rawValue: $0) } ?? .after,
            requeuesOnError: tree["on_error"]?["requeue"]?.text == "true"
        )
        plan.link.timer = TimerID(Bridge.sourceTimers)
        plan.link.pulse = TimerID(Bridge.sourceTimers + 1)
        let made = plan
        return { _, _ in ConsumingEnd(made) }
    }

    func bridgeTarget(_ blueprint: inout Blueprint) -> BridgeTargetFactory? {
        let (vhost, scope) = virtualHost(&blueprint)
        let entry = Tree.Entry(key: "to", place: client.target.place, value: client.target)
        let section = Tree(
            content: .map(client.target.entries + [entry]),
            place: client.target.place
        )
        let reader = ForwardReader(client: client, scope: scope)
        reader.check(client.target, &blueprint)
        var link = linkPlan(vhost, &blueprint)
        link.timer = TimerID(Bridge.targetTimers)
        link.pulse = TimerID(Bridge.targetTimers + 1)
        let made = link
        return { blueprint, name in
            let forward = reader.plan(section, name, &blueprint) ?? ForwardPlan(letters: [])
            return ProducingEnd(ProducingEnd.Plan(link: made, forward: forward))
        }
    }
}
