import Foundation
import WarrenBroker
import WarrenKernel
import WarrenStore
import WarrenTopology
import WarrenTrace

/// Collects the facts of a run into chunks for the trace file.
final class Recorder {
    /// The file.
    let path: String

    private let writer: TraceWriter
    private var chunk: [Fact] = []

    /// Begins a run in the file at `path`, or in a new file named after the topology.
    ///
    /// `schedule` says how the run came to be, if not from its seed.
    init(path: String?, _ simulation: Simulation, schedule: String? = nil) throws {
        self.path = path ?? Self.defaultPath(simulation.topology.name)
        do {
            // The last run of the same topology gives way.
            if path == nil { try TraceWriter.remove(path: self.path) }
            writer = try TraceWriter(
                path: self.path,
                heading: TraceWriter.Heading(
                    name: simulation.topology.name,
                    topology: simulation.topology.files.map(\.shownText).joined(
                        separator: Files.fileGap
                    ),
                    seed: simulation.seed,
                    version: Simulation.version,
                    schedule: schedule
                ),
                names: simulation.world.names,
                nodes: (0..<simulation.world.nodeCount).map {
                    simulation.world.name(of: NodeID(UInt32($0)))
                }
            )
        } catch {
            throw Failure(
                code: TraceOptions.code(of: error),
                text: "error: \(error)\n  try: another --trace PATH, or --no-trace",
                isPassing: {
                    if case .busy? = error as? StoreError { true } else { false }
                }()
            )
        }
        chunk.reserveCapacity(TraceWriter.chunkSize)
    }

    /// A file of one's own for each topology, in this folder.
    static func defaultPath(_ name: String) -> String {
        let safe = name.map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "-" }
        return (safe.isEmpty ? "warren" : String(safe)) + ".trace.sqlite"
    }

    func take(_ facts: UnsafeBufferPointer<Fact>) throws {
        chunk.append(contentsOf: facts)
        guard chunk.count >= TraceWriter.chunkSize else { return }
        try writer.append(chunk)
        chunk = []
        chunk.reserveCapacity(TraceWriter.chunkSize)
    }

    func finish(_ simulation: Simulation, _ report: Report) throws {
        do {
            if !chunk.isEmpty { try writer.append(chunk) }
            try writer.finish(
                TraceWriter.Ending(
                    digest: report.digest,
                    simulated: report.simulated_ns,
                    events: report.events,
                    messages: report.messages.published,
                    complete: report.complete,
                    summary: report.json
                ),
                names: simulation.world.names
            )
        } catch {
            throw Failure(code: Failure.outside, text: "error: \(error)")
        }
    }
}
