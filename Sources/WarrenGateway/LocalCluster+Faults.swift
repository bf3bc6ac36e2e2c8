import Foundation

/// What one node can suffer.
///
/// - Source: each was tried on 3.10.8 and Erlang 25; what clients see of it is in RMQ-CONN-10, -24 and
///   RMQ-ALARM-01.
extension LocalCluster {
    /// What is done to a node.
    public enum Fault: String, Sendable, CaseIterable {
        /// Its process is killed; clients get a reset.
        case kill
        /// It is stopped in good order; clients get 320.
        case stop
        /// It is started again; it has its data.
        case start
        /// It does nothing any more, and nobody notices at once.
        case freeze
        /// It goes on.
        case thaw
        /// Its clients are told to go: 320.
        case closeConnections = "close-connections"
        /// Its clients get a reset.
        case cutConnections = "cut-connections"
        /// It takes its memory for full and reads no publications.
        case memoryAlarm = "memory-alarm"
        /// It has enough memory again.
        case endMemoryAlarm = "end-memory-alarm"
        /// It is stopped and comes back under another name, without its data.
        case rename
    }

    /// Does something to a node, and returns when it is done.
    ///
    /// `kill` and `freeze` take no time, `stop` several seconds, `start` and `rename` about ten, the others about
    /// one.
    ///
    /// - Throws: ``Failure``.
    public func suffer(_ fault: Fault, node: Int = 0) async throws {
        switch fault {
        case .kill: signal(SIGKILL, node, wait: true)
        case .stop: try await stop(node)
        case .start: try await restart(node)
        case .freeze: signal(SIGSTOP, node, wait: false)
        case .thaw: signal(SIGCONT, node, wait: false)
        case .closeConnections:
            try await control(
                ["close_all_connections", "--global", "closed by the operator"],
                on: node
            )
        case .cutConnections:
            try await evaluate(
                "[exit(P, kill) || P <- rabbit_networking:local_connections()].",
                on: node
            )
        case .memoryAlarm: try await control(["set_vm_memory_high_watermark", "0.00001"], on: node)
        case .endMemoryAlarm: try await control(["set_vm_memory_high_watermark", "0.4"], on: node)
        case .rename:
            try await stop(node)
            try await startAnew(node)
        }
    }

    /// Starts a node that is down under another name, without its data.
    func startAnew(_ node: Int) async throws {
        nodes[node].name = "renamed-" + nodes[node].name
        try await restart(node)
    }

    /// Has a node evaluate an Erlang expression, and returns what comes of it.
    @discardableResult
    public func evaluate(_ expression: String, on node: Int = 0) async throws -> String {
        try await control(["eval", expression], on: node)
    }

    /// Whether clients can connect to a node.
    public func isUp(_ node: Int) async -> Bool { await Ports.isOpen(nodes[node].port) }

    private func signal(_ signal: Int32, _ node: Int, wait: Bool) {
        guard let pid = Lifeline.number(in: nodes[node].pidFile), pid > 1 else { return }
        Foundation.kill(pid, signal)
        guard wait else { return }
        end(node)
    }

    private func stop(_ node: Int) async throws {
        try await control(["stop", nodes[node].pidFile], on: node)
        end(node)
    }

    /// Ends what is left of a node's processes.
    private func end(_ node: Int) {
        let folder = nodes[node].folder
        if let lifeline = lifelines.removeValue(forKey: folder) {
            lifeline.end()
        } else if let group = Lifeline.number(in: nodes[node].groupFile) {
            Lifeline.end(group: group)
        }
    }

    private func restart(_ node: Int) async throws {
        end(node)
        try launch(nodes[node])
        try await awaitStart(nodes[node])
        try save()
        if lasts { lifelines[nodes[node].folder]?.keep() }
    }
}
