import Foundation
import Support
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenTopology

/// Every number that a topology file may say, at its ends and beyond them.
@Suite("A number at its end")
struct ExtremesTests {
    /// A topology in which a key stands at a place, with a value.
    private struct Place: CustomTestStringConvertible {
        var section: String
        var path: [String]
        var shape: Shape

        var testDescription: String { ([section] + path).joined(separator: ".") }
        var isOfShovel: Bool { path.contains("shovels") || path.contains("shovel") }
    }

    /// All places of numbers below some fields.
    private static func places(_ section: String, _ fields: [Field], _ path: [String] = [])
        -> [Place]
    {
        fields.filter { $0.notModelled == nil }.flatMap { field in
            places(section, field.shape, path + [field.name])
        }
    }

    private static func places(_ section: String, _ shape: Shape, _ path: [String]) -> [Place] {
        switch shape {
        case .integer, .duration, .size, .rate, .share, .timeLaw, .sizeLaw, .arrivals:
            return [Place(section: section, path: path, shape: shape)]
        case .text where ["factor", "by", "priority", "offset", "max_age"].contains(path.last):
            return [Place(section: section, path: path, shape: shape)]
        case .record(let fields): return places(section, fields, path)
        case .either(let shapes): return shapes.flatMap { places(section, $0, path) }
        case .list(let element): return places(section, element, path + ["*"])
        case .map(let element): return places(section, element, path + ["1"])
        case .text, .choice, .boolean, .expression, .anything: return []
        }
    }

    private static let all: [Place] = {
        guard let words = Catalog.vocabularies.first(where: { $0.kind == "rabbitmq" }) else {
            return []
        }
        var all = places("brokers", words.broker)
        all += places("producers", CommonShapes.producer(words))
        all += places("consumers", CommonShapes.consumer(words))
        all += places("callers", CommonShapes.caller(words))
        all += places("servers", CommonShapes.server(words))
        // Steps that are repeated are the same as those that are not.
        all += places("scripts", words.steps).filter { !$0.path.starts(with: ["repeat", "steps"]) }
        all += places("network", CommonShapes.network, [])
        return all + places("faults", CommonShapes.fault, [])
    }()

    /// An operator policy may not say it, whatever it is.
    private static let nowhere = [
        "brokers.operator_policies.*.max_age", "scripts.administer.operator_policy.max_age",
    ]

    private static func values(_ shape: Shape) -> [String] {
        let numbers = [
            "0", "1", "255", "65535", "4294967295", "9007199254740992", "9223372036854775807",
            "18446744073709551615", "99999999999999999999999999",
        ]
        let times = [
            "0ns", "1ns", "1000d", "36500d", "40000d", "200000000000d", "99999999999999999999d",
        ]
        let sizes = ["0B", "1B", "1GiB", "4294967296B", "1048576GiB", "99999999999999999999GiB"]
        switch shape {
        case .integer(let range): return numbers + ["\(range.lowerBound)", "\(range.upperBound)"]
        case .duration: return times
        case .size, .sizeLaw: return sizes + laws("1GiB", "0B")
        case .rate: return rates
        case .share: return ["0", "1", "0%", "100%", "101%", "0.00000000000000000001"]
        case .timeLaw: return times + laws("1000d", "0ns")
        case .arrivals: return rates + times + laws("1000d", "1ns")
        default:
            return numbers + ["-1", "-9223372036854775808", "0.0000001", "1e300", "36500d", "1h"]
        }
    }

    private static let rates = [
        "0.00000001/h", "0.0000001/s", "1000000000/s", "99999999999999999/s",
    ]

    private static func laws(_ most: String, _ least: String) -> [String] {
        [
            "{ law: exponential, mean: \(most) }", "{ law: uniform, min: \(least), max: \(most) }",
            "{ law: normal, mean: \(most), deviation: \(most) }",
            "{ law: lognormal, median: \(most), p99: \(most) }",
            "{ law: gamma, mean: \(most), cv: 100 }", "{ law: gamma, mean: \(most), cv: 0.01 }",
            "{ law: empirical, values: [\(least), \(most)] }",
        ]
    }

    /// What a shovel needs beside a key of it.
    private static func relay(_ place: Place, _ key: String, _ path: ArraySlice<String>) -> String {
        switch place.path[..<path.startIndex].last {
        case "from": return "queue: q, "
        case "to": return "queue: rest, "
        case "shovel", "1", "*":
            let name = place.section == "brokers" ? "" : "name: s, "
            return name + (key == "from" ? "" : "from: { queue: q }, ")
                + (key == "to" ? "" : "to: { queue: rest }, ")
        default: return ""
        }
    }

