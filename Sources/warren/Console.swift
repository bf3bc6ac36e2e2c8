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
    /// Whether it is no fault of what was asked for, and may be over at the next try.
    var isPassing = false
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

    /// Columns and lines of the terminal that results go to; 80 and 24 if it is none.
    static var size: (width: Int, height: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Takes the places of standard streams that whoever started the program has closed, before a file gets
    /// one of them and a report is written into it; results that go nowhere are an error later on.
    static func keepStreams() {
        for (stream, mode) in [
            (STDIN_FILENO, O_RDONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_WRONLY),
        ] where fcntl(stream, F_GETFD) == -1 { _ = open("/dev/null", mode) }
    }

    /// Writes a result to standard output.
    ///
    /// - Throws: ``Failure``, if it cannot be written: a result that nobody got is no success.
    static func print(_ text: String, terminator: String = "\n") throws {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data((text + terminator).utf8))
        } catch {
            let reason = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError)?.code
            let words = reason.map { String(cString: strerror(Int32($0))) } ?? "\(error)"
            throw Failure(
                code: Failure.outside,
                text: "error: standard output cannot be written: \(words)"
            )
        }
    }

    static func error(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
    }

    /// Overwrites the line that shows how far a run has come.
    static func progress(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K\(text)".utf8))
    }

    static func good(_ text: String) -> String { hasColour ? text.green : text }
    static func bad(_ text: String) -> String { hasColour ? text.red.bold : text }
    static func quiet(_ text: String) -> String { hasColour ? text.dim : text }
    static func strong(_ text: String) -> String { hasColour ? text.bold : text }
    static func chosen(_ text: String) -> String { hasColour ? text.swap : text }
}
