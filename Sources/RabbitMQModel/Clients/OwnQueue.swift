import WarrenBroker
import WarrenKernel
import WarrenTrace

/// A queue that a consumer declares for itself at each connect.
struct OwnQueue: Sendable {
    /// What a library does about the queue when the connection is back.
    ///
    /// - Source: Bunny 2.19 and the Java client declare a queue that the server named once more without a name, and
    ///   bind it anew; amqplib and pika leave that to the program.
    enum Habit: String, Sendable, CaseIterable {
        /// Declares it under the name that it had.
        case same
        /// Declares it as at first: one that the server names gets another name.
        case new
        /// Consumes from the name that it had, and declares nothing.
        case never
    }

    var declaration: QueueDeclaration
    /// From exchanges to it; the destination is filled in once its name is known.
    var bindings: [BindingDeclaration]
    var habit: Habit

    /// What asks for it; `name`: the one that it had, none at first.
    func declare(_ name: Symbol, _ turn: inout Turn) -> Packet {
        var wanted = declaration
        if name != .none, habit == .same { wanted.name = turn.names[name] }
        var packet = Packet(.queueDeclare, channel: ClientLink.channel)
        packet.parcel = turn.parcels.put(wanted)
        return packet
    }

    /// What binds it under the name that it has.
    func bind(_ name: Symbol, _ turn: inout Turn) -> [Packet] {
        bindings.map { binding in
            var wanted = binding
            wanted.destination = turn.names[name]
            var packet = Packet(.queueBind, channel: ClientLink.channel)
            packet.parcel = turn.parcels.put(wanted)
            return packet
        }
    }
}
