/// The words of one kind of broker in a topology file.
///
/// Each model brings its own; the parser, the JSON Schema and the manual read it. Adding a kind adds a
/// vocabulary and changes nothing here.
public struct Vocabulary: Sendable {
    /// The word under `kind:`.
    public var kind: String
    /// The versions that the model knows, the default first.
    public var versions: [String]
    /// The keys of a broker of this kind, beside `kind`, `version` and `nodes`.
    public var broker: [Field]
    /// The keys of `to:`.
    public var to: [Field]
    /// The keys of `from:`.
    public var from: [Field]
    /// The key of `to:` and `from:` that a plain text stands for.
    public var shortTarget: String
    /// Further keys of a producer.
    public var producer: [Field]
    /// Further keys of a consumer.
    public var consumer: [Field]
    /// Further keys of a caller.
    public var caller: [Field]
    /// Further keys of a server.
    public var server: [Field]
    /// The keys of `from:` and `to:` of a bridge; none if bridges to this kind are not modelled.
    public var bridgeFrom: [Field]
    public var bridgeTo: [Field]
    /// Further keys of a script.
    public var script: [Field]
    /// The steps of a script, each with what it says; none if scripts are not modelled.
    public var steps: [Field]
    /// How the kind's own files are read; nil if it has none.
    public var foreign: ForeignFile?

    /// A vocabulary.
    public init(
        kind: String,
        versions: [String],
        broker: [Field],
        to: [Field],
        from: [Field],
        shortTarget: String,
        producer: [Field] = [],
        consumer: [Field] = [],
        caller: [Field] = [],
        server: [Field] = [],
        bridgeFrom: [Field] = [],
        bridgeTo: [Field] = [],
        script: [Field] = [],
        steps: [Field] = [],
        foreign: ForeignFile? = nil
    ) {
        self.kind = kind
        self.versions = versions
        self.broker = broker
        self.to = to
        self.from = from
        self.shortTarget = shortTarget
        self.producer = producer
        self.consumer = consumer
        self.caller = caller
        self.server = server
        self.bridgeFrom = bridgeFrom
        self.bridgeTo = bridgeTo
        self.script = script
        self.steps = steps
        self.foreign = foreign
    }

    /// The long form of what a client's `to:` or `from:` says: a text is one key of it.
    func spelledOut(_ target: Tree) -> Tree {
        guard target.text != nil else { return target }
        let entry = Tree.Entry(key: shortTarget, place: target.place, value: target)
        return Tree(content: .map([entry]), place: target.place)
    }

    /// The kinds of which the product speaks; a file may name one that is not modelled yet.
    public static let knownKinds = ["rabbitmq", "emqx", "kafka", "nats", "nsq"]
}

