import Testing
import WarrenKernel
import WarrenTrace

/// A plain parcel that holds another one.
private struct Note: PlainParcel, Equatable {
    var number: UInt64
    var letter: ParcelID

    func parcels(_ holding: inout ParcelMarks) { holding.keep(letter) }
}

/// A plain parcel of another kind, with room between its parts.
private struct Slip: PlainParcel, Equatable {
    var small: UInt8
    var large: UInt64

    func parcels(_ holding: inout ParcelMarks) {}
}

/// Puts what it is asked to, and holds its first parcel.
private struct Keeper: Machine {
    var kept: [ParcelID] = []
    var letter = ParcelID.none
    var found: [Slip?] = []

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            letter = turn.parcels.put("a letter")
            kept.append(turn.parcels.put(plain: Note(number: 7, letter: letter)))
            for number in 1...3 as ClosedRange<UInt8> {
                kept.append(turn.parcels.put(plain: Slip(small: number, large: .max)))
            }
            turn.arm(TimerID(1), after: .seconds(1))
        case .rang:
            found = kept.map { turn.parcels.get(plain: $0) }
            kept.append(turn.parcels.put(plain: Note(number: 8, letter: .none)))
            found.append(turn.parcels.get(plain: kept[1]))
        default: break
        }
    }

    func parcels(_ holding: inout ParcelMarks) { holding.keep(kept[0]) }
}

@Suite("Parcels")
struct ParcelTests {
    private func makeWorld() -> World {
        var world = World(seed: 1)
        world.add("keeper") { _ in Keeper() }
        world.boot()
        world.run(events: 1)
        return world
    }

    private func keeper(_ world: World) throws -> Keeper {
        try #require(world.machine(NodeID(0)) as? Keeper)
    }

    @Test func `that are plain are found as what they are and as nothing else`() throws {
        var world = makeWorld()
        world.run()
        let keeper = try keeper(world)
        #expect(
            keeper.found.prefix(4) == [
                nil, Slip(small: 1, large: .max), Slip(small: 2, large: .max),
                Slip(small: 3, large: .max),
            ]
        )
        #expect(world.parcel(keeper.kept[1], as: String.self) == nil)
    }

    @Test func `that are plain are swept when nobody holds them, with what they hold`() throws {
        var world = makeWorld()
        world.sweepParcels()
        #expect(world.parcel(try keeper(world).letter, as: String.self) == "a letter")
        world.run()
        let keeper = try keeper(world)
        #expect(keeper.found.allSatisfy { $0 == nil }, "\(keeper.found)")
        // The room of the first that went is used again, by another kind.
        #expect(keeper.kept[4] == keeper.kept[1])
    }

    @Test func `that are plain count for the state of a world by what they say`() throws {
        func hash(_ sweep: Bool) -> UInt64 {
            var world = makeWorld()
            if sweep { world.sweepParcels() }
            var hash = StructuralHash()
            world.addState(to: &hash)
            #expect(!hash.isBlind)
            return hash.value
        }
        #expect(hash(false) == hash(false))
        #expect(hash(false) != hash(true))
    }
}
