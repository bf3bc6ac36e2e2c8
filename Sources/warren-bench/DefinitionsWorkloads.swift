import Foundation

/// Large definitions files, and what `warren check` and `warren route` take for them.
enum DefinitionsWorkloads {
    /// How the bindings of a file lie.
    enum Shape: String {
        /// Many exchanges of every type, ten bindings a queue, dead letters, policies: a large site.
        case site
        /// All bindings on one topic exchange, a queue each, whose dead letters come back to it.
        case star
    }

    /// A definitions file of about 200 bytes a binding.
    static func text(_ bindings: Int, _ shape: Shape) -> String {
        var text = """
            {"rabbit_version":"3.10.8","rabbitmq_version":"3.10.8","product_name":"RabbitMQ",
            "users":[{"name":"app","password_hash":"","tags":""}],"vhosts":[{"name":"/"}],
            "permissions":[{"user":"app","vhost":"/","configure":"^app","write":".*","read":".*"}],
            "parameters":[],"global_parameters":[],"policies":[

            """
        text.reserveCapacity(bindings * 240)
        let queues = shape == .site ? max(1, bindings / 10) : bindings
        let exchanges = shape == .site ? max(1, bindings / 250) : 1
        text += (0..<20).map {
            #"{"vhost":"/","name":"limits-\#($0)","pattern":"^team-\#($0)[.]","apply-to":"queues","priority":\#($0),"#
                + #""definition":{"max-length":100000,"overflow":"reject-publish"}}"#
        }.joined(separator: ",\n")
        text += "],\n\"queues\":["
        text += (0..<queues).map {
            let deadLetters = shape == .site ? "dead-letters" : "events-0"
            return
                #"{"name":"\#(queue($0))","vhost":"/","durable":true,"auto_delete":false,"#
                + #""arguments":{"x-queue-type":"quorum","x-dead-letter-exchange":"\#(deadLetters)"}}"#
        }.joined(separator: ",\n")
        if shape == .site {
            text +=
                ",\n"
                + #"{"name":"buried","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}"#
        }
        text += "],\n\"exchanges\":["
        let types = shape == .site ? ["topic", "direct", "fanout", "headers"] : ["topic"]
        text += (0..<exchanges).map {
            #"{"name":"events-\#($0)","vhost":"/","type":"\#(types[$0 % types.count])","durable":true,"#
                + #""auto_delete":false,"internal":false,"arguments":{}}"#
        }.joined(separator: ",\n")
        if shape == .site {
            text +=
                ",\n" + #"{"name":"dead-letters","vhost":"/","type":"fanout","durable":true,"#
                + #""auto_delete":false,"internal":false,"arguments":{}}"#
        }
        text += "],\n\"bindings\":["
        text += (0..<bindings).map {
            let exchange = $0 % exchanges
            let arguments =
                types[exchange % types.count] == "headers"
                ? #"{"x-match":"all","region":"eu-\#($0 % 30)","number":\#($0)}"# : "{}"
            return
                #"{"source":"events-\#(exchange)","vhost":"/","destination":"\#(queue($0 % queues))","#
                + #""destination_type":"queue","routing_key":"orders.region-\#($0 % 97).kind-\#($0).\#($0 % 3 == 0 ? "*" : "paid")","#
                + #""arguments":\#(arguments)}"#
        }.joined(separator: ",\n")
        if shape == .site {
            text +=
                ",\n" + #"{"source":"dead-letters","vhost":"/","destination":"buried","#
                + #""destination_type":"queue","routing_key":"","arguments":{}}"#
        }
        return text + "]}\n"
    }

    private static func queue(_ number: Int) -> String {
        "team-\(number % 25).service-\(number).orders-of-the-european-warehouse"
    }

    /// What a verb takes for such a file, on one core: its time, and its memory as the bytes.
    static func run(_ verb: String, _ bindings: Int, _ shape: Shape, _ scratch: String) throws
        -> Sample
    {
        let path = scratch + ".json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let text = text(bindings, shape)
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let warren = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
            path: "warren"
        )
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            ["taskset", "-c", "0", warren.path, verb, path]
            + (verb == "route"
                ? ["--exchange", "events-0", "--key", "orders.region-0.kind-0.any"] : [])
        process.standardOutput = pipe
        let start = DispatchTime.now().uptimeNanoseconds
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
        guard process.terminationStatus < 2, !output.isEmpty else {
            throw BrokerWorkloads.Unfit(
                sentence: "warren \(verb) ended with \(process.terminationStatus)"
            )
        }
        var usage = rusage()
        getrusage(RUSAGE_CHILDREN.rawValue, &usage)
        return Sample(
            count: bindings,
            seconds: seconds,
            check: Double(text.utf8.count),
            bytes: usage.ru_maxrss * 1024
        )
    }
}
