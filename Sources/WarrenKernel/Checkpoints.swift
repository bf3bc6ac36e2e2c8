/// A world with a memory: any event of its life can be visited again.
///
/// A checkpoint is a copy of the world; machines share their storage until one of the copies changes.
/// A jump takes the last checkpoint before the event and lives on from there, at most `spacing`
/// events.
public struct Checkpoints {
    /// The world at the present event.
    public private(set) var world: World
    /// How many events lie between two checkpoints.
    public let spacing: UInt64
    private var kept: [World]

    /// Keeps checkpoints of a world from now on.
    public init(of world: World, every spacing: UInt64 = 10_000) {
        self.world = world
        self.spacing = max(spacing, 1)
        kept = [world]
    }

    /// Lives on by at most `events` events; fewer if nothing is left to happen.
    @discardableResult
    public mutating func advance(by events: UInt64) -> World.Stop {
        var left = events
        while left > 0 {
            let next = world.eventCount / spacing * spacing + spacing
            let stride = min(left, next - world.eventCount)
            let before = world.eventCount
            let stop = world.run(events: stride)
            _ = world.takeFacts()
            left -= min(left, world.eventCount - before)
            if let last = kept.last, world.eventCount >= last.eventCount + spacing {
                kept.append(world)
            }
            if stop != .events { return stop }
        }
        return .events
    }

    /// Visits the moment right after event `number`, earlier or later than now.
    ///
    /// - Returns: whether the run has such an event.
    @discardableResult
    public mutating func jump(to number: UInt64) -> Bool {
        if number < world.eventCount {
            let index = kept.lastIndex { $0.eventCount <= number } ?? 0
            world = kept[index]
        }
        advance(by: number - min(number, world.eventCount))
        return world.eventCount == number
    }
}
