import WarrenKernel
import WarrenTrace

/// What a NATS client or server says; the protocol's own words.
enum Operation: UInt16, Sendable {
    case connect = 1
    case pong, sub, unsub, pub, msg
    /// -ERR, after which the server closes the connection.
    case err
    /// A message without payload and with the status 503: nobody answers such requests.
    case noResponders
    /// Answered by pong when all before it was read.
    case ping
}

/// Typed views of a packet.
extension Packet {
    init(_ operation: Operation) { self.init(word: operation.rawValue) }

    var operation: Operation? { Operation(rawValue: word) }

    /// pub, msg: payload bytes.
    var size: UInt32 {
        get { c }
        set { c = newValue }
    }

    /// sub, msg: the subscription, numbered by its client.
    var sid: UInt32 {
        get { d }
        set { d = newValue }
    }

    /// sub: the queue group, or none.
    ///
    /// Pub, msg: the subject that wants the answer.
    var reply: Symbol {
        get { Symbol(UInt32(truncatingIfNeeded: y &>> 32)) }
        set { y = UInt64(newValue.raw) &<< 32 | y & 0xFFFF_FFFF }
    }

    /// pub, msg: the token of the inbox, which is the request's message.
    var token: MessageID {
        get { MessageID(UInt32(truncatingIfNeeded: y)) }
        set { y = y & ~0xFFFF_FFFF | UInt64(newValue.raw) }
    }
}
