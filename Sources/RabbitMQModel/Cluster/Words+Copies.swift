package import WarrenKernel
package import WarrenTrace

/// What nodes say about copies of queues: mirrors of classic ones, replicas of streams.
extension Words {
    /// A node begins to keep copies of a queue, and has none behind a position.
    package struct CopyBegin: Word {
        package static let name = PeerWord.copyBegin
        package var queue: Symbol
        package var position: UInt64
        package var epoch: UInt32

        package init(queue: Symbol, position: UInt64, epoch: UInt32) {
            self.queue = queue
            self.position = position
            self.epoch = epoch
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet), let epoch = UInt32(exactly: packet.y) else {
                return nil
            }
            self.init(queue: Symbol(packet.d), position: UInt64(packet.port), epoch: epoch)
        }

        package var packet: Packet {
            var packet = Packet(about: queue, Self.name, position: position)
            packet.y = UInt64(epoch)
            return packet
        }
    }

    /// A copy, as the disk keeps it: when it expires or was written in `moment`, in nanoseconds.
    package struct CopyPut: Word {
        package static let name = PeerWord.copyPut
        package var queue: Symbol
        package var position: UInt64
        /// The publication, without a moment.
        package var publication: Packet
        package var moment: UInt64

        package init(queue: Symbol, position: UInt64, publication: Packet, moment: UInt64) {
            self.queue = queue
            self.position = position
            self.publication = publication
            self.publication.word = Method.basicPublish.rawValue
            self.publication.d = 0
            self.publication.port = 0
            self.publication.x = 0
            self.moment = moment
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(
                queue: Symbol(packet.d),
                position: UInt64(packet.port),
                publication: packet,
                moment: packet.x
            )
        }

        package var packet: Packet {
            var packet = publication
            packet.word = Self.name.rawValue
            packet.d = queue.raw
            packet.port = Packet.narrow(position)
            packet.x = moment
            return packet
        }
    }

    /// A copy is done with.
    package struct CopyDrop: Word {
        package static let name = PeerWord.copyDrop
        package var queue: Symbol
        package var position: UInt64

        package init(queue: Symbol, position: UInt64) {
            self.queue = queue
            self.position = position
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            self.init(queue: Symbol(packet.d), position: UInt64(packet.port))
        }

        package var packet: Packet { Packet(about: queue, Self.name, position: position) }
    }

    /// Everything that the queue holds has been sent.
    package struct CopyWhole: Word {
        package static let name = PeerWord.copyWhole
        package var queue: Symbol

        package init(queue: Symbol) { self.queue = queue }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet) else { return nil }
            queue = Symbol(packet.d)
        }

        package var packet: Packet { Packet(about: queue, Self.name) }
    }

    /// All copies up to a position are safe, in the epoch in which the node takes them.
    package struct CopyStored: Word {
        package static let name = PeerWord.copyStored
        package var queue: Symbol
        package var position: UInt64
        package var epoch: UInt32

        package init(queue: Symbol, position: UInt64, epoch: UInt32) {
            self.queue = queue
            self.position = position
            self.epoch = epoch
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet), let epoch = UInt32(exactly: packet.y) else {
                return nil
            }
            self.init(queue: Symbol(packet.d), position: UInt64(packet.port), epoch: epoch)
        }

        package var packet: Packet {
            var packet = Packet(about: queue, Self.name, position: position)
            packet.y = UInt64(epoch)
            return packet
        }
    }

    /// The copies that follow are records of an epoch.
    package struct CopyEpoch: Word {
        package static let name = PeerWord.copyEpoch
        package var queue: Symbol
        package var epoch: UInt32

        package init(queue: Symbol, epoch: UInt32) {
            self.queue = queue
            self.epoch = epoch
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet), let epoch = UInt32(exactly: packet.y) else {
                return nil
            }
            self.init(queue: Symbol(packet.d), epoch: epoch)
        }

        package var packet: Packet {
            var packet = Packet(about: queue, Self.name)
            packet.y = UInt64(epoch)
            return packet
        }
    }

    /// What replicas of a stream without a writer say to each other: how far one reaches, and in which epoch it is.
    package struct Replica: Word {
        /// What it says it for.
        package enum Purpose: Hashable, Sendable {
            /// To tell; the other may have to tell the same.
            case end(wantsAnswer: Bool)
            /// It wants to write from this epoch on.
            case ask
            /// It takes nothing from writers before this epoch.
            case promise
        }

        package static let name = PeerWord.copyEnd
        package var queue: Symbol
        package var purpose: Purpose
        package var reach: Reach
        package var epoch: UInt32

        package init(queue: Symbol, purpose: Purpose, reach: Reach, epoch: UInt32) {
            self.queue = queue
            self.purpose = purpose
            self.reach = reach
            self.epoch = epoch
        }

        package init?(_ packet: Packet) {
            guard let last = UInt32(exactly: packet.y) else { return nil }
            switch PeerWord(rawValue: packet.word) {
            case .copyEnd: purpose = .end(wantsAnswer: packet.flags != 0)
            case .copyAsk: purpose = .ask
            case .copyPromise: purpose = .promise
            default: return nil
            }
            queue = Symbol(packet.d)
            reach = Reach(epoch: last, end: packet.x)
            epoch = packet.port
        }

        package var packet: Packet {
            var packet: Packet
            switch purpose {
            case .end(let wantsAnswer):
                packet = Packet(about: queue, .copyEnd)
                packet.flags = wantsAnswer ? 1 : 0
            case .ask: packet = Packet(about: queue, .copyAsk)
            case .promise: packet = Packet(about: queue, .copyPromise)
            }
            packet.x = reach.end
            packet.y = UInt64(reach.epoch)
            packet.port = epoch
            return packet
        }
    }

    /// A delivery that was made before the queue moved is settled.
    package struct SettleStale: Word {
        /// How.
        package enum Settlement: UInt32, Sendable { case ack, requeue, reject }

        package static let name = PeerWord.settleStale
        package var queue: Symbol
        package var message: MessageID
        package var settlement: Settlement

        package init(queue: Symbol, message: MessageID, settlement: Settlement) {
            self.queue = queue
            self.message = message
            self.settlement = settlement
        }

        package init?(_ packet: Packet) {
            guard Self.isIn(packet),
                let settlement = Settlement(rawValue: packet.c)
            else { return nil }
            self.init(
                queue: Symbol(packet.d),
                message: packet.message,
                settlement: settlement
            )
        }

        package var packet: Packet {
            var packet = Packet(about: queue, Self.name)
            packet.message = message
            packet.c = settlement.rawValue
            return packet
        }
    }
}

extension Packet {
    /// A word about the copies of a queue.
    fileprivate init(about queue: Symbol, _ word: PeerWord, position: UInt64 = 0) {
        self.init(peerWord: word)
        d = queue.raw
        port = Self.narrow(position)
    }

    /// A number that must fit into 32 bits of a packet, such as a position in a queue.
    static func narrow(_ number: UInt64) -> UInt32 {
        precondition(number <= UInt32.max, "a word between nodes has room for 32 bits")
        return UInt32(number)
    }
}
