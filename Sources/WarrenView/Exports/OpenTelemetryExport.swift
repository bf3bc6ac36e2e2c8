public import WarrenTrace

/// Spans of OpenTelemetry, in OTLP's JSON: one request to a line, as its file exporter writes them.
///
/// A message is a trace. Its publisher's span lasts until the confirm, if one was asked for; under it are the waits in
/// queues (`receive`), the work of consumers (`process`) and how copies were settled (`settle`). A message that was published
/// because of another one links to it. Names of attributes are those of the semantic conventions for messaging. Moment 0 is
/// 2001-09-09T01:46:40Z, the second 1,000,000,000, as OTLP takes 0 for "not known".
///
/// What the facts of a delivery do not say stays out, as the conventions want it: the destination of a consumer's spans is the
/// queue alone. Receiving and settling are told by the broker's node, where their facts are; what the broker did by itself
/// (dead letters, drops) has no operation type.
///
/// - Source: OTLP 1.x, "JSON Protobuf Encoding" and "File Exporter"; semantic conventions 1.30, "Messaging spans" and
///   "RabbitMQ": the operation `send`, and a destination of exchange and routing key.
public struct OpenTelemetryExport: FactExport {
    /// What is known of a publication whose outcome is awaited.
    private struct Publication {
        var fact: Fact
        var links: String
    }

    /// Whose a span is, by OTLP's numbers.
    private enum Kind: Int { case `internal` = 1, client = 3, producer, consumer }

    private let heading: ExportHeading
    /// Which messaging system each node is of, or speaks to, by number.
    private let system: (UInt32) -> String
    private var open: [MessageID: Publication] = [:]
    /// What is published next because of another message, and the link to that.
    private var derived: (message: MessageID, links: String)?
    /// The spans that go into the next line, by node.
    private var spans: [UInt32: [String]] = [:]
    private var order: [UInt32] = []
    private var count = 0

    /// How many spans go into a line.
    private static let batch = 512
    private static let epoch: UInt64 = 1_000_000_000_000_000_000

    /// An export of a run; `system`: the word for the kind of broker that a node is or speaks to, such as `rabbitmq`.
    public init(_ heading: ExportHeading, system: @escaping (UInt32) -> String) {
        self.heading = heading
        self.system = system
    }

    /// What a fact adds.
    public mutating func add(_ fact: Fact, number: Int, to text: inout String) {
        switch fact.kind {
        case .messagePublished:
            let links = derived?.message == fact.message ? derived?.links : nil
            let publication = Publication(fact: fact, links: links ?? "")
            if fact.variant & 1 == 1 {
                open[fact.message] = publication
            } else {
                publish(publication, fact.time, nil)
            }
        case .messageDerived:
            let parent = MessageID(UInt32(truncatingIfNeeded: fact.detail))
            let link =
                "[{\"traceId\":\"\(trace(parent))\",\"spanId\":\"\(Self.root(parent))\"}]"
            derived = (fact.message, link)
        case .messageConfirmed: close(fact, nil)
        case .messageNacked: close(fact, "nacked")
        case .messageReturned: close(fact, "returned")
        case .messageUnknown: close(fact, "its outcome is not known")
        case .deliverySent:
            child("receive", .client, fact, number, length: fact.detail)
        case .messageHandled:
            child("process", .consumer, fact, number, length: fact.detail)
        case .workFailed:
            child("process", .consumer, fact, number, length: 0, error: heading.text.sentence(fact))
        case .deliveryAcked: child("settle", .client, fact, number, length: 0, how: "ack")
        case .deliveryRejected:
            child(
                "settle",
                .client,
                fact,
                number,
                length: 0,
                how: fact.variant == 1 ? "requeue" : "reject"
            )
        case .messageDeadLettered:
            child("settle", .internal, fact, number, length: 0, how: "dead-letter")
        case .messageDropped:
            child(
                "settle",
                .internal,
                fact,
                number,
                length: 0,
                how: "drop",
                error: heading.text.sentence(fact)
            )
        case .messageUnroutable:
            child("settle", .internal, fact, number, length: 0, how: "unroutable")
        default: break
        }
        if count >= Self.batch { text += line() }
    }

    /// The spans that are still open, and the last line.
    public mutating func end() -> String {
        for message in open.keys.sorted(by: { $0.raw < $1.raw }) {
            if let publication = open[message] {
                publish(publication, publication.fact.time, "still waiting at the end")
            }
        }
        open = [:]
        return line()
    }

    // MARK: Spans

    /// The identity of a message's trace: the seed, so that two runs do not mix, and its number.
    private func trace(_ message: MessageID) -> String {
        let seed = (UInt64(heading.seed) ?? 0) &* 0x9E37_79B9_7F4A_7C15 | 1
        return Self.hex(seed) + Self.hex(UInt64(message.raw))
    }

