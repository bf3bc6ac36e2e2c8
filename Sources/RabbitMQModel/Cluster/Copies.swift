/// Queues with copies, as a node has a part in them: mirrored classic queues, and streams.
struct Copies: Sendable {
    /// Of queues that live on other nodes.
    var kept = Mirrors()
    /// Of queues that live here: how the nodes with copies stand.
    var homes = MirroredQueues()
    /// Of streams without a writer.
    var elections = StreamElections()
}
