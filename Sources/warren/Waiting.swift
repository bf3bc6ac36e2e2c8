import ArgumentParser
import Dispatch

/// Asynchronous work for a command that is not.
enum Waiting {
    /// Runs it, and ends with its result; Ctrl-C ends it with exit code 3.
    ///
    /// What was started has a lifeline to this program, and ends with it.
    static func run<Value: Sendable>(
        _ work: @escaping @Sendable () async throws -> Value
    ) throws -> Value {
        let done = DispatchSemaphore(value: 0)
        let box = Box<Value>()
        let task = Task {
            do { box.result = .success(try await work()) } catch { box.result = .failure(error) }
            done.signal()
        }
        let interrupt = Interrupt.watch {
            Console.error("stopped by Ctrl-C")
            task.cancel()
        }
        defer { interrupt.cancel() }
        done.wait()
        switch box.result {
        case .success(let value): return value
        case .failure(let failure as Failure): throw failure
        case .failure(is CancellationError): throw ExitCode(Failure.outside)
        case .failure(let error):
            throw Failure(code: Failure.outside, text: "error: \(error)")
        case nil: throw ExitCode(Failure.outside)
        }
    }

    /// Written before the semaphore is signalled, read after.
    private final class Box<Value: Sendable>: @unchecked Sendable {
        var result: Result<Value, any Error>?
    }
}
