import RabbitMQModel
import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenTrace

@Suite("A RabbitMQ script")
struct ScriptTests {
    /// What a script hears, in order: the method, and what is in it.
    private func heard(_ steps: String, broker: String = "queues: { q: {}, d: {} }") throws
        -> [String]
    {
        let lines = steps.split(separator: "\n").map { "      - \($0)" }.joined(separator: "\n")
        var simulation = try Simulate.make(
            """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, \(broker) } }
            scripts:
              s:
                steps:
            \(lines)
            run: { for: 1h }

            """
        )
        var facts: [Fact] = []
        simulation.run { facts += $0 }
        return facts.filter { $0.kind == .methodReceived }.map {
            simulation.world.names[$0.subject]
        }.dropFirst(2).map { $0.replacing("\"", with: "'") }
    }

    @Test func `says what came, with properties, headers and their types`() throws {
        let all = try heard(
            """
            publish: { to: q, body: "hello", properties: { delivery_mode: 1 }, type: t, priority: 4 }
            publish: { to: q, headers: { n: 1, s: { "!short": 7 }, l: [a, 1.5], t: { x: true } }, persistent: true, size: 9B }
            get: { queue: q }
            get: { queue: q, ack: automatic }
            get: { queue: q }
            """
        )
        #expect(
            all == [
                "{'method':'basic.get-ok','tag':1,'messages':1,'queue':'q','redelivered':false,"
                    + "'exchange':'','key':'q','body':'hello','size':5,'delivery_mode':1,'type':'t',"
                    + "'priority':4}",
                "{'method':'basic.get-ok','tag':2,'messages':0,'queue':'q','redelivered':false,"
                    + "'exchange':'','key':'q','size':9,'delivery_mode':2,"
                    + "'headers':[['n','signedint',1],['s','short',7],"
                    + "['l','array',[['longstr','a'],['double',1.5]]],"
                    + "['t','table',[['x','bool',true]]]]}", "{'method':'basic.get-empty'}",
            ]
        )
    }

    @Test func `settles by tag, up to a tag, twice, and on another channel`() throws {
        let all = try heard(
            """
            publish: { to: q, times: 4 }
            get: { queue: q }
            get: { queue: q }
            get: { queue: q }
            nack: { tag: 2, multiple: true, requeue: true }
            declare: { queue: q, passive: true }
            reject: { tag: 3, requeue: false }
            ack: { tag: 3 }
            channel: 2
            get: { queue: q }
            channel: 3
            ack: { tag: 1 }
            channel: 2
            ack: { tag: 1 }
            declare: { queue: q, passive: true }
            """
        ).filter { !$0.contains("get-ok") && !$0.contains("open-ok") }
        #expect(
            all == [
                "{'method':'queue.declare-ok','queue':'q','messages':3,'consumers':0}",
                "{'method':'channel.close','code':406,'text':'PRECONDITION_FAILED - unknown delivery tag 3'}",
                "{'method':'channel.close','code':406,'text':'PRECONDITION_FAILED - unknown delivery tag 1'}",
                "{'method':'queue.declare-ok','queue':'q','messages':2,'consumers':0}",
            ]
        )
    }

    @Test func `says without waiting what it wants no answer to`() throws {
        let all = try heard(
            """
            publish: { to: q, times: 2 }
            declare: { queue: new, nowait: true }
            bind: { queue: new, exchange: amq.direct, nowait: true }
            publish: { exchange: amq.direct, key: "" }
            purge: { queue: q, nowait: true }
            consume: { queue: d, tag: t, nowait: true }
            cancel: { tag: t, nowait: true }
            confirm: { nowait: true }
            publish: { to: q }
            await: confirms
            delete: { queue: d, nowait: true }
            declare: { queue: q, passive: true }
            declare: { queue: new, passive: true }
            declare: { queue: d, passive: true }
            """
        )
        #expect(
            all == [
                "{'method':'queue.declare-ok','queue':'q','messages':1,'consumers':0}",
                "{'method':'queue.declare-ok','queue':'new','messages':1,'consumers':0}",
                "{'method':'channel.close','code':404,'text':'NOT_FOUND - no queue 'd' in vhost '/''}",
            ]
        )
    }

    @Test func `is answered about counts, returns, cancels and refusals of the whole connection`()
        throws
    {
        let all = try heard(
            """
            publish: { to: nowhere, mandatory: true }
            publish: { to: q, times: 3 }
            purge: q
            publish: { to: d, times: 2 }
            consume: { queue: q, tag: t, arguments: { x-priority: 3 } }
            delete: { queue: d }
            delete: { queue: q }
            flow: active
            recover: no_requeue
            wait: 1s
            reconnect: now
            publish: { to: q, immediate: true }
            wait: 1s
            """
        )
        #expect(
            all == [
                "{'method':'basic.return','code':312,'text':'NO_ROUTE','exchange':'','key':'nowhere','size':1024}",
                "{'method':'queue.purge-ok','messages':3}",
                "{'method':'basic.consume-ok','consumer':'t'}",
                "{'method':'queue.delete-ok','messages':2}",
                "{'method':'basic.cancel','consumer':'t'}",
                "{'method':'queue.delete-ok','messages':0}", "{'method':'channel.flow-ok'}",
                "{'method':'connection.close','code':540,'text':'NOT_IMPLEMENTED - requeue=false'}",
                "{'method':'connection.open-ok'}", "{'method':'channel.open-ok'}",
                "{'method':'connection.close','code':540,'text':'NOT_IMPLEMENTED - immediate=true'}",
            ]
        )
    }

    @Test func `lives through what an operator does meanwhile, at its moment`() throws {
        let all = try heard(
            """
            administer: { policy: { name: p, pattern: "^q$", max_length: 1 } }
            publish: { to: q, times: 3 }
            declare: { queue: q, passive: true }
            administer: { clear_policy: p }
            publish: { to: q, times: 3 }
            declare: { queue: q, passive: true }
            administer: { limits: { max_queues: 2 } }
            declare: { queue: more }
            channel: 2
            administer: { permissions: { user: guest, configure: "", write: "", read: "" } }
            publish: { to: q }
            wait: 1s
            at: 10s
            administer: { close_connections: enough }
            """
        ).filter { !$0.contains("open-ok") }
        #expect(
            all == [
                "{'method':'queue.declare-ok','queue':'q','messages':1,'consumers':0}",
                "{'method':'queue.declare-ok','queue':'q','messages':4,'consumers':0}",
                "{'method':'channel.close','code':406,'text':'PRECONDITION_FAILED - cannot declare queue 'more': "
                    + "queue limit in vhost '/' (2) is reached'}",
                "{'method':'channel.close','code':403,'text':'ACCESS_REFUSED - access to exchange 'amq.default' "
                    + "in vhost '/' refused for user 'guest''}",
                "{'method':'connection.close','code':320,'text':'CONNECTION_FORCED - enough'}",
            ]
        )
    }

    @Test func `sleeps on when the broker closes its channel, and comes back after it was cut`()
        throws
    {
        let lines = try heard(
            """
            publish: { exchange: none }
            wait: 5s
            channel: 2
            cut: connection
            at: 20s
            reconnect: now
            get: { queue: q }
            """
        )
        #expect(
            lines == [
                "{'method':'channel.close','code':404,'text':'NOT_FOUND - no exchange 'none' in vhost '/''}",
                "{'method':'channel.open-ok'}", "{'method':'connection.open-ok'}",
                "{'method':'channel.open-ok'}", "{'method':'basic.get-empty'}",
            ]
        )
    }

    @Test func `sees bindings come and go`() throws {
        var simulation = try Simulate.make(
            """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, queues: { q: { bind: { amq.direct: [file] } } } } }
            scripts:
              s:
                steps:
                  - bind: { queue: q, exchange: amq.headers, headers: { x-match: any, a: 1 } }
                  - bind: { destination: amq.fanout, exchange: amq.topic, key: "a.#" }
                  - unbind: { destination: amq.fanout, exchange: amq.topic, key: "a.#" }
                  - delete: { queue: q }

            """
        )
        var facts: [Fact] = []
        simulation.run { facts += $0 }
        let names = simulation.world.names
        let told = facts.filter { $0.kind == .bindingCreated || $0.kind == .bindingDeleted }.map {
            "\($0.kind.name) \(names[$0.subject]) \(names[Symbol($0.peer)])"
        }
        let headers =
            #"amq.headers {"queue":"q","key":"","arguments":[["a","signedint",1],["x-match","longstr","any"]]}"#
        #expect(
            told == [
                "binding.created \(headers)",
                #"binding.created amq.topic {"exchange":"amq.fanout","key":"a.#"}"#,
                #"binding.deleted amq.topic {"exchange":"amq.fanout","key":"a.#"}"#,
                #"binding.deleted amq.direct {"queue":"q","key":"file"}"#,
                "binding.deleted \(headers)",
            ]
        )
    }

    @Test func `names its steps in the trace, and says which were without effect`() throws {
        var simulation = try Simulate.make(
            """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            scripts:
              s:
                steps:
                  - { publish: { key: q }, name: the first order }
                  - repeat: { times: 2, steps: [ { name: again, wait: 1s } ] }
                  - close: channel
                  - publish: { key: q, size: 1KiB }
            """
        )
        var facts: [Fact] = []
        simulation.run { facts += $0 }
        let steps = facts.filter { $0.kind == .stepBegan }
        #expect(
            steps.map { simulation.world.names[$0.subject] } == [
                "the first order", "again", "again", "close: channel",
                "publish: { key: q, size: 1KiB }",
            ]
        )
        #expect(steps.map(\.detail) == [1, 2, 3, 4, 5])
        #expect(steps.map(\.variant) == [0, 0, 0, 0, 1])
    }

    @Test func `that names a step twice, or says two things in it, is refused`() {
        for step in ["{ name: a }", "{ name: a, wait: 1s, close: channel }"] {
            #expect(throws: Simulation.Rejection.self) {
                try Simulate.make(
                    """
                    warren: 1
                    name: t
                    brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
                    scripts: { s: { steps: [ \(step) ] } }
                    """
                )
            }
        }
    }

    @Test func `whose link is dead is missed after two heartbeats and a half, as every client`()
        throws
    {
        func ended(_ heartbeat: String) throws -> [UInt64] {
            try Simulate.facts(
                """
                warren: 1
                name: t
                brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
                scripts: { s: { heartbeat: \(heartbeat), steps: [ { consume: { queue: q } }, { wait: 10m } ] } }
                faults: [ { at: 5s, do: cut, from: s, to: [main], for: 5m } ]
                run: { for: 4m }
                """
            ).filter { $0.kind == .consumerEnded }.map { $0.time.nanoseconds / 1_000_000_000 }
        }
        #expect(try ended("10s") == [25])
        #expect(try ended("60s") == [150])
    }
}
