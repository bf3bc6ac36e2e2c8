import Conversations
import Foundation
import RabbitMQModel
import Support
import Testing

/// Every argument with every sort of value, on every kind of queue: what a 3.10.8 says is kept beside this file, and
/// written anew by the real broker where `WARREN_WRITE` is set.
struct ArgumentMatrix {
    /// One declaration or subscription.
    struct Cell {
        var kind: String
        var argument: String
        var word: String
        var value: FieldValue

        var place: String { "\(kind) \(argument) \(word)" }
    }

    static let file = Repository.root.appending(
        path: "Tests/RabbitMQModelTests/Answers/arguments.txt"
    )
    static let kinds = ["classic", "quorum", "stream"]

    static let queueArguments = [
        "x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key",
        "x-dead-letter-strategy", "x-max-length", "x-max-length-bytes", "x-max-in-memory-length",
        "x-max-in-memory-bytes", "x-max-priority", "x-overflow", "x-queue-mode", "x-queue-version",
        "x-single-active-consumer", "x-queue-type", "x-quorum-initial-group-size", "x-max-age",
        "x-stream-max-segment-size-bytes", "x-initial-cluster-size", "x-queue-leader-locator",
        "x-queue-master-locator", "x-delivery-limit",
    ]
    static let strangers = [
        "x-ha-policy", "x-priority", "alternate-exchange", "x-stream-offset", "x-unheard-of",
    ]
    /// `x-credit`, which is not for clients, is left out: it crashes a classic queue.
    static let consumerArguments = [
        "x-priority", "x-cancel-on-ha-failover", "x-stream-offset", "x-unheard-of",
    ]
    /// What a 3.10.8 does not answer at all: whether it may be asked for a fraction in the place of a word.
    static let unanswered = ["float:1.5", "double:1", "double:0.1", "decimal:314/2"]
        .map { "classic x-queue-master-locator \($0)" }

    static let values: [(word: String, value: FieldValue)] =
        numbers + texts + [
            ("true", .bool(true)), ("false", .bool(false)), ("void", .void),
            ("float:1.5", .float(1.5)), ("double:1", .double(1)), ("double:0.1", .double(0.1)),
            ("decimal:314/2", .decimal(scale: 2, value: 314)), ("timestamp:5", .timestamp(5)),
            ("bytes:first", .bytes(Array("first".utf8))), ("array:", .array([])),
            ("array:a,1", .array([.string("a"), .int(1)])), ("table:", .table([])),
            ("table:a=1", .table([.init("a", .int(1))])),
        ]
    private static let numbers: [(word: String, value: FieldValue)] =
        [Int64(-1), 0, 1, 2, 5, 255, 256, 2_147_483_647, 3_000_000_001, 315_360_000_000]
        .map { ("\($0)", .int($0)) } + [
            ("315360000001", .int(315_360_000_001)), ("long:5", .integer(5, .long)),
            ("byte:5", .integer(5, .byte)), ("byte:-1", .integer(-1, .byte)),
            ("unsignedbyte:5", .integer(5, .unsignedbyte)), ("short:5", .integer(5, .short)),
            ("unsignedshort:5", .integer(5, .unsignedshort)),
            ("unsignedint:5", .integer(5, .unsignedint)),
        ]
    private static let texts: [(word: String, value: FieldValue)] = [
        "", "x", "5", "classic", "quorum", "stream", "lazy", "drop-head", "reject-publish-dlx",
        "at-least-once", "client-local", "least-leaders", "min-masters", "7D", "1h", "7d", "5x",
        "1.5h", "0s", "D", "first", "next",
    ].map { ("'\($0)'", .string($0)) }

    static var queueCells: [Cell] {
        kinds.flatMap { kind in
            queueArguments.flatMap { argument in
                values.map { Cell(kind: kind, argument: argument, word: $0.word, value: $0.value) }
            }
                + strangers.map {
                    Cell(kind: kind, argument: $0, word: "array:1", value: .array([.int(1)]))
                }
        }.filter { !unanswered.contains($0.place) }
    }

    static var consumerCells: [Cell] {
        kinds.flatMap { kind in
            consumerArguments.flatMap { argument in
                values.map { Cell(kind: kind, argument: argument, word: $0.word, value: $0.value) }
            }
        }
    }

