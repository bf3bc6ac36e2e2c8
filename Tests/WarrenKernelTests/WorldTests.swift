import Testing
import WarrenKernel
import WarrenTrace

/// Sends `count` numbered packets over one connection as soon as it is open.
private struct Talker: Machine {
    let peer: NodeID
    let count: UInt64
    var connection = ConnectionID.none

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            connection = turn.connect(to: peer)
        case .connected:
            for number in 0..<count { turn.send(Packet(x: number), on: connection) }
        case .rang, .accepted, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }
}

/// Remembers what it was told, and writes what arrives to its disk.
private struct Listener: Machine {
    var log: [String] = []
    var stores = false

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started(let recovery):
            let what = recovery.first ? "first" : recovery.crashed ? "crashed" : "stopped"
            log.append("started \(what) \(recovery.records.map(\.packet.x))")
        case .accepted: log.append("accepted")
        case .arrived(let packet, _):
            log.append("\(packet.x)")
            if stores { turn.store(packet, at: packet.x, as: WriteID(packet.x)) }
        case .closed(_, let closure): log.append("closed \(closure.words)")
        case .stored(let write): log.append("stored \(write.raw)")
        case .stopping: log.append("stopping")
        case .connected, .rang, .ordered: break
        }
    }
}

/// Arms timers and remembers which rang.
private struct Clockwork: Machine {
    var rang: [UInt32] = []

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            turn.arm(TimerID(1), after: .milliseconds(10))
            turn.arm(TimerID(2), after: .milliseconds(20))
            turn.arm(TimerID(1), after: .milliseconds(30))
            turn.arm(TimerID(3), after: .milliseconds(5))
            turn.disarm(TimerID(3))
            turn.arm(TimerID(4), after: .seconds(1), background: true)
        case .rang(let timer): rang.append(timer.raw)
        case .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping: break
        }
    }
}

@Suite("A world")
struct WorldTests {
    private func pair(
        count: UInt64,
        stores: Bool = false,
        latency: Law = .constant(.milliseconds(1))
    ) -> (World, talker: NodeID, listener: NodeID) {
        var world = World(seed: 7)
        world.setLatency(latency)
        let listener = world.add("listener", sync: .constant(.milliseconds(4))) { _ in
            Listener(stores: stores)
        }
        let talker = world.add("talker") { _ in Talker(peer: listener, count: count) }
        world.boot()
        return (world, talker, listener)
    }

    private func log(_ world: World, _ node: NodeID) -> [String] {
        (world.machine(node) as? Listener)?.log ?? []
    }

    @Test func `keeps the order of what is sent on one connection, whatever the delays`() {
        var (world, _, listener) = pair(
            count: 500,
            latency: .lognormal(median: 1e6, p99: 50e6)
        )
        world.run()
        let numbers = log(world, listener).compactMap { UInt64($0) }
        #expect(numbers == Array(0..<500))
    }

    @Test func `moves an armed timer, forgets a disarmed one and does not wait for the background`()
    {
        var world = World(seed: 1)
        let node = world.add("clock") { _ in Clockwork() }
        world.boot()
        let stop = world.run()
        #expect(stop == .idle)
        #expect((world.machine(node) as? Clockwork)?.rang == [2, 1])
        #expect(world.now == Instant(nanoseconds: 30_000_000))
    }

    @Test func `runs to a moment, to a number of events, and no further`() {
        var (world, _, listener) = pair(count: 10)
        let first = world.run(until: Instant(nanoseconds: 1_500_000))
        #expect(first == .time)
        #expect(log(world, listener) == ["started first []", "accepted"])
        let before = world.eventCount
        let second = world.run(events: 3)
        #expect(second == .events)
        #expect(world.eventCount == before + 3)
    }

    @Test func `drops the machine in a crash, keeps the disk, and loses what was not synced`() {
        var (world, _, listener) = pair(count: 3, stores: true)
        // The packets arrive at 3 ms. The first is written alone until 7 ms, the others after it.
        world.plan(.crash(listener), at: Instant(nanoseconds: 8_000_000))
        world.plan(.start(listener), at: Instant(nanoseconds: 20_000_000))
        world.run()
        #expect(log(world, listener) == ["started crashed [0]"])
    }

    @Test func `writes everything out when a node stops in good order`() {
        var (world, _, listener) = pair(count: 3, stores: true)
        world.plan(.stop(listener), at: Instant(nanoseconds: 4_000_000))
        world.plan(.start(listener), at: Instant(nanoseconds: 20_000_000))
        world.run()
        #expect(log(world, listener) == ["started stopped [0, 1, 2]"])
    }

