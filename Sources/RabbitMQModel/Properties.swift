import WarrenKernel
import WarrenTrace

/// The properties of a message that are neither on the hot path nor the same for all.
///
/// What a publisher leaves out stays out: nothing is filled in (RMQ-PUB-28, RMQ-PUB-29).
public struct Properties: Sendable, Hashable {
    /// Headers in their order.
    public var headers: [FieldValue.Field]
    /// A word such as `application/json`; the broker never reads it.
    public var contentType: String?
    /// A word such as `gzip`; the broker never reads it.
    public var contentEncoding: String?
    /// 0 to 255; what a priority queue goes by.
    public var priority: UInt8?
    /// Whatever the peers agree on.
    public var correlationID: String?
    /// Where the answer should go.
    public var replyTo: String?
    /// Time to live in milliseconds, as a text: RMQ-TTL-02.
    public var expiration: String?
    /// Whatever the publisher says.
    public var messageID: String?
    /// Seconds since 1970, whatever the publisher says.
    public var timestamp: UInt64?
    /// Whatever the publisher says.
    public var type: String?
    /// The name of the connection's user, or nothing: RMQ-PUB-30.
    public var userID: String?
    /// Whatever the publisher says.
    public var appID: String?
    /// Deprecated; carried as it is.
    public var clusterID: String?
    /// The delivery mode where it is not 2 and was said: nobody but the receiver minds it.
    public var deliveryMode: UInt8?
    /// What the body says, if a script says it.
    var body: String?
    /// The keys of the BCC header, which no receiver sees; a dead letter goes by them all the same.
    private var hiddenKeys: [String] = []
    /// Whether the deaths in x-death were recorded by this broker; 4.0 forgets what a client claims.
    var deathsAreOwn = false

    /// Properties with these headers.
    public init(headers: [FieldValue.Field] = []) { self.headers = headers }

    /// Takes the BCC header away.
    ///
    /// - Source: RMQ-ROUTE-30.
    mutating func hideBCC() {
        if case .array(let keys)? = header("BCC") { hiddenKeys = keys.compactMap(\.text) }
        headers.removeAll { $0.name == "BCC" }
    }

    /// The keys that a dead letter goes by: those of before, or the one that its queue says.
    ///
    /// - Source: RMQ-DLX-31; `rabbit_dead_letter:make_msg`.
    mutating func deathKeys(_ seen: [String], _ key: String?) -> [String] {
        guard let key else { return seen + hiddenKeys }
        headers.removeAll { $0.name == "CC" }
        hiddenKeys = []
        return [key]
    }

    /// The properties as a client sees them, and publishes them again: whatever a broker knew beside them is gone.
    var asPublished: Properties {
        var made = self
        made.hiddenKeys = []
        made.deathsAreOwn = false
        return made
    }

    /// The first header of this name.
    public func header(_ name: String) -> FieldValue? {
        headers.first { $0.name == name }?.value
    }

    /// Replaces a header, or adds it at the end.
    public mutating func setHeader(_ name: String, _ value: FieldValue) {
        if let index = headers.firstIndex(where: { $0.name == name }) {
            headers[index].value = value
        } else {
            headers.append(FieldValue.Field(name, value))
        }
    }
}

extension Turn {
    /// The text of the headers that ride with a message; none if there are none.
    mutating func headers(of parcel: ParcelID) -> Symbol {
        guard parcel != .none, let properties: Properties = parcels.get(parcel) else {
            return .none
        }
        return properties.headerText.map { names.intern(.text, $0) } ?? .none
    }
}

extension Properties {
    /// The headers as a JSON list of name, type and value; nil if there are none.
    var headerText: String? { headers.isEmpty ? nil : headers.json }
}
