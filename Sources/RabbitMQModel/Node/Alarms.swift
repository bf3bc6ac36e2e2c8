/// The resource alarms that are on, a bit for each kind: 1 memory, 2 disk.
///
/// - Source: RMQ-ALARM-05, -06: they are cluster-wide.
struct Alarms: Sendable {
    /// Those of this node itself: others are told of no more, or they would never end.
    private(set) var own: UInt8 = 0
    /// Those of all nodes.
    private(set) var all: UInt8 = 0
    /// Whether each packet must be looked at: somebody may not do everything, or an alarm is on.
    private(set) var isGuarded = false
    private var areRestricted = false

    /// One of this node's own goes on or off.
    ///
    /// - Returns: whether that is news.
    mutating func set(_ bit: UInt8, _ isOn: Bool) -> Bool {
        let before = own
        own = isOn ? own | bit : own & ~bit
        return before != own
    }

    /// These are the alarms of the other nodes.
    ///
    /// - Returns: whether none is on now.
    mutating func join(_ others: UInt8) -> Bool {
        all = own | others
        isGuarded = areRestricted || all != 0
        return all == 0
    }

    /// Whether somebody may not do everything.
    mutating func restrict(_ areRestricted: Bool) {
        self.areRestricted = areRestricted
        isGuarded = areRestricted || all != 0
    }

    /// What they say is low.
    var text: String {
        switch all {
        case 1: "low on memory"
        case 2: "low on disk"
        default: "low on disk & memory"
        }
    }
}
