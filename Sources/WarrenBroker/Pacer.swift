public import WarrenKernel
public import WarrenTrace

/// When a client does its next thing, and how often in all.
public struct Pacer: Sendable {
    /// The gap between two things.
    public let law: Law
    /// The stream that the gaps come from.
    public let stream: StreamID
    /// How many things in all; nil for no end.
    public let count: UInt64?
    /// How many were begun.
    public private(set) var begun: UInt64 = 0

    /// A pace of one thing per draw of `law`.
    public init(law: Law, stream: StreamID, count: UInt64?) {
        self.law = law
        self.stream = stream
        self.count = count
    }

    /// Whether all things were begun.
    public var isDone: Bool { count.map { begun >= $0 } ?? false }

    /// The gap to the next thing, or nil if there is none.
    @inlinable
    public mutating func next(_ chance: inout Chance) -> Interval? {
        isDone ? nil : chance.sample(law, stream)
    }

    /// Counts one thing as begun.
    public mutating func begin() { begun += 1 }

    /// Arms the timer of the next thing, if there is one; the first comes `after` a while as well.
    @inlinable
    public mutating func arm(_ timer: TimerID, after start: Interval = .zero, _ turn: inout Turn) {
        if let gap = next(&turn.chance) { turn.arm(timer, after: start + gap) }
    }
}

/// A choice among weighted things, such as routing keys.
public struct Picker<Element: Sendable>: Sendable {
    /// What there is to choose from.
    public let elements: [Element]
    private let bounds: [UInt64]
    private let total: UInt64
    private let stream: StreamID

    /// Chooses among `choices` in proportion to their weights; there must be at least one, and the
    /// weights must not all be 0.
    public init(_ choices: [(Element, weight: UInt64)], stream: StreamID) {
        elements = choices.map(\.0)
        var sum: UInt64 = 0
        bounds = choices.map { choice in
            sum += choice.weight
            return sum
        }
        total = sum
        self.stream = stream
    }

    /// One of them.
    ///
    /// No draw is made if there is only one.
    public func pick(_ chance: inout Chance) -> Element {
        if elements.count == 1 { return elements[0] }
        let drawn = chance.below(total, stream)
        let chosen = unsafe bounds.withUnsafeBufferPointer { bounds in
            var low = 0
            var high = bounds.count &- 1
            // Both stay within the bounds, of which there is one at least.
            while low < high {
                let middle = (low &+ high) &>> 1
                if unsafe bounds[middle] <= drawn { low = middle &+ 1 } else { high = middle }
            }
            return low
        }
        return elements[chosen]
    }
}
