import RabbitMQModel
import WarrenKernel
import WarrenTrace

func clockSeconds(_ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    body()
    let (s, a) = start.duration(to: clock.now).components
    return Double(s) + Double(a) * 1e-18
}
let which = CommandLine.arguments[1]
let count = Int(CommandLine.arguments[2])!
let n = Int(CommandLine.arguments[3])!
if which == "broker" {
    var world = Trial.world(n)
    var digest = Digest()
    var count = 0
    let s = clockSeconds {
        while world.run(facts: 1024) == .facts {
            world.drainFacts { facts in
                count += facts.count
                for f in facts { digest.add(f) }
            }
        }
    }
    print("broker", Double(n) / s / 1e6, "M msg/s", world.eventCount, count, digest.text, world.inventory().lines)
} else if which == "set" {
    var set = PendingSet()
    var chance = Chance(seed: 1)
    let stream = chance.stream("hold")
    let law = Law.exponential(mean: 1e9)
    for i in 0..<count {
        set.add(UInt32(i), at: chance.sample(law, stream).nanoseconds)
    }
    var last: UInt64 = 0
    let s = clockSeconds {
        for _ in 0..<n {
            let (t, e) = set.take()
            let slot = UInt32(PendingSet.slot(of: e))
            last = t
            set.add(slot, at: t + chance.sample(law, stream).nanoseconds)
            set.settle()
        }
    }
    print("set", count, Double(n) / s / 1e6, last)
} else {
    var world = World(seed: 1)
    world.add("holder") { _ in Holder(count: count, stream: StreamID(1)) }
    _ = world.withChance { $0.stream("x") }
    world.boot()
    world.run(events: UInt64(count))
    let s2 = clockSeconds { world.run(events: UInt64(n)) }
    print("world", count, Double(n) / s2 / 1e6, world.eventCount)
}
