import Testing
import WarrenKernel

@Suite("The pending set")
struct PendingSetTests {
    @Test(arguments: [1, 2, 3, 7, 100, 5000])
    func `hands out events by time and then in the order they were added`(count: Int) {
        let seed = UInt64(count)
        var chance = Chance(seed: seed)
        let stream = chance.stream("times")
        var set = PendingSet()
        var expected: [(time: UInt64, number: UInt32)] = []
        for number in 0..<UInt32(count) {
            let time = chance.below(50, stream)
            set.add(number, at: time)
            expected.append((time, number))
        }
        set.checkInvariants()
        expected.sort { ($0.time, $0.number) < ($1.time, $1.number) }
        for wanted in expected {
            let taken = set.take()
            #expect(taken.time == wanted.time, "seed \(seed)")
            #expect(PendingSet.slot(of: taken.stamp) == Int(wanted.number), "seed \(seed)")
            set.settle()
        }
        #expect(set.count == 0)
    }

    @Test func `fills the hole that taking leaves`() {
        var chance = Chance(seed: 3)
        let stream = chance.stream("times")
        var set = PendingSet()
        for number in 0..<UInt32(300) { set.add(number, at: chance.below(1000, stream)) }
        var last: UInt64 = 0
        for round in 0..<10_000 {
            let taken = set.take()
            #expect(taken.time >= last)
            last = taken.time
            let slot = UInt32(PendingSet.slot(of: taken.stamp))
            set.add(slot, at: taken.time + chance.below(1000, stream))
            // Now and then a second follow-up, and a turn without any.
            if round % 7 == 0 {
                set.add(slot, at: taken.time + 5)
                _ = set.take()
                set.settle()
            }
            set.settle()
        }
        set.checkInvariants()
        #expect(set.count == 300)
    }

    @Test func `merges events that were added in order with the others`() {
        var chance = Chance(seed: 5)
        let stream = chance.stream("times")
        var set = PendingSet()
        var waiting: [UInt64: (time: UInt64, number: Int)] = [:]
        var number = 0
        var now: UInt64 = 0
        func least() -> UInt64? {
            waiting.min { ($0.value.time, $0.value.number) < ($1.value.time, $1.value.number) }?.key
        }
        for round in 0..<3000 {
            for _ in 0..<chance.below(4, stream) {
                let slot = UInt64(number)
                // Now and then an event that would come before its forerunner.
                let inOrder = chance.below(3, stream) > 0
                let delay = inOrder && round % 50 != 0 ? 40 : chance.below(100, stream)
                if inOrder {
                    set.addInOrder(UInt32(slot), at: now + delay)
                } else {
                    set.add(UInt32(slot), at: now + delay)
                }
                waiting[slot] = (now + delay, number)
                number += 1
            }
            set.settle()
            guard let wanted = least() else { continue }
            let due = set.nextTime
            #expect(due == waiting[wanted]?.time, "seed 5, round \(round)")
            let taken = set.take()
            #expect(PendingSet.slot(of: taken.stamp) == Int(wanted), "seed 5, round \(round)")
            waiting[wanted] = nil
            now = taken.time
        }
        set.settle()
        set.checkInvariants()
        let count = set.count
        #expect(count == waiting.count)
    }

    @Test func `lets a tie decide before the order of adding`() {
        var set = PendingSet()
        set.add(1, at: 10, tie: 9)
        set.add(2, at: 10, tie: 3)
        set.add(3, at: 10, tie: 3)
        var order: [Int] = []
        for _ in 0..<3 {
            order.append(PendingSet.slot(of: set.take().stamp))
            set.settle()
        }
        #expect(order == [2, 3, 1])
    }
}
