package import WarrenKernel
package import WarrenTrace

/// A word between nodes, as a value: there and back through a packet.
///
/// What does not fit into its place in the packet is refused with a precondition where it is written, and read as no
/// word at all where it makes no sense.
package protocol Word: Hashable, Sendable {
    /// Which word it is.
    static var name: PeerWord { get }

    /// The word that a packet carries, or nil if it carries another one.
    init?(_ packet: Packet)

    /// As it travels.
    var packet: Packet { get }
}

extension Word {
    /// An empty packet of this word.
    static var blank: Packet { Packet(peerWord: name) }

    /// Whether a packet carries this word.
    static func isIn(_ packet: Packet) -> Bool { packet.word == name.rawValue }
}

/// What nodes of a cluster say to each other.
package enum Words {
    // MARK: Membership

    /// Who speaks, and how it stands.
    package struct Hello: Word {
        package static let name = PeerWord.hello
        package var node: PeerIndex
        /// Since when it runs; another life has another number.
        package var life: UInt64
        package var standing: Peer.Standing
        /// Its own resource alarms.
        package var alarms: UInt8
        /// How many clients are connected to it.
        package var connections: Int

        package init(
            node: PeerIndex,
            life: UInt64,
            standing: Peer.Standing,
            alarms: UInt8,
            connections: Int
        ) {
            self.node = node
            self.life = life
            self.standing = standing
            self.alarms = alarms
            self.connections = connections
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet), let standing = Peer.Standing(rawValue: packet.d) else {
                return nil
            }
            self.init(
                node: PeerIndex(wire: packet.c),
                life: packet.x,
                standing: standing,
                alarms: UInt8(truncatingIfNeeded: packet.y),
                connections: Int(packet.y >> 8)
            )
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.c = node.wire
            packet.d = standing.rawValue
            packet.x = life
            packet.y = UInt64(alarms) | UInt64(connections) << 8
            return packet
        }
    }

    /// Which resource alarms a node has.
    package struct Alarm: Word {
        package static let name = PeerWord.alarm
        package var bits: UInt8

        package init(bits: UInt8) { self.bits = bits }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            bits = UInt8(truncatingIfNeeded: packet.c)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.c = UInt32(bits)
            return packet
        }
    }

    /// A node stops in good order.
    package struct Goodbye: Word {
        package static let name = PeerWord.goodbye
        /// How long that takes.
        package var takes: Interval

        package init(takes: Interval) { self.takes = takes }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(takes: Interval(nanoseconds: packet.x))
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.x = takes.nanoseconds
            return packet
        }
    }

    /// With whom a node was together in a partition, a bit for each, and the connections of its clients.
    package struct Side: Word {
        package static let name = PeerWord.side
        package var nodes: UInt64
        package var connections: UInt64

        package init(nodes: UInt64, connections: UInt64) {
            self.nodes = nodes
            self.connections = connections
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(nodes: packet.x, connections: packet.y)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.x = nodes
            packet.y = connections
            return packet
        }
    }

    /// What nodes say about one that somebody has lost.
    package struct Loss: Word {
        /// How far it is found out whether others have lost it, too.
        package enum Step: UInt32, CaseIterable, Sendable {
            /// Who speaks has lost the peer, and asks.
            case lost
            /// Whether who hears it is there, which the peer wants to know.
            case checked
            /// Who speaks is there, which the peer wanted to know.
            case alive
            /// The peer is not lost.
            case found
        }

        package static let name = PeerWord.loss
        package var step: Step
        package var peer: PeerIndex

        package init(_ step: Step, _ peer: PeerIndex) {
            self.step = step
            self.peer = peer
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet), let step = Step(rawValue: packet.d) else { return nil }
            self.init(step, PeerIndex(wire: packet.c))
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.c = peer.wire
            packet.d = step.rawValue
            return packet
        }
    }

    // MARK: Channels that use queues elsewhere

    /// A channel of a client wants to use queues.
    package struct Open: Word {
        package static let name = PeerWord.open
        package var channel: ChannelIndex
        package var client: NodeID
        /// Its limit for the channel as a whole; 0 for none.
        package var prefetch: UInt32
        /// The scope of its virtual host.
        package var scope: Symbol

        package init(channel: ChannelIndex, client: NodeID, prefetch: UInt32, scope: Symbol) {
            self.channel = channel
            self.client = client
            self.prefetch = prefetch
            self.scope = scope
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(
                channel: ChannelIndex(wire: packet.port),
                client: NodeID(packet.c),
                prefetch: packet.d,
                scope: packet.subject
            )
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.port = channel.wire
            packet.c = client.raw
            packet.d = prefetch
            packet.subject = scope
            return packet
        }
    }

    /// A channel is gone.
    package struct Shut: Word {
        package static let name = PeerWord.shut
        package var channel: ChannelIndex

        package init(channel: ChannelIndex) { self.channel = channel }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            channel = ChannelIndex(wire: packet.port)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.port = channel.wire
            return packet
        }
    }

    /// A method of a channel was refused.
    package struct Refused: Word {
        package static let name = PeerWord.refused
        package var channel: ChannelIndex
        package var code: UInt16
        package var text: Symbol
        /// Whether the connection goes with it.
        package var isHard: Bool

        package init(channel: ChannelIndex, code: UInt16, text: Symbol, isHard: Bool) {
            self.channel = channel
            self.code = code
            self.text = text
            self.isHard = isHard
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet), let code = UInt16(exactly: packet.c) else { return nil }
            self.init(
                channel: ChannelIndex(wire: packet.port),
                code: code,
                text: packet.subject,
                isHard: packet.flags != 0
            )
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.port = channel.wire
            packet.c = UInt32(code)
            packet.subject = text
            packet.flags = isHard ? 1 : 0
            return packet
        }
    }

    /// Asks how many messages and consumers a queue has.
    package struct Count: Word {
        package static let name = PeerWord.count
        package var channel: ChannelIndex
        package var queue: Symbol

        package init(channel: ChannelIndex, queue: Symbol) {
            self.channel = channel
            self.queue = queue
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(channel: ChannelIndex(wire: packet.port), queue: packet.subject)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.port = channel.wire
            packet.subject = queue
            return packet
        }
    }

    /// So many.
    package struct Counted: Word {
        package static let name = PeerWord.counted
        package var channel: ChannelIndex
        package var queue: Symbol
        package var messages: UInt32
        package var consumers: UInt32

        package init(channel: ChannelIndex, queue: Symbol, messages: UInt32, consumers: UInt32) {
            self.channel = channel
            self.queue = queue
            self.messages = messages
            self.consumers = consumers
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(
                channel: ChannelIndex(wire: packet.port),
                queue: packet.subject,
                messages: packet.c,
                consumers: packet.d
            )
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.port = channel.wire
            packet.subject = queue
            packet.c = messages
            packet.d = consumers
            return packet
        }
    }

    // MARK: What all nodes know

    /// A change of metadata is wanted, under the number of the one who wants it.
    package struct Wanted: Word {
        package static let name = PeerWord.wanted
        package var change: ParcelID
        package var number: UInt64

        package init(change: ParcelID, number: UInt64) {
            self.change = change
            self.number = number
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(change: packet.parcel, number: packet.x)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.parcel = change
            packet.x = number
            return packet
        }
    }

    /// Everybody is to make a change, under the number of the one who orders them.
    package struct Change: Word {
        package static let name = PeerWord.change
        package var change: ParcelID
        package var number: UInt64

        package init(change: ParcelID, number: UInt64) {
            self.change = change
            self.number = number
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(change: packet.parcel, number: packet.x)
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.parcel = change
            packet.x = number
            return packet
        }
    }

    /// The change with this number was made here.
    package struct Changed: Word {
        package static let name = PeerWord.changed
        package var number: UInt64

        package init(number: UInt64) { self.number = number }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            number = packet.x
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.x = number
            return packet
        }
    }

    /// All have made the change that you wanted under this number.
    package struct Settled: Word {
        package static let name = PeerWord.settled
        package var number: UInt64

        package init(number: UInt64) { self.number = number }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            number = packet.x
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.x = number
            return packet
        }
    }

    /// What the cluster's metadata are.
    package struct Metadata: Word {
        package static let name = PeerWord.metadata
        package var all: ParcelID

        package init(all: ParcelID) { self.all = all }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            all = packet.parcel
        }

        package var packet: Packet {
            var packet = Self.blank
            packet.parcel = all
            return packet
        }
    }
}
