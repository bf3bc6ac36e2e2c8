import Dispatch
import Foundation
import Synchronization

/// Ctrl-C, and SIGTERM as batch systems send it before they kill, as something to be asked.
enum Interrupt {
    private static let flag = Atomic<Bool>(false)

    /// Whether Ctrl-C was pressed since ``watch()``.
    static var happened: Bool { flag.load(ordering: .relaxed) }

    /// Signals that are caught for as long as it is not cancelled.
    struct Watch {
        fileprivate let sources: [any DispatchSourceSignal]

        /// Catches them no more.
        func cancel() { for source in sources { source.cancel() } }
    }

    /// Catches the signals from now on; the first has `body` called, a second one ends the program at once.
    ///
    /// Keep what is returned.
    static func watch(_ body: @escaping @Sendable () -> Void = {}) -> Watch {
        Watch(
            sources: [SIGINT, SIGTERM].map { number in
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler {
                    if flag.exchange(true, ordering: .relaxed) { Foundation_exit(128 + number) }
                    body()
                }
                source.resume()
                return source
            }
        )
    }
}