/// The shapes that are the same for every kind of broker.
package enum CommonShapes {
    static let node = Shape.either([
        .record([
            Field("name", .text, "the node's name", required: true),
            Field(
                "hostname",
                .choice(["fixed", "random"]),
                "random: another name, and so an empty data directory, at each start; fixed"
            ),
            Field(
                "data",
                .choice(["volume", "none"]),
                "none: an empty data directory at each start; volume"
            ),
        ]), .text,
    ])
    static let reconnect = Shape.either([.choice(["never"]), .duration])
    static let effect = Shape.either([
        .text,
        .record([
            Field("name", .text, "what the effect is called", required: true),
            Field(
                "idempotent_by",
                .choice(["message_id", "message"]),
                "apply it once per property message_id, or once per publication"
            ),
        ]),
    ])
    static let fails = Shape.record(
        [
            Field(
                "crash_after_work_before_ack",
                .share,
                "how often the client dies between the work and the ack"
            ),
            Field(
                "crash_between",
                .share,
                "how often the client dies between what it publishes (`then:`) and the ack"
            ),
        ] + failing
    )
    static let bridgeFails = Shape.record(
        [
            Field(
                "crash_between",
                .share,
                "how often it dies between the publication and the ack, whichever it does first"
            )
        ] + failing
    )
    private static let failing = [
        Field("error", .share, "how often the work throws an error"),
        Field("hang", .share, "how often the work never ends"),
        Field("crash_during_work", .share, "how often the client dies half-way"),
        Field(
            "poison",
            .either([
                .record([
                    Field("share", .share, "how many messages", required: true),
                    Field("kills", .boolean, "whether they take their client down; false"),
                ]), .share,
            ]),
            "how many messages throw an error each time they are tried, or kill who tries"
        ),
        Field("restart_after", .duration, "how long a client that died stays down; 1s"),
    ]
    static let instances = Field("instances", .integer(1...10_000), "how many of them; 1")
    static let connecting = [
        Field("reconnect", reconnect, "how long to wait before connecting again; 5s, or never"),
        Field("start", .duration, "when it begins; 0s"),
    ]
    static let publishing = [
        Field("arrivals", .arrivals, "when it publishes; needed unless `count: 1`"),
        Field("count", .integer(1...4_000_000_000), "how many messages in all, of each instance"),
        Field("size", .sizeLaw, "body sizes; 1KiB"),
    ]
    static let working = [
        Field("service", .timeLaw, "how long the work of one message takes; 1ms"),
        Field("fails", fails, "how the work goes wrong"),
        Field("effect", effect, "what the work changes outside"),
    ]

    static func target(_ fields: [Field]) -> Shape {
        let broker = Field("broker", .text, "which broker; needed if there are several")
        return .either([.record([broker] + fields), .text])
    }

    /// The keys of a producer.
    package static func producer(_ words: Vocabulary) -> [Field] {
        [Field("to", target(words.to), "where it publishes", required: true), instances]
            + publishing
            + connecting + words.producer
    }

    /// The keys of a consumer.
    package static func consumer(_ words: Vocabulary) -> [Field] {
        [Field("from", target(words.from), "what it consumes", required: true), instances] + working
            + connecting + words.consumer
    }

    /// The keys of a caller.
    package static func caller(_ words: Vocabulary) -> [Field] {
        [
            Field("to", target(words.to), "where the requests go", required: true),
            instances,
            Field("timeout", .duration, "how long it waits for an answer; 5s"),
        ] + publishing + connecting + words.caller
    }

    /// The keys of a server.
    package static func server(_ words: Vocabulary) -> [Field] {
        [
            Field("from", target(words.from), "where the requests come from", required: true),
            instances,
            Field("reply_size", .sizeLaw, "body sizes of its answers; 1KiB"),
            Field(
                "idempotent_by",
                .choice(["message_id", "message"]),
                "apply the effect once per request"
            ),
        ] + working + connecting + words.server
    }

    /// The keys of a bridge between two brokers.
    package static func bridge(from words: Vocabulary, to others: Vocabulary) -> [Field] {
        func end(_ key: String, _ fields: [Field], _ kind: String, _ help: String) -> Field {
            let missing = fields.isEmpty ? "a bridge \(key) \(kind)" : nil
            return Field(key, target(fields), help, required: true, notModelled: missing)
        }
        return [
            end("from", words.bridgeFrom, words.kind, "what it takes, and how"),
            end("to", others.bridgeTo, others.kind, "where it publishes it, and how"),
            instances,
            Field(
                "service",
                .timeLaw,
                "how long it works on each message before it publishes; 1ms"
            ),
            Field("fails", bridgeFails, "how it goes wrong"),
        ] + connecting
    }

    /// The keys of a script.
    package static func script(_ words: Vocabulary) -> [Field] {
        let step = Shape.record(words.steps)
        let missing = words.steps.isEmpty ? "scripts for \(words.kind)" : nil
        return [
            Field("broker", .text, "which broker; needed if there are several"),
            Field("vhost", .text, "the virtual host; /"),
            Field("user", .text, "who it connects as"),
            Field("start", .duration, "when it begins; 0s"),
        ] + words.script + [
            Field("steps", .list(step), "what it does, in order", notModelled: missing)
        ]
    }

    package static let network = Shape.record([
        Field(
            "default",
            .record([Field("latency", .timeLaw, "one way, between any two nodes; 50us")]),
            "links without a law of their own"
        ),
        Field(
            "links",
            .list(
                .record([
                    Field("between", .list(.text), "two clients or nodes", required: true),
                    Field("latency", .timeLaw, "one way", required: true),
                ])
            ),
            "links with a law of their own"
        ),
    ])

    /// The faults, each with what it hits.
    static let faultWords = FaultWord.allCases.map(\.rawValue)

    package static let fault = Shape.record([
        Field("at", .duration, "when, from the start of the run"),
        Field("when", .expression, "the moment when this holds for the first time"),
        Field("every", .duration, "how long until it happens again"),
        Field("times", .integer(1...100_000), "how often in all, with `every:`"),
        Field("do", .choice(faultWords), "what happens", required: true),
        Field("node", .text, "a node, as broker/node"),
        Field("leader_of", .text, "the node that leads a queue at that moment, or is its home"),
        Field("broker", .text, "all nodes of a broker, one after the other"),
        Field("client", .text, "a client"),
        Field("instance", .integer(1...10_000), "which instance of the client; all if left out"),
        Field("between", .list(.text), "the two ends of a link"),
        Field(
            "groups",
            .list(.list(.text)),
            "for partition: nodes and clients that still reach each other"
        ),
        Field("from", .list(.text), "for cut: who is no longer heard"),
        Field("to", .list(.text), "for cut: by whom"),
        Field("share", .share, "for lose, duplicate and reorder: how many packets"),
        Field("by", .text, "for clock_jump: how far, such as 5s or -5s"),
        Field("version", .text, "for upgrade: to which version"),
        Field(
            "hostname",
            .choice(["random"]),
            "for restart: the node comes back under another name, with an empty disk"
        ),
        Field("for", .duration, "how long it lasts"),
        Field("factor", .text, "how many times slower, such as 5"),
    ])

    static let expect = Shape.record([
        Field("never", .map(.expression), "what must not be true, of any message or at any moment"),
        Field("always", .map(.expression), "what must be true at every moment"),
        Field("eventually", .map(.expression), "what must become true and stay so; `within: 30s`"),
        Field("measure", .map(.expression), "what must be true of the whole run"),
    ])

    static let run = Shape.record([
        Field("for", .duration, "how long to simulate, at most"),
        Field(
            "ties",
            .choice(["in_order", "drawn", "ranked"]),
            "who is first of what happens at the same moment: in the order of its causes, as chance says each time, or by ranks of the nodes that chance gives and changes; in_order"
        ),
        Field(
            "choices",
            .list(.integer(0...4095)),
            "which goes first where a node has several things before it at the same moment, counted from 0; then in order"
        ),
    ])

    /// What `warren search` may do to a topology.
    static let search = Shape.record([
        Field(
            "faults",
            .list(.choice(FaultWord.searched.map(\.rawValue))),
            "what may go wrong; all that the topology allows"
        ),
        Field("at_most", .integer(0...20), "how many faults in one run; 3"),
        Field("hits", .list(.text), "which nodes and clients they may hit; all"),
    ])

    package static let top: [Field] = [
        Field("warren", .choice(["1"]), "the version of this format: 1", required: true),
        Field("name", .text, "what the topology is called", required: true),
        Field("title", .text, "one line about it"),
        Field("seed", .integer(0...UInt64(Int64.max)), "the seed of the run; 1"),
        Field("include", .list(.text), "further files, whose names join these"),
        Field("network", network, "how long packets travel"),
        Field("faults", .list(fault), "what goes wrong, and when"),
        Field("expect", expect, "what must hold"),
        Field(
            "expect_broken",
            .list(.text),
            "the expectations that are meant to break, because the file teaches by that"
        ),
        Field("run", run, "how long"),
        Field("search", search, "what `warren search` may do"),
        Field(
            "check",
            .record([
                Field(
                    "ignore",
                    .list(Suppression.shape),
                    "findings that are meant, each with a reason"
                )
            ]),
            "what `warren check` passes over"
        ),
    ]

    /// The sections that hold maps of named things.
    static let sections = [
        "brokers", "producers", "consumers", "callers", "servers", "bridges", "scripts",
    ]
}
