import WarrenKernel
import WarrenTrace

extension ScriptClient {
    /// What a script may do.
    enum Step: Sendable {
        /// Uses a channel, and opens it if it is not open.
        case channel(UInt16)
        /// A method that is answered.
        case ask(Packet)
        /// A method that is not.
        case say(Packet)
        /// Turns confirms on without waiting for the answer.
        case confirmAtOnce(Packet)
        case publish(Packet, times: Int)
        case settle(Settlement)
        case awaitConfirms
        case awaitDeliveries(Int)
        case wait(Interval)
        /// Waits until a moment of the run.
        case waitUntil(Instant)
        /// What an operator does, through the management plugin.
        case administer(Packet)
        case closeChannel, closeConnection
        /// Ends the connection without a word.
        case cut
        /// Connects, once the connection is gone.
        case reconnect

        /// The parcel that it sends, if it sends one.
        var parcel: ParcelID {
            switch self {
            case .ask(let packet), .say(let packet), .confirmAtOnce(let packet),
                .publish(let packet, _), .administer(let packet):
                packet.parcel
            case .channel, .settle, .awaitConfirms, .awaitDeliveries, .wait, .waitUntil,
                .closeChannel, .closeConnection, .cut, .reconnect:
                .none
            }
        }
    }

    /// An ack, nack or reject.
    struct Settlement: Sendable {
        /// Which deliveries it speaks of.
        enum Which: Sendable {
            /// The last of the channel, or all so far.
            case last, all
            /// A delivery tag, whatever the script holds.
            case tag(UInt64)
        }

        var method: Method
        var which: Which
        /// Whether it speaks of all up to the tag.
        var isMultiple = false
        var requeue = false
    }
}
