import Foundation
public import WarrenBroker
import WarrenCatalog
public import WarrenTopology
public import WarrenTrace

/// Topologies as texts, read and run.
public enum Simulate {
    /// Reads a topology from a text.
    public static func read(_ text: String, path: String = "test.yaml") -> TopologyReader.Result {
        TopologyReader.read(path, vocabularies: Catalog.vocabularies) { _ throws(ReadFailure) in
            Array(text.utf8)
        }
    }

    /// Reads a topology from a file; nil if something is wrong with it.
    public static func topology(_ path: String) -> Topology? {
        TopologyReader.read(path, vocabularies: Catalog.vocabularies) { path throws(ReadFailure) in
            guard let data = FileManager.default.contents(atPath: path) else {
                throw ReadFailure("it is not there")
            }
            return Array(data)
        }.topology
    }

    /// A simulation of a text that is without fault.
    public static func make(_ text: String, seed: UInt64? = nil) throws -> Simulation {
        let result = read(text)
        guard let topology = result.topology else {
            throw Simulation.Rejection(findings: result.findings)
        }
        return try Simulation(topology, models: Catalog.models, seed: seed)
    }

    /// A simulation of a file of the repository that is without fault.
    public static func make(file path: String, seed: UInt64? = nil) throws -> Simulation {
        guard let topology = topology(Repository.root.appending(path: path).path) else {
            throw ReadFailure("\(path) is not without fault")
        }
        return try Simulation(topology, models: Catalog.models, seed: seed)
    }

    /// A simulation of a topology.
    public static func make(_ topology: Topology) throws -> Simulation {
        try Simulation(topology, models: Catalog.models)
    }

    /// Runs a text to its end.
    public static func run(_ text: String, seed: UInt64? = nil) throws -> Simulation {
        var simulation = try make(text, seed: seed)
        simulation.run()
        return simulation
    }

    /// Runs a text to its end and keeps every fact.
    public static func facts(_ text: String, seed: UInt64? = nil) throws -> [Fact] {
        var simulation = try make(text, seed: seed)
        var facts: [Fact] = []
        simulation.run { facts += $0 }
        return facts
    }
}
