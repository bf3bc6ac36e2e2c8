import Foundation
import Glibc
import WarrenBroker
import WarrenKernel
import WarrenTrace
import WarrenWatch

/// The terminal while a run is watched: keys come one by one, and what was on it before is there again afterwards.
final class Terminal {
    private var before = termios()

    /// - Throws: ``Failure`` if there is none.
    init() throws {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1,
            tcgetattr(STDIN_FILENO, &before) == 0
        else {
            throw Failure(
                code: Failure.input,
                text: "error: --watch needs a terminal to draw on and to take keys from\n"
                    + "  try: warren run FILE, then warren trace timeline"
            )
        }
        var raw = before
        cfmakeraw(&raw)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw)
        // Another screen, without a cursor.
        write("\u{1B}[?1049h\u{1B}[?25l")
    }

    /// Gives the terminal back as it was.
    func close() {
        write("\u{1B}[?25h\u{1B}[?1049l")
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
    }

    /// Draws a screen over the one that is there.
    func draw(_ lines: [String]) {
        var text = "\u{1B}[?2026h\u{1B}[H"
        for (number, line) in lines.enumerated() {
            text += line + "\u{1B}[K" + (number < lines.count - 1 ? "\r\n" : "")
        }
        write(text + "\u{1B}[J\u{1B}[?2026l")
    }

    private func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes {
                Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count)
            }
            if count < 0 && errno != EINTR { return }
            bytes = bytes.dropFirst(max(count, 0))
        }
    }

    /// The keys that were pressed within so many milliseconds, the first one at once; nil if the terminal is gone.
    func keys(within milliseconds: Int32) -> [WatchScreen.Command]? {
        var source = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard poll(&source, 1, milliseconds) > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        if count < 0 && errno == EINTR { return [] }
        guard count > 0 else { return nil }
        return Self.commands(Array(bytes.prefix(count)))
    }

    private static let sequences: [(String, WatchScreen.Command)] = [
        ("\u{1B}[C", .step), ("\u{1B}OC", .step), ("\u{1B}[D", .back), ("\u{1B}OD", .back),
        ("\u{1B}[A", .up), ("\u{1B}OA", .up), ("\u{1B}[B", .down), ("\u{1B}OB", .down),
        ("\u{1B}[6~", .stepMany), ("\u{1B}[5~", .backMany), ("\u{1B}[H", .start),
        ("\u{1B}[1~", .start), ("\u{1B}OH", .start), ("\u{1B}[F", .end), ("\u{1B}[4~", .end),
        ("\u{1B}OF", .end), ("\u{1B}[Z", .up), ("l", .step), ("h", .back), (" ", .play),
        ("f", .nextFault), ("F", .lastFault), ("\t", .down), ("+", .faster), ("=", .faster),
        ("-", .slower), ("k", .kill), ("z", .freeze), ("n", .anotherFuture), ("?", .help),
        ("q", .quit), ("\u{3}", .quit),
    ]

    /// What keys ask for; a sequence of a key that is none of them is passed over whole.
    private static func commands(_ bytes: [UInt8]) -> [WatchScreen.Command] {
        var found: [WatchScreen.Command] = []
        var rest = bytes[...]
        next: while let first = rest.first {
            for (text, command) in sequences where rest.starts(with: text.utf8) {
                found.append(command)
                rest = rest.dropFirst(text.utf8.count)
                continue next
            }
            rest = rest.dropFirst()
            guard first == 0x1B, let second = rest.first, second == 0x5B || second == 0x4F else {
                continue
            }
            rest = rest.dropFirst()
            while let byte = rest.first {
                rest = rest.dropFirst()
                if (0x40...0x7E).contains(byte) { break }
            }
        }
        return found
    }
}

/// A run that somebody watches.
enum Watching {
    /// Shows it until they quit.
    ///
    /// - Throws: ``Failure`` if there is no terminal.
    static func run(_ playback: Playback) throws {
        let terminal = try Terminal()
        defer { terminal.close() }
        // Ctrl-C is a key here; what ends the program from outside still gives the terminal back.
        let interrupt = Interrupt.watch()
        defer { interrupt.cancel() }
        let style = WatchScreen.Style(
            strong: Console.strong,
            quiet: Console.quiet,
            bad: Console.bad,
            good: Console.good,
            chosen: Console.chosen
        )
        var screen = WatchScreen(playback)
        var clock = Clock(screen)
        while !screen.isOver, !Interrupt.happened {
            let (width, height) = Console.size
            terminal.draw(screen.lines(width: width, height: height, style: style))
            let wait: Int32 = screen.isSeeking ? 0 : screen.isPlaying ? 40 : 500
            guard let keys = terminal.keys(within: wait) else { return }
            if keys.isEmpty { screen.seek() }
            for key in keys {
                screen.take(key)
                clock = Clock(screen)
            }
            if screen.isPlaying { screen.play(until: clock.moment(screen)) }
        }
    }

    /// Which moment of the run belongs to now.
    private struct Clock {
        private let started = ContinuousClock.now
        private let moment: UInt64

        init(_ screen: WatchScreen) { moment = screen.playback.run.world.now.nanoseconds }

        func moment(_ screen: WatchScreen) -> Instant {
            let (seconds, attoseconds) = (ContinuousClock.now - started).components
            let passed = Double(seconds) + Double(attoseconds) / 1e18
            return Instant(nanoseconds: moment + UInt64(passed * Double(screen.pace)))
        }
    }
}
