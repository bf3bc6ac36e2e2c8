import Foundation
import Rainbow

/// Why the program ends with something else than success: a text for people, and a code for scripts.
struct Failure: Error {
    /// An expectation or a check failed.
    static let broken: Int32 = 1
    /// The input or the command line is wrong.
    static let input: Int32 = 2
    /// Something outside failed.
    static let outside: Int32 = 3

    var code: Int32
    var text: String
}

/// Ends the program; a name of its own, as `exit` is ArgumentParser's inside commands.
func Foundation_exit(_ code: Int32) -> Never { exit(code) }

/// Where people read: results on standard output, everything else on standard error.
enum Console {
    /// Whether standard error is a terminal.
    static let isTerminal = isatty(STDERR_FILENO) == 1
    /// Whether results may be coloured.
    static let hasColour =
        isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil

    static func error(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    /// Overwrites the line that shows how far a run has come.
    static func progress(_ text: String) {
        FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8))
    }

    static func good(_ text: String) -> String { hasColour ? text.green : text }
    static func bad(_ text: String) -> String { hasColour ? text.red.bold : text }
    static func quiet(_ text: String) -> String { hasColour ? text.dim : text }
    static func strong(_ text: String) -> String { hasColour ? text.bold : text }
}
