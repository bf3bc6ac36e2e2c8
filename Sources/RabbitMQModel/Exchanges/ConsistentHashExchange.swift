/// Routes each message to exactly one destination, the same for the same key.
///
/// - Source: RMQ-CHASH-01 to -04. The plugin puts as many buckets on a line as a binding weighs, and
///   finds one by jump consistent hashing.
/// - Differs: the hash of a key is another one, so a key may go to another queue than on a real broker.
package struct ConsistentHashExchange: ExchangeType {
    /// The buckets, as many of a destination as stand side by side together.
    private var runs: [(destination: Destination, count: Int)] = []
    private var total = 0
    private let header: String?
    private let property: String?

    init(_ arguments: [FieldValue.Field]) {
        header = arguments.first { $0.name == "hash-header" }?.value.text
        property = arguments.first { $0.name == "hash-property" }?.value.text
    }

    static let properties = ["message_id", "correlation_id", "timestamp"]

    /// Adds a binding.
    package mutating func bind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        to destination: Destination
    ) {
        let count = Self.weight(key) ?? 1
        runs.append((destination, count))
        total += count
    }

    /// Takes a binding away.
    package mutating func unbind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        from destination: Destination
    ) {
        var left = Self.weight(key) ?? 1
        for index in runs.indices where runs[index].destination == destination {
            let gone = min(left, runs[index].count)
            runs[index].count -= gone
            total -= gone
            left -= gone
        }
        runs.removeAll { $0.count == 0 }
    }

    /// Adds the target of a message.
    package func routes(for letter: Letter, into targets: inout [Destination]) {
        guard total > 0 else { return }
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
        var bucket = Self.jump(Self.hash(text), total)
        for run in runs {
            if bucket < run.count {
                targets.append(run.destination)
                return
            }
            bucket -= run.count
        }
    }

    /// More buckets than any broker would survive.
    private static let mostBuckets = 1 << 32

    /// The weight that a binding key says; nil if it says none.
    package static func weight(_ key: String) -> Int? {
        Int(key).flatMap { $0 > 0 ? min($0, mostBuckets) : nil }
    }

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
            let further = Double(bucket + 1) * (Double(Int64(1) << 31) / Double((key >> 33) + 1))
            guard further < Double(count) else { break }
            next = Int64(further)
        }
        return Int(bucket)
    }
}
