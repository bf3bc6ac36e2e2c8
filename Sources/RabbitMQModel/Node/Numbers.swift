import WarrenKernel

/// The numbers that a node hands out, each of them once.
struct Numbers: Sendable {
    private var writes: UInt64 = 0
    private var bindings: UInt64 = 0
    private var suspensions: UInt64 = 0

    /// The write that was asked for last.
    @inline(__always)
    var lastWrite: WriteID { WriteID(writes) }

    /// Another write.
    @discardableResult
    @inline(__always)
    mutating func nextWrite() -> WriteID {
        writes += 1
        return WriteID(writes)
    }

    /// The number of the next binding, which is taken if there is such a binding: see ``takeBinding()``.
    var nextBinding: UInt64 { bindings + 1 }

    /// The next binding was made.
    mutating func takeBinding() { bindings += 1 }

    /// A consumer leaves the rotation of its queue: who left first comes back first.
    @inline(__always)
    mutating func nextSuspension() -> UInt64 {
        suspensions &+= 1
        return suspensions
    }
}
