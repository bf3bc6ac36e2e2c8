import Foundation
import RabbitMQModel
import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace

/// A topology of three nodes and one queue with a random schedule of kills, partitions, restarts and freezes.
struct RandomSchedule {
    /// What the queue is.
    enum Kind: String, CaseIterable { case quorum, mirrored, stream, members, classic }

    let seed: UInt64
    let kind: Kind
    let text: String

    /// A schedule; the same seed makes the same one.
    init(seed: UInt64, _ kind: Kind = .quorum) {
        self.seed = seed
        self.kind = kind
        if kind == .members {
            text = Self.members(seed)
            return
        }
        let queue =
            switch kind {
            case .quorum, .members: "{ type: quorum }"
            case .mirrored, .classic: "{ durable: true, node: r1 }"
            case .stream: "{ type: stream }"
            }
        let start = kind == .stream ? ", offset: first" : ""
        // A node under another name knows nothing of the queue, and says so.
        let mandatory = kind == .stream ? "" : ", mandatory: true"
        // A mirrored queue may lose what was confirmed, but every node knows it; a stream keeps what was read.
        let lost =
            switch kind {
            case .quorum, .members: "confirmed and not handled and not in queue(q)"
            case .mirrored: "returned"
            // One that is down comes back with all that was confirmed and not returned.
            case .classic: "confirmed and not returned and not handled and not in queue(q)"
            case .stream: "confirmed and not in queue(q)"
            }
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        func below(_ bound: UInt64) -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return (state >> 11) % bound
        }
        // Mirrors that begin empty or with everything, that may take over or may not; messages of both sorts.
        let sync = kind == .mirrored && below(3) == 0 ? "manual" : "automatic"
        let promotes = kind == .mirrored && below(4) == 0 ? "when-synced" : "always"
        let policies =
            kind == .mirrored
            ? "[{ name: ha, pattern: q, definition: { ha-mode: all, ha-sync-mode: \(sync), "
                + "ha-promote-on-failure: \(promotes) } }]"
            : "[]"
        let isTransient = kind == .mirrored && below(2) == 0
        let nodes = ["main/r1", "main/r2", "main/r3"]
        var faults: [String] = []
        // One of three may lose its disk: what a majority had is still on another one.
        var mayLoseName = kind == .quorum
        // A container without a volume: whenever it goes down, it comes back as a stranger.
        let forgets = kind == .quorum && below(8) == 0
        if forgets { mayLoseName = false }
        let third = forgets ? "{ name: r3, data: none }" : "r3"
        for _ in 0..<1 + below(4) {
            let start = 100 + below(1500)
            let length = 50 + below(1400)
            let node = nodes[Int(below(3))]
            let others = nodes.filter { $0 != node }
            let choice = below(mayLoseName ? 8 : 7)
            if choice == 7 { mayLoseName = false }
            let word =
                switch choice {
                case 0, 1: "do: kill, node: \(node)"
                case 2: "do: partition, groups: [[\(node)], [\(others.joined(separator: ", "))]]"
                case 3: "do: cut, from: [\(node)], to: [\(others[Int(below(2))])]"
                case 4: "do: restart, node: \(node)"
                case 5: "do: pause, node: \(node)"
                case 7: "do: restart, hostname: random, node: \(node)"
                default: "do: kill, leader_of: q"
                }
            faults.append("  - { at: \(start)ms, \(word), for: \(length)ms }")
        }
        // All is mended in the end, and work goes on; a mirrored queue may be left in two halves, and nodes may
        // wait for ever for one that was the last to stop and bears another name now: then at least all is published.
        let ending =
            switch kind {
            case .quorum, .members: mayLoseName ? "depth(q) == 0" : "published == 40"
            case .mirrored: "published == 40"
            case .classic: "depth(q) == 0"
            case .stream: "depth(q) >= 40"
            }
        text = """
            warren: 1
            name: random-\(seed)
            seed: \(seed)
            brokers:
              main:
                kind: rabbitmq
                nodes: [r1, r2, \(third)]
                boot_time: 150ms
                stop_time: \(below(3) * below(1000))ms
                net_ticktime: 1s
                disk: { sync: { law: lognormal, median: 1ms, p99: 8ms } }
                queues: { q: \(queue) }
                policies: \(policies)
            network:
              default: { latency: { law: lognormal, median: 300us, p99: 3ms } }
            producers:
              one: { to: q\(mandatory), persistent: true, arrivals: 40ms, count: 20, confirms: { timeout: 2s, retries: 9 }, reconnect: 100ms, hosts: [r\(1 + below(3)), r1, r2, r3] }
              two: { to: q\(mandatory), persistent: \(!isTransient), arrivals: { law: poisson, rate: 25/s }, count: 20, confirms: { timeout: 2s, retries: 9 }, reconnect: 100ms, hosts: [r\(1 + below(3)), r2, r3, r1] }
            consumers:
              worker: { from: q\(start), instances: 2, prefetch: \(1 + below(4)), service: \(5 + below(60))ms, reconnect: 100ms, hosts: [r\(1 + below(3)), r3, r1, r2] }
            faults:
            \(faults.joined(separator: "\n"))
            expect:
              never: { lost: "\(lost)" }
              eventually: { drained: "\(ending)" }
            run: { for: 40s }

            """
    }

    /// Four nodes of which the members of a queue change while some of them fail.
    private static func members(_ seed: UInt64) -> String {
        var dice = Dice(seed: seed)
        let nodes = ["r1", "r2", "r3", "r4"]
        var faults: [String] = []
        for _ in 0..<dice.below(4) {
            let node = "main/\(dice.pick(nodes))"
            let others = nodes.map { "main/\($0)" }.filter { $0 != node }
            let word = dice.pick([
                "do: kill, node: \(node)", "do: kill, leader_of: q", "do: restart, node: \(node)",
                "do: pause, node: \(node)", "do: cut, from: [\(node)], to: [\(dice.pick(others))]",
                "do: partition, groups: [[\(node)], [\(others.joined(separator: ", "))]]",
                "do: slow, node: \(node), factor: 200",
            ])
            let (start, length) = (100 + dice.below(2500), 50 + dice.below(1200))
            faults.append("  - { at: \(start)ms, \(word), for: \(length)ms }")
        }
        var scripts = ""
        for number in 0..<1 + dice.below(6) {
            let node = dice.pick(nodes)
            let order = dice.pick([
                "add_member: { queue: q, node: \(node) }",
                "add_member: { queue: q, node: \(node) }",
                "delete_member: { queue: q, node: \(node) }",
                "grow: { node: \(node) }", "shrink: { node: \(node) }", "rebalance: {}",
            ])
            scripts += """
                  op\(number): { hosts: [\(dice.pick(nodes))], start: \(50 + dice.below(3000))ms, steps: [{ administer: { \(order) } }] }

                """
        }
        let size = 1 + dice.below(4)
        func hosts() -> String { "[\(dice.pick(nodes)), r1, r2, r3, r4]" }
        return """
            warren: 1
            name: members-\(seed)
            seed: \(seed)
            brokers:
              main:
                kind: rabbitmq
                version: "3.10"
                nodes: [r1, r2, r3, r4]
                boot_time: 150ms
                net_ticktime: 1s
                disk: { sync: { law: lognormal, median: 1ms, p99: 8ms } }
                queues: { q: { type: quorum, initial_group_size: \(size) } }
            network:
              default: { latency: { law: lognormal, median: 300us, p99: 3ms } }
            producers:
              one: { to: q, mandatory: true, persistent: true, arrivals: 40ms, count: 80, confirms: { timeout: 2s, retries: 9 }, reconnect: 100ms, hosts: \(hosts()) }
              two: { to: q, mandatory: true, persistent: true, arrivals: { law: poisson, rate: 50/s }, count: 100, confirms: { timeout: 2s, retries: 9 }, reconnect: 100ms, hosts: \(hosts()) }
            consumers:
              worker: { from: q, instances: 2, prefetch: \(1 + dice.below(4)), service: \(5 + dice.below(30))ms, reconnect: 100ms, hosts: \(hosts()) }
            scripts:
            \(scripts)
            faults:
            \(faults.isEmpty ? "  []" : faults.joined(separator: "\n"))
            expect:
              never: { lost: "confirmed and not handled and not in queue(q)" }
              eventually: { published: "published == 180" }
            run: { for: 60s }

            """
    }

    /// A schedule that was kept, by its path; its name says of which kind it is.
    init(kept path: String) throws {
        let name = path.split(separator: "/").last?.split(separator: ".").first ?? ""
        let parts = name.split(separator: "-")
        kind = try #require(parts.first.flatMap { Kind(rawValue: String($0)) }, "\(path)")
        seed = try #require(parts.last.flatMap { UInt64($0) }, "\(path)")
        text = try Repository.text(path)
    }

    /// What is wrong with the run, or nil.
    func fault() throws -> String? {
        var simulation = try Simulate.make(text)
        if kind == .mirrored || kind == .stream {
            simulation.run()
            return verdict(simulation)
        }
        var leaders: [UInt64: UInt32] = [:]
        var committed: [QuorumView.Entry] = []
        var seen: [UInt32: UInt64] = [:]
        while simulation.advance(facts: 1, events: 1) == .running {
            // Only who had its turn can have changed.
            let number = simulation.world.lastNode.raw
            if number < (kind == .members ? 4 : 3) {
                guard simulation.world.isUp(NodeID(number)),
                    let view = QuorumView(
                        simulation.world.machine(NodeID(number)),
                        queue: "q",
                        from: (seen[number] ?? 0) + 1
                    )
                else {
                    seen[number] = 0
                    continue
                }
                if view.violations > 0 { return "a member of the group saw what cannot be" }
                if view.isLeader {
                    if let other = leaders[view.term], other != number {
                        return "two leaders in term \(view.term), at \(simulation.world.now)"
                    }
                    leaders[view.term] = number
                }
                guard view.first <= view.commit else { continue }
                for index in view.first...view.commit {
                    guard let entry = view[index] else { continue }
                    let place = Int(index) - 1
                    if place < committed.count {
                        if committed[place] != entry {
                            return "logs differ in what is committed, at entry \(index)"
                        }
                    } else if place == committed.count {
                        committed.append(entry)
                    }
                }
                seen[number] = view.commit
            }
        }
        return verdict(simulation)
    }

    private func verdict(_ simulation: Simulation) -> String? {
        for verdict in simulation.verdicts where !verdict.held {
            return "\(verdict.name): \(verdict.first?.seen ?? "") \(verdict.sentence)"
        }
        return simulation.imbalances().first
    }

    /// Writes the schedule to a file, and says how to play it again.
    func story(_ fault: String) throws -> Comment {
        let path = try KeptSchedules.keep(text, kind.rawValue, seed, because: fault)
        return "seed \(seed): \(fault); play it again: warren run \(path)"
    }
}

