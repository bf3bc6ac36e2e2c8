import Foundation
import TextTable
import WarrenSearch

/// Many runs in one table.
struct SurveyReport {
    private let survey: Survey
    /// What the runs differ in: seeds, or scenarios.
    private let kind: String
    private let file: String
    /// The command that plays one of them.
    private let command: (String) -> String

    init(_ survey: Survey, kind: String, file: String, _ command: @escaping (String) -> String) {
        self.survey = survey
        self.kind = kind
        self.file = file
        self.command = command
    }

    /// Whether something in them was not as the file means it.
    var isBroken: Bool { survey.rows.contains { !$0.broken.isEmpty || $0.imbalance != nil } }

    /// More rows are not shown; those that broke come first.
    private static let longest = 30

    var text: String {
        guard !survey.rows.isEmpty else { return "no run was lived to its end" }
        var lines: [String] = []
        let worst = survey.rows.max { $0.broken.count < $1.broken.count }
        let shown = survey.rows.filter { !$0.broken.isEmpty || $0.imbalance != nil }
        let rows =
            survey.rows.count <= Self.longest ? survey.rows : Array(shown.prefix(Self.longest))
        if !rows.isEmpty {
            let table = TextTable<Survey.Row> { row in
                [
                    Column(title: kind, value: row.label),
                    Column(
                        title: "held",
                        value: "\(row.verdicts.count - row.broken.count) of \(row.verdicts.count)",
                        align: .right
                    ),
                    Column(title: "events", value: row.events, align: .right),
                    Column(
                        title: "not as meant",
                        value: (row.broken + (row.imbalance.map { [$0] } ?? [])).joined(
                            separator: ", "
                        )
                    ),
                ]
            }
            let text = table.string(for: rows, style: Style.plain) ?? ""
            lines.append(text.trimmingCharacters(in: .newlines))
            if rows.count < shown.count { lines.append("… and \(shown.count - rows.count) more") }
            lines.append("")
        }
        for (index, verdict) in survey.rows[0].verdicts.enumerated() {
            let broken = survey.rows.filter { !$0.verdicts[index].isAsMeant }
            let count = survey.rows.count
            lines.append(
                broken.isEmpty
                    ? "\(Console.good("held"))    \(verdict.name) in all \(count)"
                    : "\(Console.bad("broken"))  \(verdict.name) in \(broken.count) of \(count), first in \(broken[0].label)"
            )
        }
        if survey.rows[0].verdicts.isEmpty {
            lines.append("\(file) expects nothing; add `expect:`")
        }
        if let worst, !worst.broken.isEmpty { lines.append("play    \(command(worst.label))") }
        return lines.joined(separator: "\n")
    }

    private struct Line: Encodable {
        var label: String
        var events: UInt64
        var digest: String
        var expectations: [Verdict]
        var imbalance: String?
    }

    private struct Verdict: Encodable {
        var name: String
        var as_meant: Bool
    }

    var json: String {
        Report.json(
            of: survey.rows.map { row in
                Line(
                    label: row.label,
                    events: row.events,
                    digest: row.digest,
                    expectations: row.verdicts.map {
                        Verdict(name: $0.name, as_meant: $0.isAsMeant)
                    },
                    imbalance: row.imbalance
                )
            }
        )
    }
}
