/// How true the model is, number by number of the behaviour catalogue.
///
/// A number that is not named here is modelled, and a test carries it. The coverage page is made from this
/// list, the catalogue and the names of the tests, and a test holds the three together.
package enum Coverage {
    /// What a number is, if it is not modelled to the letter.
    package enum Exception: Sendable, Hashable {
        /// Modelled in a simpler way: what the model does instead.
        case approximated(String)
        /// Not modelled: why.
        case notModelled(String)
    }

    /// The groups of the catalogue that the model is held to.
    package static let groups = [
        "CONN", "DECL", "ROUTE", "TOPIC", "HDR", "CHASH", "PUB", "GET", "CONS", "ACK", "REQ", "TTL",
        "LEN", "DLX", "PRIO", "DRT", "QQ", "STREAM", "POL", "PERM", "ALARM", "DUR", "CLUS", "PART",
        "MIR", "FED", "SHOV",
    ]

    private static let wire =
        "a matter of frames, which the model does not have: it speaks in methods"

    /// The numbers that are not modelled to the letter, by number such as `RMQ-CONN-10`.
    package static let exceptions: [String: Exception] = [
        "RMQ-CONN-01": .approximated("the offer is a value; clients of a topology skip it"),
        "RMQ-CONN-02": .approximated("the offer is a value; clients of a topology skip it"),
        "RMQ-CONN-03": .approximated("the eight bytes are a text"),
        "RMQ-CONN-10": .notModelled(wire),
        "RMQ-CONN-12": .notModelled(wire),
        "RMQ-CONN-13": .notModelled(wire),
        "RMQ-CONN-18": .notModelled(wire),
        "RMQ-CONN-19": .notModelled(wire),
        "RMQ-CONN-29": .notModelled(wire),
        "RMQ-CONN-32": .approximated(
            "every end of a connection is seen at once, without a time-out"
        ),
        "RMQ-CHASH-01": .approximated(
            "another hash: a key may go to another queue than on a real broker"
        ),
        "RMQ-PUB-10": .approximated("acks come one by one, never with multiple"),
        "RMQ-PUB-12": .approximated(
            "a batch of writes takes the same time whatever its size, and an ack does not bring the "
                + "confirm forward"
        ),
        "RMQ-PUB-32": .approximated("bodies have a size and no bytes, and are never split"),
        "RMQ-PUB-33": .approximated("a key of more than 255 bytes is taken, too, in a script"),
        "RMQ-PUB-38": .approximated(
            "no queue dies by itself, so nobody is nacked for that; of one whose node is gone see RMQ-MIR-09"
        ),
        "RMQ-MIR-07": .approximated(
            "a mirror has nothing before it has everything, and batches are of no account"
        ),
        "RMQ-MIR-13": .approximated("always 704 messages, as in the one run that was watched"),
        "RMQ-DLX-28": .approximated(
            "a message moves in one step: nothing is lost between the queues"
        ),
        "RMQ-PRIO-10": .approximated("more priorities cost no processor time and no memory"),
        "RMQ-QQ-16": .approximated("exactly one message more than the limit gets in"),
        "RMQ-QQ-20": .approximated(
            "a message moves in one step when its targets take it; until then it is asked every 180 s"
        ),
        "RMQ-QQ-34": .approximated(
            "a channel that never published to the queue gets no answer either; a real one is nacked"
        ),
        "RMQ-PART-01": .approximated("silence is looked for four times in a tick time, on the dot"),
        "RMQ-PART-03": .approximated("the node starts anew instead of pausing in place"),
        "RMQ-PART-06": .approximated(
            "nobody is nacked: what was published is confirmed by the next leader"
        ),
        "RMQ-PART-08": .approximated(
            "a change of metadata waits for a majority; there is no Raft log of metadata"
        ),
        "RMQ-QQ-29": .notModelled("most likely a bug of the server, not a rule"),
        "RMQ-STREAM-06": .approximated("a chunk is one message, so `last` is the last message"),
        "RMQ-STREAM-16": .notModelled("a defect of young streams on one node"),
        "RMQ-STREAM-17": .notModelled("the count is exact"),
        "RMQ-STREAM-15": .approximated("one replica writes"),
        "RMQ-ALARM-01": .approximated("the publication that earns the block waits, too"),
        "RMQ-ALARM-07": .notModelled(
            "what a client feels is the delay, and links have none that grows"
        ),
        "RMQ-ALARM-08": .approximated(
            "memory is the bodies and 768 bytes a message, against your limit"
        ),
    ]
}
