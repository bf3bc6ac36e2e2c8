/// What can go wrong on purpose.
public enum FaultWord: String, Sendable, CaseIterable {
    /// A node dies without a goodbye.
    case kill
    /// A node is stopped in good order.
    case stop
    /// A node is stopped and started.
    case restart
    /// The nodes of a broker are stopped and started, one after the other.
    case rollingRestart = "rolling_restart"
    /// The same, and each comes back in another version.
    case upgrade
    /// A node is frozen.
    case pause
    /// Groups of nodes and clients no longer reach each other.
    case partition
    /// Some are no longer heard by others.
    case cut
    /// The work of a client, the links of a node or one link become slower.
    case slow
    /// The disk of a node becomes slower.
    case slowDisk = "slow_disk"
    /// Packets are lost.
    case lose
    /// Packets arrive twice.
    case duplicate
    /// Packets are overtaken.
    case reorder
    /// The disk of a node has no room.
    case diskFull = "disk_full"
    /// A node runs short of disk.
    case diskAlarm = "disk_alarm"
    /// A node runs short of memory.
    case memoryAlarm = "memory_alarm"
    /// The clock of a node jumps.
    case clockJump = "clock_jump"
    /// Connections are cut.
    case dropConnection = "drop_connection"

    /// Those that `warren search` tries.
    public static let searched: [FaultWord] = [
        .kill, .restart, .pause, .dropConnection, .partition, .cut, .slow, .slowDisk, .diskFull,
        .memoryAlarm,
    ]

    /// The fields that say what it hits: one of them is needed.
    public var targets: [String] {
        switch self {
        case .kill, .stop, .pause, .restart: ["node", "leader_of", "client"]
        case .slowDisk, .diskFull, .diskAlarm, .memoryAlarm, .clockJump: ["node", "leader_of"]
        case .rollingRestart, .upgrade: ["broker"]
        case .partition: ["groups"]
        case .cut: ["from"]
        case .slow: ["node", "leader_of", "client", "between"]
        case .lose, .duplicate, .reorder: ["between"]
        case .dropConnection: ["node", "leader_of", "client", "between"]
        }
    }

    /// The fields that it needs beside its target.
    public var needs: [String] {
        switch self {
        case .slow, .slowDisk: ["factor"]
        case .lose, .duplicate, .reorder: ["share"]
        case .clockJump: ["by"]
        case .cut: ["to"]
        case .upgrade: ["version"]
        case .kill, .stop, .pause, .restart, .rollingRestart, .partition, .diskFull, .diskAlarm,
            .memoryAlarm, .dropConnection:
            []
        }
    }
}
