import RabbitMQModel
import Testing
import WarrenKernel
import WarrenTrace

@Suite("The confirms of a node") struct ConfirmsTests {
    private let channel = ChannelIndex(3)

    /// A confirm whose messages have all been handed on.
    private func open(_ confirms: inout Confirms, _ number: Int, answers: Int) -> ConfirmSlot {
        let slot = confirms.open(
            channel,
            UInt64(number),
            MessageID(UInt32(number)),
            answers: answers
        )
        confirms.close(slot)
        #expect(confirms.settle(slot, refused: false) == nil)
        return slot
    }

    @Test func `are over when all have answered`() {
        var confirms = Confirms()
        let slot = open(&confirms, 7, answers: 2)
        confirms.extend(slot)
        #expect(confirms.settle(slot, refused: false) == nil)
        #expect(confirms.settle(slot, refused: false) == nil)
        let done = confirms.settle(slot, refused: false)
        #expect(done?.message == MessageID(7))
        #expect(done?.sequence == 7)
        #expect(done?.isRefused == false)
        #expect(confirms.count == 0)
        confirms.checkInvariants()
    }

    @Test func `are refused as soon as one refuses, and are over when the others have answered`() {
        var confirms = Confirms()
        let slot = open(&confirms, 7, answers: 3)
        #expect(confirms.settle(slot, refused: false) == nil)
        #expect(confirms.settle(slot, refused: true)?.isRefused == true)
        #expect(confirms.count == 1)
        #expect(confirms.settle(slot, refused: false) == nil)
        #expect(confirms.count == 0)
        confirms.checkInvariants()
    }

    @Test func `are not answered before all were told, whatever some have said`() {
        var confirms = Confirms()
        let slot = confirms.open(channel, 1, MessageID(7), answers: 2)
        #expect(confirms.settle(slot, refused: true) == nil)
        #expect(confirms.settle(slot, refused: false) == nil)
        confirms.close(slot)
        #expect(confirms.settle(slot, refused: false)?.isRefused == true)
        #expect(confirms.count == 0)
        confirms.checkInvariants()
    }

    @Test func `give the place of one that is over to the next, without its refusal`() {
        var confirms = Confirms()
        let first = open(&confirms, 1, answers: 1)
        let second = open(&confirms, 2, answers: 1)
        #expect(first != second)
        #expect(confirms.settle(first, refused: true) != nil)
        let third = open(&confirms, 3, answers: 1)
        #expect(third == first)
        #expect(confirms.settle(third, refused: false)?.isRefused == false)
        #expect(confirms.count == 1)
        confirms.checkInvariants()
    }

    @Test func `follow the disk in the order of its writes`() {
        var confirms = Confirms()
        let slots = (1...3).map { open(&confirms, $0, answers: 1) }
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
