public import WarrenTopology
public import WarrenTrace

/// An expression whose names have become symbols, ready to be evaluated.
public struct Watched: Sendable {
    /// What is expected, as the file says it.
    public let expression: Expression
    let names: [String: Symbol]

    /// An expression and the symbols of the names in it.
    public init(_ expression: Expression, names: [String: Symbol]) {
        self.expression = expression
        self.names = names
    }

    func symbol(_ name: String) -> Symbol { names[name] ?? .none }
}

/// What must be looked at while the run goes on: expectations at every moment, conditions of faults,
/// and, if anything asks about single messages, a few bits for each message.
public struct Watch: Sendable {
    /// Something about the state that is evaluated after each fact that can change it.
    struct State: Sendable {
        var watched: Watched
        /// What must not come true.
        var breaksWhen: Bool
        var first: Broken?
        /// For `eventually` and conditions: since when it has been true without a pause.
        var trueSince: Instant?
        /// Whether it may be false on the way.
        var isPatient = false
        /// If it asks for nothing but what lies in queues; and whether that was ever read.
        var gauge: Gauge?
        var isRead = false
    }

    /// The first moment at which an expectation was broken.
    public struct Broken: Sendable, Hashable {
        /// When.
        public var time: Instant
        /// The fact after which it was broken, from 1.
        public var fact: UInt64
        /// The event.
        public var event: UInt64
        /// The message, if it is about one.
        public var message: MessageID
        /// What was seen instead.
        public var seen: String

        /// Something that was broken at a moment.
        public init(
            time: Instant,
            fact: UInt64 = 0,
            event: UInt64 = 0,
            message: MessageID = .none,
            seen: String
        ) {
            self.time = time
            self.fact = fact
            self.event = event
            self.message = message
            self.seen = seen
        }
    }

    /// What is known of each message, if it is asked for.
    struct Marks: Sendable {
        var bits: ContiguousArray<UInt64> = [0]
        var last: ContiguousArray<Instant> = [.zero]
        /// Clients that terms name, by bit from 16.
        var handlers: [Symbol] = []
        var senders: [Symbol] = []
        /// Queues that terms name: copies per message.
        var queues: [Symbol] = []
        var copies: [ContiguousArray<UInt8>] = []
        /// Effects that are counted per message.
        var effects: [Symbol] = []
        var effectCounts: [ContiguousArray<UInt16>] = []
        /// Copies in all queues, the key, the headers, the publisher's node, the moment of publication and how often it was sent
        /// again, of each message.
        var held: ContiguousArray<UInt8> = [0]
        var keys: ContiguousArray<Symbol> = [.none]
        var headers: ContiguousArray<Symbol> = [.none]
        var publishers: ContiguousArray<UInt32> = [0]
        var published: ContiguousArray<Instant> = [.zero]
        var again: ContiguousArray<UInt16> = [0]
        /// By message: the one that it was published because of; empty until there is such a one.
        var parents: [Int: Int] = [:]

        /// A message, and those that it was published because of.
        func line(of message: Int) -> [Int] {
            guard !parents.isEmpty, parents[message] != nil else { return [message] }
            var line = [message]
            while let parent = parents[line[line.count - 1]] { line.append(parent) }
            return line
        }
    }

    static let published: UInt64 = 1
    static let confirmed: UInt64 = 2
    static let nacked: UInt64 = 4
    static let returned: UInt64 = 8
    static let unroutable: UInt64 = 32
    static let deadLettered: UInt64 = 64
    static let dropped: UInt64 = 128
    static let expired: UInt64 = 256
    static let redelivered: UInt64 = 512
    static let delivered: UInt64 = 1024
    static let handled: UInt64 = 2048
    /// The clients that worked on it.
    static let anyHandler: UInt64 = 0xFF_FFFF << 16

