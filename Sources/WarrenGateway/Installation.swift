public import Foundation

/// Where the programs of a RabbitMQ are on this machine.
///
/// - Source: `rabbitmq-server` of Debian 12, whose scripts in `/usr/sbin` change the user and the home folder
///   when root calls them; those beside the library do not.
public struct Installation: Sendable, Hashable {
    /// The script that runs a node in the foreground.
    public var server: String
    /// The script that speaks to a node.
    public var control: String
    /// Erlang's port mapper.
    public var portMapper: String
    /// The version, such as `3.10.8`.
    public var version: String

    /// What is installed, or nil.
    ///
    /// `RABBITMQ_HOME` may name the folder that has `sbin`.
    public static func find(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> Installation? {
        let files = FileManager.default
        func folders(in folder: String) -> [String] {
            ((try? files.contentsOfDirectory(atPath: folder)) ?? []).sorted()
                .map { "\(folder)/\($0)" }
        }
        var homes = folders(in: "/usr/lib/rabbitmq/lib") + folders(in: "/opt/rabbitmq/lib")
        homes.append("/opt/rabbitmq")
        if let home = environment["RABBITMQ_HOME"] { homes.insert(home, at: 0) }
        guard
            let home = homes.first(where: {
                files.isExecutableFile(atPath: "\($0)/sbin/rabbitmq-server")
            })
        else { return nil }
        let path = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let libraries = ["/usr/lib/erlang", "/usr/local/lib/erlang", "/opt/erlang/lib/erlang"]
        let runtimes = libraries.flatMap { folders(in: $0) }.filter { $0.contains("/erts-") }
        let mapper = (runtimes.map { "\($0)/bin" } + path).map { "\($0)/epmd" }
            .first { files.isExecutableFile(atPath: $0) }
        guard let mapper else { return nil }
        let version = home.split(separator: "-").last.map(String.init) ?? "unknown"
        return Installation(
            server: "\(home)/sbin/rabbitmq-server",
            control: "\(home)/sbin/rabbitmqctl",
            portMapper: mapper,
            version: version.first?.isNumber == true ? version : "unknown"
        )
    }
}
