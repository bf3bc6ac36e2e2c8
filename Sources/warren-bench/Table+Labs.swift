import Foundation

/// The rows about the course.
extension Table {
    /// How long the checks of all lessons take, as they are handed out, with their answers and with every wrong one: the
    /// longest counts.
    func labs() -> [Line] {
        let warren = URL(filePath: own).deletingLastPathComponent().appending(path: "warren").path
        let printed = shell("/usr/bin/python3 \(peers)/labs.py \(warren) Labs")
        let words = printed.split(whereSeparator: \.isWhitespace).map(String.init)
        let longest = words.count == 3 ? Double(words[1]) ?? .nan : .nan
        let count = words.count == 3 ? words[0] : "no"
        return [
            Line(
                what: "warren lab check, the longest of \(count) answers, ms",
                ours: figure(longest),
                peer: words.count == 3 ? "lesson \(words[2])" : "",
                ratio: "",
                wanted: "< 2000"
            )
        ]
    }
}
