/// A node whose packets come from outside: a test, a socket, a person.
///
/// What the world tells it waits in ``inbox``; what it says goes through ``World/speak(as:_:)``.
public struct Port: Machine {
    /// What the world told it and nobody took yet, in order.
    public var inbox: [Event] = []

    /// A port with an empty inbox.
    public init() {}

    /// Keeps the event.
    public mutating func handle(_ event: Event, _ turn: inout Turn) { inbox.append(event) }
}