    private static func root(_ message: MessageID) -> String {
        hex(1 << 63 | UInt64(message.raw))
    }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private mutating func close(_ fact: Fact, _ error: String?) {
        guard let publication = open.removeValue(forKey: fact.message) else { return }
        publish(publication, fact.time, error)
    }

    private mutating func publish(_ publication: Publication, _ end: Instant, _ error: String?) {
        let fact = publication.fact
        let (exchange, key) = (heading.names[fact.subject], heading.names[Symbol(fact.peer)])
        // RabbitMQ's destination is both names, where there are two.
        let names = [exchange, key].filter { !$0.isEmpty }
        let destination = names.isEmpty ? "amq.default" : names.joined(separator: ":")
        var attributes = self.attributes(fact, "send", destination)
        attributes.append(Self.attribute("messaging.operation.name", "publish"))
        attributes.append(
            "{\"key\":\"messaging.message.body.size\",\"value\":{\"intValue\":\"\(fact.bodySize)\"}}"
        )
        if !key.isEmpty, system(fact.node.raw) == "rabbitmq" {
            attributes.append(
                Self.attribute("messaging.rabbitmq.destination.routing_key", key)
            )
        }
        var span =
            "{\"traceId\":\"\(trace(fact.message))\",\"spanId\":\"\(Self.root(fact.message))\""
        span += ",\"name\":\("publish \(destination)".quoted),\"kind\":\(Kind.producer.rawValue)"
        span += Self.times(fact.time, end)
        span += ",\"attributes\":[\(attributes.joined(separator: ","))]"
        if !publication.links.isEmpty { span += ",\"links\":\(publication.links)" }
        append(span + Self.status(error) + "}", at: fact.node.raw)
    }

    private mutating func child(
        _ operation: String,
        _ kind: Kind,
        _ fact: Fact,
        _ number: Int,
        length: UInt64,
        how: String? = nil,
        error: String? = nil
    ) {
        let queue = heading.names[fact.subject]
        var attributes = self.attributes(fact, kind == .internal ? nil : operation, queue)
        attributes.append(Self.attribute("messaging.operation.name", how ?? operation))
        if fact.kind == .deliverySent {
            attributes.append(
                Self.attribute("messaging.client.id", heading.text.node(fact.peer))
            )
            let isAgain = fact.variant & 1 == 1
            attributes.append(
                "{\"key\":\"warren.redelivered\",\"value\":{\"boolValue\":\(isAgain)}}"
            )
        }
        let begin = fact.time.nanoseconds - min(length, fact.time.nanoseconds)
        var span =
            "{\"traceId\":\"\(trace(fact.message))\",\"spanId\":\"\(Self.hex(UInt64(number)))\""
        span += ",\"parentSpanId\":\"\(Self.root(fact.message))\""
        span += ",\"name\":\("\(how ?? operation) \(queue)".quoted),\"kind\":\(kind.rawValue)"
        span += Self.times(Instant(nanoseconds: begin), fact.time)
        span += ",\"attributes\":[\(attributes.joined(separator: ","))]"
        append(span + Self.status(error) + "}", at: fact.node.raw)
    }

    private func attributes(_ fact: Fact, _ operation: String?, _ destination: String) -> [String] {
        var all = [
            Self.attribute("messaging.system", system(fact.node.raw)),
            Self.attribute("messaging.destination.name", destination),
            Self.attribute("messaging.message.id", "m\(fact.message.raw)"),
        ]
        if let operation { all.append(Self.attribute("messaging.operation.type", operation)) }
        return all
    }

    private static func attribute(_ key: String, _ value: String) -> String {
        "{\"key\":\"\(key)\",\"value\":{\"stringValue\":\(value.quoted)}}"
    }

    private static func times(_ begin: Instant, _ end: Instant) -> String {
        ",\"startTimeUnixNano\":\"\(epoch + begin.nanoseconds)\",\"endTimeUnixNano\":\"\(epoch + end.nanoseconds)\""
    }

    private static func status(_ error: String?) -> String {
        error.map { ",\"status\":{\"code\":2,\"message\":\($0.quoted)}" } ?? ""
    }

    // MARK: Lines

    private mutating func append(_ span: String, at node: UInt32) {
        if spans[node] == nil { order.append(node) }
        spans[node, default: []].append(span)
        count += 1
    }

    /// A request with the spans that have come together, by node; nothing if there are none.
    private mutating func line() -> String {
        guard count > 0 else { return "" }
        let resources = order.map { node in
            "{\"resource\":{\"attributes\":[\(Self.attribute("service.name", heading.text.node(node)))]}"
                + ",\"scopeSpans\":[{\"scope\":{\"name\":\"warren\"},\"spans\":["
                + (spans[node] ?? []).joined(separator: ",") + "]}]}"
        }
        (spans, order, count) = ([:], [], 0)
        return "{\"resourceSpans\":[\(resources.joined(separator: ","))]}\n"
    }
}
