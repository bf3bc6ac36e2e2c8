import Foundation
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// A value that JSON says as `null` where there is none, so that the shape stays the same.
@propertyWrapper
struct OrNull<Value: Encodable>: Encodable {
    var wrappedValue: Value?

    init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue {
            try container.encode(wrappedValue)
        } else {
            try container.encodeNil()
        }
    }
}

extension OrNull: Sendable where Value: Sendable {}

/// The result of a run, as JSON says it.
///
/// The shape is stable: keys are added, never renamed.
struct Report: Encodable, Sendable {
    struct Messages: Encodable {
        /// `not_asked`: published without asking for a confirm; `given_up`: timed out or cut off; `awaited`: still waited for.
        var not_asked, given_up, awaited, derived, relayed: UInt64
        var published, confirmed, nacked, returned, unknown, routed_copies, delivered, redelivered,
            records_read,
            acked, handled, dead_lettered, dropped, expired, remaining, lost, unaccounted: UInt64
        @OrNull var first_lost: String?
    }

    struct QueueLine: Encodable {
        var name, broker: String
        var depth, depth_max: UInt64
        var depth_mean: Double
        var delivered: UInt64
        var wait_mean_ns: Double
        var wait_p50_ns, wait_p99_ns: UInt64
        /// What is kept of it as a log, if it is one.
        @OrNull var log: LogLine?
        /// What each of its masters has, if it has several.
        var sides: [SideLine]?
    }

    /// One of several masters of a queue.
    struct SideLine: Encodable {
        var node: String
        var depth: Int
    }

    /// A log: its offsets, and its readers, of which the slowest is so many records behind.
    struct LogLine: Encodable {
        struct Reader: Encodable {
            var name: String
            var read, settled, records, lag: UInt64
            var away: Bool
        }
        var first, end, lag, lag_max: UInt64
        var readers: [Reader]

        init(_ log: LogAccount, _ name: (NodeID) -> String) {
            (first, end, lag, lag_max) = (log.first, log.end, log.lag, log.lagMax)
            readers = log.readers.map {
                Reader(
                    name: name($0.node),
                    read: $0.read,
                    settled: $0.settled,
                    records: $0.records,
                    lag: log.lag(of: $0),
                    away: !$0.isPresent
                )
            }
        }
    }

    /// What a broker refused: the same words to the same client.
    struct ErrorLine: Encodable {
        var text: String
        var code: UInt64
        @OrNull var client: String?
        var count, first_ns: UInt64
        var closes_connection: Bool
    }

    struct TimelineLine: Encodable {
        var time_ns: UInt64
        var sentence: String
    }

    struct First: Encodable {
        var time_ns: UInt64
        @OrNull var message: String?
        var seen: String
    }

    struct ExpectationLine: Encodable {
        var name, kind: String
        var held, meant_to_break: Bool
        var sentence: String
        @OrNull var first: First?

        /// Whether it held, or broke as the file means it to.
        var isAsMeant: Bool { held != meant_to_break }
    }

    struct Calls: Encodable {
        var started, answered, failed: UInt64
    }

    let topology: String
    let seed: UInt64
    let digest: String
    let version: String
    let simulated_ns: UInt64
    let wall_ns: UInt64
    let events: UInt64
    let complete: Bool
    @OrNull private(set) var stopped: String?
    @OrNull private(set) var trace: String?
    let messages: Messages
    let drops: [String: UInt64]
    let dropped_copies: UInt64
    let failures: [String: UInt64]
    let effects: UInt64
    let errors: UInt64
    let resurrected: UInt64
    let calls: Calls
    let broker_errors: [ErrorLine]
    let timeline: [TimelineLine]
    let queues: [QueueLine]
    let expectations: [ExpectationLine]
    let imbalances: [String]
    let idle_faults: [String]
    let idle: [String]
    let approximations: [String]

