import Foundation
public import Testing

extension Tag {
    /// What takes seconds in debug mode; `make quick` leaves it out.
    @Tag public static var slow: Self
}

extension Trait where Self == ConditionTrait {
    /// Left out where `WARREN_QUICK` is set, as in `make quick`.
    public static var unlessQuick: Self {
        .enabled(
            if: ProcessInfo.processInfo.environment["WARREN_QUICK"] == nil,
            "it is slow; `make test` runs it"
        )
    }
}
