import NATSModel
import RabbitMQModel
import WarrenCheck
import WarrenStore
import WarrenTopology
import WarrenTrace
import WarrenView

/// Why a message came into a queue, or did not: what the facts tell, and the bindings of the moment in which it was published;
/// the shape as JSON is stable: keys are added, never renamed.
struct WhyStory: Encodable {
    /// A step on the way, or a binding that did not fit.
    struct Way: Encodable {
        var exchange, destination, destination_type, by: String
        /// Why it did not fit; null if it did.
        @OrNull var failed: String?
    }

    let message, queue: String
    /// How many copies of it came in, one for each time.
    let copies: Int
    let published_ns: UInt64
    let exchange, routing_key: String
    /// What happened to it there, or what became of it instead.
    let happened: [StoryLine]
    /// The way of bindings, if one leads there.
    let ways: [Way]
    /// Bindings that would lead there and did not fit.
    let misses: [Way]
    /// The answer in a sentence.
    let answer: String

    init(_ message: MessageID, _ queue: Symbol, _ open: OpenTrace) throws {
        let facts = try open.reader.facts(of: open.run, message: message)
        guard let birth = facts.first(where: { $0.kind == .messagePublished }) else {
            throw Failure(
                code: Failure.input,
                text: "error: run \(open.run.number) of \(open.run.name) does not tell how "
                    + "m\(message.raw) was published"
            )
        }
        self.message = "m\(message.raw)"
        self.queue = open.names[queue]
        published_ns = birth.time.nanoseconds
        exchange = open.names[birth.subject]
        routing_key = open.names[Symbol(birth.peer)]
        let name = open.names[queue]
        let inside = facts.filter { $0.subject == queue }
        let arrivals = inside.filter { $0.kind == .messageRouted && $0.variant != 1 }
        copies = arrivals.count
        let route = try Route(birth, open)
        if let subscriptions = try Subscriptions(birth, queue, open) {
            ways = subscriptions.ways
            misses = subscriptions.misses
        } else {
            ways = route.map { Self.ways($0.walk, to: name) } ?? []
            misses = route.map { Self.misses($0, to: name) } ?? []
        }
        let about: Set<FactKind> = [
            .messagePublished, .messageRouted, .messageUnroutable, .messageReturned,
            .messageDeadLettered, .messageDropped, .messageNacked, .messageUnknown,
            .messageRetried,
        ]
        happened = facts.filter { about.contains($0.kind) }
            .map { StoryLine($0, open.text.sentence($0)) }
        answer = Self.answer(message, name, facts, arrivals, inside, ways, misses, route, open)
    }

    private static func answer(
        _ message: MessageID,
        _ queue: String,
        _ facts: [Fact],
        _ arrivals: [Fact],
        _ inside: [Fact],
        _ ways: [Way],
        _ misses: [Way],
        _ route: Route?,
        _ open: OpenTrace
    ) -> String {
        let it = "m\(message.raw)"
        if let first = arrivals.first {
            let before = facts.last { $0.kind == .messageDeadLettered && $0.event <= first.event }
            let how =
                if let before, ways.isEmpty || before.event == first.event {
                    "as a dead letter of \(open.text.name(before.subject))"
                } else if let way = ways.last {
                    way.by
                } else { "as its publisher wanted" }
            let times = arrivals.count == 1 ? "" : ", \(arrivals.count) times in all"
            return "\(it) came into \(queue) at \(FactText.time(first.time)), \(how)\(times)"
        }
        if inside.contains(where: { $0.kind == .messageRouted && $0.variant == 1 }) {
            return "\(it) was routed to \(queue), which was full and refused it"
        }
        let reached = facts.contains { [.messageRouted, .messageUnroutable].contains($0.kind) }
        if !reached {
            return "\(it) never came into \(queue): no node of the broker had it"
        }
        if !ways.isEmpty {
            return
                "\(it) did not come into \(queue), although a binding led there when it was published: "
                + "see what became of it"
        }
        if let miss = misses.first {
            return "\(it) did not come into \(queue): \(miss.failed ?? "")"
        }
        if open.names.kind(of: facts[0].subject) == .subject {
            return "\(it) did not come to \(queue), which had subscribed to nothing then"
        }
        guard let route else {
            return "\(it) did not come into \(queue); the bindings of that moment are not known"
        }
        let from = open.names[facts.first { $0.kind == .messagePublished }?.subject ?? .none]
        if from.isEmpty {
            return
                "\(it) did not come into \(queue): the default exchange leads to the queue that the key names, "
                + "and the key is '\(route.key)'"
        }
        let rest = route.otherWay(from, to: queue).map { "; \($0)" } ?? ""
        return "\(it) did not come into \(queue): no binding leads from \(from) to it\(rest)"
    }

    // MARK: The bindings of that moment

    /// The way of a message from its exchange, by the bindings of the moment in which it was published.
    private struct Route {
        let walk: RouteWalk
        let subject: Subject
        let host: Host
        let set: DefinitionSet
        let key: String

