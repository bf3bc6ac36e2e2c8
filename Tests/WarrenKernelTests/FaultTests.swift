import Testing
import WarrenKernel
import WarrenTrace

/// Sends a numbered packet every ten milliseconds.
private struct Ticker: Machine {
    let peer: NodeID
    let count: UInt64
    var sent: UInt64 = 0
    var connection = ConnectionID.none

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started: connection = turn.connect(to: peer)
        case .connected: turn.arm(TimerID(0), after: .milliseconds(10))
        case .rang:
            guard sent < count else { return }
            turn.send(Packet(x: sent), on: connection)
            sent += 1
            if sent < count { turn.arm(TimerID(0), after: .milliseconds(10)) }
        case .accepted, .arrived, .closed, .stored, .ordered, .stopping: break
        }
    }
}

/// Remembers when each packet arrived, in microseconds; writes it if it is to.
private struct Clocked: Machine {
    var stores = false
    var arrivals: [(number: UInt64, at: UInt64)] = []
    var stored: [UInt64] = []
    var found: [UInt64] = []
    var closures: [Closure] = []

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started(let recovery): found = recovery.records.map(\.packet.x)
        case .arrived(let packet, _):
            arrivals.append((packet.x, turn.now.nanoseconds / 1000))
            if stores { turn.store(packet, at: packet.x, as: WriteID(packet.x)) }
        case .stored: stored.append(turn.now.nanoseconds / 1000)
        case .closed(_, let how): closures.append(how)
        case .connected, .rang, .accepted, .ordered, .stopping: break
        }
    }
}

@Suite("Faults of a world")
struct FaultTests {
    private func pair(
        count: UInt64 = 10,
        stores: Bool = false,
        latency: Law = .constant(.milliseconds(1)),
        diskFaults: Disk.Faults = .none,
        seed: UInt64 = 7
    ) -> (World, ticker: NodeID, clocked: NodeID) {
        var world = World(seed: seed)
        world.setLatency(latency)
        let clocked = world.add(
            "clocked",
            sync: .constant(.milliseconds(4)),
            diskFaults: diskFaults
        ) { _ in Clocked(stores: stores) }
        let ticker = world.add("ticker") { _ in Ticker(peer: clocked, count: count) }
        world.boot()
        return (world, ticker, clocked)
    }

    private func look(_ world: World, _ node: NodeID) -> Clocked? {
        world.machine(node) as? Clocked
    }

