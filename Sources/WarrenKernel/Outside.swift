public import WarrenTrace

/// The world outside the run: where effects land that no crash takes back, such as a database.
///
/// It is asked and told within a turn, so looking and writing are one step.
/// - Differs: a real store of processed ids can itself be slow, or fail between looking and writing.
public struct Outside: Sendable {
    private var applied: Set<UInt64> = []

    /// Applies an effect once per key.
    ///
    /// - Returns: whether it is the first time.
    public mutating func applyOnce(_ effect: Symbol, key: UInt32) -> Bool {
        applied.insert(UInt64(effect.raw) << 32 | UInt64(key)).inserted
    }
}
