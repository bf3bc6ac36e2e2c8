/// What can happen.
///
/// The number is part of the trace format and never reused.
public enum FactKind: UInt8, BitwiseCopyable, Sendable, Hashable, CaseIterable {
    // The world.
    /// A node came up. variant: 1 after a crash or stop.
    case nodeStarted = 1
    /// A node went down without a goodbye.
    case nodeCrashed = 2
    /// A node was stopped in good order.
    case nodeStopped = 3
    /// A connection was opened. peer: the node that opened it; detail: the connection.
    case connectionOpened = 4
    /// A connection ended. peer: the other node; detail: the connection; variant: ``Closure``.
    case connectionClosed = 5
    /// A node's network became slower (or fast again). detail: factor in thousandths.
    case linkSlowed = 6
    /// A client's work became slower (or fast again). peer: the client's symbol; detail: factor in thousandths.
    case workSlowed = 7
    /// A fault of the timeline began. detail: its number in the file, from 0.
    case faultBegan = 8
    /// A fault of the timeline was mended. detail: its number in the file, from 0.
    case faultEnded = 9
    /// The broker refused something. subject: the text it said; peer: the client's node; detail: its code; variant: 1
    /// if the whole connection was closed.
    case errorRaised = 10
    /// A channel was opened. peer: the client's node; detail: connection << 16 | channel.
    case channelOpened = 11
    /// A channel was closed. peer: the client's node; detail: connection << 16 | channel.
    case channelClosed = 12
    /// A node ran short of something, and publishers are blocked. variant: 1 memory, 2 disk.
    case alarmRaised = 13
    /// A node has enough again. variant: 1 memory, 2 disk.
    case alarmCleared = 14

    /// Nothing passes any more from this node to another. peer: the other node.
    case linkCut = 15
    /// Packets pass again from this node to another. peer: the other node.
    case linkMended = 16
    /// Packets are lost, doubled or overtaken between two nodes. peer: the other node; variant: 1, or 0
    /// when they no longer are.
    case linkDisturbed = 17
    /// A node is frozen.
    case nodeFrozen = 18
    /// A frozen node goes on.
    case nodeThawed = 19

    // What is declared.
    /// A queue came to be. subject: the queue.
    case queueDeclared = 20
    /// A queue went. subject: the queue; detail: messages that went with it.
    case queueDeleted = 21
    /// A consumer or subscription began. subject: what it takes from; peer: the client's node; variant: 1 if it reads
    /// a log; detail: the offset at which it begins there.
    case consumerStarted = 22
    /// A consumer or subscription ended. subject: what it took from; peer: the client's node.
    case consumerEnded = 23
    /// A queue lost all that was ready in it. subject: the queue; detail: how many.
    case queuePurged = 24

    /// A node's disk became slower (or fast again). detail: factor in thousandths.
    case diskSlowed = 25
    /// A node's disk has no room. variant: 1, or 0 when it has again.
    case diskFilled = 26
    /// A node holds another of its cluster for down. peer: the other node.
    case peerLost = 27
    /// A node has another of its cluster back. peer: the other node; variant: 1 if each of them had gone
    /// on without the other, so that they are partitioned.
    case peerFound = 28
    /// A replica leads. subject: the queue; detail: its term.
    case leaderElected = 29
    /// A node pauses, because it sees only a minority of its cluster.
    case nodePaused = 30
    /// A node of the losing side of a partition gives way and starts anew.
    case nodeYielded = 31
    /// A mirror was promoted. subject: the queue; variant: 1 if it was not synchronised; detail: how many
    /// messages it did not have.
    case mirrorPromoted = 32
    /// A mirror has all that its master has. subject: the queue; peer: the master's node.
    case mirrorSynchronised = 33
    /// A node's clock was set. variant: 1 if it was set back; detail: nanoseconds.
    case clockJumped = 34
    /// A node that is up has not joined its cluster yet, or has joined it. variant: 1 if it serves now, 2 if
    /// it is a member of nothing, and serves alone.
    case nodeJoined = 35

    /// A fault found its node down already, and did nothing.
    case faultMissed = 36

    /// A client bound a queue or an exchange. subject: the exchange that messages come from; peer: the symbol of what
    /// is bound, under which key and with which arguments, as JSON.
    case bindingCreated = 37
    /// A binding went. subject and peer as when it was created.
    case bindingDeleted = 38

