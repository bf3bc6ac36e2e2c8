/// The parts of the page as they lie in the program.
enum PageParts {
    /// The scripts, in the order in which they build on one another.
    static let scripts = [
        "facts.js", "world.js", "words.js", "graph.js", "groups.js", "timeline.js", "inspector.js",
        "space-time.js",
        "broken.js", "compare.js", "keys.js", "player.js",
    ]

    static func text(_ name: String) -> String {
        let bytes: [UInt8] =
            switch name {
            case "page.css": PackageResources.page_css
            case "page.html": PackageResources.page_html
            case "facts.js": PackageResources.facts_js
            case "world.js": PackageResources.world_js
            case "words.js": PackageResources.words_js
            case "graph.js": PackageResources.graph_js
            case "groups.js": PackageResources.groups_js
            case "timeline.js": PackageResources.timeline_js
            case "inspector.js": PackageResources.inspector_js
            case "space-time.js": PackageResources.space_time_js
            case "broken.js": PackageResources.broken_js
            case "compare.js": PackageResources.compare_js
            case "keys.js": PackageResources.keys_js
            case "player.js": PackageResources.player_js
            default: []
            }
        return String(decoding: bytes, as: UTF8.self)
    }
}
