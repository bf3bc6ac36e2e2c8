public import WarrenTrace

/// One node of a run: a broker node, a publisher, a consumer, a bridge.
///
/// A machine is a value. It learns of time, chance, disk and network through the turn it is handed
/// and through nothing else, so the same machine runs in a search over a million seeds, under a
/// debugger that walks backwards, and behind a real socket.
public protocol Machine: Sendable {
    /// Takes one turn: `event` is what the world says, `turn` takes the wishes.
    mutating func handle(_ event: Event, _ turn: inout Turn)

    /// Says what is lost when the machine is dropped in a crash.
    ///
    /// The machine may only record facts here: it is already dead. `disk` holds what survives.
    mutating func perish(_ disk: Recovery, _ turn: inout Turn)

    /// Says what the machine holds, so that the ledger can be compared with the models.
    func inventory(_ report: inout Inventory)

    /// Says what lies on the disk of a machine of this kind that is down.
    func inventory(onDisk records: [Disk.Record], _ report: inout Inventory)

    /// Names the parcels that the machine still needs.
    func parcels(_ holding: inout ParcelMarks)

    /// Whether background timers of the machine matter although nothing else is left to happen.
    var isWaiting: Bool { get }

    /// Stops with a reason if the machine's own rules are broken; run after every turn in tests.
    func checkInvariants()
}

extension Machine {
    /// Loses nothing worth recording.
    public mutating func perish(_ disk: Recovery, _ turn: inout Turn) {}

    /// Holds nothing.
    public func inventory(_ report: inout Inventory) {}

    /// Keeps nothing on its disk.
    public func inventory(onDisk records: [Disk.Record], _ report: inout Inventory) {}

    /// Holds no parcels.
    public func parcels(_ holding: inout ParcelMarks) {}

    /// Waits for nothing.
    public var isWaiting: Bool { false }

    /// Has no rules of its own.
    public func checkInvariants() {}
}

/// What the world tells a machine.
public enum Event: Sendable {
    /// First start, or restart with what the disk kept.
    case started(Recovery)
    /// Another node opened a connection.
    case accepted(ConnectionID, from: NodeID)
    /// The connection that this machine asked for is open.
    case connected(ConnectionID)
    /// A packet arrived.
    case arrived(Packet, on: ConnectionID)
    /// The connection ended from the other side or from below.
    case closed(ConnectionID, Closure)
    /// A timer rang.
    case rang(TimerID)
    /// All writes up to and including this one have reached the disk.
    case stored(WriteID)
    /// The operator says something, such as a fault that a model understands.
    case ordered(Packet)
    /// The operator stops the node in good order: this is its last turn.
    case stopping
}

/// A connection between two nodes, numbered in the order they were opened; never reused.
@frozen
public struct ConnectionID: BitwiseCopyable, Sendable, Hashable {
    /// The number, from 0.
    public var raw: UInt32

    /// The connection with number `raw`.
    @inlinable
    public init(_ raw: UInt32) { self.raw = raw }

    /// No connection.
    @inlinable
    public static var none: ConnectionID { ConnectionID(.max) }
}

/// A timer of a machine: a small number that the machine chooses.
///
/// Arming it again moves it.
@frozen
public struct TimerID: BitwiseCopyable, Sendable, Hashable {
    /// The machine's number for it; keep it small, the world keeps a row for each.
    public var raw: UInt32

    /// The timer with number `raw`.
    @inlinable
    public init(_ raw: UInt32) { self.raw = raw }
}

/// A write of a machine; a machine gives rising numbers.
@frozen
public struct WriteID: BitwiseCopyable, Sendable, Hashable {
    /// The machine's number for it.
    public var raw: UInt64

    /// The write with number `raw`.
    @inlinable
    public init(_ raw: UInt64) { self.raw = raw }
}

/// What the disk of a node kept.
public struct Recovery: Sendable {
    /// Whether this is the first start of the node, or of its present data directory: the disk is empty.
    public var first: Bool
    /// Which of the data directories of the node this is; 0 is the one that it began with.
    public var directory: UInt32 = 0
    /// Whether the node went down without a goodbye.
    public var crashed: Bool
    /// The records that survived, by rising key.
    public var records: [Disk.Record]
    /// The journals that survived, by their numbers.
    var journals: ContiguousArray<Journal> = []
    /// What the operator told the node while it was down, such as another version.
    public var configuration: Packet?

