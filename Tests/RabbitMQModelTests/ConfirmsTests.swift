import RabbitMQModel
import Testing
import WarrenKernel
import WarrenTrace

@Suite("The confirms of a node") struct ConfirmsTests {
    private let channel = ChannelIndex(3)

    @Test func `are over when all have answered, and refused when one of them refuses`() {
        var confirms = Confirms()
        let slot = confirms.open(channel, 1, MessageID(7), answers: 2)
        confirms.extend(slot)
        #expect(confirms.settle(slot, refused: false) == nil)
        #expect(confirms.settle(slot, refused: true) == nil)
        let done = confirms.settle(slot, refused: false)
        #expect(done?.message == MessageID(7))
        #expect(done?.sequence == 1)
        #expect(done?.isRefused == true)
        #expect(confirms.count == 0)
        confirms.checkInvariants()
    }

    @Test func `give the place of one that is over to the next, without its refusal`() {
        var confirms = Confirms()
        let first = confirms.open(channel, 1, MessageID(1), answers: 1)
        let second = confirms.open(channel, 2, MessageID(2), answers: 1)
        #expect(first != second)
        #expect(confirms.settle(first, refused: true) != nil)
        let third = confirms.open(channel, 3, MessageID(3), answers: 1)
        #expect(third == first)
        #expect(confirms.settle(third, refused: false)?.isRefused == false)
        #expect(confirms.count == 1)
        confirms.checkInvariants()
    }

    @Test func `follow the disk in the order of its writes`() {
        var confirms = Confirms()
        let slots = (1...3).map {
            confirms.open(channel, UInt64($0), MessageID(UInt32($0)), answers: 1)
        }
        for (index, slot) in slots.enumerated() {
            confirms.await(WriteID(UInt64(index * 10)), slot)
        }
        #expect(confirms.nextStored(upTo: WriteID(10)) == slots[0])
        #expect(confirms.settle(slots[0], refused: false) != nil)
        #expect(confirms.nextStored(upTo: WriteID(10)) == slots[1])
        #expect(confirms.settle(slots[1], refused: false) != nil)
        #expect(confirms.nextStored(upTo: WriteID(10)) == nil)
        confirms.checkInvariants()
    }
}
