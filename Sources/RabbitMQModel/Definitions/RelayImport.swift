import WarrenTopology

/// Says in the words of a topology which upstreams and shovels a definitions file sets.
///
/// A URI becomes the name of a broker, which is its host, and a virtual host; passwords stay in the file.
struct RelayImport {
    private let items: [DefinitionSet.Item<DefinitionSet.Parameter>]
    private let place: Place
    /// How a value is written.
    private let tree: (FieldValue) -> Tree

    init(
        _ items: [DefinitionSet.Item<DefinitionSet.Parameter>],
        _ place: Place,
        tree: @escaping (FieldValue) -> Tree
    ) {
        self.items = items
        self.place = place
        self.tree = tree
    }

    /// Adds what is set; returns what has no word in a topology, and why.
    func add(
        to map: inout MapBuilder,
        at places: (DefinitionSet.Origin) -> Place?
    ) -> [(DefinitionSet.Item<DefinitionSet.Parameter>, String)] {
        var left: [(DefinitionSet.Item<DefinitionSet.Parameter>, String)] = []
        var (upstreams, sets, shovels) = (MapBuilder(place), MapBuilder(place), MapBuilder(place))
        for item in items {
            let value = item.value.value
            let at = places(item.origin) ?? place
            switch item.value.component {
            case "federation-upstream": upstreams.add(item.value.name, upstream(value, at), at: at)
            case "federation-upstream-set": sets.add(item.value.name, set(value, at), at: at)
            case "shovel":
                if ["src-protocol", "dest-protocol"].contains(where: { value[$0]?.text == "amqp10" }
                ) {
                    left.append((item, "it speaks AMQP 1.0, which is not modelled"))
                } else {
                    shovels.add(item.value.name, shovel(value, at), at: at)
                }
            default: break
            }
        }
        var federation = MapBuilder(place)
        if !upstreams.isEmpty { federation.add("upstreams", upstreams.tree) }
        if !sets.isEmpty { federation.add("sets", sets.tree) }
        if !federation.isEmpty { map.add("federation", federation.tree) }
        if !shovels.isEmpty { map.add("shovels", shovels.tree) }
        return left
    }

    // MARK: One parameter

    private func upstream(_ value: FieldValue, _ place: Place) -> Tree {
        var map = MapBuilder(place)
        address(value["uri"], to: &map, isUpstream: true)
        copy(["exchange", "queue", "ack-mode", "prefetch-count", "max-hops"], of: value, to: &map)
        copy(["trust-user-id", "resource-cleanup-mode"], of: value, to: &map)
        for key in ["expires", "message-ttl"] {
            if let number = value[key]?.number { map.add(Self.word(key), .plain("\(number)ms")) }
        }
        delay(value, to: &map)
        return map.tree
    }

    private func set(_ value: FieldValue, _ place: Place) -> Tree {
        guard case .array(let members) = value else { return .list([], at: place) }
        return .list(
            members.map { member in
                var map = MapBuilder(place)
                copy(["upstream", "exchange", "queue"], of: member, to: &map)
                return map.tree
            },
            at: place
        )
    }

    private func shovel(_ value: FieldValue, _ place: Place) -> Tree {
        var (from, to, map) = (MapBuilder(place), MapBuilder(place), MapBuilder(place))
        address(value["src-uri"], to: &from, isUpstream: false)
        let sources = [
            ("queue", ["src-queue"]), ("exchange", ["src-exchange"]), ("key", ["src-exchange-key"]),
            ("arguments", ["src-queue-args"]),
            ("prefetch_count", ["src-prefetch-count", "prefetch-count"]),
            ("delete_after", ["src-delete-after", "delete-after"]),
        ]
        copy(sources, of: value, to: &from)
        address(value["dest-uri"], to: &to, isUpstream: false)
        // With a queue, the exchange counts for nothing.
        let target =
            value["dest-queue"] != nil
            ? [("queue", ["dest-queue"])]
            : [("exchange", ["dest-exchange"]), ("key", ["dest-exchange-key"])]
        copy(target, of: value, to: &to)
        let more = [
            ("arguments", ["dest-queue-args"]),
            ("add_forward_headers", ["dest-add-forward-headers", "add-forward-headers"]),
            ("add_timestamp_header", ["dest-add-timestamp-header", "add-timestamp-header"]),
            ("publish_properties", ["dest-publish-properties", "publish-properties"]),
        ]
        copy(more, of: value, to: &to)
        map.add("from", from.tree)
        map.add("to", to.tree)
        copy(["ack-mode"], of: value, to: &map)
        delay(value, to: &map)
        return map.tree
    }

    // MARK: Values

    private static func word(_ key: String) -> String { key.replacing("-", with: "_") }

    private func copy(_ keys: [String], of value: FieldValue, to map: inout MapBuilder) {
        copy(keys.map { (Self.word($0), [$0]) }, of: value, to: &map)
    }

    /// Copies what stands under the first of several keys.
    private func copy(
        _ keys: [(String, [String])],
        of value: FieldValue,
        to map: inout MapBuilder
    ) {
        for (word, names) in keys {
            if let found = names.lazy.compactMap({ value[$0] }).first { map.add(word, tree(found)) }
        }
    }

    private func delay(_ value: FieldValue, to map: inout MapBuilder) {
        switch value["reconnect-delay"] {
        case .integer(let seconds, _)?: map.add("reconnect_delay", .plain("\(seconds)s"))
        case .double(let seconds)?: map.add("reconnect_delay", .plain("\(seconds)s"))
        default: break
        }
    }

    /// The broker that a URI names, and its virtual host; of a list the first counts.
    private func address(_ value: FieldValue?, to map: inout MapBuilder, isUpstream: Bool) {
        var uri = value?.text ?? ""
        if case .array(let all)? = value { uri = all.first?.text ?? "" }
        guard let scheme = uri.firstRange(of: "://") else { return }
        let rest = uri[scheme.upperBound...].prefix { $0 != "?" }
        let authority = rest.prefix { $0 != "/" }
        let place = authority.split(separator: "@").last.map(String.init) ?? ""
        let host = place.hasPrefix("[") ? place : String(place.prefix { $0 != ":" })
        // `amqp://` is the broker itself.
        if !host.isEmpty || isUpstream { map.add("broker", .quoted(host)) }
        let path = rest.dropFirst(authority.count)
        if path.count > 1 {
            map.add("vhost", .quoted(String(path.dropFirst()).decodingPercents))
        }
    }
}

extension String {
    /// With `%2f` and its like as what they stand for.
    fileprivate var decodingPercents: String {
        var bytes: [UInt8] = []
        var left = Array(utf8)[...]
        while let byte = left.popFirst() {
            if byte == UInt8(ascii: "%"), left.count >= 2,
                let value = UInt8(String(decoding: left.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                left = left.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
