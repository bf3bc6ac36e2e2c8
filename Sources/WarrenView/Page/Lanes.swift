import WarrenTrace

/// What the timeline shows of a whole run: by queue how deep it was, by client how much it did, and what went wrong.
struct Lanes {
    /// Something that went wrong, or was mended, for a lane of its own.
    struct Mark {
        var time: UInt64
        var kind: FactKind
        var node: UInt32
        var subject: UInt32
        var detail: UInt64
        var variant: UInt8
        var peer: UInt32

        var json: JSONText {
            .list([
                .number(Double(time)), .int(Int(kind.rawValue)), .number(Double(node)),
                .number(Double(subject)), .number(Double(detail)), .int(Int(variant)),
                .number(Double(peer)),
            ])
        }
    }

    /// What a lane is about.
    private enum Kind: UInt64 { case depth, published, worked, confirmed }

    private struct Lane {
        var kind: Kind
        var of: UInt32
        var values: [UInt32]
        var last: UInt32 = 0
        var bucket = 0
    }

    private static let buckets = 1024
    private static let mostMarks = 20_000
    private let width: UInt64
    private var lanes: [Lane] = []
    private var places: [UInt64: Int] = [:]
    private(set) var marks: [Mark] = []
    private(set) var deepest = 0
    private(set) var deepestAt: UInt64 = 0

    init(end: Instant) { width = max(end.nanoseconds / UInt64(Self.buckets) + 1, 1) }

    private mutating func lane(_ kind: Kind, _ of: UInt32) -> Int {
        let key = kind.rawValue << 32 | UInt64(of)
        if let place = places[key] { return place }
        places[key] = lanes.count
        lanes.append(
            Lane(kind: kind, of: of, values: [UInt32](repeating: 0, count: Self.buckets))
        )
        return lanes.count - 1
    }

    mutating func take(_ fact: Fact, depth: Int) {
        let bucket = min(Int(fact.time.nanoseconds / width), Self.buckets - 1)
        switch fact.kind {
        case .messagePublished: lanes[lane(.published, fact.node.raw)].values[bucket] += 1
        case .messageConfirmed: lanes[lane(.confirmed, fact.node.raw)].values[bucket] += 1
        case .messageHandled: lanes[lane(.worked, fact.node.raw)].values[bucket] += 1
        case .messageRouted, .deliverySent, .deliveryRequeued, .messageDeadLettered,
            .messageDropped,
            .messageRecovered:
            setDepth(fact.subject.raw, UInt32(depth), bucket)
            if depth > deepest { (deepest, deepestAt) = (depth, fact.time.nanoseconds) }
        case .faultBegan, .faultEnded, .nodeCrashed, .nodeStopped, .nodeStarted, .nodeFrozen,
            .nodeThawed, .leaderElected, .mirrorPromoted, .nodeYielded, .nodePaused, .alarmRaised,
            .alarmCleared, .memberAdded, .memberDeleted:
            guard marks.count < Self.mostMarks else { break }
            marks.append(
                Mark(
                    time: fact.time.nanoseconds,
                    kind: fact.kind,
                    node: fact.node.raw,
                    subject: fact.subject.raw,
                    detail: fact.detail,
                    variant: fact.variant,
                    peer: fact.peer
                )
            )
        default: break
        }
    }

    /// A lane of depths keeps the most of each bucket, and what was left over from the one before.
    private mutating func setDepth(_ queue: UInt32, _ depth: UInt32, _ bucket: Int) {
        let place = lane(.depth, queue)
        let last = lanes[place].last
        if bucket > lanes[place].bucket {
            for index in (lanes[place].bucket + 1)...bucket { lanes[place].values[index] = last }
            lanes[place].bucket = bucket
        }
        lanes[place].values[bucket] = max(lanes[place].values[bucket], depth)
        lanes[place].last = depth
    }

    /// How many lanes, how many buckets and how wide; then each with its kind, whose it is, and its values.
    var text: String {
        var packing = Packing()
        packing.add(UInt64(lanes.count))
        packing.add(UInt64(Self.buckets))
        packing.add(width)
        for lane in lanes {
            packing.add(lane.kind.rawValue)
            packing.add(UInt64(lane.of))
            var values = lane.values
            if lane.kind == .depth {
                for index in (lane.bucket + 1)..<max(Self.buckets, lane.bucket + 1) {
                    values[index] = lane.last
                }
            }
            packing.add(differences: values.lazy.map(UInt64.init))
        }
        return packing.text
    }
}
