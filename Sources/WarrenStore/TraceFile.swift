import Glibc

/// A trace file as the file system has it: looked at before SQLite may touch it, and held by one run at a time.
enum TraceFile {
    /// What lies at a path.
    enum Content: Equatable {
        /// Nothing, or a file without a byte.
        case nothing
        /// A trace, of this format.
        case trace(Int)
        /// An SQLite file of somebody else, or no SQLite file.
        case foreign
    }

    /// Looks at what lies at a path, and changes nothing.
    ///
    /// - Throws: ``StoreError`` if it is no file, or cannot be looked at.
    static func content(of path: String) throws(StoreError) -> Content {
        guard !path.isEmpty, path != ":memory:", !path.hasPrefix("file:") else {
            throw .cannotOpen(path, "a trace is a file, and this names none")
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { return .nothing }
            throw .cannotOpen(path, SystemReason.words(for: errno))
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw .cannotOpen(path, "it is a folder")
        case S_IFIFO: throw .cannotOpen(path, "it is a pipe, and a trace is a file")
        default: throw .cannotOpen(path, "it is a device or a socket, and a trace is a file")
        }
        if status.st_size == 0 { return .nothing }
        return try header(of: path)
    }

    /// - Source: *Database File Format*, 1.3: the text at 0, the user version at 60, the application's number
    ///   at 68.
    private static func header(of path: String) throws(StoreError) -> Content {
        let handle = open(path, O_RDONLY)
        guard handle >= 0 else { throw .cannotOpen(path, SystemReason.words(for: errno)) }
        defer { close(handle) }
        var bytes = [UInt8](repeating: 0, count: 100)
        let count = read(handle, &bytes, bytes.count)
        guard count >= 0 else { throw .cannotOpen(path, SystemReason.words(for: errno)) }
        guard count == bytes.count, bytes.starts(with: Array("SQLite format 3\0".utf8)) else {
            return .foreign
        }
        func number(_ start: Int) -> Int {
            bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        }
        return number(68) == Schema.applicationID ? .trace(number(60)) : .foreign
    }
}

/// What the codes of the system mean for a path.
package enum SystemReason {
    /// A code of `errno` in words.
    package static func words(for code: Int32) -> String {
        switch code {
        case ENOENT: "there is no such file"
        case EACCES, EPERM: "permission is denied"
        case ELOOP: "its symbolic links go round in a circle"
        case ENAMETOOLONG: "its name is too long"
        case ENOTDIR: "a part of its path is no folder"
        default: String(cString: strerror(code))
        }
    }
}

/// The right to write into a trace, which one run has at a time; it ends with the process, whatever happens.
final class TraceLock: Sendable {
    private let handle: Int32

    /// How long a run waits for the one before it, in tenths of a second.
    private static let patience = 100

    /// Takes the lock on the file at `path`, which is made if it is not there.
    ///
    /// - Throws: ``StoreError`` if another run keeps it for ten seconds.
    init(path: String) throws(StoreError) {
        handle = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard handle >= 0 else {
            throw .cannotOpen(
                path,
                errno == ENOENT
                    ? "the folder does not exist" : SystemReason.words(for: errno)
            )
        }
        for _ in 0..<Self.patience {
            if flock(handle, LOCK_EX | LOCK_NB) == 0 { return }
            guard errno == EWOULDBLOCK else { break }
            usleep(100_000)
        }
        close(handle)
        throw .cannotOpen(path, "another run is being written into it, and does not end")
    }

    deinit { close(handle) }
}
