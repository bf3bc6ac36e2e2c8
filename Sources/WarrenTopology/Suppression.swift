/// A finding that a file declares to be meant.
public struct Suppression: Sendable {
    /// The slug of the rule.
    public var slug: String
    /// The object, such as `queue 'jobs'`, where `*` stands for anything; all objects if nil.
    public var object: String?
    /// Why it is meant.
    public var reason: String
    /// Where it stands.
    public var place: Place

    /// A suppression.
    public init(slug: String, object: String?, reason: String, place: Place) {
        self.slug = slug
        self.object = object
        self.reason = reason
        self.place = place
    }

    init(_ tree: Tree) {
        self.init(
            slug: tree["slug"]?.text ?? "",
            object: tree["object"]?.text,
            reason: tree["reason"]?.text ?? "",
            place: tree["slug"]?.place ?? tree.place
        )
    }

    static let shape = Shape.record([
        Field("slug", .text, "the rule, such as vanishing-queue", required: true),
        Field("object", .text, "what it is about, such as jobs or billing.*; everything"),
        Field("reason", .text, "why it is meant", required: true),
    ])

    /// Whether it is about a finding: the pattern fits the name of the object, or all that is said of it.
    public func covers(_ finding: Finding) -> Bool {
        guard finding.slug == slug else { return false }
        guard let object else { return true }
        let names = finding.object.split(separator: "'", omittingEmptySubsequences: false)
            .enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
        return ([finding.object] + names.prefix(1)).contains { Self.fits(Array(object), Array($0)) }
    }

    private static func fits(_ pattern: [Character], _ text: [Character]) -> Bool {
        // One row per letter of the pattern; `*` keeps what was reached.
        var row = [Bool](repeating: false, count: text.count + 1)
        row[0] = true
        for letter in pattern {
            var next = [Bool](repeating: false, count: text.count + 1)
            if letter == "*" {
                var isReached = false
                for index in row.indices {
                    isReached = isReached || row[index]
                    next[index] = isReached
                }
            } else {
                for index in text.indices where row[index] && text[index] == letter {
                    next[index + 1] = true
                }
            }
            row = next
        }
        return row[text.count]
    }
}
