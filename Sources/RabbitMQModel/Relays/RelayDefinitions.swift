package import WarrenTrace

/// When a relay acknowledges a message to where it comes from.
///
/// - Source: RMQ-FED-04, RMQ-SHOV-04.
package enum RelayAckMode: String, Sendable, CaseIterable {
    /// When the other side has confirmed it: nothing is lost, something may come twice.
    case onConfirm = "on-confirm"
    /// When it is on its way: what is lost on the way is lost.
    case onPublish = "on-publish"
    /// Never, for it was settled by sending: what the relay holds when it ends is lost, too.
    case noAck = "no-ack"
}

/// Where one end of a relay connects to: a broker of the file, which stands for the URI that a real one has.
package struct RelayAddress: Sendable, Hashable {
    /// The broker; nil for the one that the relay runs on, as `amqp://` is.
    package var broker: String?
    /// The virtual host; nil for the one that the relay is defined in.
    package var vhost: String?
    /// Names of nodes to connect to; empty for all.
    package var hosts: [String] = []
    /// Who connects; nil for guest.
    package var user: String?

    /// The address as a URI without credentials.
    ///
    /// - Source: `amqp_uri:remove_credentials`.
    func uri(at host: String?) -> String {
        let path = vhost.map { $0 == "/" ? "/%2f" : "/\($0)" } ?? ""
        return broker == nil ? "amqp://\(path)" : "amqp://\(host ?? "")\(path)"
    }
}

/// A federation upstream.
///
/// - Source: rabbitmq_federation 3.10.8, `rabbit_federation_upstream:from_upstream_or_set`.
package struct Upstream: Sendable, Hashable {
    /// Its name.
    package var name: String
    /// Where it is.
    package var address = RelayAddress()
    /// The exchange there; nil for one of the same name.
    package var exchange: String?
    /// The queue there; nil for one of the same name.
    package var queue: String?
    /// When messages are acknowledged there.
    package var ackMode = RelayAckMode.onConfirm
    /// How many messages may be under way.
    package var prefetch: UInt32 = 1000
    /// How long a link waits before it connects again.
    package var reconnectDelay = Interval.seconds(5)
    /// Over how many links a message may go.
    package var maxHops: Int64 = 1
    /// After how many milliseconds without its link the queue there goes; nil for never.
    package var expires: Int64?
    /// How many milliseconds messages wait there at most; nil for ever.
    package var messageTTL: Int64?
    /// Whether the user that published is passed on.
    package var trustsUser = false
    /// Whether a link that ends in good order takes its queue and its exchange there with it.
    package var cleansUp = true

    /// An upstream.
    package init(name: String) { self.name = name }
}

/// Upstreams under one name.
package struct UpstreamSet: Sendable, Hashable {
    /// An upstream, and what is different of it in this set.
    package struct Member: Sendable, Hashable {
        /// The upstream.
        package var upstream: String
        /// The exchange there.
        package var exchange: String?
        /// The queue there.
        package var queue: String?
    }

    /// Its name.
    package var name: String
    /// The upstreams.
    package var members: [Member]
}

/// A shovel.
///
/// - Source: rabbitmq_shovel 3.10.8, `rabbit_shovel_parameters`, `rabbit_shovel_config`.
package struct Shovel: Sendable, Hashable {
    /// When a shovel has done what it was for, and deletes itself.
    package enum End: Sendable, Hashable {
        case never
        /// After as many messages as the queue held when it began.
        case queueLength
        case after(UInt64)
    }

    /// Where messages go.
    package enum Place: Sendable, Hashable {
        case queue(String)
        /// An exchange and a key; nil for those that a message was published with.
        case exchange(String?, key: String?)
    }

    /// Its name.
    package var name: String
    /// Whether it stands in the configuration: it declares no queue, and nobody takes it away.
    package var isStatic = false
    /// Where it takes from: a queue, or an exchange, to which it binds a queue of its own.
    package var source = Place.queue("")
    /// Where that is.
    package var from = RelayAddress()
    /// Where it publishes.
    package var target = Place.queue("")
    /// Where that is.
    package var to = RelayAddress()
    /// When messages are acknowledged at their source.
    package var ackMode = RelayAckMode.onConfirm
    /// How many messages may be under way.
    package var prefetch: UInt32 = 1000
    /// How long it waits before it connects again; nil for never.
    package var reconnectDelay: Interval? = .seconds(5)
    /// When it ends.
    package var end = End.never
    /// Whether messages say in `x-shovelled` who carried them.
    package var addsForwardHeaders = false
    /// Whether messages say in `x-shovelled-timestamp` when.
    package var addsTimestamp = false
    /// Properties that messages get instead of theirs, under their names in AMQP.
    package var properties: [FieldValue.Field] = []
    /// Arguments of the queues that it declares.
    package var sourceArguments: [FieldValue.Field] = []
    package var targetArguments: [FieldValue.Field] = []

    /// A shovel.
    package init(name: String) { self.name = name }
}

