/// What a lesson is made of, beside its text: what a check varies, keeps, wants to see, and says.
public struct Lesson: Sendable {
    /// What a schedule draws anew for a fault of the checks.
    public struct Variation: Sendable {
        /// Which fault of the list, from 1.
        public var fault: Int
        /// The moments between which it happens, in nanoseconds; nil for that of the file.
        public var at: ClosedRange<Double>?
        /// How long it lasts, in nanoseconds; nil for what the file says.
        public var lasting: ClosedRange<Double>?
        /// The instances that it may hit.
        public var instance: ClosedRange<Int>?
        /// The nodes that it may hit; empty for what the file says.
        public var nodes: [String]
        /// What it may do; empty for what the file says.
        public var actions: [String]
    }

    /// Something that has to stay as it was handed out, and why.
    public struct Pin: Sendable {
        public var path: String
        public var why: String
    }

    /// Something that has to happen in at least one schedule: that the danger is there.
    public struct Witness: Sendable {
        public var name: String
        public var expression: String
    }

    /// The question that is answered before anything is run.
    public struct Prediction: Sendable {
        public var question: String
        /// The answers by letter.
        public var answers: [(letter: String, text: String)]
        public var right: String
    }

    /// A wrong answer that many give, by what stands in the file and what broke, and what there is to say of it.
    public struct Misconception: Sendable {
        /// The name, which is also that of its file under `wrong/`.
        public var name: String
        /// What has to stand at a path of the file: a text, `~` and a part of one, `any` or `none`.
        public var values: [(path: String, value: String)]
        /// Names of expectations that all have to be broken.
        public var broken: [String]
        public var say: String
    }

    /// The file to mend.
    public var file: String
    /// Whether `warren check` must have nothing to say of it, either.
    public var isSilent: Bool
    /// The number, such as `03`, and the name of the folder.
    public var number: String
    public var folder: String
    public var title: String
    /// What it teaches, and what surprises, in one sentence each.
    public var idea: String
    public var surprise: String
    /// The lessons that it stands on.
    public var standsOn: [String]
    /// How long it takes.
    public var minutes: Int
    public var variations: [Variation]
    /// The delay of links, one way, in nanoseconds; nil for what the files say.
    public var latency: ClosedRange<Double>?
    public var pins: [Pin]
    public var witnesses: [Witness]
    public var prediction: Prediction?
    public var misconceptions: [Misconception]
    /// Where to look, the idea, the line.
    public var hints: [String]
}
