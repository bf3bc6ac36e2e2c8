import Foundation

/// The rows about pages of runs.
extension Table {
    /// A page of a million facts: how long it takes to make, and to look at in Chromium.
    func view() -> [Line] {
        let warren = URL(filePath: own).deletingLastPathComponent().appending(path: "warren").path
        let names = ["facts", "seconds", "memory", "size", "ready", "step", "frames"]
        var values: [String: [Double]] = [:]
        for _ in 0..<min(rounds, 3) {
            let printed = shell(
                "/usr/bin/python3 \(peers)/page.py \(warren) Topologies/rabbitmq/order-pipeline.yaml \(bin)"
            )
            for (name, word) in zip(names, printed.split(whereSeparator: \.isWhitespace)) {
                values[name, default: []].append(Double(word) ?? .nan)
            }
        }
        func middle(_ name: String) -> Double {
            let sorted = (values[name] ?? []).sorted()
            return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
        }
        func line(_ what: String, _ name: String, _ wanted: String) -> Line {
            Line(what: what, ours: figure(middle(name)), peer: "", ratio: "", wanted: wanted)
        }
        return [
            line("warren view of \(figure(middle("facts"))) facts, s", "seconds", "< 5"),
            line("… its memory, MB", "memory", "< 1000"), line("… the page, MB", "size", "< 15"),
            line("… first picture in Chromium, ms", "ready", "< 1000"),
            line("… a step on or back, the longest, ms", "step", "< 50"),
            line("… frames a second while playing", "frames", "60"),
        ]
    }
}
