import RabbitMQModel
package import WarrenTopology

/// The rules, and what they say about a topology or a definitions file.
package enum Check {
    /// Every rule, in the order of the alphabet.
    package static let rules: [any Rule.Type] = [
        AlternateExchangeLoop.self,
        ArgumentInsteadOfPolicy.self,
        ArgumentOfAnotherQueueType.self,
        ArgumentOfWrongType.self,
        ArgumentsAsList.self,
        AtLeastOnceWithoutReject.self,
        AutomaticAckWithEffect.self,
        BadHashWeight.self,
        BadPasswordHash.self,
        BindingFromNowhere.self,
        BindingOnDefaultExchange.self,
        BindingSwapped.self,
        BindingToNowhere.self,
        DeadLetterCycle.self,
        DeadLetterKeyWithoutExchange.self,
        DeadLetterUnroutable.self,
        DeliveryLimitWithoutDeadLetter.self,
        DuplicateBinding.self,
        DuplicateKey.self,
        DuplicateObject.self,
        EmptyPolicy.self,
        EvenCluster.self,
        ExchangeLoop.self,
        ExchangeWithoutBindings.self,
        ExpiryBehindLonger.self,
        ExpiryLosesMessages.self,
        FederationWithoutUpstream.self,
        ForgetfulNode.self,
        GuestUser.self,
        HeadersBinding.self,
        IdleConsumers.self,
        LimitsBelowQueues.self,
        MirroredQueue.self,
        MissingAlternateExchange.self,
        MissingDeadLetterExchange.self,
        MissingField.self,
        MissingVhost.self,
        NotStrictJSON.self,
        NewerVersion.self,
        OddName.self,
        OverflowLosesMessages.self,
        PermissionPatternInvalid.self,
        PermissionTooWide.self,
        PlainPassword.self,
        PoliciesOverlap.self,
        PolicyKeyWithoutEffect.self,
        PolicyMatchesNothing.self,
        PolicyPatternInvalid.self,
        PolicyUnanchored.self,
        PrefetchUnlimited.self,
        QueueNobodyConsumes.self,
        QueueNobodyFills.self,
        QueueWithoutBindings.self,
        RefusedPolicy.self,
        RejectionLosesMessages.self,
        ReplicatedQueueNotDurable.self,
        ReservedName.self,
        ServiceNearConsumerTimeout.self,
        ShadowedBinding.self,
        ShovelLoop.self,
        StreamWithoutLimit.self,
        TopicPermissionWithoutExchange.self,
        TransientQueue.self,
        UnconfirmedPublisher.self,
        UnknownArgument.self,
        UnknownExchangeType.self,
        UnknownParameter.self,
        UnknownPolicyKey.self,
        UnknownPolicyTarget.self,
        UnknownUser.self,
        UnknownVhost.self,
        UnroutableKey.self,
        UserShutOut.self,
        VanishingQueue.self,
        WildcardNeverMatches.self,
        WrongFieldType.self,
    ]

    /// The manual of a rule.
    package static func manual(_ slug: String) -> Manual? {
        rules.first { $0.manual.slug == slug }?.manual
    }

    /// What one rule finds.
    package static func findings(_ subject: Subject, of slug: String) -> [Finding] {
        guard let rule = rules.first(where: { $0.manual.slug == slug }) else { return [] }
        var report = RuleReport(rule.manual)
        rule.check(subject, &report)
        return sorted(report.findings)
    }

    /// What the rules find, in the order of the file.
    package static func findings(_ subject: Subject) -> [Finding] {
        var all: [Finding] = []
        for rule in rules {
            var report = RuleReport(rule.manual)
            rule.check(subject, &report)
            all += report.findings
        }
        for host in subject.hosts where host.reach.isTooMuch {
            all.append(
                Finding(
                    "too-many-ways",
                    "the ways of messages through '\(host.name)' are too many to follow all of them",
                    at: subject.set.document.map { .start(of: $0.number) } ?? subject.broker?.place,
                    why: "rules about dead letters may have missed something",
                    remedy:
                        "ask about single messages: warren route FILE --exchange NAME --key KEY",
                    severity: .note
                )
            )
        }
        return sorted(all)
    }

    /// Findings in the order of their places; those of the same place as they are.
    package static func sorted(_ findings: [Finding]) -> [Finding] {
        findings.enumerated().sorted { one, other in
            let a = one.element.place ?? Place(file: 0, line: 0, column: 0)
            let b = other.element.place ?? Place(file: 0, line: 0, column: 0)
            return (a.file, a.line, a.column, one.offset) < (b.file, b.line, b.column, other.offset)
        }.map(\.element)
    }
}
