import WarrenTopology

/// A map in the making.
struct MapBuilder {
    let place: Place
    private var entries: [Tree.Entry] = []
    private var names: Set<String> = []

    init(_ place: Place) { self.place = place }

    var isEmpty: Bool { entries.isEmpty }
    var count: Int { entries.count }
    var tree: Tree { Tree(content: .map(entries), place: place) }

    /// Adds a value under a name that nothing has yet: the name, or with a number behind it.
    mutating func addNamed(_ name: String, _ value: Tree) {
        var free = name
        var number = 2
        while !names.insert(free).inserted {
            free = "\(name)-\(number)"
            number += 1
        }
        add(free, value)
    }

    /// No value of a definitions file stands at its very beginning, where the file itself does.
    private static func placed(_ tree: Tree, _ place: Place) -> Tree {
        guard tree.place.line == 1, tree.place.column == 1 else { return tree }
        var tree = tree
        tree.place = place
        switch tree.content {
        case .scalar: break
        case .list(let elements): tree.content = .list(elements.map { placed($0, place) })
        case .map(let entries):
            tree.content = .map(
                entries.map { entry in
                    let isNowhere = entry.place.line == 1 && entry.place.column == 1
                    return Tree.Entry(
                        key: entry.key,
                        place: isNowhere ? place : entry.place,
                        value: placed(entry.value, place)
                    )
                }
            )
        }
        return tree
    }

    /// Adds a value; what has no place of its own stands where the map does.
    mutating func add(_ key: String, _ value: Tree, at place: Place? = nil) {
        var value = Self.placed(value, self.place)
        if let place { value.place = place }
        entries.append(Tree.Entry(key: key, place: place ?? value.place, value: value))
    }
}
