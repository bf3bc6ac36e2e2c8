import WarrenLedger
public import WarrenTrace

/// Facts as sentences and as lines.
public struct FactText: Sendable {
    private let names: Names
    private let nodes: [String]

    /// The words of a run: its names, and its nodes by number.
    public init(names: Names, nodes: [String]) {
        self.names = names
        self.nodes = nodes
    }

    /// A moment, such as `12.500ms`.
    public static func time(_ moment: Instant) -> String {
        length(Interval(nanoseconds: moment.nanoseconds))
    }

    /// A length of time, such as `12.500ms`.
    public static func length(_ interval: Interval) -> String {
        let value = interval.nanoseconds
        if value == 0 { return "0s" }
        let (unit, size): (String, UInt64) =
            value >= 1_000_000_000
            ? ("s", 1_000_000_000) : value >= 1_000_000 ? ("ms", 1_000_000) : ("µs", 1_000)
        let whole = value / size
        let part = value % size * 1000 / size
        let digits = String(part + 1000).dropFirst()
        return "\(whole).\(digits)\(unit)"
    }

    /// The name of a node.
    public func node(_ number: UInt32) -> String {
        if number == NodeID.outside.raw { return "operator" }
        return Int(number) < nodes.count ? nodes[Int(number)] : "node \(number)"
    }

    /// A name, or words for one that is empty.
    public func name(_ symbol: Symbol) -> String {
        let text = names[symbol]
        if !text.isEmpty { return text }
        return names.kind(of: symbol) == .exchange ? "the default exchange" : "(no name)"
    }

    /// One line for a fact: time, event, cause, node, what, to what.
    public func line(_ fact: Fact) -> String {
        var parts = [
            Self.time(fact.time), "#\(fact.event) ← #\(fact.cause)", node(fact.node.raw),
            fact.kind.name,
        ]
        if fact.message != .none { parts.append("m\(fact.message.raw)") }
        parts.append(sentence(fact))
        return parts.joined(separator: "  ")
    }

