/// How the own files of a kind of broker are read: what RabbitMQ calls definitions.
public struct ForeignFile: Sendable {
    /// What became of a file.
    public struct Reading: Sendable {
        /// The file, without what is to stay secret.
        public var file: SourceFile?
        /// What it says in the words of a topology; nil if it cannot be read.
        public var tree: Tree?
        /// What there is to say about it.
        public var findings: [Finding]

        /// What became of a file.
        public init(file: SourceFile?, tree: Tree?, findings: [Finding]) {
            self.file = file
            self.tree = tree
            self.findings = findings
        }
    }

    /// A whole topology made of a file that was the `number`-th one read, with guesses for clients; nil if it is none.
    public var topology: @Sendable (_ path: String, _ bytes: [UInt8], _ number: Int) -> Reading?
    /// The section of a broker made of a file.
    public var section: @Sendable (_ path: String, _ bytes: [UInt8], _ number: Int) -> Reading

    /// A way of reading files.
    public init(
        topology: @escaping @Sendable (String, [UInt8], Int) -> Reading?,
        section: @escaping @Sendable (String, [UInt8], Int) -> Reading
    ) {
        self.topology = topology
        self.section = section
    }
}
