import WarrenTrace
import WarrenKernel

/// What a client says while it connects.
package struct ConnectionParameters: Sendable, Hashable {
    /// The eight bytes that it begins with.
    package var protocolHeader = "AMQP\u{0}\u{0}\u{9}\u{1}"
    /// The SASL mechanism.
    package var mechanism = "PLAIN"
    /// The user.
    package var user = "guest"
    /// The password.
    package var password = "guest"
    /// What it can do, such as `consumer_cancel_notify`.
    package var capabilities = [
        "authentication_failure_close", "consumer_cancel_notify", "connection.blocked",
    ]
    /// How many channels it wants at most; 0 for no limit.
    package var channelMax: UInt16 = 2047
    /// The largest frame that it takes, in bytes.
    package var frameMax: UInt32 = 131_072
    /// Seconds between heartbeats; 0 for none.
    package var heartbeat: UInt16 = 0
    /// The virtual host.
    package var vhost = "/"

    /// What a usual client says.
    package init() {}
}

/// What the server says in start and tune.
package struct ServerOffer: Sendable, Hashable {
    /// What it can do.
    ///
    /// - Source: RMQ-CONN-01.
    package var capabilities = [
        "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
        "connection.blocked", "consumer_priorities", "authentication_failure_close",
        "per_consumer_qos", "direct_reply_to",
    ]
    /// The SASL mechanisms.
    package var mechanisms = ["AMQPLAIN", "PLAIN"]
    /// How many channels it allows at most.
    package var channelMax: UInt16
    /// The largest frame that it takes, in bytes.
    package var frameMax: UInt32
    /// Seconds between heartbeats.
    package var heartbeat: UInt16

    /// What a server with these limits offers.
    package init(channelMax: UInt16, frameMax: UInt32, heartbeat: UInt16) {
        self.channelMax = channelMax
        self.frameMax = frameMax
        self.heartbeat = heartbeat
    }
}

/// start-ok, tune-ok, open, and what goes wrong there.
///
/// - Differs: start and tune carry values instead of frames; a client that leaves them out and opens at
///   once is taken for one that accepted everything.
extension RabbitMQNode {
    /// How long the server stays silent before it cuts a socket that it does not like.
    private static let silence = Interval.seconds(3)

    /// - Source: RMQ-CONN-01, -03, -04, -05, -25.
    mutating func authenticate(_ packet: Packet, _ session: SessionIndex, _ turn: inout Turn) {
        guard let wish: ConnectionParameters = turn.parcels.get(packet.parcel) else { return }
        let connection = sessions[session].connection
        guard wish.protocolHeader == ConnectionParameters().protocolHeader else {
            reply(.connectionStart, 0, connection, &turn)
            turn.close(connection)
            return
        }
        let offer = ServerOffer(
            channelMax: settings.channelMax,
            frameMax: settings.frameMax,
            heartbeat: settings.heartbeat
        )
        guard offer.mechanisms.contains(wish.mechanism) else {
            cutLater(session, &turn)
            return
        }
        guard
            settings.users.contains(where: {
                $0.name == wish.user && $0.password == wish.password
            })
        else {
            if wish.capabilities.contains("authentication_failure_close") {
                let refusal = Refusal.accessRefused(
                    "Login was refused using authentication mechanism \(wish.mechanism). For details "
                        + "see the broker logfile."
                )
                refuse(refusal, packet, .none, session, &turn)
            } else {
                cutLater(session, &turn)
            }
            return
        }
        sessions[session].user = wish.user
        sessions[session].hearsCancel = wish.capabilities.contains("consumer_cancel_notify")
        sessions[session].hearsBlocked = wish.capabilities.contains("connection.blocked")
        var answer = Packet(.connectionTune, channel: 0)
        answer.parcel = turn.parcels.put(offer)
        turn.send(answer, on: connection)
    }

