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
}