        /// Nil if the bindings of that moment are not known: another kind of broker, a topology that cannot be read, an
        /// exchange that a client declared.
        init?(_ birth: Fact, _ open: OpenTrace) throws {
            guard let target = open.entry(of: birth.subject) else { return nil }
            let scope = open.names[target.scope]
            let parts = scope.split(separator: "/", maxSplits: 1).map(String.init)
            let vhost = parts.count > 1 ? parts[1] : "/"
            guard let topology = open.topology,
                let broker = topology.brokers.first(where: { $0.name == parts.first ?? "" }),
                broker.kind == RabbitMQ.vocabulary.kind
            else { return nil }
            var set = DefinitionSet(broker)
            for fact in try open.reader.rareFacts(of: open.run, until: birth.time)
            where fact.event <= birth.event {
                guard let entry = open.entry(of: fact.subject), open.names[entry.scope] == scope
                else { continue }
                switch fact.kind {
                case .queueDeclared: set.add(queue: entry.text, vhost: vhost)
                case .queueDeleted: set.remove(queue: entry.text, vhost: vhost)
                case .bindingCreated, .bindingDeleted:
                    set.bind(
                        fact.kind == .bindingCreated,
                        from: entry.text,
                        recorded: open.names[Symbol(fact.peer)],
                        vhost: vhost
                    )
                default: break
                }
            }
            let subject = Subject(set, topology: topology, broker: broker)
            let exchange = open.names[birth.subject]
            guard let host = subject.host(vhost), host.hasExchange(exchange) else { return nil }
            self.set = set
            self.host = host
            self.subject = subject
            key = open.names[Symbol(birth.peer)]
            walk = RouteWalk(
                subject,
                from: exchange,
                key: key,
                headers: FieldValue.fields(recorded: open.names[birth.headers]),
                in: host,
                limit: 10_000
            )
        }

        /// What else leads to a queue than bindings, in words.
        func otherWay(_ exchange: String, to queue: String) -> String? {
            if let number = host.exchanges[exchange],
                let alternate = subject.alternate(number, in: host), leads(alternate, to: queue)
            {
                return "the alternate exchange \(alternate) does, with what no binding takes"
            }
            if let burial = walk.burials.first(where: { $0.queues.contains(queue) }) {
                return "dead letters of \(burial.queue) go there, and it was none"
            }
            return nil
        }

        /// Whether a message in an exchange may come to a queue along bindings.
        func leads(_ exchange: String, to queue: String, _ seen: Set<String> = []) -> Bool {
            if seen.contains(exchange) { return false }
            return (host.from[exchange] ?? []).contains { index in
                let binding = set.bindings[index].value
                return binding.toExchange
                    ? leads(binding.destination, to: queue, seen.union([exchange]))
                    : binding.destination == queue
            }
        }
    }

    /// What a client had subscribed to at a moment, for brokers whose clients subscribe to subjects.
    ///
    /// Patterns are compared by the code that the simulation delivers with.
    private struct Subscriptions {
        private(set) var ways: [Way] = []
        private(set) var misses: [Way] = []

        /// Nil if messages wait in queues there.
        init?(_ birth: Fact, _ client: Symbol, _ open: OpenTrace) throws {
            guard open.names.kind(of: birth.subject) == .subject else { return nil }
            let name = open.names[client]
            let subject = open.names[birth.subject]
            var patterns: [String] = []
            for fact in try open.reader.rareFacts(of: open.run, until: birth.time) {
                let node = open.text.node(fact.peer)
                guard node == name || node.hasPrefix(name + "#") else { continue }
                let pattern = open.names[fact.subject]
                if fact.kind == .consumerStarted { patterns.append(pattern) }
                if fact.kind == .consumerEnded, let place = patterns.firstIndex(of: pattern) {
                    patterns.remove(at: place)
                }
            }
            var seen: Set<String> = []
            for pattern in patterns where seen.insert(pattern).inserted {
                let way = Way(
                    exchange: subject,
                    destination: name,
                    destination_type: "subscription",
                    by: "by '\(pattern)'",
                    failed: NATS.miss(pattern, subject)
                )
                if way.failed == nil { ways.append(way) } else { misses.append(way) }
            }
        }
    }

    private static func ways(_ walk: RouteWalk, to queue: String) -> [Way] {
        guard walk.queues.contains(queue) else { return [] }
        // From the queue back to the exchange that it was published to.
        var ways: [RouteWalk.Hop] = []
        var end = queue
        var isExchange = false
        while let hop = walk.hops.last(where: {
            $0.destination == end && $0.toExchange == isExchange
        }) {
            ways.insert(hop, at: 0)
            (end, isExchange) = (hop.exchange, true)
            if hop.depth == 0 || ways.count > walk.hops.count { break }
        }
        return ways.map { hop in
            Way(
                exchange: hop.exchange,
                destination: hop.destination,
                destination_type: hop.toExchange ? "exchange" : "queue",
                by: RouteCommand.words(for: hop.kind),
                failed: nil
            )
        }
    }

    private static func misses(_ route: Route, to queue: String) -> [Way] {
        guard !route.walk.queues.contains(queue) else { return [] }
        return route.walk.misses.filter { miss in
            miss.toExchange
                ? route.leads(miss.destination, to: queue) : miss.destination == queue
        }
        .map { miss in
            Way(
                exchange: miss.exchange,
                destination: miss.destination,
                destination_type: miss.toExchange ? "exchange" : "queue",
                by: "by '\(miss.key)'",
                failed: miss.why
            )
        }
    }

    // MARK: For people

    var lines: [String] {
        let isSubject = (ways + misses).contains { $0.destination_type == "subscription" }
        func named(_ exchange: String) -> String {
            exchange.isEmpty ? "the default exchange" : exchange
        }
        var lines = [copies > 0 ? Console.good(answer) : Console.bad(answer), ""]
        lines.append(
            "published to \(named(exchange))" + (isSubject ? "" : " with the key '\(routing_key)'")
        )
        for way in ways { lines.append("  \(named(way.exchange)) → \(way.destination)  \(way.by)") }
        for miss in misses {
            lines.append(
                "  \(named(miss.exchange)) ↛ \(miss.destination)  \(miss.by): \(miss.failed ?? "")"
            )
        }
        lines.append("")
        lines += happened.map(\.text)
        return lines
    }
}