    /// What was said of each cell, by cell.
    static func answers(_ part: String) throws -> [String: String] {
        var found: [String: String] = [:]
        var answer = ""
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            if line.hasPrefix("  ") {
                let words = line.split(separator: " ", maxSplits: 3).map(String.init)
                guard words[0] == part else { continue }
                for value in words[3].split(separator: " ") {
                    found["\(words[1]) \(words[2]) \(value)"] = answer
                }
            } else if !line.hasPrefix("#") {
                answer = String(line)
            }
        }
        return found
    }

    /// Keeps what was said, the cells with the same answer together.
    static func write(_ parts: [(name: String, cells: [Cell], answers: [String])]) throws {
        var order: [String] = []
        var rows: [String: [(row: String, words: [String])]] = [:]
        for part in parts {
            for (cell, answer) in zip(part.cells, part.answers) {
                if rows[answer] == nil { order.append(answer) }
                let row = "\(part.name) \(cell.kind) \(cell.argument)"
                var own = rows[answer] ?? []
                if own.last?.row != row { own.append((row, [])) }
                own[own.count - 1].words.append(cell.word)
                rows[answer] = own
            }
        }
        var text = "# What RabbitMQ 3.10.8 says to each argument: an answer, then where it came.\n"
        for answer in order {
            text += answer + "\n"
            for row in rows[answer] ?? [] {
                text += "  \(row.row) \(row.words.joined(separator: " "))\n"
            }
        }
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        try Data(text.utf8).write(to: file)
    }
}

@Suite("RabbitMQ arguments", .heldWithBoth, .tags(.slow))
struct ArgumentMatrixTests {
    @Test func `RMQ-DECL-53 and RMQ-CONS-42 every argument with every sort of value`() throws {
        var talk = Conversation()
        var line = Line(talk)
        var last = ""
        let queues = try ArgumentMatrix.queueCells.map { cell in
            // The model keeps what was deleted, and slows down.
            if !talk.isReal, cell.argument != last { line = Line(Conversation()) }
            last = cell.argument
            return try declare(cell, line)
        }
        talk = Conversation()
        let consumers = try ArgumentMatrix.kinds.flatMap { kind in
            try consume(ArgumentMatrix.consumerCells.filter { $0.kind == kind }, kind, talk)
        }
        if talk.isReal, ProcessInfo.processInfo.environment["WARREN_WRITE"] != nil {
            try ArgumentMatrix.write([
                ("declare", ArgumentMatrix.queueCells, queues),
                ("consume", ArgumentMatrix.consumerCells, consumers),
            ])
        }
        try compare("declare", ArgumentMatrix.queueCells, queues)
        try compare("consume", ArgumentMatrix.consumerCells, consumers)
    }

    private func compare(_ part: String, _ cells: [ArgumentMatrix.Cell], _ said: [String]) throws {
        let answers = try ArgumentMatrix.answers(part)
        #expect(answers.count == cells.count)
        let others = zip(cells, said).compactMap { cell, said in
            answers[cell.place] == said
                ? nil : "\(cell.place): \(said), and not \(answers[cell.place] ?? "?")"
        }
        #expect(
            others.isEmpty,
            "\(part): \(others.count) differ\n\(others.joined(separator: "\n"))"
        )
    }

    /// The channel is opened again where an answer closed it.
    private final class Line {
        let talk: Conversation
        var channel: Conversation.Channel
        init(_ talk: Conversation) {
            self.talk = talk
            channel = talk.openChannel()
        }

        func answer(_ body: (Conversation.Channel) throws -> Void) throws -> String {
            do {
                try body(channel)
                return "ok"
            } catch let closed as Conversation.Closed {
                if closed.connection {
                    channel = talk.openChannel()
                } else {
                    talk.reopen(channel)
                }
                return "\(closed.code) \(closed.text)"
            }
        }
    }

    private func declare(_ cell: ArgumentMatrix.Cell, _ line: Line) throws -> String {
        let answer = try line.answer { channel in
            try line.talk.declareQueue("q", on: channel) {
                if cell.kind != "classic" { $0["x-queue-type"] = .string(cell.kind) }
                $0[cell.argument] = cell.value
            }
        }
        if answer == "ok" { try line.talk.deleteQueue("q", on: line.channel) }
        return answer
    }

    private func consume(
        _ cells: [ArgumentMatrix.Cell],
        _ kind: String,
        _ talk: Conversation
    ) throws -> [String] {
        let line = Line(talk)
        try talk.declareQueue(kind, on: line.channel) { $0["x-queue-type"] = .string(kind) }
        return try cells.map { cell in
            try line.answer { channel in
                try talk.qos(10, on: channel)
                let field = FieldValue.Field(cell.argument, cell.value)
                let tag = try talk.consume(kind, arguments: [field], on: channel)
                try talk.cancel(tag, on: channel)
            }
        }
    }
}
