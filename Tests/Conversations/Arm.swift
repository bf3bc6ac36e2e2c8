import AMQPWire
import NIOCore
import RabbitMQModel
import WarrenKernel

/// One of the brokers that a conversation can be held with.
///
/// Connections have numbers, in the order in which they were made, from 0.
protocol Arm: AnyObject {
    /// How long a channel waits for an answer that does not come, in milliseconds; 0 if what has not come by
    /// then never will.
    var patience: UInt64 { get }

    /// Seconds since 1970.
    var seconds: UInt64 { get }

    /// Connects and says what a client says first.
    func dial(node: Int, greeting: [UInt8]) -> Int

    /// Says something.
    func say(_ command: Command, on link: Int)

    /// Says that the client lives.
    func beat(on link: Int)

    /// Lives on until all has come that follows from the last words.
    func settle(_ depth: Settling)

    /// Lets time pass.
    func wait(_ milliseconds: UInt64)

    /// What came since the last look.
    func take(from link: Int) -> [Arrival]

    /// Cuts a connection with a reset.
    func cut(_ link: Int)

    /// Ends a connection without a word, as a process that is killed does.
    func abandon(_ link: Int)

    /// Does what an operator does.
    func operate(_ work: Operation)

    /// Ends everything.
    func end()
}

/// What comes from a broker.
enum Arrival {
    case command(Command)
    /// The broker says that it lives.
    case heartbeat
    /// The connection is gone.
    case ended
}

/// How much may follow from the last words.
///
/// - Source: the pauses that were enough when 4,700 conversations were held with a 3.10.8.
enum Settling {
    /// An answer, and nothing else.
    case answer
    /// Deliveries of a new consumer.
    case consumer
    /// What passes through queues.
    case queues
}

/// What is done to the broker from outside.
enum Operation {
    case administer(Administration)
    case alarm(memory: Bool, isOn: Bool)
    case kill
    case restart(directory: UInt32)
}