    var states: [State] = []
    var marks: Marks?
    /// The client of each node, for `from`.
    var clientOfNode: [Symbol] = []
    /// Effects counted in all.
    var effectTotals: [Symbol: UInt64] = [:]
    var effectMost: [Symbol: (count: UInt16, first: Broken)] = [:]
    /// Whether single messages are asked about in more than bits.
    private var wantsDetails = false
    /// Ages by queue or client that an expectation names; the most unacknowledged; calls; what was out of order.
    var ages: [Symbol: Series] = [:]
    var mostUnacked: [Symbol: UInt64] = [:]
    var calls: [Symbol: (answered: UInt64, failed: UInt64)] = [:]
    var outOfOrder: [Symbol: UInt64] = [:]
    var mostAgain: UInt16 = 0
    private var latest: [Symbol: [UInt32: UInt32]] = [:]
    /// The texts of names, while facts are looked at, for patterns of keys and for headers.
    var names: Names?
    private var texts: [Symbol: String] = [:]
    private var headers: [Symbol: [Header]] = [:]
    /// Whether patterns of keys or headers are asked about.
    public private(set) var wantsNames = false
    /// Whether an expectation asks for round trips, confirm waits or work.
    var wantsSeries = false
    /// Whether anything is watched.
    public internal(set) var isActive = false

    /// Watches nothing.
    public init() {}

    /// The node's clients, so that `from` can be told.
    public mutating func setClients(_ clients: [Symbol]) { clientOfNode = clients }

    /// Watches an expression about the state; true breaks it if `breaksWhen` is true.
    ///
    /// - Returns: its number.
    mutating func add(_ watched: Watched, breaksWhen: Bool) -> Int {
        isActive = true
        states.append(State(watched: watched, breaksWhen: breaksWhen, gauge: Gauge(watched)))
        prepare(watched)
        return states.count - 1
    }

    /// Makes room for what an expression asks about.
    mutating func prepare(_ watched: Watched) {
        for term in watched.expression.messageTerms { prepare(term, watched) }
        for quantity in watched.expression.quantities {
            switch quantity {
            case .effects: isActive = true
            case .effectsPerMessage(let effect):
                needMarks()
                let symbol = watched.symbol(effect)
                if marks?.effects.contains(symbol) == false {
                    marks?.effects.append(symbol)
                    marks?.effectCounts.append([0])
                }
            case .count(let term):
                if !Self.isTotal(term) { needMarks() }
                isActive = true
            case .statistic(_, .roundTrip), .statistic(_, .confirm), .statistic(_, .work):
                wantsSeries = true
            case .answered(let caller), .failed(let caller):
                isActive = true
                calls[watched.symbol(caller)] = (0, 0)
            case .outOfOrder(let client):
                needDetails()
                outOfOrder[watched.symbol(client)] = 0
            case .redeliveries: needDetails()
            case .queueCount, .connectionCount, .channelCount: isActive = true
            case .statistic(_, .age(let name)):
                needDetails()
                ages[watched.symbol(name)] = Series()
            case .statistic(_, .unacked(let queue)):
                isActive = true
                mostUnacked[watched.symbol(queue)] = 0
            case .depth, .unacked, .lag, .statistic: break
            }
        }
    }

    private static func isTotal(_ term: Expression.MessageTerm) -> Bool {
        switch term {
        case .published, .confirmed, .nacked, .returned: true
        case .unknown, .unroutable, .deadLettered, .dropped, .expired, .redelivered, .delivered,
            .handled, .inQueue, .from, .kept, .key, .header:
            false
        }
    }

    private mutating func needDetails() {
        needMarks()
        wantsDetails = true
    }

    private mutating func needMarks() {
        isActive = true
        if marks == nil { marks = Marks() }
    }

