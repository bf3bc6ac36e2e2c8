import WarrenLedger
public import WarrenTrace

/// Facts as sentences and as lines.
public struct FactText: Sendable {
    private let names: Names
    private let nodes: [String]
    private let shared: Set<Names.Entry>

    /// The words of a run: its names, and its nodes by number.
    public init(names: Names, nodes: [String]) {
        self.names = names
        self.nodes = nodes
        shared = names.shared
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
        let text = names.text(of: symbol, among: shared)
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
        pieces(fact).pieces.map { piece in
            switch piece {
            case .text(let text): text
            case .field(let field): value(of: field, in: fact)
            }
        }
        .joined()
    }

    private func value(of field: Sentence.Field, in fact: Fact) -> String {
        switch field {
        case .here: node(fact.node.raw)
        case .subject: name(fact.subject)
        case .peer:
            switch fact.kind.columns.peer {
            case .nothing: ""
            case .node: node(fact.peer)
            case .name: names[Symbol(fact.peer)]
            }
        case .detail: detail(of: fact)
        case .headers:
            Header.all(in: names[fact.headers]).map(\.words).joined(separator: "; ")
        }
    }

    private func detail(of fact: Fact) -> String {
        switch fact.kind.columns.detail {
        case .nothing: ""
        case .length: Self.length(Interval(nanoseconds: fact.detail))
        case .factor: factor(fact.detail)
        case .number, .bytes, .connection, .place: "\(fact.detail)"
        case .fault: "\(fact.detail + 1)"
        case .channel: "\(fact.detail & 0xFFFF)"
        case .message: "m\(fact.detail)"
        case .publication: "\(fact.bodySize)"
        }
    }

    /// Which of the sentences about a kind and variant a fact takes: facts of one class share their pieces.
    public func sentenceClass(_ fact: Fact) -> UInt8 {
        if fact.kind == .messagePublished {
            return (names[Symbol(fact.peer)].isEmpty ? 0 : 1) + (fact.headers == .none ? 0 : 2)
        }
        let length: UInt8 = fact.detail == 0 ? 0 : fact.detail == 1000 ? 1 : 2
        return fact.peer == .max ? length + 4 : length
    }

