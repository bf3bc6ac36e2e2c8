import Support
import Testing
import WarrenCatalog
import WarrenTopology

@Suite("include:")
struct IncludeTests {
    private func read(_ files: [String: String], _ path: String = "dir/main.yaml")
        -> TopologyReader.Result
    {
        TopologyReader.read(path, vocabularies: Catalog.vocabularies) {
            name throws(ReadFailure) in
            guard let text = files[name] else { throw ReadFailure("there is no such file") }
            return Array(text.utf8)
        }
    }

    private let main = """
        warren: 1
        name: main
        include: [brokers.yaml, clients/all.yaml]
        """
    private let brokers = "brokers: { main: { kind: rabbitmq, queues: { q: {} } } }\n"

    @Test func `joins the names of several files`() throws {
        let result = read([
            "dir/main.yaml": main, "dir/brokers.yaml": brokers,
            "dir/clients/all.yaml":
                "producers: { p: { to: q, arrivals: 1/s, count: 1 } }\ninclude: ../more.yaml\n",
            "dir/more.yaml": "consumers: { c: { from: q } }\n",
        ])
        #expect(result.findings.isEmpty, "\(result.findings)")
        let topology = try #require(result.topology)
        #expect(topology.clients.map(\.name) == ["p", "c"])
        #expect(topology.files.count == 4)
    }

    @Test func `joins expectations by their own names`() throws {
        let files = [
            "dir/main.yaml":
                "warren: 1\nname: m\ninclude: [a.yaml]\nexpect: { always: { one: \"handled\" }, measure: { two: \"published == 1\" } }\n",
            "dir/a.yaml": brokers
                + "producers: { p: { to: q, count: 1 } }\nexpect: { always: { three: \"confirmed\" }, eventually: { four: \"depth(q) == 0\", within: 1s } }\n",
        ]
        let result = read(files)
        #expect(result.findings.isEmpty, "\(result.findings)")
        #expect(
            try Set(#require(result.topology).expectations.map(\.name)) == [
                "one", "two", "three", "four",
            ]
        )
        let twice = read(files.mapValues { $0.replacing("three", with: "one") })
        #expect(twice.findings.map(\.slug) == ["included-twice"])
    }

    @Test func `does not miss what may be in a file that it could not read`() {
        let broken = read([
            "dir/main.yaml": "warren: 1\nname: m\ninclude: [a.yaml]\n", "dir/a.yaml": "a: [\n",
        ])
        #expect(!broken.findings.isEmpty)
        #expect(!broken.findings.contains { $0.slug == "no-brokers" }, "\(broken.findings)")
        let gone = read(["dir/main.yaml": "warren: 1\nname: m\ninclude: [a.yaml]\n"])
        #expect(gone.findings.map(\.slug) == ["unreadable-file"])
    }

    @Test func `finds a cycle`() {
        let result = read([
            "dir/main.yaml": "warren: 1\nname: m\ninclude: [a.yaml]\n",
            "dir/a.yaml": "include: b.yaml\n", "dir/b.yaml": "include: a.yaml\n",
        ])
        let finding = result.findings.first { $0.slug == "include-cycle" }
        #expect(finding?.sentence.contains("dir/a.yaml → dir/b.yaml → dir/a.yaml") == true)
    }

    @Test func `says which file is missing, and where it was asked for`() {
        let result = read(["dir/main.yaml": main, "dir/brokers.yaml": brokers])
        let finding = result.findings.first { $0.slug == "unreadable-file" }
        #expect(finding?.sentence == "dir/clients/all.yaml cannot be read: there is no such file")
        #expect(finding?.place?.line == 3)
    }

    @Test func `refuses a name that two files give`() {
        let result = read([
            "dir/main.yaml": main + "\nproducers: { p: { to: q, arrivals: 1/s, count: 1 } }\n",
            "dir/brokers.yaml": brokers,
            "dir/clients/all.yaml": "producers: { p: { to: q, arrivals: 2/s, count: 1 } }\n",
        ])
        let finding = result.findings.first { $0.slug == "included-twice" }
        #expect(finding?.place?.file == 2)
    }
}
