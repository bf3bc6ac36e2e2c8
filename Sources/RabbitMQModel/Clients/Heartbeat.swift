import WarrenKernel
import WarrenTrace

/// A client's side of heartbeats: it says that it is there, and gives up a broker that is not.
///
/// - Source: RMQ-CONN-20 to -22.
struct Heartbeat: Sendable {
    /// Seconds between heartbeats; 0 for none.
    private let interval: UInt16
    private let timer: TimerID
    private var heardAt = Instant.zero

    /// Rings the timer `timer` of its client.
    init(every interval: UInt16, _ timer: TimerID) {
        self.interval = interval
        self.timer = timer
    }

    /// Something came from the broker: whatever it is, it is a sign of life.
    @inline(__always)
    mutating func hear(_ now: Instant) { heardAt = now }

    /// Beats from now on.
    func begin(_ turn: inout Turn) {
        guard interval > 0 else { return }
        let half = Interval.milliseconds(UInt64(interval) * 500)
        turn.arm(timer, after: half, background: true)
    }

    /// Beats no more.
    func end(_ turn: inout Turn) { turn.disarm(timer) }

    /// The timer rang: says something, twice in an interval.
    ///
    /// - Returns: whether the broker was heard within two intervals; if not, the connection is closed.
    func beat(_ connection: ConnectionID, _ turn: inout Turn) -> Bool {
        guard (turn.now - heardAt).nanoseconds < UInt64(interval) * 2_000_000_000 else {
            turn.close(connection, .reset)
            return false
        }
        turn.send(Packet(.heartbeat, channel: 0), on: connection)
        begin(&turn)
        return true
    }
}
