import WarrenKernel

/// What is done to the nodes of a broker; they are numbered from 1.
extension Conversation {
    /// Kills a node.
    public func kill(_ number: Int) { perform(.crash(nodes[number - 1])) }

    /// Stops a node in good order.
    public func stop(_ number: Int) { perform(.stop(nodes[number - 1])) }

    /// Starts a node that is down, and waits until it should be back in its cluster.
    public func start(_ number: Int) {
        perform(.start(nodes[number - 1]))
        wait(1500)
    }

    /// Freezes a node.
    public func freeze(_ number: Int) { perform(.freeze(nodes[number - 1])) }

    /// Lets a frozen node go on.
    public func thaw(_ number: Int) { perform(.thaw(nodes[number - 1])) }

    /// Cuts a node off from the others, or joins it with them again.
    public func isolate(_ number: Int, _ isCut: Bool) {
        let one = nodes[number - 1]
        for other in nodes where other != one {
            world.plan(isCut ? .cut(one, other) : .mend(one, other), at: world.now)
            world.plan(isCut ? .cut(other, one) : .mend(other, one), at: world.now)
        }
        settle()
    }

    /// The node that leads a queue, or the one that it lives on; nil if there is none.
    public func leader(of queue: String) -> Int? {
        RabbitMQ.leader(of: queue, among: nodes, in: world).flatMap { leader in
            nodes.firstIndex(of: leader).map { $0 + 1 }
        }
    }

    /// Has a node run short of memory, or have enough again.
    public func setAlarm(onNode number: Int, _ isOn: Bool) {
        var packet = Packet(word: 1)
        packet.x = isOn ? 1 : 0
        perform(.order(nodes[number - 1], packet))
    }

    private func perform(_ action: Action) {
        world.plan(action, at: world.now)
        settle()
    }
}