@Suite("A queue of a cluster under random failures", .tags(.slow), .unlessQuick)
struct RandomScheduleTests {
    @Test(arguments: RandomSchedule.Kind.allCases.flatMap { KeptSchedules.files($0.rawValue) })
    func `does what it should where it once did not`(path: String) throws {
        let fault = try RandomSchedule(kept: path).fault()
        #expect(fault == nil, "\(path)")
    }

    @Test(arguments: 0..<8)
    func `loses nothing that was confirmed, has one leader a term, and agrees on its log`(
        part: UInt64
    ) throws {
        let count = UInt64(ProcessInfo.processInfo.environment["WARREN_SCHEDULES"] ?? "") ?? 2000
        let first = UInt64(ProcessInfo.processInfo.environment["WARREN_SEED"] ?? "") ?? 1
        for number in 0..<count / 8 {
            let schedule = RandomSchedule(seed: first + part * (count / 8) + number)
            if let fault = try schedule.fault() {
                Issue.record(try schedule.story(fault))
                return
            }
        }
    }

    @Test(arguments: [RandomSchedule.Kind.mirrored, .stream, .classic], 0..<4)
    func `accounts for every message, whatever fails`(kind: RandomSchedule.Kind, part: UInt64)
        throws
    {
        let count = UInt64(ProcessInfo.processInfo.environment["WARREN_SCHEDULES"] ?? "") ?? 2000
        let first = UInt64(ProcessInfo.processInfo.environment["WARREN_SEED"] ?? "") ?? 1
        for number in 0..<count / 16 {
            let schedule = RandomSchedule(seed: first + part * (count / 16) + number, kind)
            if let fault = try schedule.fault() {
                Issue.record(try schedule.story(fault))
                return
            }
        }
    }

    @Test(arguments: 0..<4)
    func `keeps its promises while members come and go`(part: UInt64) throws {
        let count = UInt64(ProcessInfo.processInfo.environment["WARREN_SCHEDULES"] ?? "") ?? 2000
        let first = UInt64(ProcessInfo.processInfo.environment["WARREN_SEED"] ?? "") ?? 1
        for number in 0..<count / 16 {
            let schedule = RandomSchedule(seed: first + part * (count / 16) + number, .members)
            if let fault = try schedule.fault() {
                Issue.record(try schedule.story(fault))
                return
            }
        }
    }
}
