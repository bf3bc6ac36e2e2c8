extension String {
    /// A name as the broker keeps it.
    ///
    /// - Source: `rabbit_channel:strip_cr_lf`.
    var withoutLineBreaks: String {
        contains { $0.isNewline } ? filter { $0 != "\r" && $0 != "\n" && $0 != "\r\n" } : self
    }
}
