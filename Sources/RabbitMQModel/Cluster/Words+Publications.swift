package import WarrenKernel
package import WarrenTrace

extension Words {
    /// A publication on its way to the home of a queue.
    ///
    /// It travels as basic.publish does, so that what is lost with it is told as for any other.
    package struct Publication: Hashable, Sendable {
        package var queue: Symbol
        /// What a client published.
        package var packet: Packet
        /// The confirm that waits for it, or none.
        package var slot: ConfirmSlot
        /// Whether it is sent once more, since its queue moved.
        package var isResent: Bool
        /// The channel that it came on, or none for a dead letter.
        package var channel: ChannelIndex

        /// Marks what is sent once more.
        private static let resent: UInt64 = 1 << 63

        package init(
            queue: Symbol,
            packet: Packet,
            slot: ConfirmSlot,
            isResent: Bool,
            channel: ChannelIndex
        ) {
            self.queue = queue
            self.packet = packet
            self.packet.word = Method.basicPublish.rawValue
            self.packet.custody = 0
            self.packet.d = 0
            self.packet.x = 0
            self.packet.port = 0
            self.slot = slot
            self.isResent = isResent
            self.channel = channel
        }

        /// The publication that a packet from another node carries, or nil if it carries another method.
        package init?(travelling packet: Packet) {
            guard packet.method == .basicPublish else { return nil }
            let number = packet.x & ~Self.resent
            self.init(
                queue: Symbol(packet.d),
                packet: packet,
                slot: number == 0
                    ? .none : ConfirmSlot(wire: UInt32(truncatingIfNeeded: number - 1)),
                isResent: packet.x & Self.resent != 0,
                channel: ChannelIndex(wire: packet.port)
            )
        }

        /// The number of the confirm at the other node, from 1; 0 for none.
        package var number: UInt64 { slot == .none ? 0 : UInt64(slot.wire) + 1 }

        /// As it travels.
        package var travelling: Packet {
            var packet = packet
            packet.d = queue.raw
            packet.x = number | (isResent ? Self.resent : 0)
            packet.custody = Packet.unrouted
            packet.port = channel.wire
            return packet
        }
    }

    /// A command for the leader of a quorum queue; its client is who sends it.
    package struct Command: Word {
        package static let name = PeerWord.command
        package var queue: Symbol
        package var command: QuorumCommand

        private static let enqueues: UInt8 = 128

        /// What is known of a publication's properties is left out: the leader looks at them itself.
        package init(queue: Symbol, command: QuorumCommand) {
            self.queue = queue
            self.command = QuorumCommand(kind: command.kind)
            self.command.sequence = command.sequence
            self.command.consumer = command.consumer
            self.command.packet = command.packet
            self.command.packet.custody = 0
            self.command.number = command.kind == .enqueue ? .max : command.number
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            var kept = packet
            kept.x = 0
            kept.port = 0
            if packet.has(Self.enqueues) {
                kept.word = Method.basicPublish.rawValue
                kept.flags &= ~Self.enqueues
                kept.subject = packet.exchange
                kept.exchange = .none
                command = QuorumCommand(kind: .enqueue)
                command.number = .max
            } else {
                guard let raw = UInt8(exactly: packet.key.raw),
                    let kind = QuorumCommand.Kind(rawValue: raw)
                else { return nil }
                kept.word = 0
                kept.subject = .none
                kept.key = .none
                command = QuorumCommand(kind: kind)
                if kind != .checkout {
                    command.number = packet.y
                    kept.y = 0
                }
            }
            queue = packet.subject
            command.packet = kept
            command.consumer = QuorumConsumerID(wire: packet.port)
            command.sequence = packet.x
        }

        package var packet: Packet {
            var packet = command.packet
            packet.word = Self.name.rawValue
            if command.kind == .enqueue {
                packet.exchange = command.packet.subject
                packet.flags |= Self.enqueues
            } else {
                packet.key = Symbol(UInt32(command.kind.rawValue))
                if command.kind != .checkout { packet.y = command.number }
            }
            packet.subject = queue
            packet.x = command.sequence
            packet.port = command.consumer.wire
            return packet
        }
    }
}

/// The word of a delivery's tag carries its consumer as well: 40 bits for the tag, 24 for the consumer.
extension Packet {
    private static let tagBits: UInt64 = 40
    private static let greatestConsumer: UInt32 = 1 << 24 - 1

    /// deliver, fetched: the tag, and the number of the consumer at the node of its channel.
    @inline(__always)
    mutating func setDelivery(_ tag: UInt64, consumer: UInt32) {
        assert(tag >> Self.tagBits == 0, "a channel has no tags over 2^40")
        assert(consumer <= Self.greatestConsumer, "a node has no consumers over 2^24")
        x = tag | UInt64(consumer) &<< Self.tagBits
    }

    /// get-ok, fetched: the tag, and how many messages are left, up to 2^24 - 1.
    mutating func setDelivery(_ tag: UInt64, left: Int) {
        setDelivery(tag, consumer: UInt32(min(left, Int(Self.greatestConsumer))))
    }

    /// fetched, deliver: the same with the tag of another channel.
    mutating func setTag(_ tag: UInt64, of delivery: Packet) {
        setDelivery(tag, consumer: delivery.consumerNumber)
    }

    /// The number of a consumer that is none: that of direct replies.
    static let noConsumer = greatestConsumer
}
