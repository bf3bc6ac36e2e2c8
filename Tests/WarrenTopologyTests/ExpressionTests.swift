import Support
import Testing
import WarrenBroker
import WarrenLedger
import WarrenTopology

@Suite("An expectation")
struct ExpressionTests {
    @Test(arguments: [
        (
            "never", "confirmed and not handled by w and not in queue(q)",
            "no message ends so that it was confirmed and was not handled by w and does not lie in q"
        ),
        (
            "never", "effects(e) per message_id > 1",
            "never: the number of times that e took place for one message is above 1"
        ),
        ("always", "depth(q) <= 20000", "always: the depth of q is at most 20000"),
        ("eventually", "depth(q) == 0", "in the end, the depth of q is exactly 0"),
        (
            "measure", "p99(wait(q)) < 3s",
            "over the whole run, the p99 of the wait in q is below 3s"
        ),
        (
            "measure", "mean(work(w)) >= 1.5ms",
            "over the whole run, the mean of the work of w is at least 1.5ms"
        ),
        (
            "never", "(returned or nacked) and redelivered",
            "no message ends so that it (was returned or was nacked) and was redelivered"
        ),
        (
            "never", "effects(e) per message_id > 0 and not confirmed and key is a.*",
            "no message ends so that the number of times that e took place for one message is above 0 "
                + "and it was not confirmed and has a key that fits a.*"
        ),
        (
            "measure", "out_of_order(w) == 0 and redeliveries <= 2",
            "over the whole run, the number of messages that w worked on after a later one of the same "
                + "publisher is exactly 0 and the number of times that one message was sent again is at most 2"
        ),
    ])
    func `is printed as one plain sentence`(kind: String, text: String, sentence: String) throws {
        let simulation = try Simulate.run(
            """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            consumers: { w: { from: q, effect: e } }
            expect: { \(kind): { it: "\(text)" } }
            """
        )
        #expect(simulation.verdicts.map(\.sentence) == [sentence])
    }
}
