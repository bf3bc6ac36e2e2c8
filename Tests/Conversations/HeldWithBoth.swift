import Foundation
import Support
import Synchronization
package import Testing
import WarrenGateway

/// Which conversations were held with both.
enum HeldConversations {
    private struct Account {
        var both = 0
        var modelOnly: [String: [String]] = [:]
    }
    private static let account = Mutex(Account())
    private static let atExit: Void = {
        // Printed when the process of tests ends: no test knows which is the last.
        atexit { HeldConversations.report() }
    }()

    static func both(_ test: String) {
        _ = atExit
        account.withLock { $0.both += 1 }
    }

    static func modelOnly(_ test: String, _ reason: String) {
        _ = atExit
        account.withLock { $0.modelOnly[reason, default: []].append(test) }
    }

    private static func report() {
        let account = account.withLock { $0 }
        let version = Installation.find()?.version ?? "?"
        let others = account.modelOnly.values.reduce(0) { $0 + $1.count }
        var text =
            "\n\(account.both) conversations were held with the model and with RabbitMQ \(version); "
            + "\(others) with the model only:\n"
        for (reason, tests) in account.modelOnly.sorted(by: { $0.key < $1.key }) {
            text += "  \(tests.count)  \(reason)\n"
        }
        print(text)
    }
}

/// Holds each conversation of a suite with the model, and then with a real broker.
///
/// A difference counts when the broker says the same again, four times slower.
package struct HeldWithBoth: TestTrait, SuiteTrait, TestScoping {
    /// Each test is held on its own.
    package let isRecursive = true

    /// Runs a test twice: with the model, and with a real broker.
    package func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        try await function()
        guard ProcessInfo.processInfo.environment["WARREN_QUICK"] == nil, hasRealBroker else {
            return
        }
        let name = test.displayName ?? test.name
        let broker = try await RealBroker.shared.running()
        let scope = await hold(broker, pace: 1, isAlone: false, function)
        if let reason = scope.reason { return HeldConversations.modelOnly(name, reason) }
        if !scope.wantsToBeAlone, scope.problems.isEmpty {
            return HeldConversations.both(name)
        }
        var again = scope
        if scope.wantsToBeAlone {
            let own = try await RealBroker.alone.running()
            again = await hold(own, pace: 1, isAlone: true, function)
            if !again.problems.isEmpty, again.reason == nil {
                again = await hold(own, pace: 4, isAlone: true, function)
            }
        } else {
            again = await hold(broker, pace: 4, isAlone: false, function)
        }
        if let reason = again.reason { return HeldConversations.modelOnly(name, reason) }
        for problem in again.problems {
            Issue.record("RabbitMQ \(again.cluster.version) differs: \(problem)")
        }
        if again.problems.isEmpty { HeldConversations.both(name) }
    }

    private func hold(
        _ broker: RealBroker.Running,
        pace: UInt64,
        isAlone: Bool,
        _ function: @Sendable () async throws -> Void
    ) async -> RealScope {
        let gate = isAlone ? Gate.alone : Gate.shared
        await gate.enter()
        let scope = RealScope(broker, pace: pace, isAlone: isAlone)
        await RealScope.$current.withValue(scope) {
            await withTaskExecutorPreference(ConversationThreads.shared) {
                let comment: Comment = "a conversation with a real broker"
                do {
                    try await withKnownIssue(comment, isIntermittent: true) {
                        try await function()
                    } when: {
                        true
                    } matching: { issue in
                        if !scope.isOver { scope.note(problem: "\(issue)") }
                        return true
                    }
                } catch {
                    scope.note(problem: "\(error)")
                }
            }
        }
        await scope.end()
        await gate.leave()
        return scope
    }
}

extension Trait where Self == HeldWithBoth {
    /// Holds each conversation with the model, and with a real broker where there is one.
    package static var heldWithBoth: Self { HeldWithBoth() }
}