    private func moment(_ milliseconds: UInt64) -> Instant {
        Instant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test func `takes as long for a packet as the law of its link says`() throws {
        var (world, _, clocked) = pair(count: 2000, latency: .uniform(1e6, 9e6))
        world.run()
        // Sent at 10 ms and its multiples, behind a handshake of two ways.
        let arrivals = try #require(look(world, clocked)).arrivals
        #expect(arrivals.count == 2000)
        let gaps = zip(arrivals.dropFirst(), arrivals).map { Int64($0.at) - Int64($1.at) }
        #expect(gaps.allSatisfy { $0 >= 2000 && $0 <= 18_000 })
        #expect(Set(gaps).count > 500)
    }

    @Test func `holds what is sent over a cut link, and TCP sends it again when it is mended`()
        throws
    {
        var (world, ticker, clocked) = pair()
        world.plan(.cut(ticker, clocked), at: moment(35))
        world.plan(.mend(ticker, clocked), at: moment(1000))
        world.run()
        let arrivals = try #require(look(world, clocked)).arrivals
        #expect(arrivals.map(\.number) == Array(0..<10))
        #expect(arrivals.filter { $0.at < 36_000 }.count == 3)
        // First held at 42 ms: tries after 0.2, 0.6 and 1.4 s.
        #expect(arrivals.dropFirst(3).allSatisfy { $0.at == 1_443_000 })
    }

    @Test func `cuts in one direction only`() throws {
        var (world, ticker, clocked) = pair()
        world.plan(.cut(clocked, ticker), at: moment(35))
        world.run(until: moment(500))
        #expect(try #require(look(world, clocked)).arrivals.count == 10)
    }

    @Test func `gives a connection up over which nothing passes for a quarter of an hour`() throws {
        var (world, ticker, clocked) = pair()
        world.runsInBackground = true
        world.plan(.cut(ticker, clocked), at: moment(35))
        world.run(until: moment(900_000))
        #expect(try #require(look(world, clocked)).closures.isEmpty)
        world.run(until: moment(1_100_000))
        #expect(try #require(look(world, clocked)).closures == [.reset])
    }

    @Test func `shows lost packets as delay, and never as loss`() throws {
        var (world, ticker, clocked) = pair(count: 500)
        var trouble = Trouble()
        trouble.loss = Share(0.1)
        trouble.duplication = Share(0.2)
        trouble.reordering = Share(0.2)
        world.plan(.disturb(ticker, clocked, trouble), at: moment(5))
        world.run()
        let arrivals = try #require(look(world, clocked)).arrivals
        #expect(arrivals.map(\.number) == Array(0..<500))
        let late = arrivals.filter { $0.at > 3000 + 10_000 * ($0.number + 1) + 100_000 }
        #expect(!late.isEmpty)
    }

    @Test func `resets a connection whose packets are lost each time they are sent`() throws {
        var (world, ticker, clocked) = pair()
        world.runsInBackground = true
        var trouble = Trouble()
        trouble.loss = Share(1)
        world.plan(.disturb(ticker, clocked, trouble), at: moment(35))
        world.run(until: moment(900_000))
        #expect(try #require(look(world, clocked)).closures.isEmpty)
        world.run(until: moment(1_100_000))
        #expect(try #require(look(world, clocked)).closures == [.reset])
        #expect(try #require(look(world, clocked)).arrivals.map(\.number) == [0, 1, 2])
    }

    @Test func `brings what was lost when TCP tries it next, once the link is better`() throws {
        var (world, ticker, clocked) = pair()
        var trouble = Trouble()
        trouble.loss = Share(1)
        world.plan(.disturb(ticker, clocked, trouble), at: moment(35))
        world.plan(.disturb(ticker, clocked, .none), at: moment(1000))
        world.run()
        let arrivals = try #require(look(world, clocked)).arrivals
        #expect(arrivals.map(\.number) == Array(0..<10))
        // The fourth was sent at 40 ms, and again 200, 600 and 1,400 ms later.
        #expect(arrivals.dropFirst(3).allSatisfy { $0.at == 1_443_000 })
    }

    @Test func `loses as many packets as it is told to`() throws {
        var late = 0
        for seed in 1...20 {
            var (world, ticker, clocked) = pair(count: 500, seed: UInt64(seed))
            var trouble = Trouble()
            trouble.loss = Share(0.002)
            world.plan(.disturb(ticker, clocked, trouble), at: moment(5))
            world.run()
            let arrivals = try #require(look(world, clocked)).arrivals
            late += arrivals.count { $0.at > 3000 + 10_000 * ($0.number + 1) + 100_000 }
        }
        // One in 500 is lost, and holds up the ten behind it for more than 100 ms: 2 % of 10,000.
        #expect((60..<500).contains(late), "\(late)")
    }

    @Test func `freezes a node, which goes on where it was with all that has gathered`() throws {
        var (world, _, clocked) = pair()
        world.plan(.freeze(clocked), at: moment(35))
        world.plan(.thaw(clocked), at: moment(300))
        world.run()
        let arrivals = try #require(look(world, clocked)).arrivals
        #expect(arrivals.map(\.number) == Array(0..<10))
        #expect(arrivals.filter { $0.at < 36_000 }.count == 3)
        #expect(arrivals.dropFirst(3).allSatisfy { $0.at == 300_000 })
    }

    @Test func `slows a disk, and fills it until there is room`() throws {
        var (world, _, clocked) = pair(count: 3, stores: true)
        world.plan(.slowDisk(clocked, factor: 5000), at: moment(0))
        world.plan(.fillDisk(clocked, true), at: moment(20))
        world.plan(.fillDisk(clocked, false), at: moment(500))
        world.run()
        // The first arrives at 13 ms and takes five times four milliseconds.
        #expect(try #require(look(world, clocked)).stored == [33_000, 520_000])
    }

    @Test(arguments: [false, true])
    func `leaves the first records of a torn batch, and forgets a lost one`(isTorn: Bool) throws {
        var seen: Set<Int> = []
        for seed in 1...40 {
            var faults = Disk.Faults()
            if isTorn { faults.torn = Share(1) } else { faults.lost = Share(0.5) }
            var (world, ticker, clocked) = pair(
                count: 0,
                stores: true,
                diskFaults: faults,
                seed: UInt64(seed)
            )
            world.run()
            let connection = world.speak(as: ticker) { $0.connect(to: clocked) }
            world.run()
            world.speak(as: ticker) { turn in
                for number in 1...8 { turn.send(Packet(x: UInt64(number)), on: connection) }
            }
            // One alone, then seven together; killed while these are written, or when they are.
            let start = world.now
            world.plan(.crash(clocked), at: start + .milliseconds(isTorn ? 7 : 10))
            world.plan(.start(clocked), at: start + .milliseconds(50))
            world.run()
            let found = try #require(look(world, clocked)).found
            #expect(found == Array((1...8).prefix(found.count).map { UInt64($0) }), "seed \(seed)")
            seen.insert(found.count)
        }
        #expect(isTorn ? seen.count > 4 && !seen.contains(8) : seen == [1, 8])
    }
}
