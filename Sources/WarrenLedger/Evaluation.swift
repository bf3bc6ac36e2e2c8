import WarrenTopology
import WarrenTrace

/// The values of expressions.
extension Watch {
    /// How many clients expectations may name, as workers and as publishers: each is a bit of what is known of a message.
    public static let mostClients = 24

    /// Whether expectations name more clients than can be told apart.
    public var namesTooMany: Bool {
        max(marks?.handlers.count ?? 0, marks?.senders.count ?? 0) > Self.mostClients
    }

    /// Whether an expression about the state, or about the whole run, holds now.
    func holds(_ watched: Watched, _ ledger: Ledger) -> Bool {
        holds(watched.expression, watched, ledger)
    }

    private func holds(_ expression: Expression, _ watched: Watched, _ ledger: Ledger) -> Bool {
        switch expression {
        case .and(let a, let b): holds(a, watched, ledger) && holds(b, watched, ledger)
        case .or(let a, let b): holds(a, watched, ledger) || holds(b, watched, ledger)
        case .not(let a): !holds(a, watched, ledger)
        case .message: false
        case .compare(let quantity, let comparison, let limit):
            comparison.holds(value(of: quantity, watched, ledger), limit)
        }
    }

    /// The value of a quantity now.
    func value(
        of quantity: Expression.Quantity,
        _ watched: Watched,
        _ ledger: Ledger
    ) -> Double {
        switch quantity {
        case .depth(let queue):
            return Double(ledger.account(of: watched.symbol(queue))?.depth ?? 0)
        case .unacked(let queue):
            return Double(ledger.account(of: watched.symbol(queue))?.unacked ?? 0)
        case .lag(let log): return Double(ledger.log(of: watched.symbol(log))?.lag ?? 0)
        case .count(let term):
            return count(of: term, watched, ledger)
        case .effects(let effect):
            return Double(effectTotals[watched.symbol(effect)] ?? 0)
        case .effectsPerMessage(let effect):
            return Double(effectMost[watched.symbol(effect)]?.count ?? 0)
        case .answered(let caller): return Double(calls[watched.symbol(caller)]?.answered ?? 0)
        case .failed(let caller): return Double(calls[watched.symbol(caller)]?.failed ?? 0)
        case .outOfOrder(let client): return Double(outOfOrder[watched.symbol(client)] ?? 0)
        case .redeliveries: return Double(mostAgain)
        case .queueCount: return Double(ledger.chronicle.queueCount)
        case .connectionCount: return Double(ledger.chronicle.connectionCount)
        case .channelCount: return Double(ledger.chronicle.channelCount)
        case .statistic(.max, .unacked(let queue)):
            return Double(mostUnacked[watched.symbol(queue)] ?? 0)
        case .statistic(_, .lag(let log)):
            return Double(ledger.log(of: watched.symbol(log))?.lagMax ?? 0)
        case .statistic(let statistic, .depth(let queue)):
            guard let account = ledger.account(of: watched.symbol(queue)) else { return 0 }
            switch statistic {
            case .mean: return account.depthMean(at: ledger.now)
            case .max: return Double(account.depthMax)
            case .min, .percentile: return 0
            }
        case .statistic(let statistic, let series):
            guard let series = self.series(series, watched, ledger) else { return 0 }
            switch statistic {
            case .mean: return series.mean
            case .max: return Double(series.max)
            case .min: return Double(series.min)
            case .percentile(let share): return Double(series.percentile(Double(share) / 1000))
            }
        }
    }

    /// Whether a quantity is made of a series that has no number in it.
    func isUnmeasured(
        _ quantity: Expression.Quantity,
        _ watched: Watched,
        _ ledger: Ledger
    ) -> Bool {
        switch quantity {
        case .statistic(_, .depth), .statistic(_, .unacked), .depth, .unacked, .count, .effects,
            .effectsPerMessage, .redeliveries, .queueCount, .connectionCount, .channelCount:
            false
        case .lag(let log), .statistic(_, .lag(let log)):
            ledger.log(of: watched.symbol(log))?.readers.isEmpty ?? true
        case .outOfOrder(let client): !hasWorked(watched.symbol(client))
        case .answered(let caller), .failed(let caller):
            calls[watched.symbol(caller)].map { $0.answered + $0.failed == 0 } ?? true
        case .statistic(_, let series): (self.series(series, watched, ledger)?.count ?? 0) == 0
        }
    }

