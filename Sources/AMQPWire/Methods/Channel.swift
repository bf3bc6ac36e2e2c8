/// Class 20: channels.
///
/// - Source: AMQP 0-9-1, class `channel`.
public enum Channel: Sendable, Hashable {
    /// The client opens the channel.
    case open
    /// It is open.
    case openOk
    /// Stops or starts what the other side sends.
    case flow(Flow)
    /// It has stopped or gone on.
    case flowOk(FlowOk)
    /// One side ends the channel.
    case close(Close)
    /// The other side has heard it.
    case closeOk

    /// Stops or starts what the other side sends.
    public struct Flow: Sendable, Hashable {
        /// Whether it may go on.
        public var active: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            active: Bool = false
        ) {
            self.active = active
        }

        init(_ reader: inout WireReader) throws(WireError) {
            active = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.bit(active)
        }
    }

    /// It has stopped or gone on.
    public struct FlowOk: Sendable, Hashable {
        /// Whether it goes on.
        public var active: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            active: Bool = false
        ) {
            self.active = active
        }

        init(_ reader: inout WireReader) throws(WireError) {
            active = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.bit(active)
        }
    }

    /// One side ends the channel.
    public typealias Close = AMQPWire.Close
}

extension Channel {
    static var classID: UInt16 { 20 }

    var methodID: UInt16 {
        switch self {
        case .open: 10
        case .openOk: 11
        case .flow: 20
        case .flowOk: 21
        case .close: 40
        case .closeOk: 41
        }
    }

    init(methodID: UInt16, _ reader: inout WireReader) throws(WireError) {
        switch methodID {
        case 10:
            _ = try reader.shortString()
            self = .open
        case 11:
            _ = try reader.longString()
            self = .openOk
        case 20: self = .flow(try Flow(&reader))
        case 21: self = .flowOk(try FlowOk(&reader))
        case 40: self = .close(try Close(&reader))
        case 41: self = .closeOk
        default: throw .unknownMethod(classID: Self.classID, methodID: methodID)
        }
    }

    func write(_ writer: inout WireWriter) throws(WireError) {
        switch self {
        case .open:
            try writer.shortString("")
        case .openOk:
            writer.longString("")
        case .flow(let method): try method.write(&writer)
        case .flowOk(let method): try method.write(&writer)
        case .close(let method): try method.write(&writer)
        case .closeOk: break
        }
    }
}
