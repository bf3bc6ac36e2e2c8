/// A place in a file: which file, which line and column (both from 1), and how many columns.
public struct Place: Sendable, Hashable {
    /// The position of the file in ``Topology/files``.
    public var file: Int
    /// The line, from 1.
    public var line: Int
    /// The column in characters, from 1.
    public var column: Int
    /// How much of the line is meant, in characters.
    public var length: Int

    /// A place.
    public init(file: Int = 0, line: Int, column: Int, length: Int = 1) {
        self.file = file
        self.line = line
        self.column = column
        self.length = length
    }

    /// The start of a file.
    public static func start(of file: Int) -> Place { Place(file: file, line: 1, column: 1) }

    /// Where a word stands at this place or behind it on its line; this place if it does not.
    public func of(_ word: String, in files: [SourceFile]) -> Place {
        guard file < files.count, let row = files[file].line(line).map(Array.init), !word.isEmpty
        else { return self }
        let letters = Array(word)
        func isLetter(_ index: Int) -> Bool {
            guard row.indices.contains(index) else { return false }
            return row[index].isLetter || row[index].isNumber || "._-/".contains(row[index])
        }
        var start = max(column - 1, 0)
        while start + letters.count <= row.count {
            if row[start..<start + letters.count].elementsEqual(letters), !isLetter(start - 1),
                !isLetter(start + letters.count)
            {
                return Place(file: file, line: line, column: start + 1, length: letters.count)
            }
            start += 1
        }
        return self
    }
}
