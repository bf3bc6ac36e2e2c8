import ArgumentParser
import RabbitMQModel
import WarrenCatalog
import WarrenCheck
import WarrenTopology

struct RouteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "route",
        abstract:
            "Says which queues a message reaches, binding by binding, and why others miss it.",
        discussion: """
            Takes a topology or a definitions file. Bindings between exchanges, alternate exchanges \
            and dead letters are followed; of the bindings that do not fit the nearest are shown, \
            each with the word or header that failed.

            Exit codes: 0 a queue gets it, 1 no queue does, 2 the file or the command line is wrong.

            Example: warren route definitions.json --exchange events --key order.paid.card
            """
    )

    @Argument(help: "A topology or a definitions file.")
    var file: String

    @Option(help: "The exchange that it is published to; the default exchange if left out.")
    var exchange = ""

    @Option(help: "Its routing key.")
    var key = ""

    @Option(
        name: .customLong("header"),
        help: "A header, as name=value; may be given several times."
    )
    var headers: [String] = []

    @Option(help: "The virtual host.")
    var vhost = "/"

    @Option(help: "Which broker of a topology, if there are several.")
    var broker: String?

    @Option(help: "The version of the broker; what the file says.")
    var brokerVersion: String?

    @Option(help: "How many near misses to show.")
    var misses = 10

    @Option(help: "How to print the result: text or json.")
    var format = OutputFormat.text

    func validate() throws {
        for header in headers where !header.contains("=") {
            throw ValidationError("--header '\(header)' has no value; write it as name=value")
        }
        if misses < 0 { throw ValidationError("--misses is \(misses), and may be 0 or more") }
    }

    func run() throws {
        let subject = try Files.subject(file, broker, brokerVersion, format)
        guard let host = subject.host(vhost) else {
            throw Failure(
                code: Failure.input,
                text: "error: \(file) has no virtual host '\(vhost)'; "
                    + DidYouMean.hint(vhost, in: subject.hosts.map(\.name))
                    + "\n  try: --vhost NAME"
            )
        }
        guard host.hasExchange(exchange) else {
            let known =
                host.exchanges.keys.sorted() + Host.predeclared.keys.sorted().filter { !$0.isEmpty }
            throw Failure(
                code: Failure.input,
                text: "error: \(file) has no exchange '\(exchange)' in '\(vhost)'; "
                    + DidYouMean.hint(exchange, in: known)
                    + "\n  why: RabbitMQ closes the channel of who publishes to it, with 404 NOT_FOUND"
            )
        }
        let walk = RouteWalk(
            subject,
            from: exchange,
            key: key,
            headers: headers.map(Self.field),
            in: host,
            limit: misses
        )
        try Console.print(
            format == .json ? Report.json(of: RouteLines(walk, self)) : text(walk, subject, host)
        )
        if walk.queues.isEmpty { throw ExitCode(Failure.broken) }
    }

    /// A header as a client would send it: whole numbers and true and false as such, all else as text.
    private static func field(_ text: String) -> FieldValue.Field {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let value = parts.count > 1 ? String(parts[1]) : ""
        if let number = Int64(value) { return FieldValue.Field(String(parts[0]), .int(number)) }
        if value == "true" || value == "false" {
            return FieldValue.Field(String(parts[0]), .bool(value == "true"))
        }
        return FieldValue.Field(String(parts[0]), .string(value))
    }

    private func text(_ walk: RouteWalk, _ subject: Subject, _ host: Host) -> String {
        func named(_ exchange: String) -> String {
            let type = host.type(ofExchange: exchange, in: subject.set) ?? "missing"
            return exchange.isEmpty ? "the default exchange" : "\(exchange) (\(type))"
        }
        var lines = ["'\(key)' to \(named(exchange))"]
        for hop in walk.hops {
            let indent = String(repeating: "  ", count: hop.depth + 1)
            let target = hop.toExchange ? named(hop.destination) : Console.strong(hop.destination)
            lines.append("\(indent)→ \(target)  \(Console.quiet(Self.words(for: hop.kind)))")
        }
        if walk.queues.isEmpty {
            lines.append(
                "  " + Console.bad("no queue gets it")
                    + ": it is dropped, and returned to a publisher that sets `mandatory`"
            )
        }
        if !walk.unknownTypes.isEmpty {
            lines.append(
                "  \(walk.unknownTypes.joined(separator: ", ")): how that type routes is not modelled; it was taken for direct"
            )
        }
        for burial in walk.burials {
            let way = burial.exchange.isEmpty ? "by name" : "through \(named(burial.exchange))"
            let end =
                !burial.exists
                ? Console.bad("nowhere: there is no such exchange")
                : burial.queues.isEmpty
                    ? Console.bad("nowhere") : burial.queues.joined(separator: ", ")
            lines.append(
                "  dead letters of \(burial.queue) (\(burial.reasons.joined(separator: ", "))) go with '\(burial.key)' \(way) → \(end)"
            )
        }
        if !walk.misses.isEmpty {
            lines.append("")
            lines.append(
                walk.missCount > walk.misses.count
                    ? "the nearest of \(walk.missCount) that miss it" : "what misses it"
            )
            for miss in walk.misses {
                let source = miss.exchange.isEmpty ? "default exchange" : miss.exchange
                lines.append("  \(source) → \(miss.destination)  '\(miss.key)': \(miss.why)")
            }
        }
        return lines.joined(separator: "\n")
    }

    static func words(for kind: RouteWalk.Kind) -> String {
        switch kind {
        case .binding(let key, let headers): headers.isEmpty ? "by '\(key)'" : "by \(headers)"
        case .name: "by its name"
        case .alternate: "because nothing else fits"
        case .hash: "by a hash of the key, which a real broker computes otherwise"
        }
    }
}

/// A route as JSON says it; the shape is stable: keys are added, never renamed.
private struct RouteLines: Encodable {
    struct Hop: Encodable {
        var exchange, by, destination, destination_type: String
        var depth: Int
    }

    struct Miss: Encodable { var exchange, destination, destination_type, key, why: String }

    struct Burial: Encodable {
        var queue, exchange, key: String
        var reasons, queues: [String]
        var exchange_exists: Bool
    }

    let vhost, exchange, key: String
    let routed: Bool
    let queues: [String]
    let hops: [Hop]
    let dead_letters: [Burial]
    let near_misses: [Miss]
    let missed: Int

    init(_ walk: RouteWalk, _ command: RouteCommand) {
        vhost = command.vhost
        exchange = command.exchange
        key = command.key
        routed = !walk.queues.isEmpty
        queues = walk.queues
        hops = walk.hops.map {
            Hop(
                exchange: $0.exchange,
                by: RouteCommand.words(for: $0.kind),
                destination: $0.destination,
                destination_type: $0.toExchange ? "exchange" : "queue",
                depth: $0.depth
            )
        }
        dead_letters = walk.burials.map {
            Burial(
                queue: $0.queue,
                exchange: $0.exchange,
                key: $0.key,
                reasons: $0.reasons,
                queues: $0.queues,
                exchange_exists: $0.exists
            )
        }
        near_misses = walk.misses.map {
            Miss(
                exchange: $0.exchange,
                destination: $0.destination,
                destination_type: $0.toExchange ? "exchange" : "queue",
                key: $0.key,
                why: $0.why
            )
        }
        missed = walk.missCount
    }
}
