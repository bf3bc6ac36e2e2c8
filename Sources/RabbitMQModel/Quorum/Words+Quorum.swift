package import WarrenKernel
package import WarrenTrace

/// What nodes say about quorum queues, beside the words of Raft and the copies for consumers.
extension Words {
    /// The leader of a queue has done all commands of this node up to a number.
    package struct Done: Word {
        package static let name = PeerWord.done
        package var queue: Symbol
        package var last: UInt64

        package init(queue: Symbol, last: UInt64) {
            self.queue = queue
            self.last = last
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(queue: packet.subject, last: packet.x)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.subject = queue
            packet.x = last
            return packet
        }
    }

    /// How full a queue is that rejects publications.
    package struct Filled: Word {
        package static let name = PeerWord.filled
        package var queue: Symbol
        package var fullness: QuorumQueue.Fullness

        package init(queue: Symbol, fullness: QuorumQueue.Fullness) {
            self.queue = queue
            self.fullness = fullness
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet), let raw = UInt8(exactly: packet.x),
                let fullness = QuorumQueue.Fullness(rawValue: raw)
            else { return nil }
            self.init(queue: packet.subject, fullness: fullness)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.subject = queue
            packet.x = UInt64(fullness.rawValue)
            return packet
        }
    }

    /// The answer to a command, by its number.
    package struct Answer: Word {
        package static let name = PeerWord.answer
        package var queue: Symbol
        package var sequence: UInt64
        package var value: UInt64

        package init(queue: Symbol, sequence: UInt64, value: UInt64) {
            self.queue = queue
            self.sequence = sequence
            self.value = value
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(queue: packet.subject, sequence: packet.x, value: packet.y)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.subject = queue
            packet.x = sequence
            packet.y = value
            return packet
        }
    }

    /// Who speaks leads a queue.
    package struct Leads: Word {
        package static let name = PeerWord.leads
        package var queue: Symbol
        package var term: UInt64

        package init(queue: Symbol, term: UInt64) {
            self.queue = queue
            self.term = term
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(queue: packet.subject, term: packet.x)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.subject = queue
            packet.x = term
            return packet
        }
    }

    /// Who speaks has heard who leads a queue.
    package struct Heard: Word {
        package static let name = PeerWord.heard
        package var queue: Symbol
        package var term: UInt64

        package init(queue: Symbol, term: UInt64) {
            self.queue = queue
            self.term = term
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(queue: packet.subject, term: packet.x)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.subject = queue
            packet.x = term
            return packet
        }
    }

    /// Who speaks leads a queue, and the metadata of all nodes that are up say so.
    package struct Recorded: Word {
        package static let name = PeerWord.recorded
        package var queue: Symbol
        package var term: UInt64
        /// The nodes that have heard it, a bit for each.
        package var nodes: UInt64

        package init(queue: Symbol, term: UInt64, nodes: UInt64) {
            self.queue = queue
            self.term = term
            self.nodes = nodes
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(queue: packet.subject, term: packet.x, nodes: packet.y)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.subject = queue
            packet.x = term
            packet.y = nodes
            return packet
        }
    }

    /// A consumer has every delivery up to a number, and wants those behind it once more.
    package struct Resume: Word {
        package static let name = PeerWord.resume
        package var queue: Symbol
        package var consumer: QuorumConsumerID
        package var last: UInt64

        package init(queue: Symbol, consumer: QuorumConsumerID, last: UInt64) {
            self.queue = queue
            self.consumer = consumer
            self.last = last
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(
                queue: packet.subject,
                consumer: QuorumConsumerID(wire: packet.c),
                last: packet.x
            )
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.subject = queue
            packet.c = consumer.wire
            packet.x = last
            return packet
        }
    }

    /// A consumer has been sent all that it holds up to a delivery.
    package struct Reached: Word {
        package static let name = PeerWord.reached
        package var queue: Symbol
        package var consumer: QuorumConsumerID
        package var last: UInt64

        package init(queue: Symbol, consumer: QuorumConsumerID, last: UInt64) {
            self.queue = queue
            self.consumer = consumer
            self.last = last
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(
                queue: packet.subject,
                consumer: QuorumConsumerID(wire: packet.c),
                last: packet.x
            )
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.subject = queue
            packet.c = consumer.wire
            packet.x = last
            return packet
        }
    }

    /// Something is to be done about the members of a queue; the answer names the number of the question.
    package struct Member: Word {
        /// What is to be done.
        package enum Kind: UInt8, Sendable, CaseIterable {
            /// The node that hears it gets a member that knows nothing, and loses it again.
            case start, stop
            /// The leader adds a member, or takes one out.
            case add, delete
            /// The leader has another one lead.
            case lead
        }

        package static let name = PeerWord.member
        package var queue: Symbol
        package var kind: Kind
        /// Whose member it is about.
        package var node: PeerIndex
        package var number: UInt64

        package init(_ kind: Kind, of queue: Symbol, node: PeerIndex, number: UInt64) {
            (self.kind, self.queue, self.node, self.number) = (kind, queue, node, number)
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet), let kind = Kind(rawValue: packet.flags) else { return nil }
            self.init(
                kind,
                of: packet.subject,
                node: PeerIndex(wire: packet.c),
                number: packet.x
            )
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.subject = queue
            packet.flags = kind.rawValue
            packet.c = node.wire
            packet.x = number
            return packet
        }
    }

    /// What came of it.
    package struct MemberDone: Word {
        /// Done, or why not.
        package enum Outcome: UInt8, Sendable, CaseIterable {
            case done
            /// An earlier change is not committed.
            case notPermitted
            case alreadyMember, notMember
            /// It leads already; it has no such member.
            case alreadyLeader, unknownMember
            /// Whoever was asked does not lead.
            case notLeader
        }

        package static let name = PeerWord.memberDone
        package var number: UInt64
        package var outcome: Outcome

        package init(number: UInt64, _ outcome: Outcome) {
            (self.number, self.outcome) = (number, outcome)
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet), let outcome = Outcome(rawValue: packet.flags) else {
                return nil
            }
            self.init(number: packet.x, outcome)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.flags = outcome.rawValue
            packet.x = number
            return packet
        }
    }

    /// The member of a node is gone for good, though the node is there.
    package struct MemberGone: Word {
        package static let name = PeerWord.memberGone
        package var queue: Symbol

        package init(queue: Symbol) { self.queue = queue }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(queue: packet.subject)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.subject = queue
            return packet
        }
    }
}