    /// What happened, as a sentence without a capital and full stop.
    public func sentence(_ fact: Fact) -> String {
        let here = node(fact.node.raw)
        let subject = name(fact.subject)
        let detail = Interval(nanoseconds: fact.detail)
        switch fact.kind {
        case .nodeStarted:
            return fact.variant == 0 ? "\(here) starts" : "\(here) is back"
        case .nodeCrashed: return "\(here) is killed"
        case .nodeStopped: return "\(here) is stopped in good order"
        case .connectionOpened: return "\(node(fact.peer)) connects to \(here)"
        case .connectionClosed:
            let how = Closure(rawValue: fact.variant)?.words ?? "ended"
            return fact.peer == .max
                ? "\(here) closes its connection"
                : "\(here) sees its connection to \(node(fact.peer)) \(how)"
        case .linkSlowed:
            return fact.detail == 1000
                ? "the network of \(here) is fast again"
                : "the network of \(here) becomes \(factor(fact.detail)) times slower"
        case .workSlowed:
            return fact.detail == 1000
                ? "\(here) works at its usual speed again"
                : "\(here) works \(factor(fact.detail)) times slower"
        case .alarmRaised:
            let what = fact.variant == 1 ? "memory" : "disk space"
            return "\(here) runs short of \(what): whoever publishes is blocked"
        case .alarmCleared:
            let what = fact.variant == 1 ? "memory" : "disk space"
            return "\(here) has enough \(what) again"
        case .linkCut: return "nothing passes from \(here) to \(node(fact.peer)) any more"
        case .linkMended: return "packets pass again from \(here) to \(node(fact.peer))"
        case .linkDisturbed:
            return fact.variant == 0
                ? "the way between \(here) and \(node(fact.peer)) is good again"
                : "packets between \(here) and \(node(fact.peer)) are lost, doubled or overtaken"
        case .nodeFrozen: return "\(here) is frozen"
        case .nodeThawed: return "\(here) goes on where it was frozen"
        case .diskSlowed:
            return fact.detail == 1000
                ? "the disk of \(here) is fast again"
                : "the disk of \(here) becomes \(factor(fact.detail)) times slower"
        case .diskFilled:
            return fact.variant == 0
                ? "the disk of \(here) has room again" : "the disk of \(here) is full"
        case .peerLost: return "\(here) holds \(node(fact.peer)) for down"
        case .peerFound:
            return fact.variant == 0
                ? "\(here) and \(node(fact.peer)) are together"
                : "\(here) finds that \(node(fact.peer)) went on without it: they are partitioned"
        case .leaderElected: return "\(here) leads \(subject), in term \(fact.detail)"
        case .nodePaused: return "\(here) pauses: it sees only a minority of its cluster"
        case .nodeYielded:
            return
                "\(here) was on the losing side of the partition: it starts anew without its state"
        case .mirrorPromoted:
            return fact.variant == 0
                ? "the mirror of \(subject) on \(here) becomes its master"
                : "the mirror of \(subject) on \(here) becomes its master without \(fact.detail) messages that it never had"
        case .mirrorSynchronised:
            return "the mirror of \(subject) on \(here) has all that \(node(fact.peer)) has"
        case .clockJumped:
            return
                "the clock of \(here) jumps \(Self.length(detail)) \(fact.variant == 1 ? "back" : "ahead")"
        case .nodeJoined:
            switch fact.variant {
            case 0: return "\(here) waits for its cluster"
            case 1: return "\(here) is in its cluster and serves"
            default: return "\(here) is a member of no cluster: it serves alone, and is empty"
            }
        case .recordRead:
            return "\(here) sends it to \(node(fact.peer)) from \(subject), offset \(fact.detail)"
        case .faultBegan: return "fault \(fact.detail + 1) begins"
        case .faultMissed: return "the fault hits nothing: \(here) is down already"
        case .faultEnded: return "fault \(fact.detail + 1) is mended"
        case .errorRaised:
            let scope = fact.variant == 1 ? "the connection" : "a channel"
            return "\(here) closes \(scope) of \(node(fact.peer)): \(fact.detail) \(subject)"
        case .channelOpened: return "\(node(fact.peer)) opens channel \(fact.detail & 0xFFFF)"
        case .channelClosed: return "channel \(fact.detail & 0xFFFF) of \(node(fact.peer)) ends"
        case .bindingCreated, .bindingDeleted:
            let what = names[Symbol(fact.peer)]
            return fact.kind == .bindingCreated
                ? "\(subject) gets the binding \(what)" : "\(subject) loses the binding \(what)"
        case .methodReceived: return "\(here) hears \(subject)"
        case .stepBegan:
            return fact.variant == 0
                ? "\(here) goes on to step \(fact.detail): \(subject)"
                : "\(here) cannot do step \(fact.detail), on what is closed: \(subject)"
        case .queueDeclared: return "the queue \(subject) comes to be"
        case .queueDeleted: return "the queue \(subject) is deleted"
        case .consumerStarted: return "\(node(fact.peer)) begins to consume from \(subject)"
        case .consumerEnded: return "\(node(fact.peer)) no longer consumes from \(subject)"
        case .queuePurged: return "\(fact.detail) messages are purged from \(subject)"
        case .messagePublished:
            let key = names[Symbol(fact.peer)]
            let headers = Header.all(in: names[fact.headers]).map(\.words).joined(separator: "; ")
            return
                "\(here) publishes it to \(subject)\(key.isEmpty ? "" : " with the key \(key)"), \(fact.bodySize) bytes\(headers.isEmpty ? "" : ", headers \(headers)")"
        case .messageConfirmed: return "\(here) has it confirmed after \(Self.length(detail))"
        case .messageNacked: return "\(here) has it nacked"
        case .messageReturned: return "\(here) gets it back from \(subject), unroutable"
        case .messageUnknown: return unknown(fact, here)
        case .messageRetried: return "\(here) publishes it again, try \(fact.detail)"
        case .messageDerived: return "\(here) makes it of m\(fact.detail) from \(subject)"
        case .publishFailed:
            return "\(here) cannot publish what follows to \(subject): its connection is gone"
        case .messageUnroutable:
            let reason = DropReason(rawValue: fact.variant)?.words ?? "nobody wanted it"
            return "\(here) drops it: \(reason)"
        case .messageRouted:
            return fact.variant == 0
                ? "\(here) puts a copy into \(subject)" : "\(subject) is full and refuses it"
        case .deliverySent:
            let again = fact.variant & 1 == 1 ? "again, redelivered, " : ""
            let settled = fact.variant & 2 == 2 ? ", which settles it" : ""
            return
                "\(here) sends it \(again)to \(node(fact.peer)) from \(subject)\(fact.detail == 0 ? "" : " after \(Self.length(detail)) in line")\(settled)"
        case .deliveryAcked: return "\(node(fact.peer)) acknowledges it; it leaves \(subject)"
        case .deliveryRequeued:
            let reason = ReturnReason(rawValue: fact.variant)?.words ?? "it came back"
            return "it goes back to its place in \(subject): \(reason)"
        case .deliveryRejected:
            return
                "\(node(fact.peer)) rejects it\(fact.variant == 1 ? " and wants it requeued" : "")"
        case .messageDeadLettered:
            return
                "it leaves \(subject) for the dead-letter exchange: \(reason(fact.variant & 63))"
        case .messageDropped: return "the copy of \(subject) is gone: \(reason(fact.variant))"
        case .messageRecovered:
            return fact.variant == 1
                ? "\(here) still has it, on its disk or as a copy: it comes back into \(subject)"
                : "\(here) finds it on its disk, in \(subject)"
        case .messageHandled: return "\(here) finishes its work on it after \(Self.length(detail))"
        case .workFailed:
            return "\(here) \(WorkFailure(rawValue: fact.variant)?.words ?? "failed")"
        case .effectApplied: return "the effect \(subject) takes place"
        case .effectSkipped: return "the effect \(subject) had taken place already and is skipped"
        case .callStarted: return "\(here) sends a request"
        case .callAnswered: return "\(here) has its answer after \(Self.length(detail))"
        case .callFailed:
            let why = [
                "it waited too long", "nobody answers such requests", "its connection was lost",
            ]
            return
                "\(here) gives the call up: \(Int(fact.variant) < why.count ? why[Int(fact.variant)] : "")"
        case .answerDiscarded: return "\(here) discards an answer that it no longer waits for"
        }
    }

    private func factor(_ thousandths: UInt64) -> String {
        thousandths % 1000 == 0 ? "\(thousandths / 1000)" : "\(Double(thousandths) / 1000)"
    }

    private func reason(_ raw: UInt8) -> String { DropReason(rawValue: raw)?.words ?? "unknown" }

    private func unknown(_ fact: Fact, _ here: String) -> String {
        switch fact.variant {
        case 0: "\(here) gives up waiting for its confirm: it may or may not have arrived"
        case 1: "\(here) loses its connection before the confirm: it may or may not have arrived"
        default: "\(here) never asked what became of it"
        }
    }
}
