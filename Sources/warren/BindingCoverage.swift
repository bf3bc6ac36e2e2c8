import RabbitMQModel
import WarrenCatalog
import WarrenCheck
import WarrenLedger
import WarrenSearch
import WarrenTopology

/// Bindings of a topology along which no message of a search ever went.
struct BindingCoverage {
    /// The bindings, in words, in file order.
    private(set) var neverUsed: [String] = []

    /// Goes the way of each kind of message that was published, and of each dead letter.
    init(_ topology: Topology, _ reached: Set<Tally.Reached>) {
        let text = Array(CaseFile(topology).text.utf8)
        let publications = reached.filter { $0.kind == .publication }.map(\.name).sorted()
            .map {
                $0.split(separator: "\u{1F}", omittingEmptySubsequences: false).map(String.init)
            }
        let burials = Set(reached.filter { $0.kind == .burial }.map(\.name))
        for broker in topology.brokers where broker.kind == "rabbitmq" {
            let reading = try? SubjectReader.read(
                topology.name,
                broker: broker.name,
                version: nil,
                vocabularies: Catalog.vocabularies,
                source: { _ in text }
            )
            guard let subject = reading?.subject else { continue }
            var used: Set<Int> = []
            for parts in publications where parts.count == 4 {
                let scope = parts[0].split(separator: "/", maxSplits: 1).map(String.init)
                guard scope.first == broker.name else { continue }
                let host = subject.host(scope.count > 1 ? scope[1] : "/")
                if let host { Self.walk(parts, subject, host, burials, &used) }
            }
            neverUsed += subject.set.bindings.indices.filter { !used.contains($0) }
                .map { Self.words(subject.set.bindings[$0].value) }
        }
    }

    /// One publication, and what becomes of it where it died.
    private static func walk(
        _ parts: [String],
        _ subject: Subject,
        _ host: Host,
        _ burials: Set<String>,
        _ used: inout Set<Int>
    ) {
        let headers = Header.all(in: parts[3]).flatMap { header in
            header.values.map { FieldValue.Field(header.name, value($0)) }
        }
        var line = [(exchange: parts[1], key: parts[2])]
        var seen: Set<[String]> = []
        while let (exchange, key) = line.popLast() {
            guard seen.insert([exchange, key]).inserted else { continue }
            let walk = RouteWalk(
                subject,
                from: exchange,
                key: key,
                headers: headers,
                in: host,
                limit: 0
            )
            used.formUnion(walk.bindings)
            for burial in walk.burials
            where burial.exists && burials.contains("\(parts[0])\u{1F}\(burial.queue)") {
                line.append((burial.exchange, burial.key))
            }
        }
    }

    private static func value(_ text: String) -> FieldValue {
        if let number = Int64(text) { return .int(number) }
        return text == "true" || text == "false" ? .bool(text == "true") : .string(text)
    }

    private static func words(_ binding: BindingDeclaration) -> String {
        let headers = binding.arguments.isEmpty ? "" : " with headers"
        return "\(binding.source) → \(binding.destination) '\(binding.key)'\(headers)"
    }
}
