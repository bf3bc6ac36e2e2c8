import Foundation

/// What a learner has done so far, in the folder for the state of programs.
struct LabProgress {
    /// What was done with one lesson.
    struct Record: Codable {
        /// The working folder.
        var folder: String
        /// The fingerprint of the lesson when it was begun.
        var digest: String
        var checks = 0
        var hints = 0
        var solved = false
        var passed = false
        /// The number of the check that passed first.
        var passedAt: Int?
        var prediction: String?
        var wasRight: Bool?
    }

    /// By number of the lesson.
    private(set) var records: [String: Record] = [:]
    /// The lesson that was begun or checked last.
    private(set) var latest: String?
    private let path: String

    private struct Stored: Codable {
        var latest: String?
        var lessons: [String: Record]
    }

    /// What is stored; nothing if nothing is.
    init() throws {
        let environment = ProcessInfo.processInfo.environment
        let state =
            environment["XDG_STATE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
            ?? (environment["HOME"] ?? NSHomeDirectory()) + "/.local/state"
        path = state + "/warren/labs.json"
        guard let data = FileManager.default.contents(atPath: path) else { return }
        guard let stored = try? JSONDecoder().decode(Stored.self, from: data) else {
            throw Failure(
                code: Failure.outside,
                text:
                    "error: \(path) holds no progress that can be read\n  try: move it away; what was passed has to be checked again"
            )
        }
        records = stored.lessons
        latest = stored.latest
    }

    /// Remembers something of a lesson.
    mutating func update(_ number: String, _ change: (inout Record) -> Void) throws {
        var record = records[number] ?? Record(folder: "", digest: "")
        change(&record)
        records[number] = record
        latest = number
        try store()
    }

    /// Forgets a lesson.
    mutating func forget(_ number: String) throws {
        records[number] = nil
        if latest == number { latest = nil }
        try store()
    }

    private func store() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do {
            let url = URL(filePath: path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            let stored = Stored(latest: latest, lessons: records)
            try encoder.encode(stored).write(to: url, options: .atomic)
        } catch {
            throw Failure(
                code: Failure.outside,
                text:
                    "error: progress cannot be kept in \(path): \(error.localizedDescription)\n  try: XDG_STATE_HOME with a folder that can be written"
            )
        }
    }
}
