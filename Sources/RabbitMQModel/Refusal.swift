/// An error in the broker's own words.
///
/// - Source: `rabbit_framing`: RMQ-CONN-17 (soft errors close the channel), RMQ-CONN-26 (hard errors
///   close the connection).
package struct Refusal: Error, Hashable {
    package var code: UInt16
    package var text: String
    /// Whether the whole connection is closed.
    var isHard: Bool

    init(code: UInt16, text: String) {
        self.code = code
        self.text = text
        isHard =
            switch code {
            case 320, 402, 501...506, 530, 540, 541: true
            default: false
            }
    }

    /// A refusal that another node spoke.
    init(code: UInt16, text: String, isHard: Bool) {
        self.code = code
        self.text = text
        self.isHard = isHard
    }

    private static func make(_ code: UInt16, _ name: String, _ text: String) -> Refusal {
        Refusal(code: code, text: "\(name) - \(text)")
    }

    static func accessRefused(_ text: String) -> Refusal { make(403, "ACCESS_REFUSED", text) }
    static func notFound(_ text: String) -> Refusal { make(404, "NOT_FOUND", text) }
    static func resourceLocked(_ text: String) -> Refusal { make(405, "RESOURCE_LOCKED", text) }
    static func preconditionFailed(_ text: String) -> Refusal {
        make(406, "PRECONDITION_FAILED", text)
    }
    static func commandInvalid(_ text: String) -> Refusal { make(503, "COMMAND_INVALID", text) }
    static func channelError(_ text: String) -> Refusal { make(504, "CHANNEL_ERROR", text) }
    static func notAllowed(_ text: String) -> Refusal { make(530, "NOT_ALLOWED", text) }
    static func notImplemented(_ text: String) -> Refusal { make(540, "NOT_IMPLEMENTED", text) }

    static let internalError = Refusal(code: 541, text: "INTERNAL_ERROR")
    static func internalErrorBecause(_ text: String) -> Refusal {
        make(541, "INTERNAL_ERROR", text)
    }
    static func connectionForced(_ text: String) -> Refusal {
        make(320, "CONNECTION_FORCED", text)
    }

    /// - Source: RMQ-CONN-31.
    static let shutdown = make(
        320,
        "CONNECTION_FORCED",
        "broker forced connection closure with reason 'shutdown'"
    )
}
