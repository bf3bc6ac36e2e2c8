/// Class 10: the connection as a whole, on channel 0.
///
/// - Source: AMQP 0-9-1, class `connection`, and RabbitMQ's extensions.
public enum Connection: Sendable, Hashable {
    /// The server offers itself.
    case start(Start)
    /// The client introduces itself.
    case startOk(StartOk)
    /// The server asks for more.
    case secure(Secure)
    /// The client answers.
    case secureOk(SecureOk)
    /// The server proposes limits.
    case tune(Tune)
    /// The client settles the limits.
    case tuneOk(TuneOk)
    /// The client enters a virtual host.
    case open(Open)
    /// The client is in.
    case openOk
    /// One side ends the connection.
    case close(Close)
    /// The other side has heard it.
    case closeOk
    /// The server reads no publications for now (RabbitMQ).
    case blocked(Blocked)
    /// The server reads on (RabbitMQ).
    case unblocked
    /// The client has a new secret (RabbitMQ).
    case updateSecret(UpdateSecret)
    /// The server has taken it (RabbitMQ).
    case updateSecretOk

    /// The server offers itself.
    public struct Start: Sendable, Hashable {
        /// 0.
        public var versionMajor: UInt8
        /// 9.
        public var versionMinor: UInt8
        /// Product, version, capabilities.
        public var serverProperties: FieldTable
        /// Names with spaces between them.
        public var mechanisms: Octets
        /// Names with spaces between them.
        public var locales: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            versionMajor: UInt8 = 0,
            versionMinor: UInt8 = 9,
            serverProperties: FieldTable = [:],
            mechanisms: Octets = "",
            locales: Octets = "en_US"
        ) {
            self.versionMajor = versionMajor
            self.versionMinor = versionMinor
            self.serverProperties = serverProperties
            self.mechanisms = mechanisms
            self.locales = locales
        }

        init(_ reader: inout WireReader) throws(WireError) {
            versionMajor = try reader.uint8()
            versionMinor = try reader.uint8()
            serverProperties = try reader.table()
            mechanisms = try reader.longString()
            locales = try reader.longString()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint8(versionMajor)
            writer.uint8(versionMinor)
            try writer.table(serverProperties)
            writer.longString(mechanisms)
            writer.longString(locales)
        }
    }

    /// The client introduces itself.
    public struct StartOk: Sendable, Hashable {
        /// Product, version, capabilities.
        public var clientProperties: FieldTable
        /// The one that it chose.
        public var mechanism: Octets
        /// What the mechanism wants to hear.
        public var response: Octets
        /// The one that it chose.
        public var locale: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            clientProperties: FieldTable = [:],
            mechanism: Octets = "PLAIN",
            response: Octets = "",
            locale: Octets = "en_US"
        ) {
            self.clientProperties = clientProperties
            self.mechanism = mechanism
            self.response = response
            self.locale = locale
        }

        init(_ reader: inout WireReader) throws(WireError) {
            clientProperties = try reader.table()
            mechanism = try reader.shortString()
            response = try reader.longString()
            locale = try reader.shortString()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            try writer.table(clientProperties)
            try writer.shortString(mechanism)
            writer.longString(response)
            try writer.shortString(locale)
        }
    }

    /// The server asks for more.
    public struct Secure: Sendable, Hashable {
        /// What the mechanism says.
        public var challenge: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            challenge: Octets = ""
        ) {
            self.challenge = challenge
        }

        init(_ reader: inout WireReader) throws(WireError) {
            challenge = try reader.longString()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.longString(challenge)
        }
    }

    /// The client answers.
    public struct SecureOk: Sendable, Hashable {
        /// What the mechanism wants to hear.
        public var response: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            response: Octets = ""
        ) {
            self.response = response
        }

        init(_ reader: inout WireReader) throws(WireError) {
            response = try reader.longString()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.longString(response)
        }
    }

    /// The server proposes limits.
    public struct Tune: Sendable, Hashable {
        /// The highest channel number; 0 for no limit.
        public var channelMax: UInt16
        /// Octets of a frame with all that belongs to it; 0 for no limit.
        public var frameMax: UInt32
        /// Seconds; 0 for none.
        public var heartbeat: UInt16

        /// The method; what is left out is as the protocol has it.
        public init(
            channelMax: UInt16 = 0,
            frameMax: UInt32 = 0,
            heartbeat: UInt16 = 0
        ) {
            self.channelMax = channelMax
            self.frameMax = frameMax
            self.heartbeat = heartbeat
        }

        init(_ reader: inout WireReader) throws(WireError) {
            channelMax = try reader.uint16()
            frameMax = try reader.uint32()
            heartbeat = try reader.uint16()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(channelMax)
            writer.uint32(frameMax)
            writer.uint16(heartbeat)
        }
    }

    /// The client settles the limits.
    public typealias TuneOk = Tune

    /// The client enters a virtual host.
    public struct Open: Sendable, Hashable {
        /// Its name.
        public var vhost: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            vhost: Octets = "/"
        ) {
            self.vhost = vhost
        }

        init(_ reader: inout WireReader) throws(WireError) {
            vhost = try reader.shortString()
            _ = try reader.shortString()
            _ = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            try writer.shortString(vhost)
            try writer.shortString("")
            writer.bit(false)
        }
    }

    /// One side ends the connection.
    public typealias Close = AMQPWire.Close

    /// The server reads no publications for now (RabbitMQ).
    public struct Blocked: Sendable, Hashable {
        /// Why.
        public var reason: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            reason: Octets = ""
        ) {
            self.reason = reason
        }

        init(_ reader: inout WireReader) throws(WireError) {
            reason = try reader.shortString()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            try writer.shortString(reason)
        }
    }

    /// The client has a new secret (RabbitMQ).
    public struct UpdateSecret: Sendable, Hashable {
        /// The secret.
        public var newSecret: Octets
        /// Why.
        public var reason: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            newSecret: Octets = "",
            reason: Octets = ""
        ) {
            self.newSecret = newSecret
            self.reason = reason
        }

        init(_ reader: inout WireReader) throws(WireError) {
            newSecret = try reader.longString()
            reason = try reader.shortString()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.longString(newSecret)
            try writer.shortString(reason)
        }
    }
}

