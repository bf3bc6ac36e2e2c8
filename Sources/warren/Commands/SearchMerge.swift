import ArgumentParser
import WarrenSearch
import WarrenTopology

/// `warren search merge`: joins the results of the shards of one search, and tells what they found.
struct SearchMerge {
    let files: [String]
    let results: String?
    let out: String
    let shape: SearchCommand.Format

    func run() throws {
        do { try merge() } catch let failure as ResultsFile.Failure {
            throw Failure(code: Failure.input, text: "error: \(failure.text)")
        }
    }

    private func merge() throws {
        let parts = try files.map { try ResultsFile(opening: $0) }
        var heading = parts[0].heading
        guard let topology = Files.topology(of: heading.text, at: heading.path) else {
            throw Failure(
                code: Failure.input,
                text: "error: the topology in \(files[0]) cannot be read by this Warren"
            )
        }
        let writer = StoryWriter(topology, file: heading.path, out: out)
        var tally = try parts[0].tally(topology, read: writer.read)
        for (file, part) in zip(files, parts).dropFirst() {
            let other = try part.tally(topology, read: writer.read)
            let reason = heading.differs(from: part.heading)
            guard reason == nil, tally.join(other) else {
                throw Failure(
                    code: Failure.input,
                    text:
                        "error: \(file) cannot be joined with \(files[0]): \(reason ?? "they have runs in common")"
                )
            }
            heading.parts = (heading.parts + part.heading.parts).sorted()
        }
        if let results {
            try ResultsFile(
                creating: results,
                heading,
                first: try parts[0].first(topology, read: writer.read)
            ).save(tally)
        }
        let result = Search.Result(tally, of: topology, each: !heading.stopsAtFirst)
        let stories = try writer.stories(of: result)
        let report = SearchReport(
            topology,
            file: heading.path,
            result,
            stories,
            longRun: try writer.longRun(of: result),
            memory: nil,
            results: results,
            missing: Self.missing(heading),
            seconds: nil
        )
        try report.print(as: shape)
        if !stories.isEmpty { throw ExitCode(Failure.broken) }
    }

    /// The shards that nobody handed in, in words.
    private static func missing(_ heading: ResultsFile.Heading) -> String? {
        let missing = (1...heading.shards).filter { !heading.parts.contains($0) }
        guard !missing.isEmpty else { return nil }
        let named = missing.prefix(10).map(String.init).joined(separator: ", ")
        return
            "\(missing.count == 1 ? "shard" : "shards") \(named)\(missing.count > 10 ? ", …" : "") of \(heading.shards)"
    }
}
