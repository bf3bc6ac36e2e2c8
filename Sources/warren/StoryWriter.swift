import Foundation
import WarrenBroker
import WarrenCatalog
import WarrenGateway
import WarrenSearch
import WarrenStore
import WarrenTopology

/// Makes what a search found as short as it can be, and writes it down.
struct StoryWriter {
    /// The topology, with what it is asked for.
    let topology: Topology
    /// Where it was read from.
    let file: String
    /// The folder for what is found.
    let out: String

    init(_ topology: Topology, file: String, out: String) {
        self.topology = topology
        self.file = file
        self.out = out
    }

    /// The stories of what was found, one for each shape.
    func stories(of result: Search.Result) throws -> [SearchReport.Story] {
        var stories: [SearchReport.Story] = []
        var counts: [String: Int] = [:]
        // More ways than a person will read are not told.
        for hit in result.hits.prefix(Self.mostStories) {
            let number = counts[hit.breach.name, default: 0] + 1
            var (story, text) = try story(of: hit, number)
            if let index = stories.firstIndex(where: {
                $0.breach.name == story.breach.name && $0.story.shape == story.story.shape
            }) {
                let times = stories[index].hit.times + hit.times
                if story.events < stories[index].events {
                    story.path = stories[index].path
                    try write(text, to: story.path)
                    stories[index] = story
                }
                stories[index].hit.times = times
                continue
            }
            counts[hit.breach.name] = number
            try write(text, to: story.path)
            stories.append(story)
        }
        return stories
    }

    private static let mostStories = 24

    /// The file of the first run that was too long.
    func longRun(of result: Search.Result) throws -> String? {
        guard let cut = result.tally.firstCut else { return nil }
        let path = path("too-long")
        try write(CaseFile(topology).with(cut.schedule).text, to: path)
        return path
    }

    // MARK: What broke before

    /// Where schedules that broke something are kept.
    var memory: String { path("schedules") }

    /// The schedules that broke something in an earlier search.
    func remembered() throws -> [Remembered.Entry] {
        let path = memory
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        guard let data = FileManager.default.contents(atPath: path),
            let tree = Tree.read(String(decoding: data, as: UTF8.self), path: path)
        else {
            Console.error("\(path) cannot be read; what broke before is not played first")
            return []
        }
        let (fit, unfit) = Remembered.entries(tree, topology, read: read)
        if unfit > 0 {
            Console.error(
                "\(unfit) of the schedules in \(path) do not fit the file any more, and are left out"
            )
        }
        return fit
    }

    /// Keeps the schedules that broke something, old and new.
    ///
    /// The first `played` runs were of schedules that are kept already.
    func remember(
        _ old: [Remembered.Entry],
        _ stories: [SearchReport.Story],
        played: Int
    ) throws {
        let new = stories.map(\.hit).filter { $0.run > played }.map {
            Remembered.Entry(broke: $0.breach.name, schedule: $0.schedule)
        }
        guard !new.isEmpty else { return }
        var known: Set<String> = []
        let all = (new + old).filter { known.insert(Remembered.text([$0])).inserted }.prefix(100)
        try write(Remembered.text(Array(all)), to: memory)
    }

    /// Makes a topology of the text of a file.
    func read(_ text: String) -> Topology? { Files.topology(of: text, at: file) }

    /// What was found, as short as it can be, and the text of its file.
    private func story(of hit: Tally.Hit, _ number: Int) throws -> (SearchReport.Story, String) {
        let path = path(number == 1 ? hit.breach.name : "\(hit.breach.name)-\(number)")
        let shrinker = Shrinker(
            CaseFile(topology),
            hit.schedule,
            breaking: hit.breach.name,
            models: Catalog.models
        ) { read($0) }
        guard var shrinker else {
            try write(CaseFile(topology).with(hit.schedule).text, to: path)
            throw Failure(
                code: Failure.outside,
                text:
                    "error: run \(hit.run) breaks \(hit.breach.name), and its file \(path) does not: this is a fault of warren"
            )
        }
        shrinker.run { Interrupt.happened }
        let text = Self.header(hit, shrinker) + shrinker.best.text
        guard let short = read(text),
            var run = try? Simulation(short, models: Catalog.models)
        else {
            throw Failure(
                code: Failure.outside,
                text: "error: the file of run \(hit.run) cannot be read"
            )
        }
        let story = SearchStory(&run, shrinker.outcome.breach)
        let whole = SearchReport.Story(
            hit: hit,
            breach: shrinker.outcome.breach,
            story: story,
            path: path,
            events: shrinker.outcome.events,
            digest: shrinker.outcome.digest,
            tried: shrinker.tried,
            isReplayable: (try? Replay.check(short, mayBreak: true)) != nil
        )
        return (whole, text)
    }

    /// A file of this search, under a name that any shell takes as it is.
    func path(_ name: String) -> String {
        let plain = "\(topology.name).\(name)".map { character in
            character.isLetter || character.isNumber || "._-".contains(character) ? character : "-"
        }
        return "\(out)/\(String(plain)).yaml"
    }

    private func write(_ text: String, to path: String) throws {
        do { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) } catch {
            throw Failure(
                code: Failure.outside,
                text:
                    "error: \(path) cannot be written: \(SystemReason.words(for: errno))\n  try: --out with a folder that is there"
            )
        }
    }

    private static func header(_ hit: Tally.Hit, _ shrinker: Shrinker) -> String {
        """
        # Found by warren search in run \(hit.run), and made as short as it can be.
        # It breaks \(hit.breach.name): \(shrinker.outcome.breach.sentence).

        """
    }
}