    init(_ simulation: Simulation, wall: UInt64, trace: String?) {
        let ledger = simulation.ledger
        let totals = ledger.totals
        let names = simulation.world.names
        let balance = simulation.balance()
        topology = simulation.topology.name
        seed = simulation.seed
        digest = simulation.digest
        version = Simulation.version
        simulated_ns = simulation.world.now.nanoseconds
        wall_ns = wall
        events = simulation.world.eventCount
        complete = simulation.state == .ended
        if case .stopped(let reason) = simulation.state { stopped = reason } else { stopped = nil }
        self.trace = trace
        let waiting = totals.confirmed + totals.nacked + totals.gaveUp
        let awaited = totals.askedConfirm - min(waiting, totals.askedConfirm)
        let given = min(totals.gaveUp, ledger.unknown)
        let still = min(awaited, ledger.unknown - given)
        messages = Messages(
            not_asked: ledger.unknown - given - still,
            given_up: given,
            awaited: still,
            derived: totals.derived,
            relayed: totals.relayed,
            published: totals.published,
            confirmed: totals.confirmed,
            nacked: totals.nacked,
            returned: totals.returned,
            unknown: ledger.unknown,
            routed_copies: totals.routedCopies,
            delivered: totals.delivered,
            redelivered: totals.redelivered,
            records_read: totals.recordsRead,
            acked: totals.acked,
            handled: totals.handled,
            dead_lettered: totals.deadLettered,
            dropped: totals.dropped + totals.unroutable,
            expired: totals.expired,
            remaining: ledger.remaining,
            lost: ledger.lost,
            unaccounted: balance.reduce(0) { $0 + $1.count },
            first_lost: ledger.lost > 0 ? "m\(ledger.firstLost.raw)" : nil
        )
        var drops: [String: UInt64] = [:]
        for reason in DropReason.allCases {
            let index = Int(reason.rawValue)
            let count = ledger.drops[index] + ledger.unrouted[index]
            if count > 0 { drops[reason.words] = count }
        }
        dropped_copies = totals.dropped
        self.drops = drops
        var failures: [String: UInt64] = [:]
        for failure in WorkFailure.allCases where ledger.failures[Int(failure.rawValue)] > 0 {
            failures[failure.words] = ledger.failures[Int(failure.rawValue)]
        }
        self.failures = failures
        effects = totals.effects
        errors = totals.errors
        resurrected = totals.resurrected
        calls = Calls(
            started: totals.calls,
            answered: totals.answered,
            failed: totals.callsFailed
        )
        let story = RunStory(simulation)
        broker_errors = story.errors
        timeline = story.timeline
        queues = ledger.queues.map { account in
            let entry = names.entries[Int(account.symbol.raw)]
            return QueueLine(
                name: entry.text,
                broker: names[entry.scope],
                depth: account.depth,
                depth_max: account.depthMax,
                depth_mean: account.depthMean(at: simulation.world.now),
                delivered: account.delivered,
                wait_mean_ns: account.wait.mean,
                wait_p50_ns: account.wait.percentile(0.5),
                wait_p99_ns: account.wait.percentile(0.99),
                log: ledger.log(of: account.symbol).map {
                    LogLine($0) { names[simulation.world.name(of: $0)] }
                },
                sides: ledger.masters.sides[account.symbol].map { sides in
                    sides.map {
                        SideLine(
                            node: names[simulation.world.name(of: NodeID($0.node))],
                            depth: $0.depth
                        )
                    }
                }
            )
        }
        expectations = simulation.verdicts.map { verdict in
            ExpectationLine(
                name: verdict.name,
                kind: verdict.kind.rawValue,
                held: verdict.held,
                meant_to_break: verdict.isMeantToBreak,
                sentence: verdict.sentence,
                first: verdict.first.map { first in
                    First(
                        time_ns: first.time.nanoseconds,
                        message: first.message == .none ? nil : "m\(first.message.raw)",
                        seen: first.seen
                    )
                }
            )
        }
        idle_faults = simulation.idleFaults
        idle = RunStory.idle(simulation)
        imbalances = balance.map(\.sentence)
        approximations = simulation.approximations.map { "\($0.behaviour): \($0.instead)" }
    }

    /// The report as JSON with sorted keys.
    var json: String { Self.json(of: self) }

    /// Anything as JSON with sorted keys.
    static func json(of value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }
}
