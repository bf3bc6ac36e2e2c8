import Foundation
import WarrenLab

/// The folder in which a learner works.
enum LabFolder {
    /// What a learner writes into.
    static func written(of lab: LabShelf.Lab) -> [String] {
        [lab.lesson.file] + (lab.topology == nil ? [] : ["topology.yaml"])
    }

    /// Copies what a learner gets: the text, the file to mend, and the checks to look at.
    ///
    /// - Throws: ``Failure`` with code 2 if something of a lesson is there already that is not begun anew.
    static func copy(_ lab: LabShelf.Lab, to folder: String, isAnew: Bool = false) throws {
        let manager = FileManager.default
        let target = folder + "/" + lab.lesson.file
        let kept = written(of: lab) + (isAnew ? [] : ["README.md", "checks.yaml"])
        for name in kept where manager.fileExists(atPath: folder + "/" + name) {
            throw Failure(
                code: Failure.input,
                text:
                    "error: \(shown(folder + "/" + name)) is there already, and is not overwritten\n  try: --into another folder; warren lab check \(lab.lesson.number) or warren lab reset \(lab.lesson.number), if this is the lesson"
            )
        }
        do {
            try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let others = lab.topology == nil ? [] : ["topology.yaml"]
            for name in ["README.md", "checks.yaml"] + others {
                let copy = folder + "/" + name
                if manager.fileExists(atPath: copy) { try manager.removeItem(atPath: copy) }
                try manager.copyItem(atPath: lab.folder + "/" + name, toPath: copy)
            }
            // The checks are to be read; the lesson's own are what counts.
            try manager.setAttributes(
                [.posixPermissions: 0o444],
                ofItemAtPath: folder + "/checks.yaml"
            )
        } catch {
            throw Failure(
                code: Failure.outside,
                text: "error: \(folder) cannot be written: \(error.localizedDescription)"
            )
        }
        try write(lab.start, to: target)
    }

    /// Moves a file out of the way, under a name that is free; nil if there is none.
    static func setAside(_ path: String) throws -> String? {
        let manager = FileManager.default
        guard manager.fileExists(atPath: path) else { return nil }
        let url = URL(filePath: path)
        let (stem, kind) = (url.deletingPathExtension().path, url.pathExtension)
        var number = 1
        while manager.fileExists(atPath: "\(stem).before-\(number).\(kind)") { number += 1 }
        let kept = "\(stem).before-\(number).\(kind)"
        do {
            try manager.moveItem(atPath: path, toPath: kept)
        } catch {
            throw Failure(
                code: Failure.outside,
                text: "error: \(path) cannot be moved: \(error.localizedDescription)"
            )
        }
        return kept
    }

    static func write(_ text: String, to path: String) throws {
        do {
            try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw Failure(
                code: Failure.outside,
                text: "error: \(path) cannot be written: \(error.localizedDescription)"
            )
        }
    }

    /// A path as it is shortest from here.
    static func shown(_ path: String) -> String {
        let here = FileManager.default.currentDirectoryPath + "/"
        return path.hasPrefix(here) ? String(path.dropFirst(here.count)) : path
    }

    /// Lines of both, with - before what is only in the first and + before what is only in the second.
    static func difference(_ mine: [Substring], _ model: [Substring]) -> [String] {
        let difference = model.difference(from: mine)
        let removed = Set(
            difference.removals.map { change -> Int in
                if case .remove(let offset, _, _) = change { return offset }
                return -1
            }
        )
        let inserted = Set(
            difference.insertions.map { change -> Int in
                if case .insert(let offset, _, _) = change { return offset }
                return -1
            }
        )
        var lines: [String] = []
        var (left, right) = (0, 0)
        while left < mine.count || right < model.count {
            if left < mine.count, removed.contains(left) {
                lines.append("- \(mine[left])")
                left += 1
            } else if right < model.count, inserted.contains(right) {
                lines.append("+ \(model[right])")
                right += 1
            } else {
                lines.append("  \(model[right])")
                left += 1
                right += 1
            }
        }
        if lines.last == "  " { lines.removeLast() }
        return lines
    }
}