    /// - Source: RMQ-CONN-02, -08, -11, -23; the section on versions (frame_max at least 8192 from 4.1).
    mutating func tune(_ packet: Packet, _ session: SessionIndex, _ turn: inout Turn) {
        guard let wish: ConnectionParameters = turn.parcels.get(packet.parcel) else { return }
        let smallest: UInt32 = settings.version >= Version(4, 1) ? 8192 : 4096
        let tooManyChannels =
            settings.channelMax > 0
            && (wish.channelMax == 0 || wish.channelMax > settings.channelMax)
        let badFrames =
            wish.frameMax > settings.frameMax || wish.frameMax < smallest || wish.frameMax == 0
        if tooManyChannels || badFrames {
            cutLater(session, &turn)
            return
        }
        sessions[session].channelMax = wish.channelMax
        setHeartbeat(wish.heartbeat, session, &turn)
    }

    mutating func setHeartbeat(_ seconds: UInt16, _ session: SessionIndex, _ turn: inout Turn) {
        sessions[session].heartbeat = seconds
        sessions[session].heardAt = turn.now
        if seconds > 0 { armHeartbeat(Self.nextBeat(seconds, after: turn.now), &turn) }
    }

    private mutating func cutLater(_ session: SessionIndex, _ turn: inout Turn) {
        sessions[session].cutAt = turn.now + Self.silence
        turn.arm(NodeTimer.silentClose, after: Self.silence)
    }

    /// Cuts the sockets whose three seconds of silence are over.
    mutating func cutSilently(_ turn: inout Turn) {
        for session in sessions.indices {
            guard let moment = sessions[session].cutAt, moment <= turn.now else { continue }
            sessions[session].cutAt = nil
            turn.close(sessions[session].connection)
        }
        if let next = sessions.compactMap(\.cutAt).min() {
            turn.arm(NodeTimer.silentClose, after: next - turn.now)
        }
    }

    // MARK: Heartbeats

    /// Half an interval, in nanoseconds.
    private static func half(_ seconds: UInt16) -> UInt64 { UInt64(seconds) * 500_000_000 }

    /// When connections with this interval are looked at next: all of them at once, twice in an interval.
    private static func nextBeat(_ seconds: UInt16, after now: Instant) -> Instant {
        let half = half(seconds)
        return Instant(nanoseconds: (now.nanoseconds / half + 1) * half)
    }

    private mutating func armHeartbeat(_ moment: Instant, _ turn: inout Turn) {
        guard connections.beat(at: moment, now: turn.now) else { return }
        turn.arm(NodeTimer.heartbeat, after: moment - turn.now, background: true)
    }

    /// When something came last over a connection: the short way of packets notes it at its channel.
    private func heard(_ session: SessionIndex) -> Instant {
        sessions[session].indices.reduce(sessions[session].heardAt) {
            max($0, channels[$1].heardAt)
        }
    }

    /// Sends heartbeats, and gives up connections that were silent for too long; each goes by its own interval.
    ///
    /// - Source: RMQ-CONN-20 to -22.
    mutating func beat(_ turn: inout Turn) {
        connections.forgetBeat()
        var next: Instant?
        for session in sessions.indices
        where sessions[session].heartbeat > 0 && sessions[session].isOpen {
            let seconds = sessions[session].heartbeat
            let connection = sessions[session].connection
            guard connections[connection] == .client(session) else { continue }
            if turn.now.nanoseconds % Self.half(seconds) == 0 {
                let limit = Interval.seconds(UInt64(seconds) * 2)
                let isSilent = (turn.now - heard(session)).nanoseconds >= limit.nanoseconds
                if sessions[session].hasLostClient || isSilent {
                    endSession(session, .connectionClosed, &turn)
                    sessions[session].heartbeat = 0
                    turn.close(connection)
                    continue
                }
                reply(.heartbeat, 0, connection, &turn)
            }
            let beat = Self.nextBeat(seconds, after: turn.now)
            next = min(next ?? beat, beat)
        }
        if let next { armHeartbeat(next, &turn) }
    }
}
