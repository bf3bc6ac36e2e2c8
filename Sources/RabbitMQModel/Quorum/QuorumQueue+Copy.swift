package import WarrenKernel
package import WarrenTrace

extension QuorumQueue {
    /// What the rules of a queue have to say of each message.
    struct Duties: OptionSet, Sendable {
        let rawValue: UInt8

        /// It may live no longer than the queue says.
        static let expire = Duties(rawValue: 1)
        /// Publishers are stopped when there are too many.
        static let reject = Duties(rawValue: 2)
        /// The oldest goes when there are too many.
        static let dropHead = Duties(rawValue: 4)
    }

    /// A copy of a message.
    package struct Copy: BitwiseCopyable, Sendable {
        package var id: UInt64
        /// The publication.
        package var packet: Packet
        package var readySince: Instant
        /// When it expires, in nanoseconds; all ones for never.
        package var expiry: UInt64
        /// How often it came back.
        package var returns: UInt32 = 0
        package var priority: UInt8
        package var hasPriority: Bool
    }

    /// A dead copy that waits for a target: RMQ-QQ-20.
    package struct Dead: BitwiseCopyable, Sendable {
        package var copy: Copy
        package var reason: DropReason
    }

    /// How full a queue that rejects publications is.
    ///
    /// It takes what comes all the same: publishers are told, and stop.
    ///
    /// - Source: RMQ-QQ-16, -46; `rabbit_fifo:evaluate_limit`.
    package enum Fullness: UInt8, Sendable {
        /// Below four fifths of its limits, or never above them.
        case open
        /// No longer above its limits: new publishers may begin, those that were stopped may not go on.
        case easing
        /// Above its limits.
        case full

        /// Up to where a queue that was above a limit is open again: four fifths of it.
        static func soft(_ limit: UInt64?) -> UInt64 {
            limit.map { $0 / 5 * 4 + $0 % 5 * 4 / 5 } ?? .max
        }
    }

    /// Keeps every parcel of its messages.
    package func parcels(_ holding: inout ParcelMarks) {
        for copy in presentCopies { holding.keep(copy.packet.parcel) }
        for held in heldCopies { holding.keep(held.copy.packet.parcel) }
    }
}

extension QuorumQueue.Duties {
    /// What these rules have to say.
    init(_ rules: QueueRules) {
        self = rules.ttl == nil ? [] : .expire
        guard rules.maxLength != nil || rules.maxBytes != nil else { return }
        if rules.overflow == .rejectPublish { insert(.reject) }
        if rules.overflow == .dropHead { insert(.dropHead) }
    }
}
