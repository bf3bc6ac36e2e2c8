import Foundation
import Support
import Testing

@Suite("run --watch") struct WatchTests {
    /// Plays keys to the program in a terminal of Python's making, and prints what it drew last and how it ended.
    private static let player = """
        import fcntl, os, pty, select, struct, sys, termios, time
        program, file, width, keys = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
        child, terminal = pty.fork()
        if child == 0:
            os.execv(program, [program, "run", file, "--watch"])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
        drawn = b""
        def read(seconds):
            global drawn
            end = time.time() + seconds
            while time.time() < end:
                if not select.select([terminal], [], [], 0.05)[0]:
                    if seconds < 5: return
                    continue
                try: part = os.read(terminal, 65536)
                except OSError: return
                if not part: return
                drawn += part
                if seconds >= 5 and b"quit" in drawn: return
        read(30)
        for key in keys:
            os.write(terminal, key.encode().decode("unicode_escape").encode())
            read(2)
        end = time.time() + 30
        while time.time() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done: break
            read(0.2)
        sys.stdout.buffer.write(drawn)
        sys.exit(os.waitstatus_to_exitcode(status) if done else 99)
        """

    private static let python = "/usr/bin/python3"

    @Test(
        "draws, takes keys, and gives the terminal back",
        .enabled(
            if: FileManager.default.isExecutableFile(atPath: python),
            "python3 is not installed; `make test` installs it"
        ),
        arguments: [80, 200]
    )
    func keys(_ width: Int) throws {
        let file = Repository.root.appending(path: "Topologies/rabbitmq/worker-queue.yaml").path
        let played = try Programs.run(
            Self.python,
            [
                "-c", Self.player, Programs.warren, file, "\(width)", "\\x1b[C", "\\x1b[6~",
                "\\x1b[A",
                "k", "\\x1b[D", "f", "?", "?", "q",
            ]
        )
        #expect(played.code == 0, "\(played.output.suffix(400))\(played.errors)")
        #expect(played.output.contains("step 1 "))
        #expect(played.output.contains("is killed; k starts it again"))
        #expect(played.output.contains("another future"))
        // The screen that was there before, and the cursor.
        #expect(played.output.hasSuffix("\u{1B}[?25h\u{1B}[?1049l"))
    }

    @Test func `needs a terminal`() throws {
        let file = Repository.root.appending(path: "Topologies/rabbitmq/queue.yaml").path
        let refused = try Programs.run(Programs.warren, ["run", file, "--watch"])
        #expect(refused.code == 2 && refused.errors.contains("needs a terminal"))
    }
}
