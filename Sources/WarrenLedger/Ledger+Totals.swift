extension Ledger {
    /// The counters of all messages together.
    public struct Totals: Sendable, Hashable {
        public var published: UInt64 = 0
        /// Publications that asked for a confirm.
        public var askedConfirm: UInt64 = 0
        public var confirmed: UInt64 = 0
        public var nacked: UInt64 = 0
        public var returned: UInt64 = 0
        /// Publications that asked for a confirm and stopped waiting.
        public var gaveUp: UInt64 = 0
        public var retried: UInt64 = 0
        public var unroutable: UInt64 = 0
        public var routedCopies: UInt64 = 0
        public var delivered: UInt64 = 0
        public var redelivered: UInt64 = 0
        /// Records of logs that were sent to readers.
        public var recordsRead: UInt64 = 0
        public var acked: UInt64 = 0
        /// Pieces of work that were finished.
        public var handled: UInt64 = 0
        /// Of these, the ones that ended a copy that counted as settled when sent.
        public var handledSettled: UInt64 = 0
        public var deadLettered: UInt64 = 0
        public var dropped: UInt64 = 0
        public var expired: UInt64 = 0
        public var requeued: UInt64 = 0
        public var rejected: UInt64 = 0
        public var effects: UInt64 = 0
        public var calls: UInt64 = 0
        public var answered: UInt64 = 0
        public var callsFailed: UInt64 = 0
        public var errors: UInt64 = 0
        /// Faults that found nothing to hit.
        public var missedFaults: UInt64 = 0
        /// Copies that were settled and came back because a disk did not know yet.
        public var resurrected: UInt64 = 0
        /// Messages that a relay published on another broker.
        public var relayed: UInt64 = 0
        /// Of these, the ones that ended a copy that counted as settled when sent.
        public var relayedSettled: UInt64 = 0
        /// Publications of a consumer because of a message that it had.
        public var derived: UInt64 = 0
    }
}
