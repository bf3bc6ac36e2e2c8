// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")

/// What the page of a run is made of, in the order in which it is put together.
let pageParts = [
    "page.css", "page.html", "facts.js", "world.js", "words.js", "graph.js", "groups.js",
    "timeline.js", "inspector.js", "space-time.js", "broken.js", "compare.js", "keys.js",
    "player.js",
]

let package = Package(
    name: "warren",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.0.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/onevcat/Rainbow", from: "4.0.0"),
        .package(url: "https://github.com/ordo-one/TextTable", from: "0.0.2"),
    ],
    targets: [
        .target(name: "WarrenTrace", swiftSettings: settings),
        .target(
            name: "AMQPWire",
            dependencies: [.product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings
        ),
        .target(
            name: "WarrenKernel",
            dependencies: ["WarrenTrace"],
            swiftSettings: settings,
            linkerSettings: [.linkedLibrary("m")]
        ),
        .target(
            name: "WarrenTopology",
            dependencies: [.product(name: "Yams", package: "Yams")],
            swiftSettings: settings
        ),
        .target(
            name: "WarrenLedger",
            dependencies: [
                "WarrenTopology", "WarrenTrace",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "WarrenBroker",
            dependencies: [
                "WarrenKernel", "WarrenLedger", "WarrenTopology", "WarrenTrace", collections,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "RabbitMQModel",
            dependencies: [
                "WarrenBroker", "WarrenKernel", "WarrenTopology", "WarrenTrace", collections,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "WarrenGateway",
            dependencies: [
                "AMQPWire", "RabbitMQModel", "WarrenBroker", "WarrenKernel", "WarrenTopology",
                "WarrenTrace", .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "WarrenCheck",
            dependencies: ["RabbitMQModel", "WarrenTopology"],
            swiftSettings: settings
        ),
        .target(
            name: "NATSModel",
            dependencies: [
                "WarrenBroker", "WarrenKernel", "WarrenTopology", "WarrenTrace", collections,
            ],
            swiftSettings: settings
        ),
        .target(
            name: "WarrenCatalog",
            dependencies: ["NATSModel", "RabbitMQModel", "WarrenBroker", "WarrenTopology"],
            swiftSettings: settings
        ),
        .target(
            name: "WarrenStore",
            dependencies: [
                "WarrenLedger", "WarrenTrace",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: settings
        ),
        // The settings of the C library's memory, which the Glibc module leaves out.
        .systemLibrary(name: "CMalloc"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "WarrenView",
            dependencies: ["CZlib", "WarrenLedger", "WarrenTrace"],
            resources: pageParts.map { .embedInCode("Page/Parts/\($0)") },
            swiftSettings: settings
        ),
        .target(
            name: "WarrenSearch",
            dependencies: [
                "CMalloc", "WarrenBroker", "WarrenKernel", "WarrenLedger", "WarrenTopology",
                "WarrenTrace",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "WarrenWatch",
            dependencies: [
                "WarrenBroker", "WarrenKernel", "WarrenLedger", "WarrenTopology", "WarrenTrace",
                "WarrenView",
            ],
            swiftSettings: settings
        ),
        .target(
            name: "WarrenLab",
            dependencies: ["WarrenBroker", "WarrenKernel", "WarrenSearch", "WarrenTopology"],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "warren",
            dependencies: [
                "NATSModel", "RabbitMQModel", "WarrenBroker", "WarrenCatalog", "WarrenCheck",
                "WarrenGateway", "WarrenKernel", "WarrenLab", "WarrenLedger", "WarrenSearch",
                "WarrenStore",
                "WarrenTopology",
                "WarrenTrace", "WarrenView", "WarrenWatch",
                .product(name: "ArgumentParser", package: "swift-argument-parser"), "Rainbow",
                "TextTable",
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "warren-bench",
            dependencies: [
                "AMQPWire", "WarrenBroker", "WarrenCatalog", "WarrenGateway", "WarrenKernel",
                "WarrenLedger", "WarrenSearch", "WarrenStore", "WarrenTopology", "WarrenTrace",
                "TextTable",
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            exclude: ["Peers", "Results.md"],
            swiftSettings: settings
        ),
        .target(
            name: "Support",
            dependencies: [
                "WarrenBroker", "WarrenCatalog", "WarrenGateway", "WarrenTopology", "WarrenTrace",
            ],
            path: "Tests/Support",
            swiftSettings: settings
        ),
        .target(
            name: "Conversations",
            dependencies: [
                "AMQPWire", "RabbitMQModel", "Support", "WarrenGateway", "WarrenKernel",
                "WarrenTrace", .product(name: "NIOCore", package: "swift-nio"),
            ],
            path: "Tests/Conversations",
            swiftSettings: settings
        ),
        .testTarget(
            name: "AMQPWireTests",
            dependencies: [
                "AMQPWire", "Support", .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "WarrenGatewayTests",
            dependencies: [
                "Support", "WarrenBroker", "WarrenCatalog", "WarrenGateway", "WarrenTopology",
                "WarrenTrace", "warren",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "WarrenKernelTests",
            dependencies: ["WarrenKernel", "WarrenTrace"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "WarrenTopologyTests",
            dependencies: [
                "Support", "WarrenBroker", "WarrenCatalog", "WarrenLedger", "WarrenTopology",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "RabbitMQModelTests",
            dependencies: [
                "Conversations", "RabbitMQModel", "Support", "WarrenBroker", "WarrenKernel",
                "WarrenLedger", "WarrenTrace",
            ],
            exclude: ["Answers"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "WarrenCheckTests",
            dependencies: [
                "RabbitMQModel", "Support", "WarrenBroker", "WarrenCatalog", "WarrenCheck",
                "WarrenGateway", "WarrenKernel", "WarrenLedger", "WarrenTopology", "WarrenTrace",
                "warren",
            ],
            exclude: ["Definitions"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "NATSModelTests",
            dependencies: [
                "Support", "WarrenBroker", "WarrenKernel", "WarrenLedger", "WarrenTrace",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "WarrenBrokerTests",
            dependencies: [
                "Support", "WarrenBroker", "WarrenCatalog", "WarrenKernel", "WarrenLedger",
                "WarrenTopology", "WarrenTrace",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "WarrenSearchTests",
            dependencies: [
                "Support", "WarrenBroker", "WarrenCatalog", "WarrenKernel", "WarrenLedger",
                "WarrenSearch", "WarrenTopology",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "WarrenViewTests",
            dependencies: ["Support", "WarrenBroker", "WarrenKernel", "WarrenTrace", "WarrenView"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "WarrenStoreTests",
            dependencies: [
                "Support", "WarrenBroker", "WarrenKernel", "WarrenLedger", "WarrenStore",
                "WarrenTrace", .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "WarrenWatchTests",
            dependencies: [
                "Support", "WarrenBroker", "WarrenKernel", "WarrenLedger", "WarrenTrace",
                "WarrenWatch",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "warrenTests",
            dependencies: ["Support", "warren"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "HouseTests",
            dependencies: ["RabbitMQModel", "Support"],
            swiftSettings: settings
        ),
    ]
)
