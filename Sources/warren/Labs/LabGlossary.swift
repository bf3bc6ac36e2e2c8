import Foundation
import WarrenTopology

/// The words of the course, one wording for the lessons and for whoever asks.
struct LabGlossary {
    /// The lines, such as `- **queue**: an ordered store …`.
    let lines: [String]

    /// The glossary beside the lessons.
    init(_ folder: String) throws {
        let path = folder + "/glossary.md"
        do throws(ReadFailure) {
            let text = String(decoding: try Files.bytes(path), as: UTF8.self)
            lines = text.split(separator: "\n").filter { $0.hasPrefix("- **") }.map(String.init)
        } catch {
            throw Failure(
                code: Failure.input,
                text: "error: \(path) cannot be read: \(error.reason)"
            )
        }
    }

    /// Terms and what they mean, all of them or those in which a text comes.
    func words(_ text: String?) -> [(term: String, meaning: String)] {
        lines.compactMap { line in
            let parts = line.dropFirst(4).split(separator: "**: ", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            let term = String(parts[0])
            if let text, !term.lowercased().contains(text.lowercased()) { return nil }
            return (term, String(parts[1]))
        }
    }
}
