import WarrenKernel
import WarrenTrace

/// The properties of a message that are neither on the hot path nor the same for all.
///
/// What a publisher leaves out stays out: nothing is filled in (RMQ-PUB-28, RMQ-PUB-29).
package struct Properties: Sendable, Hashable {
    /// Headers in their order.
    package var headers: [FieldValue.Field]
    /// A word such as `application/json`; the broker never reads it.
    package var contentType: String?
    /// A word such as `gzip`; the broker never reads it.
    package var contentEncoding: String?
    /// 0 to 255; what a priority queue goes by.
    package var priority: UInt8?
    /// Whatever the peers agree on.
    package var correlationID: String?
    /// Where the answer should go.
    package var replyTo: String?
    /// Time to live in milliseconds, as a text: RMQ-TTL-02.
    package var expiration: String?
    /// Whatever the publisher says.
    package var messageID: String?
    /// Seconds since 1970, whatever the publisher says.
    package var timestamp: UInt64?
    /// Whatever the publisher says.
    package var type: String?
    /// The name of the connection's user, or nothing: RMQ-PUB-30.
    package var userID: String?
    /// Whatever the publisher says.
    package var appID: String?
    /// Deprecated; carried as it is.
    package var clusterID: String?
    /// The delivery mode where it is not 2 and was said: nobody but the receiver minds it.
    package var deliveryMode: UInt8?
    /// What the body says, if a script says it.
    var body: String?
    /// The keys of the BCC header, which no receiver sees; a dead letter goes by them all the same.
    private var hiddenKeys: [String] = []
    /// Whether the deaths in x-death were recorded by this broker; 4.0 forgets what a client claims.
    var deathsAreOwn = false

    /// Properties with these headers.
    package init(headers: [FieldValue.Field] = []) { self.headers = headers }

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
    package func header(_ name: String) -> FieldValue? {
        headers.first { $0.name == name }?.value
    }

    /// Replaces a header, or adds it at the end.
    package mutating func setHeader(_ name: String, _ value: FieldValue) {
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
