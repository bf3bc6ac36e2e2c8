import Foundation
import Support

/// Debian's Chromium without a window.
enum Chromium {
    static let path = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static var isThere: Bool { path != nil }

    /// What a script in a page found, and what went wrong on the way.
    struct Seen {
        var value: Any?
        var problems: [String]
    }

    private struct Silence: Error {
        var output: String
    }

    /// Takes a picture of a page at an address.
    static func picture(
        of page: String,
        at address: String,
        _ width: Int,
        _ height: Int,
        to picture: String
    ) throws {
        _ = try Programs.run(
            path ?? "",
            [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--window-size=\(width),\(height)", "--user-data-dir=\(page).profile",
                "--virtual-time-budget=6000", "--screenshot=\(picture)",
                "file://\(page)#\(address)",
            ],
            in: URL(fileURLWithPath: page).deletingLastPathComponent().path
        )
    }

    /// Opens a copy of a page with a script at its end, which fills the list `out`.
    static func drive(_ page: String, _ script: String) throws -> Seen {
        let listener = """
            <script>window.problems = [];
            // Without a screen there are no frames; time runs all the same.
            window.requestAnimationFrame = body => setTimeout(() => body(performance.now()), 16);
            addEventListener("error", event => problems.push(String(event.message)));
            addEventListener("unhandledrejection", event => problems.push(String(event.reason)));
            for (const level of ["error", "warn"]) console[level] = (...words) => problems.push(words.join(" "));</script>
            """
        let driver = """
            <script type="module">
            const out = [];
            const settle = () => new Promise(done => setTimeout(done, 120));
            const press = async (key, shift = false) => {
              (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey: shift, bubbles: true, cancelable: true }));
              await settle();
            };
            for (let i = 0; i < 200 && !document.body.dataset.ready; i++) await settle();
            try { \(script) } catch (error) { problems.push("driver: " + error + error.stack); }
            const result = document.createElement("pre");
            result.id = "driven";
            result.textContent = "BEGIN" + btoa(unescape(encodeURIComponent(JSON.stringify({ value: out, problems })))) + "END";
            document.body.append(result);
            </script></body>
            """
        let text = try String(contentsOfFile: page, encoding: .utf8)
            .replacing("<head>", with: "<head>\(listener)").replacing("</body>", with: driver)
        let copy = page.replacing(".html", with: ".driven.html")
        try text.write(toFile: copy, atomically: true, encoding: .utf8)
        let dumped = try Programs.run(
            path ?? "",
            [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,900",
                "--user-data-dir=\(page).profile", "--virtual-time-budget=60000", "--dump-dom",
                "file://\(copy)",
            ],
            in: URL(fileURLWithPath: page).deletingLastPathComponent().path
        )
        guard let start = dumped.output.range(of: "BEGIN", options: .backwards),
            let end = dumped.output.range(
                of: "END",
                range: start.upperBound..<dumped.output.endIndex
            ),
            let data = Data(
                base64Encoded: String(dumped.output[start.upperBound..<end.lowerBound])
            ),
            let found = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        else {
            throw Silence(output: String(dumped.output.suffix(400)) + dumped.errors)
        }
        return Seen(value: found["value"], problems: found["problems"] as? [String] ?? ["none"])
    }
}