    /// A relay, which is a shovel or a federation link, carries messages from now on. subject: its name.
    case relayStarted = 50
    /// A relay carries nothing any more. subject: its name; variant: 0 it lost where messages come from, 1 where they go, 2
    /// it is wanted no more, 3 it has done what it was for, 4 its node stops.
    case relayStopped = 51
    /// A node wants a relay, which begins to connect. subject: its name.
    case relayWanted = 52

    /// A quorum queue has a member on another node. subject: the queue; peer: the member's node; detail: how many
    /// members it has now.
    case memberAdded = 53
    /// A quorum queue has no member on a node any more. subject: the queue; peer: the node; detail: how many members
    /// it has now.
    case memberDeleted = 54
    /// A member of a quorum queue was so far behind that it got a snapshot. subject: the queue; peer: the leader's
    /// node; detail: the last entry that the snapshot stands for.
    case snapshotInstalled = 55

    // A message and its publisher.
    /// A client published. subject: where to; peer: the routing key's symbol; variant: 1 if it asks for a confirm;
    /// detail: ``Fact/bodySize`` and ``Fact/headers``.
    case messagePublished = 40
    /// The broker took responsibility. detail: nanoseconds since publication.
    case messageConfirmed = 41
    /// The broker refused responsibility.
    case messageNacked = 42
    /// The broker sent it back, unroutable. subject: the exchange.
    case messageReturned = 43
    /// The publisher stopped waiting: it may or may not have arrived. variant: 0 timed out, 1
    /// connection lost, 2 never asked for a confirm, 3 still waiting at the end.
    case messageUnknown = 44
    /// The publisher sent it once more. detail: which attempt, from 2.
    case messageRetried = 45
    /// No queue or subscriber wanted it. subject: where it was published; peer: the routing key's symbol; variant:
    /// ``DropReason``.
    case messageUnroutable = 46
    /// A client published it because of another one. subject: the queue that it had the other from; peer: the client's
    /// symbol; detail: the other message.
    case messageDerived = 47
    /// A client could not publish what was to follow from a message: its connection was gone. message: the one that it
    /// was to follow from; subject: where to; peer: the client's symbol.
    case publishFailed = 48

    /// A relay publishes it on another broker. subject: the exchange there; peer: the queue that it comes from; variant:
    /// 1 if that settles the copy (at most once).
    case messageRelayed = 49

    // A copy of a message in a queue or on its way to a subscriber.
    /// A copy came to be. subject: the queue; detail: body bytes; variant: 1 if the queue was full and
    /// refused it at the door, 2 if a log took it, where it stays whoever reads it.
    case messageRouted = 60
    /// A copy was sent to a consumer. subject: the queue; peer: the consumer's node; variant: 1 if
    /// redelivered, plus 2 if settled by sending; detail: nanoseconds since it was ready.
    case deliverySent = 61
    /// A copy was acknowledged. subject: the queue; peer: the consumer's node.
    case deliveryAcked = 62
    /// A copy went back to its queue. subject: the queue; variant: ``ReturnReason``.
    case deliveryRequeued = 63
    /// A copy left for the dead-letter exchange. subject: the queue; variant: ``DropReason``, plus 128
    /// if it left from a consumer's hands, plus 64 if the queue had refused it at the door.
    case messageDeadLettered = 64
    /// A copy is gone. subject: the queue; variant: ``DropReason``; detail: ``CopyPlace``.
    case messageDropped = 65
    /// A consumer refused a copy. subject: the queue; peer: the consumer's node; variant: 1 requeue.
    case deliveryRejected = 66
    /// A copy survived a restart on the disk. subject: the queue; variant: 1 if it had been settled and
    /// the disk did not know yet, so that it comes back to life.
    case messageRecovered = 67
    /// A record of a log was sent to a consumer, and stays. subject: the stream; peer: the consumer's
    /// node; detail: the offset.
    case recordRead = 68
    /// A reader is done with a record of a log, which stays. subject: the stream; peer: the consumer's node;
    /// detail: the offset.
    case recordSettled = 69

