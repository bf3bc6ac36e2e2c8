/// Who takes from a quorum queue, as its own node names it: a consumer, or a channel that fetches.
///
/// - Source: rabbit_fifo's `consumer_id`, which is a tag and a process.
package struct QuorumConsumerID: BitwiseCopyable, Hashable, Comparable, Sendable {
    /// As commands and deliveries carry it.
    package let wire: UInt32

    /// Marks a channel; the rest is its place.
    private static let fetching: UInt32 = 1 << 31

    /// As a command or a delivery carried it.
    @inline(__always)
    package init(wire: UInt32) { self.wire = wire }

    /// A consumer.
    package init(_ consumer: ConsumerIndex) {
        precondition(consumer.wire < Self.fetching, "a consumer has no number for its queue")
        wire = consumer.wire
    }

    /// A channel that fetches by basic.get.
    package init(fetching channel: ChannelIndex) {
        precondition(channel.wire < Self.fetching, "a channel has no number for its queue")
        wire = channel.wire | Self.fetching
    }

    /// Whether it is a channel that fetches.
    @inline(__always)
    package var isFetching: Bool { wire & Self.fetching != 0 }

    /// The consumer, or none.
    @inline(__always)
    package var consumer: ConsumerIndex { isFetching ? .none : ConsumerIndex(wire: wire) }

    /// The channel that fetches, or none.
    package var channel: ChannelIndex {
        isFetching ? ChannelIndex(wire: wire & ~Self.fetching) : .none
    }

    package static func < (one: QuorumConsumerID, other: QuorumConsumerID) -> Bool {
        one.wire < other.wire
    }
}