    private mutating func prepare(_ term: Expression.MessageTerm, _ watched: Watched) {
        needMarks()
        switch term {
        case .handled(let client?):
            let symbol = watched.symbol(client)
            if marks?.handlers.contains(symbol) == false { marks?.handlers.append(symbol) }
        case .from(let client):
            let symbol = watched.symbol(client)
            if marks?.senders.contains(symbol) == false { marks?.senders.append(symbol) }
        case .inQueue(let queue):
            let symbol = watched.symbol(queue)
            if marks?.queues.contains(symbol) == false {
                marks?.queues.append(symbol)
                marks?.copies.append([0])
            }
        case .kept: needDetails()
        case .key, .header:
            needDetails()
            wantsNames = true
        case .published, .confirmed, .nacked, .returned, .unknown, .unroutable, .deadLettered,
            .dropped, .expired, .redelivered, .delivered, .handled:
            break
        }
    }

    // MARK: Facts

    /// Takes in a fact that the ledger has taken in, which is lent and stays as it is.
    mutating func take(_ fact: Fact, _ ledger: inout Ledger) {
        if fact.kind == .effectApplied { effectTotals[fact.subject, default: 0] += 1 }
        if marks != nil { mark(fact, &ledger) }
        if wantsDetails { note(fact) }
        count(fact, &ledger)
        for index in states.indices where states[index].first == nil {
            evaluate(index, fact, &ledger)
        }
    }

    private mutating func mark(_ fact: Fact, _ ledger: inout Ledger) {
        let message = Int(fact.message.raw)
        guard message > 0 else { return }
        grow(to: message)
        var bits: UInt64 = 0
        var copies = 0
        switch fact.kind {
        case .messagePublished:
            bits = Self.published
            let node = Int(fact.node.raw)
            let client = node < clientOfNode.count ? clientOfNode[node] : .none
            if let slot = marks?.senders.firstIndex(of: client) { bits |= 1 << UInt64(40 + slot) }
        case .messageConfirmed: bits = Self.confirmed
        case .messageNacked: bits = Self.nacked
        case .messageReturned: bits = Self.returned
        case .messageUnknown: break
        case .messageUnroutable: bits = Self.unroutable
        case .messageRouted: copies = 1
        case .messageRecovered where fact.variant == 1: copies = 1
        case .deliveryAcked: copies = -1
        case .messageRelayed:
            // It leaves the queue that it came from.
            guard fact.variant & 1 == 1 else { return }
            marks?.last[message] = fact.time
            guard let slot = marks?.queues.firstIndex(of: Symbol(fact.peer)) else { return }
            return add(0, -1, in: slot, to: message)
        case .recordRead: bits = Self.delivered
        case .deliverySent:
            bits = Self.delivered | (fact.variant & 1 == 1 ? Self.redelivered : 0)
        case .messageDeadLettered:
            bits = Self.deadLettered
            if fact.variant & 63 == DropReason.expired.rawValue { bits |= Self.expired }
            copies = -1
        case .messageDropped:
            bits = Self.dropped
            if fact.variant == DropReason.expired.rawValue { bits |= Self.expired }
            copies = -1
        case .messageHandled:
            bits = Self.handled
            if let slot = marks?.handlers.firstIndex(of: Symbol(fact.peer)) {
                bits |= 1 << UInt64(16 + slot)
            }
            if fact.variant & 1 == 1 { copies = -1 }
        case .effectApplied: countEffect(fact, &ledger)
        case .messageDerived:
            marks?.parents[message] = Int(fact.detail)
            return
        default: return
        }
        marks?.bits[message] |= bits
        marks?.last[message] = fact.time
        let slot = copies == 0 ? nil : marks?.queues.firstIndex(of: fact.subject)
        let handlers = bits & Self.anyHandler
        guard slot != nil || handlers != 0 else { return }
        guard marks?.parents.isEmpty == false else {
            return add(handlers, copies, in: slot, to: message)
        }
        // What becomes of a message becomes of the one that it followed from: where it lies, and who worked on it.
        for one in marks?.line(of: message) ?? [] { add(handlers, copies, in: slot, to: one) }
    }