    private func series(_ series: Expression.Series, _ watched: Watched, _ ledger: Ledger)
        -> Series?
    {
        switch series {
        case .wait(let queue): ledger.account(of: watched.symbol(queue))?.wait
        case .depth, .unacked, .lag: nil
        case .age(let name): ages[watched.symbol(name)]
        case .roundTrip(let client): ledger.roundTrips[watched.symbol(client)]
        case .work(let client): ledger.work[watched.symbol(client)]
        case .confirm(let client):
            clientOfNode.firstIndex(of: watched.symbol(client)).flatMap {
                ledger.confirmWaits[NodeID(UInt32($0))]
            }
        }
    }

    private func count(
        of term: Expression.MessageTerm,
        _ watched: Watched,
        _ ledger: Ledger
    ) -> Double {
        switch term {
        case .published: return Double(ledger.totals.published)
        case .confirmed: return Double(ledger.totals.confirmed)
        case .nacked: return Double(ledger.totals.nacked)
        case .returned: return Double(ledger.totals.returned)
        case .unknown, .unroutable, .deadLettered, .dropped, .expired, .redelivered, .delivered,
            .handled, .inQueue, .from, .kept, .key, .header:
            guard let marks else { return 0 }
            let messages = marks.bits.indices.dropFirst()
            return Double(messages.count { holds(term, $0, watched) })
        }
    }

    /// Whether something is true of one message, as far as the facts go.
    func holds(_ term: Expression.MessageTerm, _ message: Int, _ watched: Watched) -> Bool {
        guard let marks, message < marks.bits.count else { return false }
        let bits = marks.bits[message]
        switch term {
        case .published: return bits & Self.published != 0
        case .confirmed: return bits & Self.confirmed != 0
        case .nacked: return bits & Self.nacked != 0
        case .returned: return bits & Self.returned != 0
        case .unknown:
            let known = Self.confirmed | Self.nacked | Self.returned
            return bits & Self.published != 0 && bits & known == 0
        case .unroutable: return bits & Self.unroutable != 0
        case .deadLettered: return bits & Self.deadLettered != 0
        case .dropped: return bits & Self.dropped != 0
        case .expired: return bits & Self.expired != 0
        case .redelivered: return bits & Self.redelivered != 0
        case .delivered: return bits & Self.delivered != 0
        case .handled(nil): return bits & Self.handled != 0
        case .handled(let client?):
            guard let slot = marks.handlers.firstIndex(of: watched.symbol(client)) else {
                return false
            }
            return bits & 1 << UInt64(16 + slot) != 0
        case .from(let client):
            guard let slot = marks.senders.firstIndex(of: watched.symbol(client)) else {
                return false
            }
            return bits & 1 << UInt64(40 + slot) != 0
        case .kept: return message < marks.held.count && marks.held[message] > 0
        case .key(let pattern): return fits(pattern, message)
        case .header(let name, let value): return hasHeader(name, value, message)
        case .inQueue(let queue):
            guard let slot = marks.queues.firstIndex(of: watched.symbol(queue)) else {
                return false
            }
            return marks.copies[slot][message] > 0
        }
    }

    /// Whether an expression is true of one message.
    func isTrue(_ expression: Expression, of message: Int, _ watched: Watched, _ ledger: Ledger)
        -> Bool
    {
        switch expression {
        case .and(let a, let b):
            isTrue(a, of: message, watched, ledger) && isTrue(b, of: message, watched, ledger)
        case .or(let a, let b):
            isTrue(a, of: message, watched, ledger) || isTrue(b, of: message, watched, ledger)
        case .not(let a): !isTrue(a, of: message, watched, ledger)
        case .message(let term): holds(term, message, watched)
        case .compare(let quantity, let comparison, let limit):
            comparison.holds(value(of: quantity, watched, ledger, message), limit)
        }
    }

    /// The value of a quantity, of one message where it is one of messages.
    private func value(
        of quantity: Expression.Quantity,
        _ watched: Watched,
        _ ledger: Ledger,
        _ message: Int
    ) -> Double {
        guard let marks else { return value(of: quantity, watched, ledger) }
        switch quantity {
        case .effectsPerMessage(let effect):
            guard let slot = marks.effects.firstIndex(of: watched.symbol(effect)),
                message < marks.effectCounts[slot].count
            else { return 0 }
            return Double(marks.effectCounts[slot][message])
        case .redeliveries: return message < marks.again.count ? Double(marks.again[message]) : 0
        default: return value(of: quantity, watched, ledger)
        }
    }

    /// What the numbers of an expression are now, for the report.
    func seen(_ watched: Watched, _ ledger: Ledger) -> String {
        watched.expression.quantities.map { quantity in
            "\(quantity.words) was \(quantity.text(of: value(of: quantity, watched, ledger)))"
        }.joined(separator: ", ")
    }
}
