import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace
import WarrenWatch

@Suite("A run that is stepped through") struct PlaybackTests {
    private static let text = """
        warren: 1
        name: steps
        brokers: { main: { kind: rabbitmq, queues: { jobs: {} } } }
        producers: { web: { to: jobs, arrivals: { law: poisson, rate: 100/s }, count: 120, confirms: true } }
        consumers: { worker: { from: jobs, prefetch: 2, service: { law: uniform, min: 1ms, max: 9ms }, instances: 2 } }
        faults: [{ at: 400ms, do: kill, client: worker, instance: 1, for: 200ms }]
        """

    private func playback(copies: Int = 128) throws -> Playback {
        Playback(try Simulate.make(Self.text), copies: copies)
    }

    /// A node of the run by its name.
    private func node(_ name: String, _ run: Simulation) throws -> NodeID {
        let all = (0..<UInt32(run.world.nodeCount)).map { NodeID($0) }
        return try #require(all.first { run.world.names[run.world.name(of: $0)] == name })
    }

    @Test func `tells what the run tells that nobody watches`() throws {
        var run = try Simulate.make(Self.text)
        var facts: [Fact] = []
        run.run { facts += $0 }
        var steps = try playback()
        while !steps.isOver { steps.forward() }
        #expect(Array(steps.facts) == facts)
        #expect(steps.run.digest == run.digest)
        #expect(steps.step > 500)
    }

    @Test("comes back to what it was", arguments: [2, 5, 128]) func back(_ copies: Int) throws {
        var steps = try playback(copies: copies)
        var past: [(facts: [Fact], digest: String, now: Instant)] = []
        for _ in 0..<600 {
            past.append((Array(steps.facts), steps.run.digest, steps.run.world.now))
            steps.forward()
        }
        let seed = UInt64.random(in: 0...UInt64.max)
        var dice = Dice(seed: seed)
        for _ in 0..<12 {
            let step = Int(dice.next() % 600)
            steps.go(to: step)
            #expect(steps.step == step, "seed \(seed)")
            #expect(Array(steps.facts) == past[step].facts, "step \(step), seed \(seed)")
            #expect(steps.run.digest == past[step].digest, "step \(step), seed \(seed)")
            #expect(steps.run.world.now == past[step].now, "step \(step), seed \(seed)")
        }
        steps.go(to: -3)
        #expect(steps.step == 0 && steps.facts.isEmpty)
    }

    @Test func `has another future after an intervention, and the old one before it`() throws {
        var steps = try playback(copies: 3)
        steps.go(to: 200)
        let worker = try node("worker#2", steps.run)
        let before = Array(steps.facts)
        steps.act(.kill(worker))
        #expect(!steps.run.world.isUp(worker))
        #expect(steps.facts.last?.kind == .nodeCrashed && steps.facts.last?.node == worker)
        #expect(steps.done.count == 1)
        let killed = steps.step
        steps.go(to: killed + 100)
        let future = Array(steps.facts)
        // Back is before it, and on again is the same future.
        steps.go(to: 200)
        #expect(Array(steps.facts) == before && steps.run.world.isUp(worker))
        #expect(steps.done.isEmpty)
        steps.go(to: killed + 100)
        #expect(Array(steps.facts) == future && !steps.run.world.isUp(worker))
        // Something else done there is a third one.
        steps.go(to: 150)
        steps.act(.freeze(worker))
        #expect(steps.isFrozen(worker))
        steps.go(to: killed + 100)
        #expect(steps.run.world.isUp(worker) && steps.isFrozen(worker))
        #expect(steps.done.count == 1)
        steps.act(.thaw(worker))
        #expect(!steps.isFrozen(worker))
    }

    @Test func `starts again what was killed`() throws {
        var steps = try playback()
        steps.go(to: 100)
        let worker = try node("worker#1", steps.run)
        steps.act(.kill(worker))
        steps.act(.start(worker))
        #expect(steps.run.world.isUp(worker))
        while !steps.isOver { steps.forward() }
        #expect(steps.run.ledger.remaining == 0)
        #expect(steps.handled(by: worker) > 0)
        let web = try node("web", steps.run)
        #expect(steps.published(by: web) == 120)
    }

