import Conversations
import Foundation
import RabbitMQModel
import Support
import Testing

/// `WARREN_CONVERSATIONS=1000 WARREN_SEED=7 swift test --filter RandomConversationTests` holds so many, from that seed on.
@Suite("A random conversation", .heldWithBoth)
struct RandomConversationTests {
    private static let seeds: [UInt64] = {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["WARREN_CONVERSATIONS"].flatMap { UInt64($0) } ?? 60
        let first = environment["WARREN_SEED"].flatMap { UInt64($0) } ?? 1
        return Array(first..<first + count)
    }()

    @Test(arguments: seeds)
    func `has the same words with the model and a real broker`(seed: UInt64) {
        let conversation = RandomConversation(seed: seed)
        func parts(_ conversation: RandomConversation) -> (model: [String], real: [String]) {
            (Conversation.withModel { conversation.transcript() }, conversation.transcript())
        }
        let (said, heard) = parts(conversation)
        guard said != heard else { return }
        // A smaller one that differs as well says more.
        let small = conversation.shrunk {
            let (said, heard) = parts($0)
            return said != heard
        }
        let (model, real) = parts(small)
        let place = zip(model, real).enumerated().first { $0.element.0 != $0.element.1 }
        let index = place?.offset ?? min(model.count, real.count)
        let queues = small.queues.map { queue in
            let arguments = queue.arguments.map { "\($0.name): \($0.value.shown)" }
            return "\(queue.name) {\(arguments.joined(separator: ", "))}"
                + (queue.autoDelete ? " auto-delete" : "")
        }
        Issue.record(
            """
            seed \(seed):
            \(queues.joined(separator: "\n"))
            \(small.bindings.map { "\($0.source) -> \($0.destination) '\($0.key)' \($0.arguments)" }.joined(separator: "\n"))
            \(small.steps.map(\.description).joined(separator: "\n"))
              model: \(index < model.count ? model[index] : "nothing more")
              real:  \(index < real.count ? real[index] : "nothing more")
            """
        )
    }
}

extension FieldValue {
    fileprivate var shown: String {
        switch self {
        case .string(let text): text
        case .integer(let number, _): "\(number)"
        case .bool(let flag): "\(flag)"
        default: "\(self)"
        }
    }
}
