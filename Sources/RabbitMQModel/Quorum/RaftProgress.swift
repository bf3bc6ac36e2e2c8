import WarrenKernel

extension Raft {
    /// How far the log of a member has come, as its leader knows.
    struct Progress: BitwiseCopyable, Sendable {
        /// The next entry that it is sent.
        var next: UInt64
        /// The last entry that it has on its disk.
        var match: UInt64
        /// From where on entries are under way: what it is taken to have.
        var base: UInt64
        /// Whether it is asked where it stands: nothing else goes to it before it answers.
        var isProbing = false
        /// Whether it has been added, and has yet to say that it is empty.
        ///
        /// What came of an earlier member on the same node says nothing of this one.
        var isNew = false

        /// How many entries go out before it answers.
        private static let window: UInt64 = 16

        /// Whether it may be sent its next entry, if there is one up to `last`.
        @inline(__always)
        func mayBeSent(upTo last: UInt64) -> Bool {
            !isProbing && next <= last && next <= base + Self.window
        }

        /// Whether it was sent all up to `last`, and nobody waits for a word of it.
        func hasAll(upTo last: UInt64) -> Bool { !isProbing && next > last }

        /// It is asked where it stands, with an empty word behind `last`.
        mutating func probe(behind last: UInt64) {
            next = last + 1
            base = last
            isProbing = true
        }

        /// Takes an answer, unless it is of no use.
        mutating func takes(_ answer: Message) -> Bool {
            if isNew { isNew = answer.granted || answer.index > 0 }
            return !isNew
        }

        /// It has all up to `index`.
        mutating func grant(_ index: UInt64) {
            guard !isProbing || index + 1 >= next else { return }
            isProbing = false
            next = max(next, index + 1)
            base = max(base, index)
        }

        /// It has no more than up to `index`, and is asked about the next one.
        ///
        /// - Returns: whether it had more before.
        mutating func refuse(_ index: UInt64) -> Bool {
            let forgot = index < match
            if forgot { match = index }
            next = index + 1
            base = index
            isProbing = true
            return forgot
        }
    }
}

extension ContiguousArray<Raft.Progress> {
    /// The last entry that a majority has.
    @inline(__always)
    var agreed: UInt64 {
        switch count {
        case 1: self[0].match
        case 2: Swift.min(self[0].match, self[1].match)
        case 3:
            Swift.max(
                Swift.min(self[0].match, self[1].match),
                Swift.min(Swift.max(self[0].match, self[1].match), self[2].match)
            )
        default: map(\.match).sorted(by: >)[count / 2]
        }
    }
}