/// The relays that are defined in a virtual host.
package struct RelayDefinitions: Sendable, Hashable {
    /// The federation upstreams.
    package var upstreams: [Upstream] = []
    /// The sets of them.
    package var sets: [UpstreamSet] = []
    /// The shovels.
    package var shovels: [Shovel] = []
    /// The internal exchanges that the links of exchanges use, by the names of the links.
    package var active: [ActiveExchange] = []

    /// Which of two internal exchanges a link uses: one that begins anew makes the other one, and takes this one away.
    ///
    /// - Source: RMQ-FED-09; `rabbit_federation_db:set_active_suffix`, which keeps it with the exchange.
    package struct ActiveExchange: Sendable, Hashable {
        /// The link.
        package var link: String
        /// Whether its name ends in A, and not in B.
        package var isA: Bool
    }

    /// None.
    package init() {}

    /// Whether there is any.
    var isEmpty: Bool { upstreams.isEmpty && sets.isEmpty && shovels.isEmpty }

    /// The upstreams that the policy of an exchange or a queue names.
    ///
    /// - Source: `rabbit_federation_upstream:for`: what is not there is passed over; `all` is a set of all.
    func upstreams(
        of name: String,
        _ subject: Policy.Subject,
        _ policies: [Policy],
        _ version: Version
    ) -> [Upstream] {
        guard let policy = Policy.effective(policies, name, subject, version) else { return [] }
        var members: [UpstreamSet.Member] = []
        if let name = policy["federation-upstream"]?.text {
            members = [UpstreamSet.Member(upstream: name)]
        } else if let name = policy["federation-upstream-set"]?.text {
            if name == "all" {
                members = upstreams.map { UpstreamSet.Member(upstream: $0.name) }
            } else {
                members = sets.first { $0.name == name }?.members ?? []
            }
        }
        return members.compactMap { member in
            guard var found = upstreams.first(where: { $0.name == member.upstream }) else {
                return nil
            }
            found.exchange = member.exchange ?? found.exchange
            found.queue = member.queue ?? found.queue
            return found
        }
    }
}

/// What a node wants carried from or to another broker.
enum RelayTask: Sendable, Hashable {
    case shovel(Shovel)
    /// A link of an exchange, which wants from its upstream what these bindings of it ask for.
    case exchange(Upstream, ExchangeDeclaration, bindings: [BindingDeclaration])
    /// A link of a queue; `wants`: whether somebody waits at it in vain.
    case queue(Upstream, QueueDeclaration, wants: Bool)
}

/// A relay that a node wants to run.
struct RelayWish: Sendable, Hashable {
    var vhost: String
    var task: RelayTask

    /// What tells it from the others of its node: bindings come and go.
    var name: String {
        let place = vhost == "/" ? "" : " in \(vhost)"
        switch task {
        case .shovel(let shovel): return "shovel '\(shovel.name)'\(place)"
        case .exchange(let upstream, let exchange, _):
            return "link of exchange '\(exchange.name)' to upstream '\(upstream.name)'\(place)"
        case .queue(let upstream, let queue, _):
            return "link of queue '\(queue.name)' to upstream '\(upstream.name)'\(place)"
        }
    }

    /// Whether another wish is for the same relay, which can go on.
    func isSame(as other: RelayWish) -> Bool {
        guard vhost == other.vhost else { return false }
        switch (task, other.task) {
        case (.shovel(let one), .shovel(let two)): return one == two
        case (.exchange(let one, let mine, _), .exchange(let two, let theirs, _)):
            return one == two && mine == theirs
        case (.queue(let one, let mine, _), .queue(let two, let theirs, _)):
            return one == two && mine == theirs
        default: return false
        }
    }
}

/// All that a node wants carried; what is not in it any more ends.
struct RelayOrders: Sendable, Hashable {
    var wishes: [RelayWish]
    var active: [RelayDefinitions.ActiveExchange]
}

extension Definitions {
    /// The upstreams that an exchange draws from when the broker begins.
    func upstreams(of exchange: ExchangeDeclaration, _ version: Version) -> [Upstream] {
        relays.upstreams(of: exchange.name, .exchange, policies, version)
    }

    /// The upstreams that a queue draws from when the broker begins.
    func upstreams(of queue: QueueDeclaration, _ version: Version) -> [Upstream] {
        relays.upstreams(of: queue.name, .queue(queue.type), policies, version)
    }
}
