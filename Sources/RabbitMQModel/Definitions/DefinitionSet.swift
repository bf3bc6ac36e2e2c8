package import WarrenTopology

/// What a file declares for one broker, each thing with its place: a definitions file of RabbitMQ, or the section of a
/// broker in a topology.
///
/// Unlike ``Definitions`` it holds what a broker would refuse or skip as well, because a checker speaks of that.
package struct DefinitionSet: Sendable {
    /// Where a thing stands: a value of the JSON text, or an entry of the topology.
    package struct Origin: Sendable, Hashable {
        fileprivate var index: Int32

        /// Of what no file declares.
        static let none = Origin(index: .min)
    }

    /// A thing of a virtual host.
    package struct Item<Value: Sendable>: Sendable {
        package var value: Value
        /// Its virtual host; nil if it names none and should.
        package var vhost: String?
        package var origin: Origin
    }

    /// A user; what proves who they are is never kept.
    package struct UserEntry: Sendable {
        /// What a file says to prove who a user is.
        package enum Secret: Sendable, Hashable {
            case none
            case password
            /// The octets that the hash has; nil if it is no base64.
            case hash(octets: Int?, algorithm: String?)
        }

        package var name: String
        package var tags: [String]?
        package var secret: Secret
    }

    /// A runtime parameter, such as a federation upstream.
    package struct Parameter: Sendable {
        package var component: String
        package var name: String
        package var value: FieldValue
    }

    /// A policy, with what it says it is for.
    package struct PolicyEntry: Sendable {
        package var policy: Policy
        /// The word under `apply-to`, known or not.
        package var target: String
        package var isOperator = false
        /// Whether its priority is no number.
        package var hasOddPriority = false
    }

    /// A virtual host.
    package struct HostEntry: Sendable {
        package var name: String
        package var limits: [FieldValue.Field] = []
    }

    /// Something about the form of a thing.
    package struct Flaw: Sendable {
        /// What is amiss.
        package enum Kind: Sendable, Hashable {
            /// A field is not there.
            case missing(field: String)
            /// A field is something else than it must be.
            case wrong(field: String, expected: String, found: String)
            /// Arguments are a list, empty or not.
            case listOfArguments(isEmpty: Bool)
            /// An argument is `null`.
            case nullArgument(name: String)
            /// A key stands twice in an object.
            case twice(key: String)
        }

        package var kind: Kind
        /// What it is a flaw of, such as `queue 'jobs'`.
        package var object: String
        package var place: Place?
        /// What the judge does with a thing of this form.
        package var outcome = Finding.Outcome.refused
        /// The place in ``DefinitionSet/bindings`` of the binding whose key it is about: what comes of it depends on the
        /// exchange.
        package var keyOfBinding: Int?
    }

    /// Whether it is a definitions file, and of what.
    package enum Form: Sendable, Hashable { case cluster, virtualHost, topology }

    package var form: Form
    /// The version that the file speaks of, as it stands there.
    package var statedVersion: String?
    /// Whose behaviour is asked for.
    package var version: Version
    package var users: [Item<UserEntry>] = []
    package var vhosts: [Item<HostEntry>] = []
    package var permissions: [Item<UserPermissions>] = []
    package var topicPermissions: [Item<TopicPermissions>] = []
    package var parameters: [Item<Parameter>] = []
    package var policies: [Item<PolicyEntry>] = []
    package var exchanges: [Item<ExchangeDeclaration>] = []
    package var queues: [Item<QueueDeclaration>] = []
    package var bindings: [Item<BindingDeclaration>] = []
    package var flaws: [Flaw] = []
    /// The definitions file.
    package var document: JSONDocument?
    private var trees: [Tree.Entry] = []

    init(form: Form, version: Version, document: JSONDocument? = nil) {
        self.form = form
        self.version = version
        self.document = document
    }

    func origin(_ value: JSONValue) -> Origin { Origin(index: Int32(value.index)) }

    mutating func origin(_ entry: Tree.Entry) -> Origin {
        trees.append(entry)
        return Origin(index: -Int32(trees.count))
    }

    /// Where a thing stands, or a part of it: the last of `path` that is there.
    package func place(_ origin: Origin, _ path: String...) -> Place? {
        place(origin, path: path)
    }

    /// Where an argument of a queue stands, under its own name or the word for it.
    package func place(_ origin: Origin, argument: String) -> Place? {
        if origin.index < 0, let word = QueueReader.word(for: argument) {
            return place(origin, path: word)
        }
        return place(origin, path: ["arguments", argument])
    }

    private func place(_ origin: Origin, path: [String]) -> Place? {
        if origin == .none { return nil }
        if origin.index >= 0 {
            guard var value = document?[Int(origin.index)] else { return nil }
            var isInside = false
            for key in path {
                guard let next = value[key] else { break }
                value = next
                isInside = true
            }
            // A name says more than the bracket in front of it.
            return isInside ? value.place : (value["name"] ?? value["source"] ?? value).place
        }
        let entry = trees[Int(-origin.index) - 1]
        var place = entry.place
        var tree = entry.value
        for key in path {
            guard let next = tree.entries.first(where: { $0.key == key }) else { break }
            place = next.value.place
            tree = next.value
        }
        return place
    }

    /// The JSON that a thing was read from; nil if it was read from a topology.
    package func json(_ origin: Origin) -> JSONValue? {
        origin.index >= 0 ? document?[Int(origin.index)] : nil
    }
}

extension Version {
    /// The version of the model that is nearest to a text such as `3.8.9`: the last one that is not newer, or the
    /// oldest.
    package static func nearest(to text: String) -> Version? {
        let parts = text.split(separator: ".").prefix(2).compactMap { Int($0) }
        guard parts.count == 2 else { return nil }
        let wanted = Version(parts[0], parts[1])
        let known = Self.known.compactMap { Version($0) }
        return known.last { $0 <= wanted } ?? known.first
    }

    /// As it is written: `3.10`.
    package var text: String { "\(major).\(minor)" }
}
