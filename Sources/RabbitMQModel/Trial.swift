public import WarrenKernel
import WarrenTrace
import WarrenBroker

public enum Trial {
    public static func world(_ count: Int) -> World {
        var world = World(seed: 1)
        world.setLatency(.constant(.microseconds(150)))
        let broker = world.intern(.broker, "main")
        var d = Definitions()
        d.exchanges.append(ExchangeDeclaration(name: "events", type: "topic"))
        for q in 0..<3 { d.queues.append(QueueDeclaration(name: "q\(q)")) }
        let routes = [[0, 1, 2], [0, 1], [1, 2], [2], [1], [0, 1], [2], [1, 2]]
        for (k, r) in routes.enumerated() {
            for q in r { d.bindings.append(BindingDeclaration(source: "events", destination: "q\(q)", key: "k.\(k)")) }
        }
        let defs = d
        let node = world.add("rabbit") { _ in RabbitMQNode(broker: broker, name: "main", definitions: [defs]) }
        let vhost = world.intern(.text, "/")
        let ex = world.intern(.exchange, "events", in: broker)
        let share = [3.0 / 8, 6.0 / 8, 5.0 / 8]
        for p in 0..<4 {
            let keys = (0..<8).map { (world.intern(.key, "k.\($0)"), weight: UInt64(1)) }
            let ks = world.withChance { $0.stream("keys \(p)") }
            let gap = world.withChance { $0.stream("gap \(p)") }
            let client = world.intern(.client, "p\(p)")
            let plan = Producer.Plan(client: client, node: node, vhost: vhost, reconnect: nil, startAfter: .zero, exchange: ex, keys: Picker(keys, stream: ks), pacer: Pacer(law: .exponential(mean: 4e6), stream: gap, count: UInt64(count / 4)), size: .uniform(100, 1123), sizeStream: ks, parcel: .none, flags: 0, confirms: nil)
            world.add("p\(p)") { _ in Producer(plan) }
        }
        for c in 0..<12 {
            let s = world.withChance { $0.stream("svc \(c)") }
            let client = world.intern(.client, "c\(c)")
            let q = world.intern(.queue, "q\(c / 4)", in: broker)
            let plan = ConsumerClient.Plan(client: client, node: node, vhost: vhost, reconnect: nil, startAfter: .zero, queue: q, prefetch: 20, ack: .after, work: WorkPlan(service: .exponential(mean: 0.8e6 * 4 / share[c / 4]), serviceStream: s, failureStream: s), requeueOnError: false, replies: nil)
            world.add("c\(c)") { _ in ConsumerClient(plan) }
        }
        world.boot()
        return world
    }
}