extension Connection {
    static var classID: UInt16 { 10 }

    var methodID: UInt16 {
        switch self {
        case .start: 10
        case .startOk: 11
        case .secure: 20
        case .secureOk: 21
        case .tune: 30
        case .tuneOk: 31
        case .open: 40
        case .openOk: 41
        case .close: 50
        case .closeOk: 51
        case .blocked: 60
        case .unblocked: 61
        case .updateSecret: 70
        case .updateSecretOk: 71
        }
    }

    init(methodID: UInt16, _ reader: inout WireReader) throws(WireError) {
        switch methodID {
        case 10: self = .start(try Start(&reader))
        case 11: self = .startOk(try StartOk(&reader))
        case 20: self = .secure(try Secure(&reader))
        case 21: self = .secureOk(try SecureOk(&reader))
        case 30: self = .tune(try Tune(&reader))
        case 31: self = .tuneOk(try TuneOk(&reader))
        case 40: self = .open(try Open(&reader))
        case 41:
            _ = try reader.shortString()
            self = .openOk
        case 50: self = .close(try Close(&reader))
        case 51: self = .closeOk
        case 60: self = .blocked(try Blocked(&reader))
        case 61: self = .unblocked
        case 70: self = .updateSecret(try UpdateSecret(&reader))
        case 71: self = .updateSecretOk
        default: throw .unknownMethod(classID: Self.classID, methodID: methodID)
        }
    }

    func write(_ writer: inout WireWriter) throws(WireError) {
        switch self {
        case .start(let method): try method.write(&writer)
        case .startOk(let method): try method.write(&writer)
        case .secure(let method): try method.write(&writer)
        case .secureOk(let method): try method.write(&writer)
        case .tune(let method): try method.write(&writer)
        case .tuneOk(let method): try method.write(&writer)
        case .open(let method): try method.write(&writer)
        case .openOk:
            try writer.shortString("")
        case .close(let method): try method.write(&writer)
        case .blocked(let method): try method.write(&writer)
        case .updateSecret(let method): try method.write(&writer)
        case .closeOk, .unblocked, .updateSecretOk: break
        }
    }
}
