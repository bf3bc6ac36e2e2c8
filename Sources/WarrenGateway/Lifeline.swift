import Foundation

/// A process with all that it starts, which dies with the program that holds its lifeline.
///
/// A shell waits at the other end of a pipe. When the pipe closes, because this program ends it, or exits, or
/// is killed, the shell kills its process group.
final class Lifeline: Sendable {
    /// The process group.
    let group: Int32
    private let pipe: FileHandle
    private let process: Process

    /// What the shell does: `$1` gets its number, the rest is the command, whose output goes to `$2`.
    private static let script = """
        exec 3<&0 </dev/null
        echo $$ > "$1.new" && mv "$1.new" "$1"
        out=$2
        shift 2
        "$@" >>"$out" 2>&1 3<&- &
        child=$!
        (read -r word <&3 && [ "$word" = keep ] && exit 0; kill -KILL 0) >/dev/null 2>&1 &
        exec 3<&- >/dev/null 2>&1
        wait $child
        kill -KILL 0
        """

    /// Starts a command.
    ///
    /// - Parameters:
    ///   - command: the program and its arguments.
    ///   - environment: all of it.
    ///   - pidFile: where the number of the process group is written.
    ///   - output: where what it prints goes.
    /// - Throws: if it cannot be started.
    init(
        _ command: [String],
        environment: [String: String],
        pidFile: String,
        output: String
    ) throws {
        try? FileManager.default.removeItem(atPath: pidFile)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setsid")
        process.arguments =
            ["/bin/sh", "-c", Self.script, "warren", pidFile, output] + command
        process.environment = environment
        let pipe = Pipe()
        process.standardInput = pipe
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        try pipe.fileHandleForReading.close()
        self.process = process
        self.pipe = pipe.fileHandleForWriting
        var group: Int32?
        for _ in 0..<500 where group == nil {
            group = Self.number(in: pidFile)
            if group == nil { usleep(10_000) }
        }
        guard let group else {
            try? pipe.fileHandleForWriting.close()
            throw LocalCluster.Failure.noProcess(command.first ?? "")
        }
        self.group = group
    }

    /// Lets it live on when this program ends.
    func keep() {
        try? pipe.write(contentsOf: Data("keep\n".utf8))
        try? pipe.close()
    }

    /// Ends it at once, with all that it started.
    func end() {
        Self.end(group: group)
        try? pipe.close()
    }

    /// Ends a group of processes at once, and waits until it is gone.
    static func end(group: Int32) {
        guard group > 1 else { return }
        kill(-group, SIGKILL)
        for _ in 0..<500 where isAlive(group: group) { usleep(10_000) }
    }

    /// Whether a process of the group lives; one that is dead and not yet buried does not count.
    static func isAlive(group: Int32) -> Bool {
        guard group > 1, kill(-group, 0) == 0 else { return false }
        let files = FileManager.default
        for name in (try? files.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard Int32(name) != nil,
                let status = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
                let end = status.lastIndex(of: ")")
            else { continue }
            let fields = status[status.index(after: end)...].split(separator: " ")
            if fields.count > 2, fields[2] == "\(group)", fields[0] != "Z", fields[0] != "X" {
                return true
            }
        }
        return false
    }

    /// The number that a file holds.
    static func number(in file: String) -> Int32? {
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return nil }
        return Int32(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}
