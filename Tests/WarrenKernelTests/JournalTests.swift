import Testing
import WarrenKernel

/// A journal is held against a dictionary that does the same, slowly.
@Suite("The journal")
struct JournalTests {
    /// What a journal is, without any thought of speed.
    private struct Plain {
        var first: UInt64 = 0
        var end: UInt64 = 0
        var entries: [UInt64: Journal.Entry] = [:]

        mutating func put(_ entry: Journal.Entry, at number: UInt64) {
            if number > first, number <= end {
                truncate(from: number)
            } else {
                entries = [:]
                first = number
            }
            entries[number] = entry
            end = number + 1
        }

        mutating func truncate(from number: UInt64) {
            guard number < end else { return }
            end = max(number, first)
            entries = entries.filter { $0.key < end }
        }

        mutating func trim(before number: UInt64) {
            guard number > first else { return }
            first = min(number, end)
            entries = entries.filter { $0.key >= first }
        }
    }

    @Test(arguments: 1...200 as ClosedRange<UInt64>)
    func `is the same as a plain one, whatever is written, cut off and thrown away`(seed: UInt64) {
        var chance = Chance(seed: seed)
        let stream = chance.stream("journal")
        func below(_ bound: UInt64) -> UInt64 { chance.below(bound, stream) }
        var journal = Journal()
        var plain = Plain()
        var mark: UInt64 = 1
        for step in 0..<400 {
            let dice = below(100)
            switch dice {
            case 0..<80:
                if below(20) == 0 { mark += 1 }
                let entry = Journal.Entry(parcel: ParcelID(UInt32(step + 1)), mark: mark)
                // Now and then in the place of one that is there, or after a gap.
                let back = below(15) == 0 ? below(20) : 0
                let gap: UInt64 = below(60) == 0 ? below(10) : 0
                let number = max(1, plain.end + gap - min(back, plain.end))
                journal.put(entry, at: number)
                plain.put(entry, at: number)
            case 80..<90:
                let number = plain.end - min(plain.end, below(12))
                journal.truncate(from: number)
                plain.truncate(from: number)
            default:
                let number = plain.first + below(40)
                journal.trim(before: number)
                plain.trim(before: number)
            }
            journal.checkInvariants()
            guard same(journal, plain) else {
                Issue.record("seed \(seed), step \(step), dice \(dice)")
                return
            }
        }
    }

    private func same(_ journal: Journal, _ plain: Plain) -> Bool {
        var all: [Journal.Entry] = []
        journal.forEach { all.append($0) }
        guard journal.count == plain.entries.count, journal.isEmpty == plain.entries.isEmpty,
            journal.first == plain.first || journal.isEmpty, all.count == plain.entries.count
        else { return false }
        let around = (plain.first - min(plain.first, 20))...(plain.end + 20)
        return around.allSatisfy { number in
            let (mine, other) = (journal[number], plain.entries[number])
            return mine?.parcel == other?.parcel && mine?.mark == other?.mark
                && journal.mark(of: number) == other?.mark
        } && zip(all, plain.first...).allSatisfy { $0.parcel == plain.entries[$1]?.parcel }
            && journal.lastMark
                == (plain.entries.isEmpty ? nil : plain.entries[plain.end - 1]?.mark)
    }
}
