public import Foundation

/// The files of the repository, for tests.
public enum Repository {
    /// The folder of `Package.swift`.
    public static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every topology, by path from the root, in alphabetical order.
    public static let topologies: [String] = files(under: "Topologies", ending: ".yaml")

    /// Files below a folder, by path from the root, in alphabetical order.
    public static func files(under folder: String, ending: String) -> [String] {
        let start = root.appending(path: folder)
        let found = FileManager.default.enumerator(atPath: start.path)?.compactMap { $0 as? String }
        return (found ?? []).filter { $0.hasSuffix(ending) }.map { "\(folder)/\($0)" }.sorted()
    }

    /// The text of a file.
    public static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }
}
