import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenTrace
import WarrenView

/// What went between clients and nodes, drawn.
@Suite("A sequence diagram") struct SequenceDiagramTests {
    private static func diagram(_ text: String) throws -> SequenceDiagram {
        var facts: [Fact] = []
        var run = try Simulate.make(text)
        run.run { facts += $0 }
        let world = run.world
        let words = FactText(
            names: world.names,
            nodes: (0..<world.nodeCount).map { world.names[world.name(of: NodeID(UInt32($0)))] }
        )
        return SequenceDiagram(facts, words) { _ in "kill; worker: dead #1" }
    }

    private static let story = """
        warren: 1
        name: t
        brokers: { main: { kind: rabbitmq, queues: { orders: {} } } }
        producers: { web: { to: orders, arrivals: 10ms, count: 1, confirms: true } }
        consumers: { worker: { from: orders, service: 20ms } }
        faults: [{ at: 20ms, do: kill, client: worker, for: 1s }]
        """

    @Test("shows each way a message took, in text as wide as its words") func text() throws {
        let diagram = try Self.diagram(Self.story)
        #expect(diagram.lifelines == ["web", "main", "worker"])
        let expected = """
                       web            main                 worker
            10.050ms    │─ publish m1 ─▶│                     │
            10.050ms    │               ● m1 in orders        │
            10.050ms    │               │──── deliver m1 ────▶│
            10.100ms    │◀─ confirm m1 ─│                     │
            20.000ms    ════════ kill; worker: dead #1 ════════
            20.000ms    │               │                     ● killed
            20.050ms    │               ● m1 back in orders   │
              1.020s    │               │                     ● back
              1.020s    │               │─ deliver m1 again ─▶│
              1.040s    │               │                     ● m1 done
              1.040s    │               │◀────── ack m1 ──────│
            """
        #expect(diagram.text == expected, "\n\(diagram.text)")
    }

    @Test("is written for Mermaid and PlantUML, whose own signs are not taken for theirs")
    func languages() throws {
        let diagram = try Self.diagram(Self.story)
        #expect(diagram.mermaid.hasPrefix("sequenceDiagram\n    participant p0 as web\n"))
        #expect(diagram.mermaid.contains("    p0->>p1: publish m1 (10.050ms)\n"))
        #expect(
            diagram.mermaid.contains("Note over p0,p2: kill#59; worker#58; dead #35;1 (20.000ms)")
        )
        #expect(diagram.plantUML.hasPrefix("@startuml\nparticipant \"web\" as p0\n"))
        #expect(diagram.plantUML.contains("p2 -> p1 : ack m1 (1.040s)\n"))
        #expect(diagram.plantUML.hasSuffix("@enduml\n"))
    }

    @Test("leaves out the middle of what is too long, and says so") func shortening() throws {
        var diagram = try Self.diagram(
            Self.story.replacing("count: 1", with: "count: 30")
        )
        let all = diagram.steps.count
        diagram.shorten(to: 10)
        #expect(diagram.steps.count == 11)
        #expect(diagram.steps.contains { $0.step == .band("… \(all - 10) more …") })
    }

    @Test("of nothing is nothing") func nothing() throws {
        let words = FactText(names: Names(), nodes: [])
        #expect(SequenceDiagram([], words) { _ in "" }.text.isEmpty)
    }
}
