import RabbitMQModel
import WarrenKernel
import WarrenTrace

/// What is done to the nodes of a broker; they are numbered from 1.
extension Conversation {
    /// Kills a node.
    package func kill(_ number: Int) { perform(number) { .crash($0) } }

    /// Stops a node in good order.
    package func stop(_ number: Int) { perform(number) { .stop($0) } }

    /// Starts a node that is down, and waits until it should be back in its cluster.
    package func start(_ number: Int) {
        perform(number) { .start($0) }
        wait(1500)
    }

    /// Starts a node that is down.
    package func startAtOnce(_ number: Int) { perform(number) { .start($0) } }

    /// Freezes a node.
    package func freeze(_ number: Int) { perform(number) { .freeze($0) } }

    /// Lets a frozen node go on.
    package func thaw(_ number: Int) { perform(number) { .thaw($0) } }

    /// Cuts a node off from the others, or joins it with them again.
    package func isolate(_ number: Int, _ isCut: Bool) {
        guard let model = model("it cuts a cluster apart") else { return }
        let one = model.nodes[number - 1]
        let others = model.nodes.filter { $0 != one }
        model.perform(
            others.flatMap { other -> [Action] in
                isCut
                    ? [.cut(one, other), .cut(other, one)]
                    : [.mend(one, other), .mend(other, one)]
            }
        )
        sortInboxes()
    }

    /// Breaks the connection of two nodes, for a moment.
    package func disconnect(_ number: Int, from other: Int) {
        guard let model = model("it breaks a connection of a cluster") else { return }
        model.perform([.severBetween(model.nodes[number - 1], model.nodes[other - 1])])
        sortInboxes()
    }

    /// The node that leads a queue, or the one that it lives on; nil if there is none.
    package func leader(of queue: String) -> Int? {
        guard let model = model("it asks for a leader") else { return nil }
        return RabbitMQ.leader(of: queue, among: model.nodes, in: model.world).flatMap { leader in
            model.nodes.firstIndex(of: leader).map { $0 + 1 }
        }
    }

    /// The nodes that may keep a quorum queue or stream; nil if there is none.
    package func members(of queue: String) -> [Int]? {
        guard let model = model("it asks for members") else { return nil }
        return RabbitMQ.members(of: queue, among: model.nodes, in: model.world)?.map { $0 + 1 }
    }

    /// Has a node run short of memory, or have enough again.
    package func setAlarm(onNode number: Int, _ isOn: Bool) {
        perform(number) { .order($0, RabbitMQ.alarm(memory: true, isOn: isOn)) }
    }

    private func perform(_ number: Int, _ action: (NodeID) -> Action) {
        guard let model = model("it breaks a node of a cluster") else { return }
        model.perform(action(model.nodes[number - 1]))
        sortInboxes()
    }
}