    /// What happened, with places for what the fact says: the same for all facts of a kind, variant and
    /// ``sentenceClass(_:)``.
    public func pieces(_ fact: Fact) -> Sentence {
        let (here, peer, subject, detail) = (
            Sentence.Field.here, Sentence.Field.peer, Sentence.Field.subject, Sentence.Field.detail
        )
        switch fact.kind {
        case .nodeStarted:
            return fact.variant == 0 ? "\(here) starts" : "\(here) is back"
        case .nodeCrashed: return "\(here) is killed"
        case .nodeStopped: return "\(here) is stopped in good order"
        case .connectionOpened: return "\(peer) connects to \(here)"
        case .connectionClosed:
            let how = Closure(rawValue: fact.variant)?.words ?? "ended"
            return fact.peer == .max
                ? "\(here) closes its connection"
                : "\(here) sees its connection to \(peer) \(how)"
        case .linkSlowed:
            return fact.detail == 1000
                ? "the network of \(here) is fast again"
                : "the network of \(here) becomes \(detail) times slower"
        case .workSlowed:
            return fact.detail == 1000
                ? "\(here) works at its usual speed again"
                : "\(here) works \(detail) times slower"
        case .alarmRaised:
            let what = fact.variant == 1 ? "memory" : "disk space"
            return "\(here) runs short of \(what): whoever publishes is blocked"
        case .alarmCleared:
            let what = fact.variant == 1 ? "memory" : "disk space"
            return "\(here) has enough \(what) again"
        case .linkCut: return "nothing passes from \(here) to \(peer) any more"
        case .linkMended: return "packets pass again from \(here) to \(peer)"
        case .linkDisturbed:
            return fact.variant == 0
                ? "the way between \(here) and \(peer) is good again"
                : "packets between \(here) and \(peer) are lost, doubled or overtaken"
        case .nodeFrozen: return "\(here) is frozen"
        case .nodeThawed: return "\(here) goes on where it was frozen"
        case .diskSlowed:
            return fact.detail == 1000
                ? "the disk of \(here) is fast again"
                : "the disk of \(here) becomes \(detail) times slower"
        case .diskFilled:
            return fact.variant == 0
                ? "the disk of \(here) has room again" : "the disk of \(here) is full"
        case .peerLost: return "\(here) holds \(peer) for down"
        case .peerFound:
            return fact.variant == 0
                ? "\(here) and \(peer) are together"
                : "\(here) finds that \(peer) went on without it: they are partitioned"
        case .leaderElected: return "\(here) leads \(subject), in term \(detail)"
        case .memberAdded:
            return "\(subject) has a member on \(peer), and \(detail) in all"
        case .snapshotInstalled:
            return
                "the member of \(subject) on \(here) gets a snapshot of \(peer), up to entry \(detail)"
        case .memberDeleted:
            return "\(subject) has no member on \(peer) any more, and \(detail) in all"
        case .nodePaused: return "\(here) pauses: it sees only a minority of its cluster"
        case .nodeYielded:
            return
                "\(here) was on the losing side of the partition: it starts anew without its state"
        case .mirrorPromoted:
            return fact.variant == 0
                ? "the mirror of \(subject) on \(here) becomes its master"
                : "the mirror of \(subject) on \(here) becomes its master without \(detail) messages that it never had"
        case .mirrorSynchronised:
            return "the mirror of \(subject) on \(here) has all that \(peer) has"
        case .clockJumped:
            return
                "the clock of \(here) jumps \(detail) \(fact.variant == 1 ? "back" : "ahead")"
        case .nodeJoined:
            switch fact.variant {
            case 0: return "\(here) waits for its cluster"
            case 1: return "\(here) is in its cluster and serves"
            default: return "\(here) is a member of no cluster: it serves alone, and is empty"
            }
        case .recordRead:
            return "\(here) sends it to \(peer) from \(subject), offset \(detail)"
        case .recordSettled: return "\(peer) is done with offset \(detail) of \(subject)"
        case .faultBegan: return "fault \(detail) begins"
        case .faultMissed: return "the fault hits nothing: \(here) is down already"
        case .faultEnded: return "fault \(detail) is mended"
        case .errorRaised:
            let scope = fact.variant == 1 ? "the connection" : "a channel"
            return "\(here) closes \(scope) of \(peer): \(detail) \(subject)"
        case .channelOpened: return "\(peer) opens channel \(detail)"
        case .channelClosed: return "channel \(detail) of \(peer) ends"
        case .bindingCreated, .bindingDeleted:
            return fact.kind == .bindingCreated
                ? "\(subject) gets the binding \(peer)" : "\(subject) loses the binding \(peer)"
        case .relayWanted: return "the \(subject) of \(here) begins to connect"
        case .relayStarted: return "the \(subject) of \(here) runs"
        case .relayStopped:
            let reasons = [
                "where messages come from is lost", "where they go is lost", "it is wanted no more",
                "it has done what it was for", "its node stops",
            ]
            let why = Int(fact.variant) < reasons.count ? reasons[Int(fact.variant)] : "it ended"
            return "the \(subject) of \(here) stops: \(why)"
        case .methodReceived: return "\(here) hears \(subject)"
        case .stepBegan:
            return fact.variant == 0
                ? "\(here) goes on to step \(detail): \(subject)"
                : "\(here) cannot do step \(detail), on what is closed: \(subject)"
        case .queueDeclared: return "the queue \(subject) comes to be"
        case .queueDeleted: return "the queue \(subject) is deleted"
        case .consumerStarted:
            return fact.variant == 0
                ? "\(peer) begins to consume from \(subject)"
                : "\(peer) begins to read \(subject) at offset \(detail)"
        case .consumerEnded: return "\(peer) no longer consumes from \(subject)"
        case .queuePurged: return "\(detail) messages are purged from \(subject)"
        case .messagePublished:
            let kind = sentenceClass(fact)
            let key: Sentence = kind & 1 == 1 ? " with the key \(peer)" : ""
            let headers: Sentence = kind & 2 == 2 ? ", headers \(Sentence.Field.headers)" : ""
            return "\(here) publishes it to \(subject)" + key + ", \(detail) bytes"
                + headers
        case .messageConfirmed: return "\(here) has it confirmed after \(detail)"
        case .messageNacked: return "\(here) has it nacked"
        case .messageReturned: return "\(here) gets it back from \(subject), unroutable"
        case .messageUnknown: return unknown(fact, here)
        case .messageRetried: return "\(here) publishes it again, try \(detail)"
        case .messageDerived: return "\(here) makes it of \(detail) from \(subject)"
        case .messageRelayed:
            let settled = fact.variant & 1 == 1 ? ", which settles it" : ""
            return "\(here) carries it from \(peer) to \(subject)\(settled)"
        case .publishFailed:
            return "\(here) cannot publish what follows to \(subject): its connection is gone"
        case .messageUnroutable:
            let reason = DropReason(rawValue: fact.variant)?.words ?? "nobody wanted it"
            return "\(here) drops it: \(reason)"
        case .messageRouted:
            switch fact.variant {
            case 0: return "\(here) puts a copy into \(subject)"
            case 1: return "\(subject) refuses it"
            default: return "\(here) writes it to the end of \(subject)"
            }
        case .deliverySent:
            let again = fact.variant & 1 == 1 ? "again, redelivered, " : ""
            let settled = fact.variant & 2 == 2 ? ", which settles it" : ""
            let waited: Sentence = fact.detail == 0 ? "" : " after \(detail) in line"
            return "\(here) sends it \(again)to \(peer) from \(subject)" + waited + "\(settled)"
        case .deliveryAcked: return "\(peer) acknowledges it; it leaves \(subject)"
        case .deliveryRequeued:
            let reason = ReturnReason(rawValue: fact.variant)?.words ?? "it came back"
            return "it goes back to its place in \(subject): \(reason)"
        case .deliveryRejected:
            return
                "\(peer) rejects it\(fact.variant == 1 ? " and wants it requeued" : "")"
        case .messageDeadLettered:
            return
                "it leaves \(subject) for the dead-letter exchange: \(reason(fact.variant & 63))"
        case .messageDropped: return "the copy of \(subject) is gone: \(reason(fact.variant))"
        case .messageRecovered:
            return fact.variant == 1
                ? "\(here) still has it, on its disk or as a copy: it comes back into \(subject)"
                : "\(here) finds it on its disk, in \(subject)"
        case .messageHandled: return "\(here) finishes its work on it after \(detail)"
        case .workFailed:
            return "\(here) \(WorkFailure(rawValue: fact.variant)?.words ?? "failed")"
        case .effectApplied: return "the effect \(subject) takes place"
        case .effectSkipped: return "the effect \(subject) had taken place already and is skipped"
        case .callStarted: return "\(here) sends a request"
        case .callAnswered: return "\(here) has its answer after \(detail)"
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

    private func unknown(_ fact: Fact, _ here: Sentence.Field) -> Sentence {
        switch fact.variant {
        case 0: "\(here) gives up waiting for its confirm: it may or may not have arrived"
        case 1: "\(here) loses its connection before the confirm: it may or may not have arrived"
        default: "\(here) never asked what became of it"
        }
    }
}
