public import Testing
import WarrenGateway

extension Trait where Self == ConditionTrait {
    /// Needs a RabbitMQ on this machine, and is skipped where there is none.
    public static var realBroker: Self {
        .enabled(
            if: Installation.find() != nil,
            "rabbitmq-server is not installed; `make test` installs it"
        )
    }
}