    /// Notes who worked on a message, and that there are more or fewer copies of it in a queue.
    private mutating func add(_ handlers: UInt64, _ copies: Int, in slot: Int?, to message: Int) {
        marks?.bits[message] |= handlers
        guard let slot else { return }
        let held = Int(marks?.copies[slot][message] ?? 0)
        marks?.copies[slot][message] = UInt8(clamping: held + copies)
    }

    /// What is asked about beside bits.
    private mutating func note(_ fact: Fact) {
        let message = Int(fact.message.raw)
        guard message > 0, marks != nil else { return }
        grow(to: message)
        switch fact.kind {
        case .messagePublished:
            marks?.keys[message] = Symbol(fact.peer)
            marks?.publishers[message] = fact.node.raw
            marks?.published[message] = fact.time
            marks?.headers[message] = fact.headers
            if wantsNames { learn(Symbol(fact.peer)) }
            if wantsNames, fact.headers != .none { learn(headers: fact.headers) }
        case .messageRouted:
            hold(message, 1)
            age(fact, fact.subject)
        case .messageRecovered where fact.variant == 1: hold(message, 1)
        case .deliveryAcked, .messageDeadLettered, .messageDropped: hold(message, -1)
        case .messageRelayed: if fact.variant & 1 == 1 { hold(message, -1) }
        case .messageHandled:
            if fact.variant & 1 == 1 { hold(message, -1) }
            age(fact, Symbol(fact.peer))
            order(fact)
        case .deliverySent where fact.variant & 1 == 1:
            marks?.again[message] &+= 1
            mostAgain = max(mostAgain, marks?.again[message] ?? 0)
        default: break
        }
    }

    private mutating func hold(_ message: Int, _ copies: Int) {
        for one in marks?.line(of: message) ?? [] {
            let held = Int(marks?.held[one] ?? 0)
            marks?.held[one] = UInt8(clamping: held + copies)
        }
    }

    /// How long after its publication a message came to a queue or client that is asked about.
    private mutating func age(_ fact: Fact, _ place: Symbol) {
        guard ages[place] != nil, let first = marks?.line(of: Int(fact.message.raw)).last,
            let published = marks?.published[first]
        else { return }
        ages[place]?.add((fact.time - published).nanoseconds)
    }

    /// Whether a client works on a message after a later one of the same publisher.
    private mutating func order(_ fact: Fact) {
        let client = Symbol(fact.peer)
        guard outOfOrder[client] != nil, let publisher = marks?.publishers[Int(fact.message.raw)]
        else { return }
        let before = latest[client]?[publisher] ?? 0
        if fact.message.raw < before { outOfOrder[client]? += 1 }
        latest[client, default: [:]][publisher] = max(before, fact.message.raw)
    }

    /// Whether a client that is asked about worked on anything.
    func hasWorked(_ client: Symbol) -> Bool { latest[client] != nil }

    private mutating func count(_ fact: Fact, _ ledger: inout Ledger) {
        switch fact.kind {
        case .callAnswered where calls[Symbol(fact.peer)] != nil:
            calls[Symbol(fact.peer)]?.answered += 1
        case .callFailed where calls[Symbol(fact.peer)] != nil:
            calls[Symbol(fact.peer)]?.failed += 1
        case .deliverySent where mostUnacked[fact.subject] != nil:
            let now = ledger.held(in: fact.subject).unacked
            mostUnacked[fact.subject] = max(mostUnacked[fact.subject] ?? 0, now)
        default: break
        }
    }

    /// Keeps the text of a key while it is known.
    private mutating func learn(_ key: Symbol) {
        guard texts[key] == nil, let text = names?[key] else { return }
        texts[key] = text
    }

    /// Keeps what headers say while it is known.
    private mutating func learn(headers symbol: Symbol) {
        guard headers[symbol] == nil, let text = names?[symbol] else { return }
        headers[symbol] = Header.all(in: text)
    }

