import AMQPWire
import Foundation
import NIOCore
import WarrenBroker
import WarrenGateway
import WarrenTrace

/// The wire, and a real broker at the other end of it.
enum WireWorkloads {
    /// A publication of 1 KiB with a few properties.
    private static var publication: Command {
        var properties = BasicProperties()
        properties.deliveryMode = 2
        properties.contentType = "application/json"
        properties.messageID = "order-4711"
        return Command(
            .basic(.publish(.init(exchange: "orders", routingKey: "order.created.eu"))),
            channel: 1,
            content: Content(properties: properties, body: ByteBuffer(repeating: 46, count: 1024))
        )
    }

    /// Writes so many publications.
    static func encode(_ count: Int) throws -> Sample {
        let command = publication
        let start = DispatchTime.now().uptimeNanoseconds
        var buffer = ByteBuffer()
        buffer.reserveCapacity(1 << 20)
        var octets = 0
        for _ in 0..<count {
            if buffer.readableBytes > 1 << 19 {
                octets += buffer.readableBytes
                buffer.clear()
            }
            try buffer.write(command, frameMax: 131_072)
        }
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
        return Sample(count: count, seconds: seconds, check: Double(octets + buffer.readableBytes))
    }

    /// Reads so many publications.
    static func decode(_ count: Int) throws -> Sample {
        let perBatch = 50
        let batch = try (0..<perBatch).reduce(into: ByteBuffer()) { buffer, _ in
            try buffer.write(publication, frameMax: 131_072)
        }
        let start = DispatchTime.now().uptimeNanoseconds
        var decoder = FrameDecoder(frameMax: 131_072)
        var assembler = CommandAssembler()
        var octets = 0
        for _ in 0..<count / perBatch {
            decoder.append(batch)
            while let frame = try decoder.next() {
                if let command = try assembler.take(frame) {
                    octets += command.content?.body.readableBytes ?? 0
                }
            }
        }
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
        return Sample(count: count / perBatch * perBatch, seconds: seconds, check: Double(octets))
    }

    /// Publishes messages of 1 KiB to a real broker, with confirms, as fast as they are taken.
    static func confirms(_ count: Int, port: Int, management: Int) throws -> Sample {
        let text = """
            warren: 1
            name: confirms
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            producers: { p: { to: q, arrivals: 1us, count: \(count), size: 1KiB, confirms: true } }
            """
        var model = try BrokerWorkloads.simulation(text)
        model.run()
        nonisolated(unsafe) let lived = model
        let done = DispatchSemaphore(value: 0)
        let box = Box()
        Task {
            do {
                let target = Replay.Target(port: port, managementPort: management)
                let replay = try Replay(of: lived, on: target)
                try await replay.run(isStopped: { false }) { facts in
                    for fact in facts {
                        if fact.kind == .messagePublished, box.first == nil {
                            box.first = fact.time
                        }
                        if fact.kind == .messageConfirmed {
                            box.last = fact.time
                            box.confirmed += 1
                        }
                    }
                }
            } catch { box.failure = "\(error)" }
            done.signal()
        }
        done.wait()
        if let failure = box.failure { throw BrokerWorkloads.Unfit(sentence: failure) }
        guard box.confirmed == count, let first = box.first, let last = box.last else {
            throw BrokerWorkloads.Unfit(sentence: "\(box.confirmed) of \(count) were confirmed")
        }
        return Sample(count: count, seconds: Double((last - first).nanoseconds) * 1e-9)
    }

    /// Written by the task before the semaphore is signalled, read after.
    private final class Box: @unchecked Sendable {
        var first, last: Instant?
        var confirmed = 0
        var failure: String?
    }
}
