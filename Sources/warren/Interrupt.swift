import Dispatch
import Foundation
import Synchronization

/// Ctrl-C, as something to be asked.
enum Interrupt {
    private static let flag = Atomic<Bool>(false)

    /// Whether Ctrl-C was pressed since ``watch()``.
    static var happened: Bool { flag.load(ordering: .relaxed) }

    /// Catches Ctrl-C from now on; the first has `body` called, a second one ends the program at once.
    ///
    /// Keep what is returned.
    static func watch(_ body: @escaping @Sendable () -> Void = {}) -> any DispatchSourceSignal {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler {
            if flag.exchange(true, ordering: .relaxed) { Foundation_exit(130) }
            body()
        }
        source.resume()
        return source
    }
}
