import Foundation
import TextTable
import WarrenGateway

/// The whole table: every workload beside its peers, in rounds, medians at the end.
///
/// Each round runs every program once, so that a slow phase of the machine hits all alike.
struct Table {
    struct Line {
        var what: String
        var ours: String
        var peer: String
        var ratio: String
        var wanted: String
    }

    let rounds: Int
    private let only: String
    let bin: String
    let peers: String
    let own = CommandLine.arguments[0]

    init(_ arguments: [String]) throws {
        func value(_ key: String) -> String? {
            arguments.firstIndex(of: key).flatMap {
                $0 + 1 < arguments.count ? arguments[$0 + 1] : nil
            }
        }
        rounds = value("--runs").flatMap { Int($0) } ?? 5
        only = value("--only") ?? ""
        peers = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Peers").path
        bin = NSTemporaryDirectory() + "warren-bench-peers"
        try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: true)
    }

    // MARK: Programs

    func shell(_ command: String) -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", command]
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return "" }
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    func ours(_ words: String) -> Sample? { Sample(line: shell("\(own) \(words)")) }

    /// A figure of a peer's JSON line.
    private func peer(_ command: String, _ key: String) -> Double? {
        guard let data = shell(command).split(separator: "\n").last.map({ Data($0.utf8) }),
            let json = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else { return nil }
        return json[key] as? Double
    }

    private func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
    }

    func figure(_ value: Double) -> String {
        if value.isNaN { return "—" }
        if value >= 1e6 { return String(format: "%.2f M", value / 1e6) }
        if value >= 1e4 { return String(format: "%.0f k", value / 1e3) }
        return String(format: value >= 100 ? "%.0f" : "%.2f", value)
    }

    // MARK: Rounds

    /// Measures several things in rounds; the medians, by name.
    func interleave(_ what: [(String, () -> Double?)]) -> [String: Double] {
        var values: [String: [Double]] = [:]
        for round in 1...rounds {
            FileHandle.standardError.write(Data("round \(round) of \(rounds): ".utf8))
            for (name, body) in what {
                FileHandle.standardError.write(Data("\(name) · ".utf8))
                if let value = body() { values[name, default: []].append(value) }
            }
            FileHandle.standardError.write(Data("\n".utf8))
        }
        return values.mapValues(median)
    }

    func run() throws {
        for name in ["des", "broker"] {
            _ = shell("c++ -O2 -std=c++20 -o \(bin)/\(name) \(peers)/\(name).cpp")
        }
        _ = shell("swiftc -O -o \(bin)/bare \(peers)/bare.swift")
        var lines: [Line] = []
        let parts: [(String, () -> [Line])] = [
            ("hold", hold), ("kernel", kernel), ("broker", broker), ("instructions", instructions),
            ("quorum", quorum), ("recorded", recorded), ("memory", memory), ("bindings", bindings),
            ("definitions", definitions), ("wire", wire), ("start", start), ("search", search),
            ("labs", labs), ("traces", traces),
            ("view", view),
        ]
        for (name, part) in parts where only.isEmpty || only == name { lines += part() }
        let table = TextTable<Line> { line in
            [
                Column(title: "what", value: line.what),
                Column(title: "warren", value: line.ours, align: .right),
                Column(title: "peer", value: line.peer, align: .right),
                Column(title: "ratio", value: line.ratio, align: .right),
                Column(title: "wanted", value: line.wanted),
            ]
        }
        print(table.string(for: lines, style: Style.pipe) ?? "")
    }

    func ratio(_ a: Double?, _ b: Double?) -> String {
        guard let a, let b, b > 0 else { return "—" }
        return String(format: "%.2f", a / b)
    }

    private func hold() -> [Line] {
        let sizes = [(1_000, 5_000_000), (100_000, 4_000_000), (1_000_000, 3_000_000)]
        let values = interleave(
            sizes.flatMap { size, operations in
                [
                    ("ours \(size)", { ours("hold \(size) \(operations)")?.perSecond }),
                    (
                        "stdpq \(size)",
                        { peer("\(bin)/des stdpq hold \(size) \(operations) 1", "events_per_s") }
                    ),
                ]
            }
        )
        return sizes.map { size, _ in
            Line(
                what: "pending set, \(size) pending, operations/s",
                ours: figure(values["ours \(size)"] ?? .nan),
                peer: "C++ " + figure(values["stdpq \(size)"] ?? .nan),
                ratio: ratio(values["ours \(size)"], values["stdpq \(size)"]),
                wanted: "≥ 1.5"
            )
        }
    }

    private func kernel() -> [Line] {
        let python = "/usr/bin/python3 \(peers)/peer_simpy.py"
        let values = interleave([
            ("mm1", { ours("mm1 2000000")?.perSecond }),
            ("mm1 C++", { peer("\(bin)/des stdpq mm1 0 2000000 1", "events_per_s") }),
            ("mm1 SimPy", { peer("\(python) mm1 0 40000", "events_per_s") }),
            ("tandem", { ours("tandem 700000")?.perSecond }),
            ("tandem C++", { peer("\(bin)/des stdpq tandem 5 700000 1", "events_per_s") }),
            ("tandem SimPy", { peer("\(python) tandem 5 15000", "events_per_s") }),
        ])
        return ["mm1", "tandem"].flatMap { name in
            [("C++", "≥ 0.8"), ("SimPy", "≥ 100")].map { rival, wanted in
                Line(
                    what: "kernel, \(name), events/s",
                    ours: figure(values[name] ?? .nan),
                    peer: "\(rival) " + figure(values["\(name) \(rival)"] ?? .nan),
                    ratio: ratio(values[name], values["\(name) \(rival)"]),
                    wanted: wanted
                )
            }
        }
    }

    private func broker() -> [Line] {
        let values = interleave([
            ("plain", { ours("broker 1000000")?.perSecond }),
            ("C++", { peer("\(bin)/broker 1000000 1", "msgs_per_s") }),
            ("SimPy", { peer("/usr/bin/python3 \(peers)/broker_simpy.py 20000 1", "msgs_per_s") }),
            ("backlog", { ours("backlog 1000000 750000")?.perSecond }),
            ("300 consumers", { ours("broker 1000000 100")?.perSecond }),
        ])
        let plain = values["plain"]
        return [
            Line(
                what: "broker workload, messages/s",
                ours: figure(plain ?? .nan),
                peer: "C++ " + figure(values["C++"] ?? .nan),
                ratio: ratio(plain, values["C++"]),
                wanted: "≥ 0.4"
            ),
            Line(
                what: "broker workload, messages/s",
                ours: figure(plain ?? .nan),
                peer: "SimPy " + figure(values["SimPy"] ?? .nan),
                ratio: ratio(plain, values["SimPy"]),
                wanted: "≥ 50"
            ),
            Line(
                what: "… with 750,000 messages waiting",
                ours: figure(values["backlog"] ?? .nan),
                peer: "without " + figure(plain ?? .nan),
                ratio: ratio(values["backlog"], plain),
                wanted: "≥ 0.85"
            ),
            Line(
                what: "… with 300 consumers",
                ours: figure(values["300 consumers"] ?? .nan),
                peer: "with 12 " + figure(plain ?? .nan),
                ratio: ratio(values["300 consumers"], plain),
                wanted: "≥ 0.5"
            ),
        ]
    }

    /// The instructions that a message more costs, from two lengths of run.
    private func slope(_ command: String, _ rest: String = "") -> Double? {
        func count(_ messages: Int) -> Double? {
            let file = "\(bin)/callgrind.out"
            let text = shell(
                "valgrind --tool=callgrind --callgrind-out-file=\(file) \(command) \(messages) \(rest)"
                    + " 2>&1 >/dev/null"
            )
            let line = text.split(separator: "\n").first { $0.contains("Collected") }
            return line?.split(separator: " ").last.flatMap { Double($0) }
        }
        guard let short = count(20_000), let long = count(60_000) else { return nil }
        return (long - short) / 40_000
    }

    /// This program without Swift's debug information, over which Valgrind stumbles.
    private func stripped() -> String {
        _ = shell("strip --strip-debug -o \(bin)/stripped \(own)")
        return "\(bin)/stripped"
    }

    private func quorum() -> [Line] {
        let values = interleave([
            ("classic", { ours("broker 1000000")?.perSecond }),
            ("quorum", { ours("quorum 400000")?.perSecond }),
            ("one", { ours("quorums 400000 1 100")?.perSecond }),
            ("thousand", { ours("quorums 400000 1000 100")?.perSecond }),
        ])
        let program = stripped()
        let one = slope("\(program) quorums", "1 100")
        let thousand = slope("\(program) quorums", "1000 100")
        return [
            Line(
                what: "quorum queues on three nodes, messages/s",
                ours: figure(values["quorum"] ?? .nan),
                peer: "classic " + figure(values["classic"] ?? .nan),
                ratio: ratio(values["quorum"], values["classic"]),
                wanted: "≥ 0.2"
            ),
            Line(
                what: "… 1,000 of them, instructions/message",
                ours: figure(thousand ?? .nan),
                peer: "one " + figure(one ?? .nan),
                ratio: ratio(thousand, one),
                wanted: "≤ 1"
            ),
            Line(
                what: "… 1,000 of them, messages/s",
                ours: figure(values["thousand"] ?? .nan),
                peer: "one " + figure(values["one"] ?? .nan),
                ratio: ratio(values["thousand"], values["one"]),
                wanted: "≥ 1"
            ),
        ]
    }

    /// Instructions per event, from the difference of two lengths.
    private func instructions() -> [Line] {
        let ours = slope("\(stripped()) broker").map { $0 / 7.25 }
        let theirs = slope("\(bin)/node").map { $0 / 7.25 }
        return [
            Line(
                what: "broker workload, instructions/event",
                ours: figure(ours ?? .nan),
                peer: "C++ " + figure(theirs ?? .nan),
                ratio: ratio(ours, theirs),
                wanted: "≤ 2.5"
            )
        ]
    }

    private func recorded() -> [Line] {
        var bytes = 0.0
        let values = interleave([
            (
                "recorded",
                {
                    let sample = ours("recorded 500000")
                    bytes = sample.map { Double($0.bytes) / Double($0.count) } ?? .nan
                    return sample?.perSecond
                }
            ),
            ("raw", { ours("raw 4000000")?.perSecond }),
        ])
        return [
            Line(
                what: "with every fact recorded, facts/s",
                ours: figure(values["recorded"] ?? .nan),
                peer: "raw insert " + figure(values["raw"] ?? .nan),
                ratio: ratio(values["recorded"], values["raw"]),
                wanted: "≥ 1.2"
            ),
            Line(
                what: "bytes per fact on disk",
                ours: figure(bytes),
                peer: "",
                ratio: "",
                wanted: "≤ 40"
            ),
        ]
    }

    private func memory() -> [Line] {
        let sample = ours("waiting 10000000")
        let bytes = sample.map { Double($0.bytes) / Double($0.count) } ?? .nan
        return [
            Line(
                what: "ten million waiting, bytes/message at the peak",
                ours: figure(bytes),
                peer: "",
                ratio: "",
                wanted: "≤ 96"
            )
        ]
    }

    private func bindings() -> [Line] {
        let sizes = [(1, 1), (1_000, 1), (100_000, 1), (1_000, 1_000), (10_000, 10_000)]
        let values = interleave(
            sizes.map { count, queues in
                (
                    "\(count)/\(queues)",
                    { ours("bindings \(count) \(queues) 300000").map { 1 / $0.perSecond * 1e9 } }
                )
            }
        )
        let base = values["1/1"]
        return sizes.map { count, queues in
            Line(
                what: "\(count) bindings, \(queues) queues, ns/message",
                ours: figure(values["\(count)/\(queues)"] ?? .nan),
                peer: "one of each " + figure(base ?? .nan),
                ratio: ratio(values["\(count)/\(queues)"], base),
                wanted: "≤ 2"
            )
        }
    }

    /// Large definitions files, checked and asked for a route by the program itself.
    private func definitions() -> [Line] {
        let sizes = [10_000, 30_000, 100_000]
        var bytes: [String: Double] = [:]
        let values = interleave(
            ["check", "route"].flatMap { verb in
                sizes.map { size in
                    (
                        "\(verb) \(size)",
                        {
                            let sample = ours("\(verb) \(size)")
                            bytes["\(verb) \(size)"] = sample.map { Double($0.bytes) / 1e6 }
                            return sample?.seconds
                        }
                    )
                }
            }
        )
        return ["check", "route"].flatMap { verb in
            sizes.map { size in
                let name = "\(verb) \(size)"
                let base = values["\(verb) 10000"].map { $0 * Double(size) / 10_000 }
                return Line(
                    what: "warren \(verb), \(size) bindings, s",
                    ours: figure(values[name] ?? .nan),
                    peer: size == 10_000 ? "" : "in proportion " + figure(base ?? .nan),
                    ratio: size == 10_000 ? "" : ratio(values[name], base),
                    wanted: size < 100_000 ? "" : verb == "check" ? "< 3" : "< 1"
                )
            } + [
                Line(
                    what: "… memory of the largest, MB",
                    ours: figure(bytes["\(verb) 100000"] ?? .nan),
                    peer: "",
                    ratio: "",
                    wanted: "≤ 500"
                )
            ]
        }
    }

    /// The wire, and one producer with confirms beside the same in C, on a real broker that is started for it.
    private func wire() -> [Line] {
        _ = shell("cc -O2 -o \(bin)/confirms \(peers)/confirms.c -lrabbitmq")
        let broker = Waiting.cluster(in: "\(bin)/node")
        defer { if broker != nil { LocalCluster.end(in: "\(bin)/node") } }
        var programs: [(String, () -> Double?)] = [
            ("encode", { ours("encode 1000000").map { 1e9 / $0.perSecond } }),
            ("decode", { ours("decode 1000000").map { 1e9 / $0.perSecond } }),
        ]
        if let broker {
            programs += [
                (
                    "confirms",
                    { ours("confirms 200000 \(broker.port) \(broker.managementPort)")?.perSecond }
                ),
                (
                    "rabbitmq-c",
                    { peer("\(bin)/confirms \(broker.port) 200000 2000", "msgs_per_s") }
                ),
            ]
        }
        let values = interleave(programs)
        return ["encode", "decode"].map { word in
            Line(
                what: "\(word) a publication of 1 KiB, ns",
                ours: figure(values[word] ?? .nan),
                peer: "",
                ratio: "",
                wanted: "< 1000"
            )
        } + [
            Line(
                what: "published to a real broker and confirmed, messages/s",
                ours: figure(values["confirms"] ?? .nan),
                peer: "rabbitmq-c " + figure(values["rabbitmq-c"] ?? .nan),
                ratio: ratio(values["confirms"], values["rabbitmq-c"]),
                wanted: "≥ 0.8"
            )
        ]
    }

    private func start() -> [Line] {
        let warren = URL(filePath: own).deletingLastPathComponent().appending(path: "warren").path
        // One shell starts the program a hundred times, so that the shell's own start does not count.
        func time(_ command: String) -> Double {
            Clock.seconds {
                _ = shell("for i in $(seq 100); do \(command) >/dev/null 2>&1; done")
            } * 1e3 / 100
        }
        let values = interleave([
            ("warren --help", { time("\(warren) --help") }), ("bare", { time("\(bin)/bare") }),
        ])
        return [
            Line(
                what: "start of warren --help, ms",
                ours: figure(values["warren --help"] ?? .nan),
                peer: "bare Swift " + figure(values["bare"] ?? .nan),
                ratio: ratio(values["warren --help"], values["bare"]),
                wanted: "≤ 2.5"
            )
        ]
    }
}

/// A real broker for the table.
private enum Waiting {
    private final class Box: @unchecked Sendable {
        var node: LocalCluster.Node?
    }

    /// Starts one; nil if there is none on this machine.
    static func cluster(in folder: String) -> LocalCluster.Node? {
        let (box, done) = (Box(), DispatchSemaphore(value: 0))
        Task {
            if let cluster = try? await LocalCluster.start(in: folder) {
                box.node = await cluster.nodes[0]
                kept = cluster
            }
            done.signal()
        }
        done.wait()
        return box.node
    }

    /// Its lifeline must live as long as the table is made.
    private nonisolated(unsafe) static var kept: LocalCluster?
}