    // The work of a client.
    /// Work was finished. subject: the queue; peer: the client's symbol; variant: 1 if that settled
    /// the copy (at most once); detail: nanoseconds of work.
    case messageHandled = 80
    /// Work went wrong. subject: the queue; peer: the client's symbol; variant: ``WorkFailure``.
    case workFailed = 81
    /// An effect outside took place. subject: the effect; peer: the client's symbol.
    case effectApplied = 82
    /// An effect was recognised as already done. subject: the effect; peer: the client's symbol.
    case effectSkipped = 83
    /// A script heard from the broker. subject: what, as JSON; detail: the channel.
    case methodReceived = 88
    /// A step of a script began. subject: its name; detail: its number, from 1; variant: 1 if nothing comes of it,
    /// because its channel or connection is closed.
    case stepBegan = 89
    /// A caller sent a request. peer: the caller's symbol.
    case callStarted = 84
    /// A caller got its answer. peer: the caller's symbol; detail: nanoseconds since the request.
    case callAnswered = 85
    /// A caller gave up. peer: the caller's symbol; variant: 0 timed out, 1 no responders, 2
    /// connection lost.
    case callFailed = 86
    /// An answer came that nobody waits for any more. peer: the caller's symbol.
    case answerDiscarded = 87

    /// Whether it tells of no message, but of nodes, connections, queues, relays, members, errors or faults.
    public var isRare: Bool {
        rawValue < Self.messagePublished.rawValue
            || rawValue >= Self.relayStarted.rawValue && rawValue < Self.messageRouted.rawValue
    }

    /// The name in text and SQL: `noun.verb`.
    public var name: String {
        switch self {
        case .nodeStarted: "node.started"
        case .nodeCrashed: "node.crashed"
        case .nodeStopped: "node.stopped"
        case .connectionOpened: "connection.opened"
        case .connectionClosed: "connection.closed"
        case .linkSlowed: "link.slowed"
        case .workSlowed: "work.slowed"
        case .faultBegan: "fault.began"
        case .faultEnded: "fault.ended"
        case .faultMissed: "fault.missed"
        case .relayWanted: "relay.wanted"
        case .relayStarted: "relay.started"
        case .relayStopped: "relay.stopped"
        case .messageRelayed: "message.relayed"
        case .memberAdded: "member.added"
        case .memberDeleted: "member.deleted"
        case .snapshotInstalled: "snapshot.installed"
        case .bindingCreated: "binding.created"
        case .bindingDeleted: "binding.deleted"
        case .errorRaised: "error.raised"
        case .channelOpened: "channel.opened"
        case .channelClosed: "channel.closed"
        case .queueDeclared: "queue.declared"
        case .queueDeleted: "queue.deleted"
        case .consumerStarted: "consumer.started"
        case .consumerEnded: "consumer.ended"
        case .queuePurged: "queue.purged"
        case .messagePublished: "message.published"
        case .messageConfirmed: "message.confirmed"
        case .messageNacked: "message.nacked"
        case .messageReturned: "message.returned"
        case .messageUnknown: "message.unknown"
        case .messageRetried: "message.retried"
        case .messageUnroutable: "message.unroutable"
        case .messageDerived: "message.derived"
        case .publishFailed: "publish.failed"
        case .messageRouted: "message.routed"
        case .deliverySent: "delivery.sent"
        case .deliveryAcked: "delivery.acked"
        case .deliveryRequeued: "delivery.requeued"
        case .messageDeadLettered: "message.dead-lettered"
        case .messageDropped: "message.dropped"
        case .deliveryRejected: "delivery.rejected"
        case .messageRecovered: "message.recovered"
        case .messageHandled: "message.handled"
        case .workFailed: "work.failed"
        case .effectApplied: "effect.applied"
        case .effectSkipped: "effect.skipped"
        case .methodReceived: "method.received"
        case .stepBegan: "step.began"
        case .callStarted: "call.started"
        case .callAnswered: "call.answered"
        case .callFailed: "call.failed"
        case .answerDiscarded: "answer.discarded"
        case .alarmRaised: "alarm.raised"
        case .alarmCleared: "alarm.cleared"
        case .recordRead: "record.read"
        case .recordSettled: "record.settled"
        case .linkCut: "link.cut"
        case .linkMended: "link.mended"
        case .linkDisturbed: "link.disturbed"
        case .nodeFrozen: "node.frozen"
        case .nodeThawed: "node.thawed"
        case .diskSlowed: "disk.slowed"
        case .diskFilled: "disk.filled"
        case .peerLost: "peer.lost"
        case .peerFound: "peer.found"
        case .leaderElected: "leader.elected"
        case .nodePaused: "node.paused"
        case .nodeYielded: "node.yielded"
        case .mirrorPromoted: "mirror.promoted"
        case .mirrorSynchronised: "mirror.synchronised"
        case .clockJumped: "clock.jumped"
        case .nodeJoined: "node.joined"
        }
    }
}

