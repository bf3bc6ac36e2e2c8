import Foundation
import TextTable

@main
enum Bench {
    static func main() throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard let word = arguments.first, word != "--runs", word != "--only" else {
            try Table(arguments).run()
            return
        }
        do {
            print(try sample(word, arguments.dropFirst().compactMap { Int($0) }).line)
        } catch let unfit as BrokerWorkloads.Unfit {
            FileHandle.standardError.write(Data((unfit.sentence.prefix(2000) + "\n").utf8))
            exit(1)
        }
    }

    /// One measurement in this process; the table starts a process for each.
    static func sample(_ word: String, _ numbers: [Int]) throws -> Sample {
        func number(_ index: Int, _ fallback: Int) -> Int {
            index < numbers.count ? numbers[index] : fallback
        }
        let scratch =
            NSTemporaryDirectory() + "warren-bench-\(ProcessInfo.processInfo.processIdentifier)"
        defer {
            for end in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: scratch + end)
            }
        }
        switch word {
        case "hold":
            return KernelWorkloads.hold(
                number(0, 1000),
                number(1, 5_000_000),
                seed: UInt64(number(2, 1))
            )
        case "mm1":
            return KernelWorkloads.tandem(1, number(0, 1_000_000), seed: UInt64(number(1, 1)))
        case "tandem":
            return KernelWorkloads.tandem(5, number(0, 500_000), seed: UInt64(number(1, 1)))
        case "broker":
            return try BrokerWorkloads.run(
                BrokerWorkloads.text(number(0, 1_000_000), consumers: number(1, 4))
            )
        case "quorum":
            return try BrokerWorkloads.run(
                BrokerWorkloads.text(number(0, 200_000), quorum: true, pace: number(1, 16))
            )
        case "quorums":
            return try BrokerWorkloads.quorums(
                number(0, 200_000),
                queues: number(1, 1000),
                rate: number(2, 100)
            )
        case "backlog":
            return try BrokerWorkloads.backlog(number(0, 1_000_000), number(1, 750_000))
        case "waiting":
            return try BrokerWorkloads.waiting(number(0, 10_000_000))
        case "bindings":
            return try BrokerWorkloads.bindings(
                number(0, 1000),
                queues: number(1, 1),
                number(2, 200_000)
            )
        case "runs": return try SearchWorkloads.runs(number(0, 4000), jobs: number(1, 1))
        case "whole": return try SearchWorkloads.whole(number(0, 1_000_000))
        case "recorded":
            return try BrokerWorkloads.recorded(number(0, 1_000_000), scratch)
        case "raw":
            return RawInsert.run(number(0, 5_000_000), scratch)
        case "encode": return try WireWorkloads.encode(number(0, 1_000_000))
        case "decode": return try WireWorkloads.decode(number(0, 1_000_000))
        case "confirms":
            return try WireWorkloads.confirms(
                number(0, 100_000),
                port: number(1, 5672),
                management: number(2, 15672)
            )
        case "check", "route":
            return try DefinitionsWorkloads.run(
                word,
                number(0, 100_000),
                number(1, 0) == 0 ? .site : .star,
                scratch
            )
        default:
            throw BrokerWorkloads.Unfit(sentence: "there is no workload '\(word)'")
        }
    }
}
