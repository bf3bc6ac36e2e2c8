/// What `warren search` may do to a topology.
extension TopologyReader {
    mutating func search(_ tree: Tree?, _ topology: Topology) -> Topology.Search {
        var search = Topology.Search()
        guard let tree else { return search }
        search.faults = tree["faults"]?.elements.compactMap {
            $0.text.flatMap { FaultWord(rawValue: $0) }
        }
        if let most = tree["at_most"]?.text.flatMap({ Int($0) }) { search.atMost = most }
        search.hits = tree["hits"]?.elements.compactMap(\.text)
        for end in tree["hits"]?.elements ?? [] { resolveEnd(end, topology) }
        return search
    }
}
