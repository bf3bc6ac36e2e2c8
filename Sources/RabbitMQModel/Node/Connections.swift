import WarrenKernel
import WarrenTrace

/// Who speaks on which connection of a node, and where what comes on it goes first.
struct Connections: Sendable {
    private var speakers = Directory<ConnectionID, Speaker>(.nobody)
    /// The channel that was opened first, or none once it is gone.
    private var firstChannels = Directory<ConnectionID, ChannelIndex>(.none)
    /// By reply name: the channel that waits there.
    private var repliers = Directory<Symbol, ChannelIndex>(.none)
    /// When it looks at heartbeats next; nil if no connection has any.
    private var beatsAt: Instant?

    /// Who speaks on a connection.
    @inline(__always)
    subscript(connection: ConnectionID) -> Speaker { speakers[connection] }

    /// Somebody speaks on a connection from now on, or nobody does.
    mutating func give(_ connection: ConnectionID, to speaker: Speaker) {
        speakers[connection] = speaker
    }

    /// The channel whose packets go the short way, or none.
    @inline(__always)
    func firstChannel(on connection: ConnectionID) -> ChannelIndex { firstChannels[connection] }

    /// The packets of a channel go the short way.
    mutating func shorten(_ channel: ChannelIndex, on connection: ConnectionID) {
        assert(firstChannels[connection] == .none, "two channels of a connection go the short way")
        firstChannels[connection] = channel
    }

    /// The packets of a channel go the long way.
    ///
    /// - Returns: whether they went the short one.
    @discardableResult
    mutating func lengthen(_ channel: ChannelIndex, on connection: ConnectionID) -> Bool {
        guard firstChannels[connection] == channel else { return false }
        firstChannels[connection] = .none
        return true
    }

    /// The channel that waits for replies under a name, or none; it may be closed.
    func replier(_ name: Symbol) -> ChannelIndex { repliers[name] }

    /// A channel waits for replies under a name.
    mutating func awaitReplies(_ channel: ChannelIndex, under name: Symbol) {
        repliers[name] = channel
    }

    /// Heartbeats are to be looked at.
    ///
    /// - Returns: whether that is earlier than they would have been.
    mutating func beat(at moment: Instant, now: Instant) -> Bool {
        if let beatsAt, beatsAt > now, beatsAt <= moment { return false }
        beatsAt = moment
        return true
    }

    /// Heartbeats are being looked at.
    mutating func forgetBeat() { beatsAt = nil }
}