/// Why a copy is gone or was dead-lettered.
public enum DropReason: UInt8, BitwiseCopyable, Sendable, Hashable, CaseIterable {
    case rejected = 1
    case expired, maxlen, deliveryLimit, purged, queueDeleted, nodeLost, clientLost, connectionLost
    case unroutable, noInterest, slowConsumer, noDeadLetterRoute, deliveryUnwanted
    case rolledBack, queueDown, deadLetterCircle

    /// The reason in words.
    public var words: String {
        switch self {
        case .rejected: "rejected by its consumer"
        case .expired: "its time to live was over"
        case .maxlen: "the queue was full"
        case .deliveryLimit: "its delivery limit was spent"
        case .purged: "the queue was purged"
        case .queueDeleted: "the queue was deleted"
        case .nodeLost: "the node that held it went down and its disk did not have it"
        case .clientLost: "the client that held it died, and it counted as settled when sent"
        case .connectionLost: "it was on the wire when the connection ended"
        case .unroutable: "no binding led to a queue"
        case .noInterest: "nobody was subscribed"
        case .slowConsumer: "the subscriber's buffer was full"
        case .noDeadLetterRoute: "no dead-letter exchange took it"
        case .rolledBack: "its transaction was rolled back"
        case .queueDown: "the queue's node was down"
        case .deadLetterCircle: "it had died in the same queue before: a dead-letter circle"
        case .deliveryUnwanted: "it arrived after its consumer was cancelled"
        }
    }
}

/// Where a copy was when it was lost.
public enum CopyPlace: UInt64, Sendable, Hashable {
    /// Ready in the queue.
    case ready = 0
    /// In a consumer's hands, not yet acknowledged.
    case unacked = 1
    /// Sent and settled by sending, not yet worked on.
    case transit = 2
    /// Refused before it was in the queue.
    case door = 3
}

/// Why a delivery went back to its queue.
public enum ReturnReason: UInt8, BitwiseCopyable, Sendable, Hashable, CaseIterable {
    case nacked = 0
    case channelClosed, connectionClosed, recovered, keptForDeadLetter

    /// The reason in words.
    public var words: String {
        switch self {
        case .nacked: "the consumer asked for it"
        case .channelClosed: "its channel was closed"
        case .connectionClosed: "its connection was lost"
        case .recovered: "the consumer asked to recover"
        case .keptForDeadLetter: "it is dead, and no dead-letter queue takes it yet"
        }
    }
}

/// How a connection ended.
public enum Closure: UInt8, BitwiseCopyable, Sendable, Hashable, CaseIterable {
    /// Closed in good order by the other side.
    case closed = 0
    /// Cut by a reset.
    case reset = 1
    /// Nobody was listening.
    case refused = 2
    /// The process at the other end is dead: what it had sent arrives first.
    case died = 3

    /// The word for it.
    public var words: String {
        switch self {
        case .closed: "closed"
        case .reset: "cut"
        case .died: "ended without a word"
        case .refused: "refused"
        }
    }
}

/// How the work of a client goes wrong.
public enum WorkFailure: UInt8, BitwiseCopyable, Sendable, Hashable, CaseIterable {
    /// The work threw an error.
    case error = 0
    /// The work never ends.
    case hang = 1
    /// The client died after the work and before the acknowledgement.
    case crashAfterWork = 2
    /// The client died in the middle of the work.
    case crashDuringWork = 3
    /// The client died between what it published and the acknowledgement.
    case crashBetween = 4

    /// The failure in words.
    public var words: String {
        switch self {
        case .error: "failed with an error"
        case .hang: "hung"
        case .crashAfterWork: "crashed after the work and before the ack"
        case .crashDuringWork: "crashed in the middle of the work"
        case .crashBetween: "crashed between its publication and its ack"
        }
    }
}
