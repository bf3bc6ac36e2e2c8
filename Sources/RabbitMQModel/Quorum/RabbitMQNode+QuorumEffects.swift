import DequeModule
import WarrenKernel
import WarrenTrace

/// What follows from the commands of a quorum queue: facts, deliveries, answers, dead letters.
extension RabbitMQNode {
    /// Records what follows from a command, the first time that it takes effect anywhere.
    ///
    /// What a dead copy becomes in other queues is the leader's to do, and follows the fact at once.
    mutating func tell(
        _ effect: QuorumEffect,
        _ quorum: QuorumIndex,
        leads: Bool,
        _ turn: inout Turn
    ) {
        let symbol = symbol(quorum)
        switch effect {
        case .routed(let message, let bytes):
            turn.record(
                .messageRouted,
                message: message,
                subject: symbol,
                detail: UInt64(bytes)
            )
        case .sent(let copy, let party, _, let settled),
            .fetched(let copy, let party, _, let settled, _, _):
            recordSent(copy, party, settled, symbol, &turn)
        case .acked(let message, let peer):
            turn.record(.deliveryAcked, message: message, subject: symbol, peer: peer)
        case .rejected(let message, let peer, let requeue):
            turn.record(
                .deliveryRejected,
                message: message,
                subject: symbol,
                peer: peer,
                variant: requeue ? 1 : 0
            )
        case .requeued(let message, let reason):
            turn.record(
                .deliveryRequeued,
                message: message,
                subject: symbol,
                variant: reason.rawValue
            )
        case .died(let copy, let reason, let place):
            let queue = quorums[quorum].queue
            let message = MessageRow(copy)
            bury(message, queue, reason, from: place, isNews: true, passesOn: leads, &turn)
        case .discardTaken(let message, let reason):
            turn.record(
                .messageDeadLettered,
                message: message,
                subject: symbol,
                variant: reason.rawValue
            )
        case .dropped(let message, let reason, let place):
            recordGone(message, quorums[quorum].queue, reason, place, &turn)
        case .missed(let packet):
            recordUnrouted(packet, .queueDeleted, &turn)
        case .began(let party):
            turn.record(.consumerStarted, subject: symbol, peer: party.peer)
        case .ended(let party):
            turn.record(.consumerEnded, subject: symbol, peer: party.peer)
        case .fetchedAgain, .answered, .filled: break
        }
    }

    /// Sends what follows from a command, as the leader.
    ///
    /// So it does with what it inherited, and the one before it may have sent already; `isNews` only says whether a
    /// settled copy on its way is one that was told of.
    ///
    /// - Source: RMQ-QQ-51.
    mutating func bringAbout(
        _ effect: QuorumEffect,
        _ isNews: Bool,
        _ quorum: QuorumIndex,
        _ deletions: inout [Deletion],
        _ turn: inout Turn
    ) {
        assert(quorums.leads(quorum), "effects are the leader's")
        let symbol = symbol(quorum)
        switch effect {
        case .sent(let copy, let party, let delivery, let settled):
            hand(copy, party, delivery, settled, isNews: isNews, quorum, &turn)
        case .fetched(let copy, let party, let delivery, let settled, let left, let answer):
            handFetched(copy, party, delivery, settled, isNews: isNews, left, answer, quorum, &turn)
        case .fetchedAgain(let copy, let party, let delivery, let left, let answer):
            handFetched(copy, party, delivery, false, isNews: isNews, left, answer, quorum, &turn)
        case .answered(let client, let sequence, let value):
            if client == clientKey {
                if let deletion = answer(quorum, sequence, value, &turn) {
                    deletions.append(deletion)
                }
            } else if let peer = reachable(client) {
                let word = Words.Answer(queue: symbol, sequence: sequence, value: value)
                send(word, toPeer: peer, &turn)
            }
        case .filled(let fullness): announce(fullness, quorum, &turn)
        case .died(let copy, let reason, let place):
            // What is news was passed on when it was told.
            guard !isNews else { return }
            let queue = quorums[quorum].queue
            let message = MessageRow(copy)
            bury(message, queue, reason, from: place, isNews: false, passesOn: true, &turn)
        case .routed, .acked, .rejected, .requeued, .discardTaken, .dropped, .missed, .began,
            .ended:
            break
        }
    }

    func recordSent(
        _ copy: QuorumQueue.Copy,
        _ party: QuorumEffect.Party,
        _ settled: Bool,
        _ symbol: Symbol,
        _ turn: inout Turn
    ) {
        turn.record(
            .deliverySent,
            message: copy.packet.message,
            subject: symbol,
            peer: party.peer,
            variant: (copy.returns > 0 ? 1 : 0) | (settled ? 2 : 0),
            detail: turn.now.nanoseconds > copy.readySince.nanoseconds
                ? (turn.now - copy.readySince).nanoseconds : 0
        )
    }

    /// A copy as it travels to the node of its consumer.
    func deliveryWord(
        _ word: PeerWord,
        _ copy: QuorumQueue.Copy,
        _ party: QuorumEffect.Party,
        _ delivery: UInt64,
        _ settled: Bool,
        isNews: Bool,
        _ quorum: QuorumIndex,
        countAlways: Bool,
        _ turn: inout Turn
    ) -> Packet {
        var packet = copy.packet
        packet.word = word.rawValue
        packet.exchange = copy.packet.subject
        packet.subject = symbol(quorum)
        packet.flags =
            copy.packet.flags & Flag.persistent | (copy.returns > 0 ? Flag.redelivered : 0)
        if settled { packet.flags |= Flag.settled }
        packet.custody = settled && isNews ? 1 : 0
        packet.port = party.number.wire
        packet.setDelivery(delivery, consumer: 0)
        if countAlways || copy.returns > 0 {
            // RMQ-QQ-05, -26.
            var properties: Properties = turn.parcels.get(packet.parcel) ?? Properties()
            properties.setHeader("x-delivery-count", .integer(Int64(copy.returns), .long))
            packet.parcel = turn.parcels.put(properties)
        }
        return packet
    }

