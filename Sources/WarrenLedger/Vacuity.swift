import WarrenTopology

/// What cannot have happened in a run, because nobody asked for it: an expectation that goes by it was not put to the
/// test, and does not hold.
extension Judge {
    /// Why a term is true of no message of a run; nil if it may be.
    ///
    /// - Source: RMQ-PUB-01 (a confirm is asked for), RMQ-ROUTE-02 (only what is mandatory is returned).
    private func hindrance(_ term: Expression.MessageTerm, _ ledger: Ledger) -> String? {
        switch term {
        case .confirmed, .nacked:
            ledger.totals.askedConfirm == 0 ? "no publication asked for a confirm" : nil
        case .returned:
            asksForReturns || ledger.totals.returned > 0
                ? nil : "no publication is `mandatory`, and nothing else is returned"
        case .published, .unknown, .unroutable, .deadLettered, .dropped, .expired, .redelivered,
            .delivered, .handled, .inQueue, .from, .kept, .key, .header:
            nil
        }
    }

    /// Why an expectation holds whatever happened: what it forbids could not happen, or what it demands could not fail;
    /// nil if it was put to the test.
    func emptiness(of expectation: Topology.Expectation, _ ledger: Ledger) -> String? {
        let expression = expectation.expression
        let reasons = expression.messageTerms.compactMap { hindrance($0, ledger) }
        guard let reason = reasons.first else { return nil }
        let certain = expression.certainty { hindrance($0, ledger) != nil }
        return certain == (expectation.kind != .never) ? reason : nil
    }
}
