/// The rows about searches.
extension Table {
    /// Worlds of a thousand messages, beside one of a million.
    func search() -> [Line] {
        let values = interleave([
            ("one job", { ours("runs 4000 1")?.perSecond }),
            ("two jobs", { ours("runs 4000 2")?.perSecond }),
            ("whole", { ours("whole 1000000")?.perSecond }),
            ("memory", { (ours("runs 4000 1")?.bytes).map { Double($0) / 1e6 } }),
        ])
        let one = values["one job"]
        let whole = values["whole"].map { $0 / 1000 }
        return [
            Line(
                what: "search, runs of 1,000 messages/s",
                ours: figure(one ?? .nan),
                peer: "",
                ratio: "",
                wanted: "≥ 1000"
            ),
            Line(
                what: "… time of a run",
                ours: figure(one.map { 1e6 / $0 } ?? .nan) + " µs",
                peer: "a million / 1000 " + figure(whole.map { 1e6 / $0 } ?? .nan) + " µs",
                ratio: ratio(whole, one),
                wanted: "≤ 1.3"
            ),
            Line(
                what: "… with two jobs",
                ours: figure(values["two jobs"] ?? .nan),
                peer: "with one " + figure(one ?? .nan),
                ratio: ratio(values["two jobs"], one),
                wanted: "≥ 1.8"
            ),
            Line(
                what: "… memory of a job, MB",
                ours: figure(values["memory"] ?? .nan),
                peer: "",
                ratio: "",
                wanted: ""
            ),
        ]
    }
}
