import Testing
import WarrenKernel
import WarrenTrace

import RabbitMQModel

/// What nodes say to each other goes through packets without loss.
@Suite("Words between nodes") struct WordsTests {
    /// Values that fill their types, some of them at an edge.
    struct Values {
        var state: UInt64

        init(seed: UInt64) {
            state = seed
        }

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
            return z ^ z >> 31
        }

        /// A number of at most `bits` bits.
        mutating func number(_ bits: UInt64 = 64) -> UInt64 {
            let most = bits == 64 ? UInt64.max : 1 << bits - 1
            switch next() % 4 {
            case 0: return 0
            case 1: return most
            default: return next() & most
            }
        }
        mutating func word() -> UInt32 { UInt32(number(32)) }
        mutating func symbol() -> Symbol { Symbol(word()) }
        mutating func yes() -> Bool { next() & 1 == 0 }
        mutating func channel() -> ChannelIndex { ChannelIndex(wire: word()) }
    }

    private func expectBack<W: Word>(_ word: W, _ seed: UInt64) {
        #expect(W(word.packet) == word, "seed \(seed)")
        #expect(W(Packet(word: word.packet.word &+ 1000)) == nil, "seed \(seed)")
    }

    private static let seeds = Array(UInt64(1)...200)

    @Test func `about membership and channels come back as they were said`() {
        for seed in Self.seeds {
            var v = Values(seed: seed)
            expectBack(
                Words.Hello(
                    node: PeerIndex(wire: v.word()),
                    life: v.number(),
                    standing: [.down, .waiting, .running][Int(v.next() % 3)],
                    alarms: UInt8(v.number(8)),
                    connections: Int(v.number(32))
                ),
                seed
            )
            for step in Words.Loss.Step.allCases {
                expectBack(Words.Loss(step, PeerIndex(wire: v.word())), seed)
            }
            expectBack(Words.Alarm(bits: UInt8(v.number(8))), seed)
            expectBack(Words.Side(nodes: v.number(), connections: v.number()), seed)
            expectBack(
                Words.Open(
                    channel: v.channel(),
                    client: NodeID(v.word()),
                    prefetch: v.word(),
                    scope: v.symbol()
                ),
                seed
            )
            expectBack(Words.Shut(channel: v.channel()), seed)
            expectBack(
                Words.Refused(
                    channel: v.channel(),
                    code: UInt16(v.number(16)),
                    text: v.symbol(),
                    isHard: v.yes()
                ),
                seed
            )
            expectBack(Words.Count(channel: v.channel(), queue: v.symbol()), seed)
            expectBack(
                Words.Counted(
                    channel: v.channel(),
                    queue: v.symbol(),
                    messages: v.word(),
                    consumers: v.word()
                ),
                seed
            )
            expectBack(Words.Wanted(change: ParcelID(v.word()), number: v.number()), seed)
            expectBack(Words.Change(change: ParcelID(v.word()), number: v.number()), seed)
            expectBack(Words.Changed(number: v.number()), seed)
            expectBack(Words.Settled(number: v.number()), seed)
            expectBack(Words.Metadata(all: ParcelID(v.word())), seed)
        }
    }

    @Test func `about copies of queues come back as they were said`() {
        for seed in Self.seeds {
            var v = Values(seed: seed)
            let position = v.number(32)
            expectBack(
                Words.CopyBegin(queue: v.symbol(), position: position, epoch: v.word()),
                seed
            )
            expectBack(
                Words.CopyPut(
                    queue: v.symbol(),
                    position: position,
                    publication: Packet(
                        flags: UInt8(v.number(8)),
                        message: MessageID(v.word()),
                        parcel: ParcelID(v.word()),
                        subject: v.symbol(),
                        key: v.symbol(),
                        c: v.word(),
                        y: v.number()
                    ),
                    moment: v.number()
                ),
                seed
            )
            expectBack(Words.CopyDrop(queue: v.symbol(), position: position), seed)
            expectBack(Words.CopyWhole(queue: v.symbol()), seed)
            expectBack(
                Words.CopyStored(queue: v.symbol(), position: position, epoch: v.word()),
                seed
            )
            expectBack(Words.CopyEpoch(queue: v.symbol(), epoch: v.word()), seed)
            let purposes: [Words.Replica.Purpose] = [
                .end(wantsAnswer: true), .end(wantsAnswer: false), .ask, .promise,
            ]
            for purpose in purposes {
                expectBack(
                    Words.Replica(
                        queue: v.symbol(),
                        purpose: purpose,
                        reach: Reach(epoch: v.word(), end: v.number()),
                        epoch: v.word()
                    ),
                    seed
                )
            }
            for settlement in [Words.SettleStale.Settlement.ack, .requeue, .reject] {
                expectBack(
                    Words.SettleStale(
                        queue: v.symbol(),
                        message: MessageID(v.word()),
                        settlement: settlement
                    ),
                    seed
                )
            }
        }
    }

    @Test func `about quorum queues come back as they were said`() {
        for seed in Self.seeds {
            var v = Values(seed: seed)
            expectBack(Words.Done(queue: v.symbol(), last: v.number()), seed)
            for fullness in [QuorumQueue.Fullness.open, .easing, .full] {
                expectBack(Words.Filled(queue: v.symbol(), fullness: fullness), seed)
            }
            expectBack(
                Words.Answer(queue: v.symbol(), sequence: v.number(), value: v.number()),
                seed
            )
            expectBack(Words.Leads(queue: v.symbol(), term: v.number()), seed)
            expectBack(Words.Heard(queue: v.symbol(), term: v.number()), seed)
            expectBack(
                Words.Recorded(queue: v.symbol(), term: v.number(), nodes: v.number()),
                seed
            )
            expectBack(
                Words.Resume(
                    queue: v.symbol(),
                    consumer: QuorumConsumerID(wire: v.word()),
                    last: v.number()
                ),
                seed
            )
            expectBack(
                Words.Reached(
                    queue: v.symbol(),
                    consumer: QuorumConsumerID(wire: v.word()),
                    last: v.number()
                ),
                seed
            )
            for kind in QuorumCommand.Kind.allCases {
                expectBack(Words.Command(queue: v.symbol(), command: command(kind, &v)), seed)
            }
        }
    }

    private func command(_ kind: QuorumCommand.Kind, _ v: inout Values) -> QuorumCommand {
        var command = QuorumCommand(kind: kind)
        command.sequence = v.number()
        command.consumer = QuorumConsumerID(wire: v.word())
        command.number = kind == .checkout ? 0 : v.number()
        if kind == .enqueue {
            command.packet = Packet(
                word: Packet(Method.basicPublish, channel: 0).word,
                flags: UInt8(v.number(7)),
                message: MessageID(v.word()),
                parcel: ParcelID(v.word()),
                subject: v.symbol(),
                key: v.symbol(),
                c: v.word(),
                y: v.number()
            )
        } else {
            command.packet = Packet(
                flags: UInt8(v.number(7)),
                c: v.word(),
                d: v.word(),
                y: kind == .checkout ? v.number() : 0
            )
        }
        return command
    }

    @Test func `about members come back as they were said`() {
        for seed in Self.seeds {
            var v = Values(seed: seed)
            for kind in Words.Member.Kind.allCases {
                expectBack(
                    Words.Member(
                        kind,
                        of: v.symbol(),
                        node: PeerIndex(wire: v.word()),
                        number: v.number()
                    ),
                    seed
                )
            }
            for outcome in Words.MemberDone.Outcome.allCases {
                expectBack(Words.MemberDone(number: v.number(), outcome), seed)
            }
            expectBack(Words.MemberGone(queue: v.symbol()), seed)
        }
    }

    @Test func `of Raft come back as they were said`() {
        for seed in Self.seeds {
            var v = Values(seed: seed)
            for kind in Raft.Message.Kind.allCases {
                var message = Raft.Message(kind: kind, term: v.number(24))
                message.index = v.number()
                message.logTerm = v.number(32)
                message.entryTerm = v.number(32)
                message.commit = v.number(40)
                message.parcel = ParcelID(v.word())
                message.granted = v.yes()
                message.members = PeerSet(bits: v.number())
                let queue = v.symbol()
                let packet = Packet(message, queue)
                #expect(packet.subject == queue, "seed \(seed)")
                #expect(Raft.Message(packet) == message, "seed \(seed)")
            }
        }
    }

    @Test func `a publication for another node's queue comes back as it was sent`() {
        for seed in Self.seeds {
            var v = Values(seed: seed)
            let word = Words.Publication(
                queue: v.symbol(),
                packet: Packet(
                    flags: UInt8(v.number(8)),
                    message: MessageID(v.word()),
                    parcel: ParcelID(v.word()),
                    subject: v.symbol(),
                    key: v.symbol(),
                    c: v.word(),
                    y: v.number()
                ),
                slot: v.yes() ? .none : ConfirmSlot(wire: UInt32(v.number(31))),
                isResent: v.yes(),
                channel: v.channel()
            )
            #expect(Words.Publication(travelling: word.travelling) == word, "seed \(seed)")
            #expect(word.travelling.custody == 2, "what is lost with it is told")
        }
    }
}
