/// What happens to packets below TCP, and what TCP makes of it.
///
/// TCP sends lost packets again, throws duplicates away and puts packets back in order: a program sees
/// delay, never loss. The wait before another try begins at 200 ms and doubles up to two minutes; after
/// fifteen tries, or some 15 minutes, the connection is reset. Meanwhile all that was sent behind it waits.
/// - Source: Linux, `tcp_retries2` = 15 and the least retransmission timeout of 200 ms.
public struct Trouble: Sendable, Hashable {
    /// How often a packet is lost.
    public var loss = Share.never
    /// How often a packet arrives twice; the second one is thrown away.
    public var duplication = Share.never
    /// How often a packet is overtaken; those behind it wait for it.
    public var reordering = Share.never

    /// No trouble.
    public static let none = Trouble()

    /// No trouble.
    public init() {}

    var isNone: Bool { loss == .never && duplication == .never && reordering == .never }

    static let firstWait: UInt64 = 200_000_000
    static let longestWait: UInt64 = 120_000_000_000
    static let tries = 15

    /// How long a connection lives on which nothing passes.
    static let patience: UInt64 = {
        var total: UInt64 = 0
        var wait = firstWait
        for _ in 0...tries {
            total += wait
            wait = min(wait * 2, longestWait)
        }
        return total
    }()

    /// The first moment at or after `moment` at which TCP tries again what was first sent at `since`.
    static func nextTry(_ since: UInt64, notBefore moment: UInt64) -> UInt64 {
        var time = since
        var wait = firstWait
        while time < moment {
            time = time.addingClamped(wait)
            wait = min(wait * 2, longestWait)
        }
        return time
    }

    /// What is added to the delay of a packet that would take `plain`; nil if it is lost each time that TCP sends it.
    func delay(_ plain: UInt64, _ stream: StreamID, _ chance: inout Chance) -> UInt64? {
        var total: UInt64 = 0
        var wait = Self.firstWait
        var losses = 0
        while chance.happens(loss, stream) {
            losses += 1
            guard losses <= Self.tries else { return nil }
            total += wait
            wait = min(wait * 2, Self.longestWait)
        }
        // A packet that is overtaken comes one packet later: about as long as the way takes.
        if chance.happens(reordering, stream) { total = total.addingClamped(plain) }
        return total
    }
}
