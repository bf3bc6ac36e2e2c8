import WarrenKernel
import WarrenTrace

/// Servers in a row as one machine: every arrival and every end of service is an event.
struct Tandem: Machine {
    private let gap = Law.exponential(mean: 1e9)
    private let service: Law
    private let streams: (gap: StreamID, service: StreamID)
    private let customers: Int
    private var lines: Lines
    private var made = 0
    private(set) var done = 0
    /// Nanoseconds in the system, of all customers that left.
    private(set) var sum = 0.0

    /// The customers before each server: when each came into the system, in order.
    ///
    /// One ring for each server, all in one array.
    private struct Lines {
        private var arrived: ContiguousArray<UInt64>
        private var rings: ContiguousArray<(head: Int, count: Int)>
        private var bits = 12

        init(_ stages: Int) {
            arrived = ContiguousArray(repeating: 0, count: stages << bits)
            rings = ContiguousArray(repeating: (0, 0), count: stages)
        }

        var stages: Int { rings.count }

        /// Puts a customer at the end of a line; returns how many stand in it now.
        @inline(__always)
        mutating func push(_ stage: Int, _ time: UInt64) -> Int {
            let (head, count) = rings[stage]
            if count >> bits != 0 { grow() }
            arrived[stage &<< bits | (head &+ count) & (1 &<< bits &- 1)] = time
            rings[stage].count = count &+ 1
            return count &+ 1
        }

        /// Takes the first customer of a line, and says how many are left.
        @inline(__always)
        mutating func pop(_ stage: Int) -> (arrived: UInt64, left: Int) {
            let (head, count) = rings[stage]
            let mask = 1 &<< bits &- 1
            rings[stage] = ((head &+ 1) & mask, count &- 1)
            return (arrived[stage &<< bits | head], count &- 1)
        }

        private mutating func grow() {
            let old = arrived
            arrived = ContiguousArray(repeating: 0, count: old.count * 2)
            for stage in rings.indices {
                for index in 0..<rings[stage].count {
                    let place = (rings[stage].head + index) & (1 << bits - 1)
                    arrived[stage << (bits + 1) | index] = old[stage << bits | place]
                }
                rings[stage].head = 0
            }
            bits += 1
        }
    }

    init(stages: Int, service: Double, customers: Int, gap: StreamID, work: StreamID) {
        self.service = .exponential(mean: service)
        streams = (gap, work)
        self.customers = customers
        lines = Lines(stages)
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            arrive(&turn)
        case .rang(let timer) where timer.raw == 0:
            if made < customers { arrive(&turn) }
            enter(0, turn.now.nanoseconds, &turn)
        case .rang(let timer):
            let stage = Int(timer.raw) - 1
            let (arrived, left) = lines.pop(stage)
            if left > 0 { serve(stage, &turn) }
            if stage + 1 < lines.stages {
                enter(stage + 1, arrived, &turn)
            } else {
                done += 1
                sum += Double(turn.now.nanoseconds - arrived)
            }
        case .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }

    private mutating func arrive(_ turn: inout Turn) {
        made += 1
        turn.arm(TimerID(0), after: turn.chance.sample(gap, streams.gap))
    }

    @inline(__always)
    private mutating func enter(_ stage: Int, _ arrived: UInt64, _ turn: inout Turn) {
        if lines.push(stage, arrived) == 1 { serve(stage, &turn) }
    }

    @inline(__always)
    private func serve(_ stage: Int, _ turn: inout Turn) {
        turn.arm(TimerID(UInt32(stage + 1)), after: turn.chance.sample(service, streams.service))
    }
}

/// The workloads of the kernel alone.
enum KernelWorkloads {
    /// A pending set that keeps its size.
    private struct Hold: ~Copyable {
        var set = PendingSet()
        var chance: Chance
        let stream: StreamID
        let law = Law.exponential(mean: 1e9)

        init(seed: UInt64) {
            chance = Chance(seed: seed)
            stream = chance.stream("hold")
        }

        mutating func fill(_ count: Int) {
            for slot in 0..<UInt32(count) {
                set.add(slot, at: chance.sample(law, stream).nanoseconds)
            }
        }

        mutating func spin(_ times: Int) {
            for _ in 0..<times {
                let (time, stamp) = set.take()
                let slot = UInt32(truncatingIfNeeded: PendingSet.slot(of: stamp))
                set.add(slot, at: time &+ chance.sample(law, stream).nanoseconds)
                set.settle()
            }
        }
    }

    /// Takes the earliest of `count` pending events and puts it back later, `operations` times.
    static func hold(_ count: Int, _ operations: Int, seed: UInt64) -> Sample {
        var hold = Hold(seed: seed)
        hold.fill(count)
        hold.spin(count)
        return Sample(count: operations, seconds: Clock.seconds { hold.spin(operations) })
    }

    /// Customers through servers in a row, through the public face of the kernel.
    static func tandem(_ stages: Int, _ customers: Int, seed: UInt64) -> Sample {
        var world = World(seed: seed)
        let gap = world.withChance { $0.stream("gap") }
        let work = world.withChance { $0.stream("work") }
        let service = stages == 1 ? 0.9e9 : 0.8e9
        let node = world.add("servers") { _ in
            Tandem(stages: stages, service: service, customers: customers, gap: gap, work: work)
        }
        world.boot()
        let seconds = Clock.seconds { world.run() }
        let machine = world.machine(node) as? Tandem
        let mean = (machine?.sum ?? 0) / Double(machine?.done ?? 1) * 1e-9
        return Sample(count: customers * (1 + stages), seconds: seconds, check: mean)
    }
}
