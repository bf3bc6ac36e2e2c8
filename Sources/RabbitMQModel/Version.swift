/// A version of RabbitMQ, as far as behaviour depends on it.
package struct Version: Sendable, Hashable, Comparable {
    /// The first number.
    package var major: Int
    /// The second number.
    package var minor: Int

    /// A version.
    package init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// The version that a text such as `3.10` names, if it is one that the model knows.
    package init?(_ text: String) {
        guard Self.known.contains(text) else { return nil }
        let parts = text.split(separator: ".").compactMap { Int($0) }
        self.init(parts[0], parts[1])
    }

    /// The versions that the model knows, the judge first.
    package static let known = ["3.10", "3.13", "4.0", "4.1", "4.2", "4.3"]

    /// The judge: every behaviour was watched on it.
    package static let v3_10 = Version(3, 10)
    static let v3_13 = Version(3, 13)
    static let v4_0 = Version(4, 0)
    static let v4_2 = Version(4, 2)
    static let v4_3 = Version(4, 3)

    /// Earlier ones come first.
    package static func < (left: Version, right: Version) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}
