/// How true the model is, number by number of the behaviour catalogue.
///
/// A number that is not named here is modelled, and a test carries it. The coverage page is made from this
/// list, the catalogue and the names of the tests, and a test holds the three together.
public enum Coverage {
    /// What a number is, if it is not modelled to the letter.
    public enum Exception: Sendable, Hashable {
        /// Modelled in a simpler way: what the model does instead.
        case approximated(String)
        /// Not modelled: why.
        case notModelled(String)
    }

    /// The groups of which one node can show something; the others need a cluster or a second broker.
    public static let groups = [
        "CONN", "DECL", "ROUTE", "TOPIC", "HDR", "CHASH", "PUB", "GET", "CONS", "ACK", "REQ", "TTL",
        "LEN", "DLX", "PRIO", "DRT", "QQ", "STREAM", "POL", "PERM", "ALARM", "DUR",
    ]

    private static let wire =
        "a matter of frames, which the model does not have: it speaks in methods"
    private static let cluster = "needs a cluster of several nodes"

    /// The numbers that are not modelled to the letter, by number such as `RMQ-CONN-10`.
    public static let exceptions: [String: Exception] = [
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
        "RMQ-PUB-38": .approximated("no queue dies abnormally, so nobody is nacked for that"),
        "RMQ-PUB-36": .notModelled(cluster),
        "RMQ-DLX-28": .approximated(
            "a message moves in one step: nothing is lost between the queues"
        ),
        "RMQ-PRIO-10": .approximated("more priorities cost no processor time and no memory"),
        "RMQ-QQ-16": .approximated("exactly one message more than the limit gets in"),
        "RMQ-QQ-20": .approximated(
            "a message moves in one step when its targets take it; until then it is asked every 180 s"
        ),
        "RMQ-QQ-25": .approximated(
            "one member writes; the round trip to the others comes with clusters"
        ),
        "RMQ-QQ-29": .notModelled("most likely a bug of the server, not a rule"),
        "RMQ-QQ-30": .notModelled(cluster), "RMQ-QQ-31": .notModelled(cluster),
        "RMQ-QQ-32": .notModelled(cluster), "RMQ-QQ-33": .notModelled(cluster),
        "RMQ-QQ-34": .notModelled(cluster), "RMQ-QQ-35": .notModelled(cluster),
        "RMQ-QQ-36": .notModelled(cluster), "RMQ-QQ-37": .notModelled(cluster),
        "RMQ-QQ-38": .notModelled(cluster), "RMQ-QQ-39": .notModelled(cluster),
        "RMQ-STREAM-06": .approximated("a chunk is one message, so `last` is the last message"),
        "RMQ-STREAM-15": .approximated("one replica writes"),
        "RMQ-ALARM-01": .approximated("the publication that earns the block waits, too"),
        "RMQ-ALARM-06": .notModelled(cluster),
        "RMQ-ALARM-07": .notModelled(
            "what a client feels is the delay, and links have none that grows"
        ),
        "RMQ-ALARM-08": .approximated(
            "memory is the bodies and 768 bytes a message, against your limit"
        ),
        "RMQ-DUR-07": .notModelled(cluster),
    ]

    /// Whether a number needs a cluster, and so is no matter of one node.
    public static func needsCluster(_ number: String) -> Bool {
        exceptions[number] == .notModelled(cluster)
    }
}
