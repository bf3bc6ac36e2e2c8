/// Groups of things with names of one pattern, for pictures that would have too many objects.
struct Folding {
    /// So many objects are drawn one by one, and so many of a kind.
    static let mostObjects = 60
    static let mostOfKind = 14
    /// Fewer are no group.
    private static let leastMembers = 4

    private(set) var objects: [Scene.Object] = []
    private(set) var edges: [Scene.Edge] = []

    /// Folds what is too much; the rest stays as it is.
    init(_ objects: [Scene.Object], _ edges: [Scene.Edge]) {
        var groupOf = Array(objects.indices.map { "\($0)" })
        for kind in [Scene.Kind.queue, .consumer, .producer, .exchange] {
            let members = objects.indices.filter { objects[$0].kind == kind }
            let isMany = objects.count > Self.mostObjects && members.count >= Self.leastMembers
            guard members.count > Self.mostOfKind || isMany else { continue }
            for (index, pattern) in Self.patterns(members.map { objects[$0].name }).enumerated() {
                guard let pattern else { continue }
                let sources = Set(
                    edges.filter { $0.to == members[index] && kind == .queue }.map(\.from)
                )
                groupOf[members[index]] =
                    "\(kind.rawValue) \(pattern) \(objects[members[index]].note) \(sources.count > 8 ? [] : sources.sorted())"
            }
        }
        var places: [String: Int] = [:]
        var members: [[Int]] = []
        for index in objects.indices {
            if let place = places[groupOf[index]] {
                members[place].append(index)
            } else {
                places[groupOf[index]] = members.count
                members.append([index])
            }
        }
        // What is left over of a pattern stands alone.
        members = members.flatMap { group in
            group.count == 1 || group.count >= Self.leastMembers ? [group] : group.map { [$0] }
        }
        var placeOf = [Int](repeating: 0, count: objects.count)
        for (place, group) in members.enumerated() {
            for index in group { placeOf[index] = place }
            self.objects.append(Self.group(group.map { objects[$0] }))
        }
        fold(edges, placeOf)
    }

    private static func group(_ members: [Scene.Object]) -> Scene.Object {
        var group = members[0]
        guard members.count > 1 else { return group }
        group.name = patterns(members.map(\.name)).first.flatMap(\.self) ?? group.name
        group.members = members.count
        group.symbols = members.flatMap(\.symbols)
        group.nodes = members.flatMap(\.nodes)
        group.room = 0
        return group
    }

    private mutating func fold(_ all: [Scene.Edge], _ placeOf: [Int]) {
        var known: [Scene.Edge: Int] = [:]
        var counts: [Int] = []
        for edge in all {
            let (from, to) = (placeOf[edge.from], placeOf[edge.to])
            guard from != to else { continue }
            let key = Scene.Edge(from: from, to: to, kind: edge.kind)
            if let place = known[key] {
                counts[place] += 1
                edges[place].label = "\(counts[place]) ways"
            } else {
                known[key] = edges.count
                edges.append(Scene.Edge(from: from, to: to, kind: edge.kind, label: edge.label))
                counts.append(1)
            }
        }
    }

    // MARK: Names

    /// For each name its pattern, with a star for the part that takes most values; nil where too few are alike.
    static func patterns(_ names: [String]) -> [String?] {
        let parts = names.map(Self.parts)
        var byShape: [String: [Int]] = [:]
        for (index, one) in parts.enumerated() {
            let shape = one.map { $0.isSeparator ? String($0.text) : "x" }.joined()
            byShape[shape, default: []].append(index)
        }
        var found = [String?](repeating: nil, count: names.count)
        // In any order: shapes have no member in common.
        for (_, members) in byShape where members.count >= leastMembers {
            let length = parts[members[0]].count
            let distinct = (0..<length).map { position in
                Set(members.map { parts[$0][position].text }).count
            }
            guard let most = distinct.max(), most > 1,
                let starred = distinct.firstIndex(of: most)
            else { continue }
            for member in members {
                var pattern = ""
                for (position, part) in parts[member].enumerated() {
                    pattern += position == starred ? "*" : String(part.text)
                }
                found[member] = pattern
            }
        }
        return found
    }

    private struct Part {
        var text: Substring
        var isSeparator: Bool
    }

    /// A name cut at its separators, and where digits begin and end.
    private static func parts(_ name: String) -> [Part] {
        var parts: [Part] = []
        var start = name.startIndex
        func kind(_ character: Character) -> Int {
            ".-_:/".contains(character) ? 0 : character.isNumber ? 1 : 2
        }
        var index = start
        while index < name.endIndex {
            let next = name.index(after: index)
            if next == name.endIndex || kind(name[next]) != kind(name[index])
                || kind(name[index]) == 0
            {
                parts.append(Part(text: name[start..<next], isSeparator: kind(name[index]) == 0))
                start = next
            }
            index = next
        }
        return parts
    }
}
