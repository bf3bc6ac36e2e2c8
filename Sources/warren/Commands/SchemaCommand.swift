import ArgumentParser
import WarrenCatalog
import WarrenTopology

struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Prints the JSON Schema of topology files.",
        discussion: """
            Editors use it to complete and check topology files.

            Example: warren schema > warren.schema.json
            """
    )

    func run() throws {
        try Console.print(JSONSchema.text(for: Catalog.vocabularies), terminator: "")
    }
}
