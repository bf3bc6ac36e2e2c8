public import WarrenTrace

/// The will of a client to connect again: to which node, and after how long.
public struct Reconnection: Sendable {
    /// The nodes that it may connect to, in its order.
    public let hosts: [NodeID]
    /// How long it waits before it connects again; nil for never.
    public let wait: Interval?
    /// By how much the wait grows with each try in vain, in thousandths, and its end.
    public let backoff: (factor: UInt64, longest: Interval)
    private var index = 0
    private var tries: UInt64 = 0

    /// A will to connect to one of `hosts`; the wait stays the same unless a `backoff` says otherwise.
    public init(
        hosts: [NodeID],
        wait: Interval?,
        backoff: (factor: UInt64, longest: Interval) = (1000, .seconds(5))
    ) {
        precondition(!hosts.isEmpty, "a client has somewhere to connect to")
        self.hosts = hosts
        self.wait = wait
        self.backoff = backoff
    }

    /// The node to connect to now.
    public var host: NodeID { hosts[index] }

    /// It is connected: the next wait is a short one again.
    public mutating func succeed() { tries = 0 }

    /// The connection is gone, or was never there.
    ///
    /// - Returns: how long to wait before ``host``, which is the next one now, is tried; nil for never.
    public mutating func fail() -> Interval? {
        guard let wait else { return nil }
        defer { tries += 1 }
        index = (index + 1) % hosts.count
        var pause = wait
        for _ in 0..<min(tries, 64) {
            pause = pause.times(thousandths: backoff.factor)
            if pause >= backoff.longest { return max(backoff.longest, wait) }
        }
        return pause
    }
}
