public import WarrenBroker
import WarrenKernel
public import WarrenTopology

/// One way in which a lesson may go: what was drawn for its seed, for the run and for a file that plays it.
public struct LessonSchedule: Sendable {
    /// The number, from 1, which is the seed as well.
    public let number: UInt64
    /// All faults of the run, as they were drawn.
    public let faults: [Topology.Fault]
    /// The delay of links, one way, in nanoseconds; nil for what the files say.
    public let latency: Double?

    /// Draws are made to this precision, so that they can be said.
    private static let step = 100_000.0

    /// The schedule of a number: the same for a lesson and its faults, always.
    ///
    /// - Parameters:
    ///   - number: from 1.
    ///   - lesson: what varies.
    ///   - faults: the faults of the checks.
    public init(_ number: UInt64, of lesson: Lesson, _ faults: [Topology.Fault]) {
        self.number = number
        var chance = Chance(seed: number)
        let stream = chance.stream("lesson")
        func draw(_ range: ClosedRange<Double>) -> Double {
            let steps = ((range.upperBound - range.lowerBound) / Self.step).rounded(.down)
            return range.lowerBound
                + Double(chance.below(UInt64(max(steps, 0)) + 1, stream)) * Self.step
        }
        func pick(_ count: Int) -> Int { Int(chance.below(UInt64(max(count, 1)), stream)) }
        var drawn = faults
        for variation in lesson.variations where variation.fault <= drawn.count {
            let index = variation.fault - 1
            if let range = variation.at { drawn[index].moment = .at(draw(range)) }
            if let range = variation.lasting { drawn[index].duration = draw(range) }
            if let range = variation.instance {
                drawn[index].instance = range.lowerBound + pick(range.count)
            }
            if !variation.nodes.isEmpty {
                drawn[index].node = variation.nodes[pick(variation.nodes.count)]
            }
            if !variation.actions.isEmpty,
                let action = FaultWord(rawValue: variation.actions[pick(variation.actions.count)])
            {
                drawn[index].action = action
            }
        }
        self.faults = drawn
        latency = lesson.latency.map { draw($0) }
    }

    /// The schedule for a run.
    public var schedule: Stage.Schedule {
        Stage.Schedule(seed: number, faults: faults, latency: latency.map { .constant($0) })
    }

    /// What happens in it, as in `kill worker#2 at 213.400ms`.
    public var words: String {
        let hits = faults.map { fault -> String in
            guard case .at(let moment) = fault.moment else { return fault.words }
            return "\(fault.words) at \(Self.text(moment))"
        }
        let slow = latency.map { ["\(Self.text($0)) from one to another"] } ?? []
        return (hits + slow).joined(separator: ", ")
    }

    /// Puts what was drawn into the tree of the whole file, which then plays to the same digest.
    public func write(into tree: inout Tree) {
        tree["seed"] = .plain("\(number)")
        var entries = tree["faults"]?.elements ?? []
        for (index, fault) in faults.enumerated() where index < entries.count {
            if case .at(let moment) = fault.moment {
                entries[index]["at"] = .plain(Self.text(moment))
            }
            if let duration = fault.duration {
                entries[index]["for"] = .plain(Self.text(duration))
            }
            if let instance = fault.instance {
                entries[index]["instance"] = .plain("\(instance)")
            }
            if let node = fault.node { entries[index]["node"] = .quoted(node) }
            entries[index]["do"] = .plain(fault.action.rawValue)
        }
        if !entries.isEmpty { tree["faults"] = .list(entries) }
        if let latency {
            tree[path: ["network", "default", "latency"]] = .plain(Self.text(latency))
        }
    }

    private static func text(_ nanoseconds: Double) -> String {
        let tenths = UInt64(nanoseconds / 100_000)
        if nanoseconds == Double(tenths) * 100_000 {
            return tenths % 10 == 0 ? "\(tenths / 10)ms" : "\(tenths / 10).\(tenths % 10)ms"
        }
        return "\(UInt64(nanoseconds))ns"
    }
}
