import NATSModel
import RabbitMQModel
public import WarrenBroker
public import WarrenTopology

/// The one list of models.
public enum Catalog {
    /// The kinds of broker that Warren simulates.
    public static let models: [any BrokerModel.Type] = [
        RabbitMQ.self, NATS.self,
    ]

    /// Their words.
    public static var vocabularies: [Vocabulary] { models.map { $0.vocabulary } }
}