    @Test func `has other chance from where it is given some, and none before`() throws {
        var steps = try playback()
        steps.go(to: 300)
        let past = Array(steps.facts)
        steps.go(to: 400)
        let one = Array(steps.facts)
        steps.go(to: 300)
        steps.reseed()
        steps.go(to: 400)
        let other = Array(steps.facts)
        #expect(Array(other[..<past.count]) == past)
        #expect(other != one)
        steps.go(to: 300)
        steps.reseed()
        steps.go(to: 400)
        #expect(Array(steps.facts) != other)
    }

    @Test func `goes to what is looked for, forwards and back`() throws {
        var steps = try playback(copies: 4)
        let isFault = { (fact: Fact) in fact.kind == .faultBegan || fact.kind == .faultEnded }
        let isFound = steps.forward(most: 10_000, to: isFault)
        #expect(isFound)
        #expect(steps.facts.last?.time == Instant(nanoseconds: 400_000_000))
        let first = steps.step
        steps.forward(most: 10_000, to: isFault)
        let second = steps.step
        #expect(second > first)
        steps.back(to: isFault)
        #expect(steps.step == first)
        steps.back(to: isFault)
        #expect(steps.step == 0)
        let isSoon = steps.forward(most: 3, to: isFault)
        #expect(!isSoon)
        steps.go(to: second)
        #expect(steps.facts.contains(where: { $0.kind == .faultEnded }))
    }
}

@Suite("The screen of a watched run") struct WatchScreenTests {
    private func screen() throws -> WatchScreen {
        WatchScreen(
            Playback(
                try Simulate.make(
                    """
                    warren: 1
                    name: screen
                    brokers: { main: { kind: rabbitmq, queues: { jobs: {}, a-queue-with-a-name-that-is-longer-than-its-column: {} } } }
                    producers: { web: { to: jobs, arrivals: 100/s, count: 50 } }
                    consumers: { worker: { from: jobs, service: 5ms } }
                    faults: [{ at: 200ms, do: kill, client: worker, for: 100ms }]
                    """
                )
            )
        )
    }

    @Test("fits its terminal", arguments: [(40, 8), (80, 24), (200, 50), (1, 1)])
    func size(_ width: Int, _ height: Int) throws {
        var screen = try screen()
        for command in [
            WatchScreen.Command.nextFault, .kill, .kill, .help, .help, .end, .back, .down,
        ] {
            screen.take(command)
            while screen.isSeeking { screen.seek() }
            let lines = screen.lines(width: width, height: height, style: .plain)
            #expect(lines.count == max(height, 8))
            #expect(lines.allSatisfy { $0.count <= max(width, 40) }, "\(lines)")
        }
    }

    @Test func `kills what is chosen, and says what can be done`() throws {
        var screen = try screen()
        func text() -> String {
            screen.lines(width: 100, height: 30, style: .plain)
                .joined(separator: "\n")
        }
        for _ in 0..<20 { screen.take(.step) }
        #expect(text().contains("▸ main"))
        screen.take(.up)
        #expect(text().contains("▸ worker"))
        screen.take(.kill)
        #expect(text().contains("worker is killed; k starts it again"))
        #expect(text().contains("1 by hand"))
        screen.take(.back)
        #expect(!text().contains("by hand"))
        screen.take(.freeze)
        #expect(text().contains("frozen"))
        screen.take(.freeze)
        #expect(text().contains("worker goes on"))
        screen.take(.end)
        while screen.isSeeking { screen.seek() }
        #expect(text().contains("over") && screen.playback.isOver)
        screen.take(.kill)
        #expect(text().contains("the run is over"))
        screen.take(.help)
        #expect(text().contains("another future"))
        screen.take(.quit)
        #expect(screen.isOver)
    }

    @Test func `plays until a moment of the run`() throws {
        var screen = try screen()
        screen.take(.play)
        #expect(screen.isPlaying)
        screen.play(until: Instant(nanoseconds: 100_000_000))
        #expect(screen.playback.run.world.now.nanoseconds >= 100_000_000)
        #expect(screen.playback.run.world.now.nanoseconds < 130_000_000)
        screen.take(.slower)
        #expect(screen.isPlaying && screen.pace == 100_000_000)
        screen.take(.back)
        #expect(!screen.isPlaying)
    }
}