    /// Whether a message has a header with a value, as text; a list has each of its elements.
    func hasHeader(_ name: String, _ value: String, _ message: Int) -> Bool {
        guard let symbol = marks?.headers[message], let fields = headers[symbol] else {
            return false
        }
        return fields.contains { $0.name == name && $0.values.contains(value) }
    }

    /// Whether the key of a message fits a pattern of words.
    func fits(_ pattern: String, _ message: Int) -> Bool {
        guard let key = marks?.keys[message], let text = texts[key] else { return false }
        func words(_ text: String) -> [Substring] {
            text.split(separator: ".", omittingEmptySubsequences: false)
        }
        func fits(_ pattern: ArraySlice<Substring>, _ key: ArraySlice<Substring>) -> Bool {
            guard let first = pattern.first else { return key.isEmpty }
            if first == "#" {
                return fits(pattern.dropFirst(), key)
                    || !key.isEmpty && fits(pattern, key.dropFirst())
            }
            guard let word = key.first, first == "*" || first == word else { return false }
            return fits(pattern.dropFirst(), key.dropFirst())
        }
        return fits(words(pattern)[...], words(text)[...])
    }

    private mutating func grow(to message: Int) {
        if wantsDetails {
            while let count = marks?.held.count, count <= message {
                marks?.held.append(0)
                marks?.keys.append(.none)
                marks?.headers.append(.none)
                marks?.publishers.append(0)
                marks?.published.append(.zero)
                marks?.again.append(0)
            }
        }
        while let count = marks?.bits.count, count <= message {
            marks?.bits.append(0)
            marks?.last.append(.zero)
            for slot in marks?.copies.indices ?? 0..<0 { marks?.copies[slot].append(0) }
            for slot in marks?.effectCounts.indices ?? 0..<0 { marks?.effectCounts[slot].append(0) }
        }
    }

    private mutating func countEffect(_ fact: Fact, _ ledger: inout Ledger) {
        guard let slot = marks?.effects.firstIndex(of: fact.subject) else { return }
        for message in marks?.line(of: Int(fact.message.raw)) ?? [] {
            marks?.effectCounts[slot][message] &+= 1
            let count = marks?.effectCounts[slot][message] ?? 0
            guard count > effectMost[fact.subject]?.count ?? 0 else { continue }
            let broken = Broken(
                time: fact.time,
                fact: ledger.factCount,
                event: fact.event,
                message: MessageID(UInt32(message)),
                seen: "\(count)"
            )
            effectMost[fact.subject] = (count, broken)
        }
    }

    private mutating func evaluate(_ index: Int, _ fact: Fact, _ ledger: inout Ledger) {
        let value: Bool
        if let gauge = states[index].gauge {
            guard !states[index].isRead || gauge.names(fact.subject) else { return }
            states[index].isRead = true
            value = gauge.holds(&ledger)
        } else {
            value = holds(states[index].watched, ledger)
        }
        if value, states[index].trueSince == nil { states[index].trueSince = fact.time }
        if !value { states[index].trueSince = nil }
        if !states[index].isPatient, value == states[index].breaksWhen {
            states[index].first = Broken(
                time: fact.time,
                fact: ledger.factCount,
                event: fact.event,
                message: culprit(of: states[index].watched, fact),
                seen: seen(states[index].watched, ledger)
            )
        }
    }

    /// The message that a broken expectation is about: of effects the one that all of them followed from.
    private func culprit(of watched: Watched, _ fact: Fact) -> MessageID {
        guard fact.kind == .effectApplied else { return fact.message }
        for case .effectsPerMessage(let effect) in watched.expression.quantities
        where watched.symbol(effect) == fact.subject {
            return effectMost[fact.subject]?.first.message ?? fact.message
        }
        return fact.message
    }

    /// Whether a condition has come true; it stays so.
    public func hasHappened(_ number: Int) -> Bool {
        number < states.count && states[number].first != nil
    }
}
