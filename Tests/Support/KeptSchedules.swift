import Foundation

/// Topologies that random tests made and in which something once went wrong: `Tests/Schedules/KIND-SEED.yaml`.
///
/// They are played before anything new is made up, by the rules that random ones go by, and stay whatever becomes of the code
/// that made them. What a random test finds is kept at once where `WARREN_KEEP` is set.
public enum KeptSchedules {
    private static let folder = "Tests/Schedules"

    /// The files of a kind, by path from the root of the repository.
    public static func files(_ kind: String) -> [String] {
        Repository.files(under: folder, ending: ".yaml").filter {
            $0.hasPrefix("\(folder)/\(kind)-")
        }
    }

    /// Writes a topology where it is played from now on, if `WARREN_KEEP` is set, and else beside other temporary files.
    ///
    /// - Returns: the path.
    /// - Throws: an error of the file system.
    public static func keep(_ text: String, _ kind: String, _ seed: UInt64, because why: String)
        throws -> String
    {
        let isKept = ProcessInfo.processInfo.environment["WARREN_KEEP"] != nil
        let place =
            isKept
            ? Repository.root.appending(path: folder) : FileManager.default.temporaryDirectory
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        let file = place.appending(path: "\(kind)-\(seed).yaml")
        let reason = why.replacing("\n", with: " ")
        try "# Seed \(seed): \(reason)\n\(text)".write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }
}