    mutating func hand(
        _ copy: QuorumQueue.Copy,
        _ party: QuorumEffect.Party,
        _ delivery: UInt64,
        _ settled: Bool,
        isNews: Bool = true,
        again: Bool = false,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        var packet = deliveryWord(
            .delivery,
            copy,
            party,
            delivery,
            settled,
            isNews: isNews,
            quorum,
            countAlways: false,
            &turn
        )
        if again { packet.flags |= Flag.again }
        pass(packet, to: party.client, quorum, &turn)
    }

    mutating func handFetched(
        _ copy: QuorumQueue.Copy,
        _ party: QuorumEffect.Party,
        _ delivery: UInt64,
        _ settled: Bool,
        isNews: Bool,
        _ left: Int,
        _ answer: UInt64,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        var packet = deliveryWord(
            .fetched,
            copy,
            party,
            delivery,
            settled,
            isNews: isNews,
            quorum,
            countAlways: true,
            &turn
        )
        packet.setDelivery(delivery, left: left)
        pass(packet, to: party.client, quorum, &turn)
    }

    mutating func pass(
        _ packet: Packet,
        to client: UInt64,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        if client == clientKey {
            if packet.word == PeerWord.fetched.rawValue {
                takeFetched(packet, quorum, &turn)
            } else {
                takeDelivery(packet, quorum, &turn)
            }
        } else if let peer = reachable(client) {
            send(packet, toPeer: peer, &turn)
        } else if packet.custody != 0 {
            recordGone(packet.message, packet.subject, &turn)
        }
    }

    /// What a consumer holds and may not have got is sent once more, and then how far that reaches: what it
    /// was sent besides is settled, or has gone back.
    mutating func deliverAgain(
        _ quorum: QuorumIndex,
        _ client: UInt64,
        _ consumer: QuorumConsumerID,
        after latest: UInt64 = 0,
        _ turn: inout Turn
    ) {
        guard let member = quorums.member(of: quorum), member.isLeader,
            let last = member.machine.lastDelivery(to: client, consumer)
        else { return }
        let party = QuorumEffect.Party(client: client, number: consumer, peer: 0)
        for held in member.machine.held(by: client, consumer)
        where held.delivery > latest {
            hand(held.copy, party, held.delivery, false, again: true, quorum, &turn)
        }
        if client == clientKey {
            takeReach(last, of: consumer, quorum)
        } else if let peer = reachable(client) {
            let word = Words.Reached(queue: symbol(quorum), consumer: consumer, last: last)
            send(word, toPeer: peer, &turn)
        }
    }

    // MARK: Disks that lie

    /// Tells what a queue no longer holds, and what it holds again: entries that had taken effect are gone,
    /// because a majority of disks has lost what it said was safe.
    func tellLoss(_ quorum: QuorumIndex, _ turn: inout Turn) {
        guard let queue = quorums.member(of: quorum)?.queue(turn.parcels) else { return }
        let history = quorums[quorum].history
        let symbol = symbol(quorum)
        var held: [MessageID: Told] = [:]
        for copy in queue.presentCopies {
            held[copy.packet.message, default: Told()].ready += 1
        }
        for (copy, _) in queue.heldCopies {
            held[copy.packet.message, default: Told()].unacked += 1
        }
        let mark = turn.factCount
        for (message, told) in turn.outside.told(of: history) {
            tellChange(of: message, from: told, to: held[message] ?? Told(), symbol, &turn)
            held[message] = nil
        }
        for (message, found) in held.sorted(by: { $0.key.raw < $1.key.raw }) {
            tellChange(of: message, from: Told(), to: found, symbol, &turn)
        }
        turn.count(history, of: symbol, from: mark)
    }

    private func tellChange(
        of message: MessageID,
        from told: Told,
        to held: Told,
        _ symbol: Symbol,
        _ turn: inout Turn
    ) {
        var told = told
        while told.unacked > held.unacked, told.ready < held.ready {
            turn.record(
                .deliveryRequeued,
                message: message,
                subject: symbol,
                variant: ReturnReason.connectionClosed.rawValue
            )
            told.unacked -= 1
            told.ready += 1
        }
        func drop(_ count: Int32, _ place: CopyPlace) {
            for _ in 0..<max(count, 0) {
                turn.record(
                    .messageDropped,
                    message: message,
                    subject: symbol,
                    variant: DropReason.nodeLost.rawValue,
                    detail: place.rawValue
                )
            }
        }
        drop(told.unacked - held.unacked, .unacked)
        let missing = held.ready + held.unacked - told.ready - min(told.unacked, held.unacked)
        drop(-missing, .ready)
        for _ in 0..<max(missing, 0) {
            turn.record(.messageRecovered, message: message, subject: symbol, variant: 1)
        }
        // What was told to be back is out still.
        for _ in 0..<max(held.unacked - told.unacked, 0) {
            turn.record(.deliverySent, message: message, subject: symbol, variant: 1)
        }
    }
}
