import NIOCore
import NIOPosix

/// Ports of the loopback interface.
enum Ports {
    /// Ports that nobody listens on.
    ///
    /// They are found by listening for a moment: somebody else may take one before it is used.
    static func free(_ count: Int) async throws -> [Int] {
        var listeners: [any NIOCore.Channel] = []
        var ports: [Int] = []
        for _ in 0..<count {
            let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .bind(host: "127.0.0.1", port: 0).get()
            listeners.append(listener)
            ports.append(listener.localAddress?.port ?? 0)
        }
        for listener in listeners { try await listener.close() }
        return ports
    }

    /// Whether somebody listens on a port.
    static func isOpen(_ port: Int) async -> Bool {
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(1)).connect(host: "127.0.0.1", port: port).get()
            try? await channel.close()
            return true
        } catch {
            return false
        }
    }
}
