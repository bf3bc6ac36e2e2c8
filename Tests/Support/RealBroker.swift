import Foundation
public import Testing
import WarrenGateway

/// Whether tests may ask a real RabbitMQ: it is installed, and `WARREN_REAL` is not 0.
public let hasRealBroker =
    Installation.find() != nil && ProcessInfo.processInfo.environment["WARREN_REAL"] != "0"

extension Trait where Self == ConditionTrait {
    /// Needs a RabbitMQ on this machine, and is skipped where there is none.
    public static var realBroker: Self {
        .enabled(
            if: hasRealBroker,
            "rabbitmq-server is not installed, or WARREN_REAL is 0; `make test` installs it and holds these last"
        )
    }
}
