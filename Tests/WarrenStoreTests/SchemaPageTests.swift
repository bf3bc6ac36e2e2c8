import Foundation
import Support
import Testing
import WarrenTrace

/// The page about the trace says of each kind of fact what the source says.
@Suite("The page of the trace") struct SchemaPageTests {
    private static let path = "Sources/WarrenStore/WarrenStore.docc/Trace.md"

    /// What the source says above each kind, by its number.
    private static func comments() throws -> [UInt8: String] {
        var found: [UInt8: String] = [:]
        var comment: [String] = []
        for line in try Repository.text("Sources/WarrenTrace/FactKind.swift").split(separator: "\n")
        {
            let text = line.drop { $0 == " " }
            if text.hasPrefix("/// ") {
                comment.append(String(text.dropFirst(4)))
            } else if let match = text.wholeMatch(of: #/case (?:\w+) = ([0-9]+)/#),
                let number = UInt8(match.output.1)
            {
                // The kinds come first in the file; other enumerations count from 1, too.
                if found[number] != nil { break }
                found[number] = comment.joined(separator: " ").replacing("``", with: "`")
                    .replacing("|", with: "\\|")
                comment = []
            } else {
                comment = []
            }
        }
        return found
    }

    private static func words(_ columns: FactColumns) -> (peer: String, detail: String) {
        let peer =
            switch columns.peer {
            case .nothing: ""
            case .node: "node"
            case .name: "name"
            }
        let detail =
            switch columns.detail {
            case .nothing: ""
            case .length: "nanoseconds"
            case .factor: "thousandths"
            case .number: "number"
            case .fault: "fault, from 0"
            case .bytes: "bytes"
            case .connection: "connection"
            case .channel: "connection, channel"
            case .message: "message"
            case .publication: "bytes, headers"
            case .place: "place"
            }
        return (peer, detail)
    }

    @Test("has a row for each kind of fact, in the words of the source") func page() throws {
        let comments = try Self.comments()
        var rows = [
            "| kind | | what happened, and what its columns say | `peer` | `detail` |",
            "|---|---|---|---|---|",
        ]
        for kind in FactKind.allCases.sorted(by: { $0.rawValue < $1.rawValue }) {
            let comment = try #require(comments[kind.rawValue], "\(kind) has no comment")
            let (peer, detail) = Self.words(kind.columns)
            rows.append("| \(kind.rawValue) | `\(kind.name)` | \(comment) | \(peer) | \(detail) |")
        }
        let text = try Repository.text(Self.path)
        let begin = try #require(text.range(of: "<!-- kinds -->\n"))
        let end = try #require(text.range(of: "<!-- /kinds -->"))
        let made =
            text[..<begin.upperBound] + rows.joined(separator: "\n") + "\n"
            + text[end.lowerBound...]
        if ProcessInfo.processInfo.environment["WARREN_WRITE"] != nil {
            try String(made).write(
                to: Repository.root.appending(path: Self.path),
                atomically: true,
                encoding: .utf8
            )
        }
        #expect(try Repository.text(Self.path) == made, "make it anew with WARREN_WRITE=1")
    }
}
