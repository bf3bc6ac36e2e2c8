/// Routes each message to exactly one destination, the same for the same key.
///
/// - Source: RMQ-CHASH-01 to -04. The plugin puts as many buckets on a line as a binding weighs, and
///   finds one by jump consistent hashing.
/// - Differs: the hash of a key is another one, so a key may go to another queue than on a real broker.
struct ConsistentHashExchange: ExchangeType {
    private var buckets: [Destination] = []
    private let header: String?
    private let property: String?

    init(_ arguments: [FieldValue.Field]) {
        header = arguments.first { $0.name == "hash-header" }?.value.text
        property = arguments.first { $0.name == "hash-property" }?.value.text
    }

    static let properties = ["message_id", "correlation_id", "timestamp"]

    mutating func bind(_ key: String, _ arguments: [FieldValue.Field], to destination: Destination)
    {
        buckets += Array(repeating: destination, count: Self.weight(key) ?? 1)
    }

    mutating func unbind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        from destination: Destination
    ) {
        var left = Self.weight(key) ?? 1
        buckets.removeAll { bucket in
            guard bucket == destination, left > 0 else { return false }
            left -= 1
            return true
        }
    }

    func routes(for letter: Letter, into targets: inout [Destination]) {
        guard !buckets.isEmpty else { return }
        var text = letter.key
        if let header {
            text = letter.headers.first { $0.name == header }?.value.printed ?? ""
        } else if let property {
            switch property {
            case "message_id": text = letter.properties?.messageID ?? ""
            case "correlation_id": text = letter.properties?.correlationID ?? ""
            default: text = letter.properties?.timestamp.map { "\($0)" } ?? ""
            }
        }
        targets.append(buckets[Self.jump(Self.hash(text), buckets.count)])
    }

    /// The weight that a binding key says; nil if it says none.
    static func weight(_ key: String) -> Int? { Int(key).flatMap { $0 > 0 ? $0 : nil } }

    private static func hash(_ text: String) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash ^ hash &>> 32
    }

    /// - Source: Lamping and Veach, *A Fast, Minimal Memory, Consistent Hash Algorithm*, 2014.
    private static func jump(_ key: UInt64, _ count: Int) -> Int {
        var key = key
        var bucket: Int64 = -1
        var next: Int64 = 0
        while next < Int64(count) {
            bucket = next
            key = key &* 2_862_933_555_777_941_757 &+ 1
            next = Int64(Double(bucket + 1) * (Double(Int64(1) << 31) / Double((key >> 33) + 1)))
        }
        return Int(bucket)
    }
}
