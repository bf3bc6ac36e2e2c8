import ArgumentParser
import WarrenStore
import WarrenTrace
import WarrenView

struct TraceClient: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client",
        abstract: "Tells what became of a client.",
        discussion: """
            Its connections, consumers and failures in the order of time, then what it did with messages. The name \
            of a client means all of its instances; `billing#2` is one.

            Example: warren trace client billing#2 order-pipeline.trace.sqlite
            """
    )

    @Argument(help: "The client, or one instance of it, such as billing#2.")
    var name: String

    @OptionGroup var options: TraceOptions
    @OptionGroup var printing: StoryOptions

    func run() throws {
        try printing.print(NodeStory.all(named: name, as: .client, OpenTrace(options))) {
            $0.lines($1)
        }
    }
}

struct TraceNode: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Tells what became of a node of a broker.",
        discussion: """
            When it led, was cut off, paused, went and came back; then what it did with messages.

            Example: warren trace node rabbit-2 split-brain.trace.sqlite
            """
    )

    @Argument(help: "The node; a broker's name means all of its nodes.")
    var name: String

    @OptionGroup var options: TraceOptions
    @OptionGroup var printing: StoryOptions

    func run() throws {
        try printing.print(NodeStory.all(named: name, as: .node, OpenTrace(options))) {
            $0.lines($1)
        }
    }
}

struct TraceQueue: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue",
        abstract: "Tells what became of a queue.",
        discussion: """
            Who consumed, what came and what went where, and when it was deepest.

            Example: warren trace queue billing.orders order-pipeline.trace.sqlite
            """
    )

    @Argument(help: "The queue.")
    var name: String

    @OptionGroup var options: TraceOptions
    @OptionGroup var printing: StoryOptions

    func run() throws {
        let open = try OpenTrace(options)
        let queues = try open.queue(named: name)
        try printing.print(
            TraceOptions.wrap {
                let facts = try open.reader.rareFacts(of: open.run)
                let sums = try open.reader.sums(of: open.run)
                let slices = try open.reader.slices(of: open.run).queues
                let end = try open.reader.state(of: open.run, at: .never)
                return queues.map { queue in
                    QueueStory(
                        queue,
                        open,
                        facts,
                        sums,
                        slices.first { $0.queue == queue }?.slices ?? [],
                        end
                    )
                }
            }
        ) { $0.lines($1) }
    }
}

struct TraceWhy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Says why a message came into a queue, or why it did not.",
        discussion: """
            Binding by binding, as they were when it was published: which led there, or which word or header failed.
            Exit code 0 if it came, 1 if it did not.

            Example: warren trace why m41 mail.events order-pipeline.trace.sqlite
            """
    )

    @Argument(help: "The message, such as m41.")
    var message: String

    @Argument(help: "The queue.")
    var queue: String

    @OptionGroup var options: TraceOptions

    @Option(help: "How to print: text or json.")
    var format = OutputFormat.text

    func run() throws {
        let number = try OpenTrace.message(message)
        let open = try OpenTrace(options)
        let queues = try open.queue(named: queue)
        let stories = try TraceOptions.wrap {
            try queues.map { try WhyStory(number, $0, open) }
        }
        // Of queues of one name in several places the one that it came to.
        guard let story = stories.first(where: { $0.copies > 0 }) ?? stories.first else { return }
        try Console.print(
            format == .json ? Report.json(of: story) : story.lines.joined(separator: "\n")
        )
        if story.copies == 0 { throw ExitCode(Failure.broken) }
    }
}

/// How a story is printed.
struct StoryOptions: ParsableArguments {
    @Option(help: "How to print: text or json.")
    var format = OutputFormat.text

    @Option(help: "How many lines of what happened to print.")
    var show = 60

    func validate() throws {
        guard show >= 2 else { throw ValidationError("--show \(show); say 2 or more") }
    }

    /// Prints stories one after the other, or as a JSON list.
    func print<Story: Encodable>(_ stories: [Story], _ lines: (Story, Int) -> [String]) throws {
        if format == .json { return try Console.print(Report.json(of: stories)) }
        let texts = stories.map { lines($0, show).joined(separator: "\n") }
        try Console.print(texts.joined(separator: "\n\n"))
    }
}
