import Foundation
import Support
import Testing
import WarrenGateway

@Suite("A local cluster", .serialized, .tags(.slow), .realBroker, .unlessQuick)
struct LocalClusterTests {
    private func scratch() -> String {
        FileManager.default.temporaryDirectory.appending(path: "warren \(UUID().uuidString)").path
    }

    /// The processes that have the folder in their environment or among their words.
    private func processes(of folder: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.filter { Int($0) != nil && $0 != "\(getpid())" }.filter { name in
            ["cmdline", "environ"].contains { file in
                FileManager.default.contents(atPath: "/proc/\(name)/\(file)")
                    .map { String(decoding: $0, as: UTF8.self).contains(folder) } ?? false
            }
        }
    }

    @Test("starts, is killed and comes back with its data, and leaves nothing behind")
    func life() async throws {
        let folder = scratch()
        let cluster = try await LocalCluster.start(in: folder)
        let node = await cluster.nodes[0]
        #expect(LocalCluster.isRunning(in: folder))
        let management = Management(host: "127.0.0.1", port: node.managementPort)
        #expect(try await management.makeVirtualHost("kept").status < 300)
        await #expect(throws: LocalCluster.Failure.self) {
            try await LocalCluster.start(in: folder)
        }
        try await cluster.suffer(.kill)
        #expect(await !cluster.isUp(0))
        try await cluster.suffer(.start)
        #expect(await cluster.isUp(0))
        #expect(try await cluster.control(["list_vhosts"]).contains("kept"))
        await cluster.end()
        #expect(!FileManager.default.fileExists(atPath: folder))
        try await Task.sleep(for: .seconds(1))
        #expect(processes(of: folder) == [])
    }

    @Test("that cannot start says why, and leaves nothing behind") func broken() async throws {
        let folder = scratch()
        await #expect {
            try await LocalCluster.start(in: folder, plugins: ["no_such_plugin", "'"])
        } throws: { error in
            "\(error)".contains("did not start")
        }
        try await Task.sleep(for: .seconds(1))
        #expect(processes(of: folder) == [])
    }

    @Test("that dies with the program that started it") func orphan() async throws {
        let folder = scratch()
        let warren = Programs.warren
        let process = Process()
        process.executableURL = URL(fileURLWithPath: warren)
        process.arguments = ["cluster", "up", "--folder", folder]
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        for _ in 0..<300 where processes(of: folder).count < 5 {
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(processes(of: folder).count >= 5)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        for _ in 0..<250 where processes(of: folder) != [] {
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(processes(of: folder) == [])
        #expect(!LocalCluster.end(in: folder))
    }
}