    /// What a disk kept.
    public init(
        first: Bool,
        crashed: Bool,
        records: [Disk.Record],
        configuration: Packet? = nil
    ) {
        self.first = first
        self.crashed = crashed
        self.records = records
        self.configuration = configuration
    }

    /// A first start.
    public static let nothing = Recovery(first: true, crashed: false, records: [])

    /// The journal with this number; empty if there is none.
    public func journal(_ number: UInt32) -> Journal {
        Int(number) < journals.count ? journals[Int(number)] : Journal()
    }

    /// The record with this key, or nil.
    ///
    /// Logarithmic.
    public func record(_ key: UInt64) -> Disk.Record? {
        var low = 0
        var high = records.count
        while low < high {
            let middle = (low + high) / 2
            if records[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low < records.count && records[low].key == key ? records[low] : nil
    }
}

/// What the machines of a world hold at a moment, told by themselves.
public struct Inventory {
    /// What one queue holds.
    public struct Line: Sendable, Hashable {
        /// The queue.
        public var queue: Symbol
        /// Copies ready in it.
        public var ready: UInt64
        /// Copies with its consumers, not yet acknowledged.
        public var unacked: UInt64

        /// What a queue holds.
        public init(queue: Symbol, ready: UInt64, unacked: UInt64) {
            self.queue = queue
            self.ready = ready
            self.unacked = unacked
        }
    }

    /// What one replica of a replicated thing holds.
    struct Replica: Sendable {
        var epoch: UInt64
        var index: UInt64
        var ready: UInt64
        var unacked: UInt64
    }

    /// One line per queue, in the order of the machines.
    public var lines: [Line] = []
    /// By queue: its line.
    private var places: [Symbol: Int] = [:]
    /// By queue and history: the replica that has come farthest, in the order of the machines.
    var replicas: [(queue: Symbol, replica: Replica)] = []
    /// Copies that count as settled and wait in a client to be worked on.
    public var inHand: UInt64 = 0
    /// Publications that asked for a confirm and wait for it.
    public var unconfirmed: UInt64 = 0

    /// What packets and logs carry, for a machine that has to look there.
    public let parcels: Parcels

    /// An empty report.
    init(_ parcels: Parcels) { self.parcels = parcels }

    /// Adds a replica of a queue: what it holds after the entry with this index of the history with this
    /// epoch.
    public mutating func add(
        replicaOf queue: Symbol,
        epoch: UInt64,
        index: UInt64,
        ready: UInt64,
        unacked: UInt64
    ) {
        let replica = Replica(epoch: epoch, index: index, ready: ready, unacked: unacked)
        guard
            let place = replicas.firstIndex(where: {
                $0.queue == queue && $0.replica.epoch == epoch
            })
        else {
            replicas.append((queue, replica))
            return
        }
        if replicas[place].replica.index < index { replicas[place].replica = replica }
    }

    /// Makes one line of the replicas of each queue.
    ///
    /// What took effect somewhere took effect: a replica that lags behind is made up for.
    mutating func joinReplicas(_ outside: Outside) {
        for (queue, replica) in replicas {
            let witness = outside.witness(of: queue, epoch: replica.epoch)
            let lags = replica.index != witness.index
            add(
                queue: queue,
                ready: lags ? witness.ready : replica.ready,
                unacked: lags ? witness.unacked : replica.unacked
            )
        }
        replicas = []
    }

    /// Adds a queue, or another place where a part of it is.
    public mutating func add(queue: Symbol, ready: UInt64, unacked: UInt64) {
        if let place = places[queue] {
            lines[place].ready += ready
            lines[place].unacked += unacked
            return
        }
        places[queue] = lines.count
        lines.append(Line(queue: queue, ready: ready, unacked: unacked))
    }
}

/// The parcels that are still needed, while a sweep collects them.
public struct ParcelMarks: Sendable {
    var alive: ContiguousArray<Bool>
    /// The same for plain parcels, by row.
    var aliveRows: ContiguousArray<Bool>
    /// How much was looked at: what the sweep costs.
    var visits = 0

    init(capacity: Int, rows: Int) {
        alive = ContiguousArray(repeating: false, count: capacity)
        aliveRows = ContiguousArray(repeating: false, count: rows)
    }

    /// Keeps this parcel.
    public mutating func keep(_ parcel: ParcelID) {
        visits &+= 1
        if let row = parcel.row {
            if Int(row) < aliveRows.count { aliveRows[Int(row)] = true }
        } else if Int(parcel.raw) < alive.count {
            alive[Int(parcel.raw)] = true
        }
    }
}
