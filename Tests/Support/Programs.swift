import Foundation

/// Programs that tests start and wait for.
public enum Programs {
    /// What a program did.
    public struct Outcome: Sendable {
        /// Its exit code, or the signal that ended it as a negative number.
        public var code: Int32
        /// What it wrote to standard output.
        public var output: String
        /// What it wrote to standard error.
        public var errors: String
    }

    /// The `warren` that was built beside the tests.
    public static var warren: String {
        let products = Bundle.main.bundleURL.deletingLastPathComponent()
        let beside = products.appending(path: "warren").path
        if FileManager.default.isExecutableFile(atPath: beside) { return beside }
        // The tests of one kind of build may lie beside an older program of the other.
        let built = [".build/release", ".build/debug"].compactMap { folder -> (Date, String)? in
            let path = Repository.root.appending(path: folder + "/warren").path
            let attributes = try? FileManager.default.attributesOfItem(
                atPath: URL(filePath: path).resolvingSymlinksInPath().path
            )
            guard let date = attributes?[.modificationDate] as? Date else { return nil }
            return (date, path)
        }
        return built.max { $0.0 < $1.0 }?.1 ?? beside
    }

    /// Runs a program to its end.
    public static func run(
        _ program: String,
        _ arguments: [String],
        in folder: String? = nil,
        environment: [String: String] = [:]
    ) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        if let folder { process.currentDirectoryURL = URL(filePath: folder) }
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // Files, not pipes: a full pipe would stop the program.
        let scratch = try Scratch()
        let outputFile = scratch.path("output")
        let errorFile = scratch.path("errors")
        _ = FileManager.default.createFile(atPath: outputFile, contents: nil)
        _ = FileManager.default.createFile(atPath: errorFile, contents: nil)
        process.standardOutput = FileHandle(forWritingAtPath: outputFile)
        process.standardError = FileHandle(forWritingAtPath: errorFile)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        let code =
            process.terminationReason == .exit
            ? process.terminationStatus : -process.terminationStatus
        return Outcome(
            code: code,
            output: try String(contentsOfFile: outputFile, encoding: .utf8),
            errors: try String(contentsOfFile: errorFile, encoding: .utf8)
        )
    }
}

/// A folder of one's own that goes with its owner.
public final class Scratch: Sendable {
    /// The folder.
    public let folder: String

    /// Makes one.
    public init() throws {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "warren-test-\(UUID().uuidString)"
        )
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        folder = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// The path of a file in it.
    public func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// Writes a file into it and returns its path.
    public func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: path(name), atomically: false, encoding: .utf8)
        return path(name)
    }
}
