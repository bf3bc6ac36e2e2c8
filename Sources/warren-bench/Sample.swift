import Foundation

/// One measurement.
struct Sample {
    /// What was done, in the unit of the workload.
    var count: Int
    /// How long it took.
    var seconds: Double
    /// A figure that guards against being fast because of being wrong.
    var check = 0.0
    /// Bytes, where memory or a file is measured.
    var bytes = 0

    var perSecond: Double { Double(count) / seconds }

    /// The line that a child prints and its parent reads.
    var line: String { "\(count) \(seconds) \(check) \(bytes)" }

    init(count: Int, seconds: Double, check: Double = 0, bytes: Int = 0) {
        self.count = count
        self.seconds = seconds
        self.check = check
        self.bytes = bytes
    }

    init?(line: String) {
        let parts = line.split(whereSeparator: { $0.isWhitespace }).compactMap { Double($0) }
        guard parts.count == 4 else { return nil }
        self.init(
            count: Int(parts[0]),
            seconds: parts[1],
            check: parts[2],
            bytes: Int(parts[3])
        )
    }
}

/// The wall clock.
enum Clock {
    static func seconds(_ body: () -> Void) -> Double {
        let start = DispatchTime.now().uptimeNanoseconds
        body()
        return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
    }
}

/// The memory of this process.
enum Memory {
    /// The most that was resident so far, in bytes.
    static var peak: Int { status("VmHWM:") }
    /// What is resident now, in bytes.
    static var now: Int { status("VmRSS:") }

    private static func status(_ key: String) -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix(key) } ?? ""
        return (line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0) * 1024
    }
}
