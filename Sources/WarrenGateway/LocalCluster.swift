import Foundation

/// A real RabbitMQ on this machine: one node or several, in a folder of their own, on loopback ports.
///
/// The nodes end when the program that started them ends, however that comes, unless they were told to stay.
public actor LocalCluster {
    /// A node.
    public struct Node: Codable, Sendable, Hashable {
        /// Its name for Erlang, such as `r1@localhost`.
        public var name: String
        /// Where clients connect.
        public var port: Int
        /// Where the management plugin listens.
        public var managementPort: Int
        /// Where the other nodes connect.
        var distributionPort: Int
        /// Its folder.
        public var folder: String

        /// What it prints.
        var output: String { "\(folder)/output" }
        /// The number of its process group.
        var groupFile: String { "\(folder)/group" }
        /// The number of Erlang's process.
        var pidFile: String { "\(folder)/pid" }
        /// RabbitMQ's own log.
        public var log: String { "\(folder)/log/\(name).log" }
    }

    /// What goes wrong, each with what to do.
    public enum Failure: Error, Sendable, CustomStringConvertible {
        case notInstalled
        case occupied(folder: String)
        case noCluster(folder: String)
        case noProcess(String)
        case didNotStart(Node, output: String)
        case refused(command: String, output: String)

        public var description: String {
            switch self {
            case .notInstalled:
                "RabbitMQ is not installed: no sbin/rabbitmq-server under /usr/lib/rabbitmq/lib, /opt/rabbitmq "
                    + "or $RABBITMQ_HOME, or no epmd. Try: sudo apt-get install rabbitmq-server"
            case .occupied(let folder):
                "a cluster runs in '\(folder)' already. Try: warren cluster status, or warren cluster down"
            case .noCluster(let folder):
                "no cluster runs in '\(folder)'. Try: warren cluster up"
            case .noProcess(let program):
                "'\(program)' could not be started: /usr/bin/setsid and /bin/sh are needed"
            case .didNotStart(let node, let output):
                "\(node.name) did not start; the end of \(node.output):\n\(output)"
            case .refused(let command, let output):
                "'\(command)' failed:\n\(output)"
            }
        }
    }

    /// What a folder says about its cluster.
    struct State: Codable {
        var version: String
        var portMapperPort: Int
        var nodes: [Node]
        /// Whether it stays when the program that started it ends.
        var lasts: Bool
    }

    /// The folder.
    public nonisolated let folder: String
    /// The nodes, `r1` first.
    public internal(set) var nodes: [Node]
    private let installation: Installation
    private let portMapperPort: Int
    let lasts: Bool
    var lifelines: [String: Lifeline] = [:]

    private init(_ folder: String, _ state: State, _ installation: Installation) {
        self.folder = folder
        self.installation = installation
        nodes = state.nodes
        portMapperPort = state.portMapperPort
        lasts = state.lasts
    }

    /// Writes down what runs here, for those who come later.
    func save() throws {
        let state = State(
            version: version,
            portMapperPort: portMapperPort,
            nodes: nodes,
            lasts: lasts
        )
        try JSONEncoder().encode(state).write(to: URL(fileURLWithPath: "\(folder)/cluster.json"))
    }

    /// The version, such as `3.10.8`.
    public nonisolated var version: String { installation.version }

    // MARK: Starting and ending

    /// Starts nodes and waits until clients can connect.
    ///
    /// - Parameters:
    ///   - count: how many, from 1.
    ///   - folder: where; what is left there of a cluster that is no more is removed.
    ///   - plugins: which plugins are on, beside the management plugin.
    ///   - lasts: whether the nodes stay when this program ends.
    ///   - say: is told what goes on.
    /// - Returns: the cluster, which clients can connect to.
    /// - Throws: ``Failure``; nothing runs then.
    public static func start(
        _ count: Int = 1,
        in folder: String,
        plugins: [String] = ["rabbitmq_consistent_hash_exchange"],
        lasts: Bool = false,
        say: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws -> LocalCluster {
        guard let installation = Installation.find() else { throw Failure.notInstalled }
        let folder = URL(fileURLWithPath: folder).standardizedFileURL.path
        if isRunning(in: folder) { throw Failure.occupied(folder: folder) }
        end(in: folder)
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true
        )
        let ports = try await Ports.free(3 * count + 1)
        let state = State(
            version: installation.version,
            portMapperPort: ports[3 * count],
            nodes: (0..<count).map { number in
                Node(
                    name: "r\(number + 1)@localhost",
                    port: ports[3 * number],
                    managementPort: ports[3 * number + 1],
                    distributionPort: ports[3 * number + 2],
                    folder: "\(folder)/r\(number + 1)"
                )
            },
            lasts: lasts
        )
        let cluster = LocalCluster(folder, state, installation)
        do {
            try await cluster.save()
            try await cluster.startAll(plugins, say)
        } catch {
            await cluster.end()
            throw error
        }
        return cluster
    }

    /// The cluster that runs in a folder.
    ///
    /// - Throws: ``Failure/noCluster(folder:)``.
    public static func find(in folder: String) throws -> LocalCluster {
        let folder = URL(fileURLWithPath: folder).standardizedFileURL.path
        guard let installation = Installation.find() else { throw Failure.notInstalled }
        guard let state = state(in: folder), isRunning(in: folder) else {
            throw Failure.noCluster(folder: folder)
        }
        return LocalCluster(folder, state, installation)
    }

    private static func state(in folder: String) -> State? {
        guard let data = FileManager.default.contents(atPath: "\(folder)/cluster.json") else {
            return nil
        }
        return try? JSONDecoder().decode(State.self, from: data)
    }

    private static func groups(in folder: String) -> [Int32] {
        let files = [folder] + (state(in: folder)?.nodes.map(\.folder) ?? [])
        return files.compactMap { Lifeline.number(in: "\($0)/group") }
    }

    /// Whether a process of a folder's cluster lives.
    public static func isRunning(in folder: String) -> Bool {
        groups(in: folder).contains { Lifeline.isAlive(group: $0) && isOurs($0, folder) }
    }

    /// A number may have gone to another process since.
    private static func isOurs(_ group: Int32, _ folder: String) -> Bool {
        let words = (try? String(contentsOfFile: "/proc/\(group)/cmdline", encoding: .utf8)) ?? ""
        // The shell that leads the group has the folder among its words.
        return words.contains(folder)
    }

    /// Ends what runs in a folder, and removes it.
    ///
    /// - Returns: whether something ran there.
    @discardableResult
    public static func end(in folder: String) -> Bool {
        guard state(in: folder) != nil else { return false }
        let living = groups(in: folder).filter { Lifeline.isAlive(group: $0) && isOurs($0, folder) }
        for group in living { Lifeline.end(group: group) }
        try? FileManager.default.removeItem(atPath: folder)
        return !living.isEmpty
    }

    /// Ends all nodes at once, and removes the folder.
    public func end() {
        for lifeline in lifelines.values { lifeline.end() }
        lifelines = [:]
        Self.end(in: folder)
    }

    private func startAll(_ plugins: [String], _ say: @Sendable (String) -> Void) async throws {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        var chance = SystemRandomNumberGenerator()
        let cookie = String((0..<20).map { _ in letters[Int(chance.next(upperBound: 26 as UInt))] })
        let cookieFile = "\(folder)/.erlang.cookie"
        try Data(cookie.utf8).write(to: URL(fileURLWithPath: cookieFile))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o400],
            ofItemAtPath: cookieFile
        )
        lifelines["epmd"] = try Lifeline(
            [installation.portMapper, "-address", "127.0.0.1", "-port", "\(portMapperPort)"],
            environment: ["PATH": "/usr/bin:/bin"],
            pidFile: "\(folder)/group",
            output: "\(folder)/epmd"
        )
        for node in nodes {
            try prepare(node, plugins)
            say("starting \(node.name) on port \(node.port)")
            try launch(node)
        }
        for node in nodes {
            try await awaitStart(node)
            say("\(node.name) is up")
        }
        if lasts { for lifeline in lifelines.values { lifeline.keep() } }
    }

    private func prepare(_ node: Node, _ plugins: [String]) throws {
        for part in ["", "/data", "/log"] {
            try FileManager.default.createDirectory(
                atPath: node.folder + part,
                withIntermediateDirectories: true
            )
        }
        let names = (["rabbitmq_management"] + plugins).joined(separator: ",")
        try "[\(names)].".write(
            toFile: "\(node.folder)/plugins",
            atomically: true,
            encoding: .utf8
        )
        var lines = [
            "listeners.tcp.default = 127.0.0.1:\(node.port)",
            "management.tcp.ip = 127.0.0.1", "management.tcp.port = \(node.managementPort)",
            "collect_statistics_interval = 500", "net_ticktime = 8",
        ]
        if nodes.count > 1 {
            lines.append("cluster_formation.peer_discovery_backend = classic_config")
            for (number, other) in nodes.enumerated() {
                lines.append("cluster_formation.classic_config.nodes.\(number + 1) = \(other.name)")
            }
        }
        try (lines.joined(separator: "\n") + "\n").write(
            toFile: "\(node.folder)/rabbitmq.conf",
            atomically: true,
            encoding: .utf8
        )
    }

    private func environment(_ node: Node) -> [String: String] {
        [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": folder, "LANG": "C.UTF-8", "RABBITMQ_NODENAME": node.name,
            "RABBITMQ_DIST_PORT": "\(node.distributionPort)",
            "RABBITMQ_MNESIA_BASE": "\(node.folder)/data",
            "RABBITMQ_LOG_BASE": "\(node.folder)/log", "RABBITMQ_PID_FILE": node.pidFile,
            "RABBITMQ_ENABLED_PLUGINS_FILE": "\(node.folder)/plugins",
            "RABBITMQ_CONFIG_FILE": "\(node.folder)/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            // One scheduler is plenty, and keeps a small machine calm; nodes speak over loopback only.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": "\(portMapperPort)", "ERL_EPMD_ADDRESS": "127.0.0.1",
        ]
    }

    func launch(_ node: Node) throws {
        // An old number would be taken for the new one.
        try? FileManager.default.removeItem(atPath: node.pidFile)
        lifelines[node.folder] = try Lifeline(
            [installation.server],
            environment: environment(node),
            pidFile: node.groupFile,
            output: node.output
        )
    }

    /// Waits until clients can connect: 120 s at most.
    func awaitStart(_ node: Node) async throws {
        for _ in 0..<1200 {
            if await Ports.isOpen(node.port) { return }
            guard let lifeline = lifelines[node.folder], Lifeline.isAlive(group: lifeline.group)
            else { break }
            // The shell waits for the server: it is the last of its group to go.
            try await Task.sleep(for: .milliseconds(100))
        }
        let text = (try? String(contentsOfFile: node.output, encoding: .utf8)) ?? ""
        let tail = text.split(separator: "\n").suffix(15).joined(separator: "\n")
        throw Failure.didNotStart(node, output: tail)
    }

    // MARK: Speaking to it

    /// Runs `rabbitmqctl`, or another tool that lies beside it, on a node and returns what it prints.
    ///
    /// One call takes about a second.
    @discardableResult
    public func control(_ arguments: [String], on node: Int = 0, with tool: String = "rabbitmqctl")
        async throws -> String
    {
        let beside = URL(fileURLWithPath: installation.control).deletingLastPathComponent()
        return try await Self.run(
            beside.appending(path: tool).path,
            ["-n", nodes[node].name] + arguments,
            environment(nodes[node])
        )
    }

    private static func run(
        _ program: String,
        _ arguments: [String],
        _ environment: [String: String]
    ) async throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let text = String(decoding: data, as: UTF8.self)
        guard process.terminationStatus == 0 else {
            let command = ([program] + arguments).joined(separator: " ")
            throw Failure.refused(command: command, output: text)
        }
        return text
    }
}