    @Test func `tells the other side of a crash, and refuses connections to a node that is down`() {
        var world = World(seed: 1)
        let listener = world.add("listener") { _ in Listener() }
        let port = world.add("port") { _ in Port() }
        world.boot()
        world.run()
        let connection = world.speak(as: port) { $0.connect(to: listener) }
        world.run()
        world.plan(.crash(listener), at: world.now)
        world.run()
        _ = world.speak(as: port) { $0.connect(to: listener) }
        world.run()
        let inbox = world.with(port, as: Port.self) { $0.inbox } ?? []
        let closures = inbox.compactMap { event -> Closure? in
            if case .closed(_, let closure) = event { return closure }
            return nil
        }
        #expect(closures == [.died, .refused])
        // What is sent on a connection that is gone goes nowhere.
        world.speak(as: port) { $0.send(Packet(x: 1), on: connection) }
        let stop = world.run()
        #expect(stop == .idle)
    }

    @Test func `records that a copy is gone when its packet was on the wire of a cut connection`() {
        var world = World(seed: 1)
        let listener = world.add("listener") { _ in Listener() }
        let port = world.add("port") { _ in Port() }
        world.boot()
        world.run()
        let connection = world.speak(as: port) { $0.connect(to: listener) }
        world.run()
        world.speak(as: port) {
            $0.send(Packet(custody: 1, message: MessageID(9), subject: Symbol(3)), on: connection)
        }
        #expect(world.copiesOnTheWire == 1)
        world.plan(.sever(port), at: world.now)
        world.run()
        let losses = world.takeFacts().filter { $0.kind == .messageDropped }
        #expect(losses.count == 1)
        #expect(losses.first?.message == MessageID(9))
        #expect(losses.first?.variant == DropReason.connectionLost.rawValue)
        #expect(world.copiesOnTheWire == 0)
    }

    @Test func `makes a link slower and fast again`() {
        var (world, talker, listener) = pair(count: 1)
        world.plan(.slowBetween(talker, listener, factor: 10_000), at: .zero)
        world.run()
        // The handshake is under way before the operator's turn; the rest takes ten times as long.
        #expect(world.now.nanoseconds > 10_000_000)
    }

    @Test func `sweeps parcels that nobody holds any more`() {
        var world = World(seed: 1)
        let port = world.add("port") { _ in Port() }
        world.boot()
        world.run()
        let parcel = world.put("a letter")
        #expect(world.parcel(parcel, as: String.self) == "a letter")
        _ = port
        world.sweepParcels()
        #expect(world.parcel(parcel, as: String.self) == nil)
    }
}

@Suite("Checkpoints")
struct CheckpointTests {
    private func makeWorld() -> World {
        var world = World(seed: 3)
        world.setLatency(.exponential(mean: 1e6))
        let listener = world.add("listener") { _ in Listener(stores: true) }
        world.add("talker") { _ in Talker(peer: listener, count: 400) }
        world.boot()
        return world
    }

    @Test func `jump to any event, backwards and forwards, to the very same state`() {
        var straight = makeWorld()
        var states: [UInt64: String] = [:]
        while straight.run(events: 1) == .events {
            states[straight.eventCount] = "\(straight.now) \(straight.machine(NodeID(0)))"
        }
        var memory = Checkpoints(of: makeWorld(), every: 50)
        memory.advance(by: .max)
        for number: UInt64 in [1, 49, 50, 51, 333, 120, 7, straight.eventCount] {
            let found = memory.jump(to: number)
            #expect(found)
            let state = "\(memory.world.now) \(memory.world.machine(NodeID(0)))"
            #expect(state == states[number], "event \(number)")
        }
        let beyond = memory.jump(to: straight.eventCount + 1)
        #expect(!beyond)
    }

    @Test
    func `leaves a copy of a world alone when the original lives on, and the other way round`() {
        var original = makeWorld()
        original.run(events: 100)
        _ = original.takeFacts()
        var copy = original
        original.run()
        let life = original.takeFacts()
        #expect(copy.eventCount == 100)
        var second = copy
        copy.run()
        let again = copy.takeFacts()
        #expect(again == life)
        // The fork's own future is another one.
        second.plan(.crash(NodeID(0)), at: second.now)
        second.run()
        #expect(second.isUp(NodeID(0)) == false)
        #expect(copy.isUp(NodeID(0)))
        #expect("\(copy.machine(NodeID(0)))" == "\(original.machine(NodeID(0)))")
    }
}