    /// What must stand beside a value, so that it is met.
    private static func document(_ place: Place, _ value: String) -> String {
        func nested(_ path: ArraySlice<String>) -> String {
            guard let key = path.first else { return value }
            let inner = nested(path.dropFirst())
            if key == "*" { return path.count == 1 ? inner : "[\(inner)]" }
            // Some keys mean nothing without their neighbours.
            let neighbour =
                switch (place.section, path.startIndex, place.path.first) {
                case ("scripts", 1, "publish"): "to: q, "
                case ("callers", 1, "replies"): "per: call, "
                case ("scripts", 1, "repeat"): "steps: [{ publish: { to: q } }], "
                case ("scripts", 1, "consume"), ("scripts", 1, "get"): "queue: q, "
                case ("scripts", 2, "administer") where place.path[1].contains("policy"):
                    "name: p, pattern: q, "
                case _
                where place.path[..<path.startIndex].last == "upstream"
                    || place.path[..<path.startIndex].suffix(2).first == "upstreams":
                    "name: u, broker: main, ".replacing(
                        place.section == "brokers" ? "name: u, " : "",
                        with: ""
                    )
                case _ where place.isOfShovel && key != "shovels" && key != "shovel":
                    relay(place, key, path)
                case (_, 1, "to"): "exchange: amq.direct, "
                case _ where place.path[..<path.startIndex].last { $0 != "*" } == "then":
                    "to: rest, "
                default: ""
                }
            return "{ \(neighbour)\(key): \(inner) }"
        }
        var broker = "kind: rabbitmq, nodes: [n1, n2, n3]"
        var queue = ""
        var lines: [String: String] = [
            "producers": "to: q, arrivals: 10ms, count: 20, persistent: true",
            "consumers": "from: q, prefetch: 3", "callers": "to: rpc, arrivals: 100ms, count: 3",
            "servers": "from: rpc", "scripts": "steps: [{ publish: { to: q } }]",
        ]
        var faults = ""
        var network = ""
        let first = place.path.first ?? ""
        let rest = nested(place.path.dropFirst())
        switch place.section {
        case "brokers" where first == "queues":
            let type =
                ["delivery_limit", "initial_group_size"].contains(place.path[2])
                ? "quorum"
                : place.path[2].hasPrefix("max_seg") || place.path[2] == "max_age"
                    ? "stream" : "classic"
            queue = "type: \(type), \(place.path[2]): \(nested(place.path.dropFirst(3)))"
        case "brokers" where first == "policies" || first == "operator_policies":
            broker += ", \(first): [{ name: p, pattern: q, \(place.path[2]): \(value) }]"
        case "brokers" where first == "vhosts": break
        case "brokers": broker += ", \(first): \(rest)"
        case "network":
            network =
                place.path.contains("links")
                ? "links: [{ between: [p, main/n1], latency: \(value) }]"
                : "default: { latency: \(value) }"
        case "faults":
            faults =
                switch first {
                case "factor": "at: 20ms, do: slow, client: c, factor: \(value)"
                case "by": "at: 20ms, do: clock_jump, node: main/n1, by: \(value)"
                case "share": "at: 20ms, do: lose, between: [p, main/n1], share: \(value)"
                case "at": "at: \(value), do: kill, node: main/n1"
                case "every": "at: 1ms, do: drop_connection, client: p, times: 3, every: \(value)"
                case "times": "at: 1ms, do: drop_connection, client: p, every: 1s, times: \(value)"
                case "instance": "at: 1ms, do: kill, client: p, instance: \(value)"
                default: "at: 1ms, do: kill, node: main/n1, for: \(value)"
                }
        case "scripts": lines["scripts"] = "steps: [{ \(first): \(rest) }]"
        default:
            let kept = (lines[place.section] ?? "").split(separator: ", ").filter {
                !$0.hasPrefix("\(first):")
            }
            lines[place.section] = (kept + ["\(first): \(rest)"]).joined(separator: ", ")
        }
        return """
            warren: 1
            name: extremes
            brokers: { main: { \(broker), queues: { q: { \(queue) }, rpc: {}, rest: {} } } }
            producers: { p: { \(lines["producers"] ?? "") } }
            consumers: { c: { \(lines["consumers"] ?? "") } }
            callers: { a: { \(lines["callers"] ?? "") } }
            servers: { s: { \(lines["servers"] ?? "") } }
            scripts: { x: { \(lines["scripts"] ?? "") } }
            \(faults.isEmpty ? "" : "faults: [{ \(faults) }]")
            \(network.isEmpty ? "" : "network: { \(network) }")
            run: { for: 36500d }

            """
    }

    @Test(arguments: all) private func `is refused with a finding, or lived with`(place: Place) {
        var ran = 0
        for value in Self.values(place.shape) {
            let text = Self.document(place, value)
            // A trap ends the process: what it was about is found here.
            let name = "warren-extreme-\(place.testDescription.replacing("*", with: "n"))"
            let path = RandomRun.keep(text, name)
            defer { try? FileManager.default.removeItem(atPath: path) }
            guard let topology = Simulate.read(text).topology,
                var simulation = try? Simulation(topology, models: Catalog.models)
            else { continue }
            ran += 1
            while simulation.advance(facts: 512, events: 1000) == .running {
                if simulation.world.eventCount > 5000 { simulation.stop(because: "it is enough") }
            }
            _ = simulation.verdicts
            #expect(simulation.imbalances() == [], "\(text)")
        }
        #expect(
            ran > 0 || place.path.contains("vhosts")
                || Self.nowhere.contains(place.testDescription),
            "no value of it is accepted"
        )
    }
}
