/// Values as Erlang's `~p` writes them into the broker's errors.
enum Erlang {
    /// A binary: as text where every octet can be printed as Latin-1, else as a list of octets.
    static func binary(_ octets: [UInt8]) -> String {
        if octets.isEmpty { return "<<>>" }
        guard octets.allSatisfy(isPrintable) else {
            return "<<" + octets.map { "\($0)" }.joined(separator: ",") + ">>"
        }
        return "<<" + quoted(String(decoding: octets, as: UTF8.self)) + ">>"
    }

    /// A text that the broker made itself: a list of characters, which is written as text if it can be printed.
    static func list(_ text: String) -> String {
        let octets = Array(text.utf8)
        guard octets.allSatisfy(isPrintable) else {
            return "[" + octets.map { "\($0)" }.joined(separator: ",") + "]"
        }
        return octets.isEmpty ? "[]" : quoted(text)
    }

    /// An atom: in quotes unless it is a small letter followed by letters, digits, `_` and `@`.
    static func atom(_ text: String) -> String {
        let isPlain =
            text.utf8.first.map { (97...122).contains($0) } ?? false
            && text.utf8.allSatisfy {
                (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0)
                    || $0 == 95 || $0 == 64
            }
        return isPlain ? text : "'\(text)'"
    }

    private static func isPrintable(_ octet: UInt8) -> Bool {
        (32...126).contains(octet) || octet >= 160 || (8...13).contains(octet) || octet == 27
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{0B}": result += "\\v"
            case "\u{08}": result += "\\b"
            case "\u{0C}": result += "\\f"
            case "\u{1B}": result += "\\e"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// A fraction in its fewest digits, with or without an exponent, whichever is shorter.
    ///
    /// - Source: `io_lib_format:fwrite_g` of Erlang/OTP 25; from 2^53 on always with an exponent.
    static func float(_ value: Double) -> String {
        guard value != 0, value.isFinite else { return value.sign == .minus ? "-0.0" : "0.0" }
        let sign = value < 0 ? "-" : ""
        let (digits, place) = decompose(value.magnitude)
        let count = digits.utf8.count
        let exponent = "\(place - 1)"
        let rest = digits.dropFirst()
        let scientific =
            "\(digits.prefix(1)).\(rest.isEmpty ? "0" : String(rest))e\(exponent)"
        if value.magnitude >= 9_007_199_254_740_992 { return sign + scientific }
        if place == 0 { return sign + "0." + digits }
        if place > 0, place < count {
            return sign + digits.prefix(place) + "." + digits.dropFirst(place)
        }
        let cost = exponent.utf8.count + 1 + (count == 1 ? 2 : 1)
        if place < 0 {
            let zeros = String(repeating: "0", count: -place)
            return sign + (2 - place <= cost ? "0." + zeros + digits : scientific)
        }
        let zeros = String(repeating: "0", count: place - count)
        return sign + (place - count + 2 <= cost ? digits + zeros + ".0" : scientific)
    }

    /// The fewest digits that mean a number, and where the point stands among them.
    private static func decompose(_ value: Double) -> (digits: String, place: Int) {
        let parts = value.description.split(separator: "e")
        let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let halves = parts[0].split(separator: ".")
        let fraction = halves.count > 1 ? halves[1] : ""
        var place = halves[0].utf8.count + exponent
        var digits = String(halves[0] + fraction)
        while digits.first == "0" {
            digits.removeFirst()
            place -= 1
        }
        while digits.last == "0" { digits.removeLast() }
        return (digits, place)
    }
}
