import Foundation

/// The rows about traces.
extension Table {
    /// How long looks into a trace of a million facts take, each as a program that starts and ends, and exports of it.
    func traces() -> [Line] {
        let warren = URL(filePath: own).deletingLastPathComponent().appending(path: "warren").path
        let printed = shell("/usr/bin/python3 \(peers)/traces.py \(warren) \(max(rounds, 3))")
        var values: [String: Double] = [:]
        for line in printed.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 { values[String(words[0])] = Double(words[1]) }
        }
        func value(_ name: String) -> Double { values[name] ?? .nan }
        let looks = [
            ("message", 100), ("why", 100), ("client", 100), ("queue", 100), ("at", 100),
            ("summary", 300), ("timeline", 300),
        ]
        var lines = looks.map { name, most in
            Line(
                what: "warren trace \(name) among \(figure(value("facts"))) facts, ms",
                ours: figure(value(name) * 1000),
                peer: "",
                ratio: "",
                wanted: "< \(most)"
            )
        }
        lines += ["jsonl", "csv", "shiviz", "perfetto", "otlp"].map { name in
            Line(
                what: "warren trace export --format \(name) of all, s",
                ours: figure(value(name)),
                peer: "",
                ratio: "",
                wanted: "< 15"
            )
        }
        lines.append(
            Line(
                what: "… the most memory of these, MB",
                ours: figure(value("memory")),
                peer: "",
                ratio: "",
                wanted: ""
            )
        )
        return lines
    }
}
