import Foundation
import Support
import Testing

/// Pages of runs in a real browser: Chromium opens the page, and a script in it does what a person would.
@Suite(
    "A page in a browser",
    .enabled(if: Chromium.isThere, "needs chromium: `make deps-test` installs it")
)
struct ViewTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func warren(_ arguments: String...) throws -> Programs.Outcome {
        try Programs.run(Programs.warren, arguments, in: scratch.folder)
    }

    /// The page of a topology of the repository, and its trace.
    private func page(_ path: String, name: String = "run") throws -> (html: String, trace: String)
    {
        let file =
            path.hasPrefix("/") ? path : Repository.root.appending(path: "Topologies/\(path)").path
        let (html, trace) = (scratch.path("\(name).html"), scratch.path("\(name).sqlite"))
        _ = try warren("run", file, "--trace", trace)
        let viewed = try warren("view", trace, "-o", html)
        #expect(viewed.code == 0, "\(viewed.errors)")
        return (html, trace)
    }

    /// What `warren trace at` says that a queue holds.
    private func depth(of queue: String, at moment: String, _ trace: String) throws -> [Substring] {
        let told = try warren("trace", "at", moment, trace)
        let line = try #require(
            told.output.split(separator: "\n").first { $0.hasPrefix(queue + " ") }
        )
        return Array(line.split(separator: " ").dropFirst().prefix(2))
    }

    @Test("opens without a word on the console, and shows what every queue holds at any moment")
    func depths() throws {
        let (html, trace) = try page("rabbitmq/order-pipeline.yaml")
        let seen = try Chromium.drive(
            html,
            """
            const say = name => { const part = graph.parts.find(p => p.object.name === name);
              return [part.number.textContent.replaceAll(",", ""), String(player.world.sum(part.object.symbols).held.length)]; };
            for (const t of [33.4, 9.5, 41, 10.2, 33.4]) {
              await player.toTime(t * 1e9);
              out.push([t, ["billing.orders", "mail.events", "billing.dead"].map(say)]);
            }
            """
        )
        #expect(seen.problems == [])
        let moments = try #require(seen.value as? [[Any]])
        #expect(moments.count == 5)
        for moment in moments {
            let time = try #require(moment[0] as? Double)
            let rows = try #require(moment[1] as? [[String]])
            for (name, row) in zip(["billing.orders", "mail.events", "billing.dead"], rows) {
                let told = try depth(of: name, at: "\(time)s", trace)
                #expect(row == told.map(String.init), "\(name) at \(time) s")
            }
        }
    }

    @Test("steps on and back to the same, event by event, by keyboard alone") func steps() throws {
        let (html, _) = try page("rabbitmq/order-pipeline.yaml")
        let seen = try Chromium.drive(
            html,
            """
            const state = () => [player.position, player.world.event, graph.parts.map(p => p.number?.textContent ?? "").join()].join("|");
            await player.toTime(30.05e9);
            const there = [state()];
            for (let i = 0; i < 60; i++) { await press("ArrowRight"); there.push(state()); }
            const back = [state()];
            for (let i = 0; i < 60; i++) { await press("ArrowLeft"); back.push(state()); }
            out.push(there.join("\\n") === back.reverse().join("\\n"), new Set(there).size);
            await press("Home"); out.push(player.position);
            await press("f"); out.push(player.time / 1e9);
            await press("End"); out.push(player.position === run.facts);
            await press("3"); out.push(!document.getElementById("broken").hidden);
            await press("t"); out.push(document.documentElement.dataset.theme);
            await press("/"); const find = document.getElementById("find"); out.push(document.activeElement === find);
            find.value = "m1132"; document.getElementById("find-form").requestSubmit(); await settle();
            out.push(player.chosen.message, document.querySelectorAll("#life > *").length);
            await press("2"); out.push(document.querySelectorAll("#space-time .way").length > 5);
            await press("]"); out.push(location.hash.includes("at=m1132"));
            await press("Escape"); out.push(Object.keys(player.chosen).length);
            """
        )
        #expect(seen.problems == [])
        let values = try #require(seen.value as? [Any])
        #expect(values[0] as? Bool == true, "back is not where one came from")
        #expect(values[1] as? Int == 61)
        #expect(values[2] as? Int == 0)
        #expect(values[3] as? Double == 10)
        #expect(values[4...5].allSatisfy { $0 as? Bool == true })
        #expect(values[6] as? String == "dark")
        #expect(values[7] as? Bool == true)
        #expect(values[8] as? Int == 1132)
        #expect(values[9] as? Int == 13)
        #expect(values[10...11].allSatisfy { $0 as? Bool == true })
        #expect(values[12] as? Int == 0)
    }

    @Test("walks the chain of what broke, and says each cause as the terminal does") func chains()
        throws
    {
        let (html, trace) = try page("rabbitmq/losses/autoheal-losing-side.yaml")
        let seen = try Chromium.drive(
            html,
            """
            out.push(player.view, player.chosen.message);
            out.push([...document.querySelectorAll("#chain li span:first-of-type")].map(e => e.textContent));
            document.querySelector("#chain button").click(); await settle();
            out.push(player.time / 1e9);
            """
        )
        #expect(seen.problems == [])
        let values = try #require(seen.value as? [Any])
        #expect(values[0] as? String == "broken")
        #expect(values[1] as? Int == 450)
        let chain = try #require(values[2] as? [String])
        let told = try warren("trace", "message", "m450", trace).output
        // The message's own facts are told in the same words; faults and nodes are told beside them.
        let same = chain.filter { told.contains($0) }
        #expect(same.count >= 3, "\(chain)")
        #expect(chain.contains { $0.hasPrefix("fault 1: partition") })
        #expect((values[3] as? Double ?? 0) > 0)
    }

    @Test("plays, and ends at the end") func playing() throws {
        let (html, _) = try page("rabbitmq/worker-queue.yaml")
        let seen = try Chromium.drive(
            html,
            """
            await player.to(0);
            player.speed = SPEEDS.length - 1;
            player.play();
            const from = player.time;
            for (let i = 0; i < 400 && player.isPlaying; i++) await new Promise(r => setTimeout(r, 50));
            out.push(from, player.time > from, player.isPlaying, player.position === run.facts);
            """
        )
        #expect(seen.problems == [])
        let values = try #require(seen.value as? [Any])
        #expect(values[1] as? Bool == true)
        #expect(values[2] as? Bool == false)
        #expect(values[3] as? Bool == true)
    }

    @Test("gives everything that can be pressed a name, and a place for the keyboard") func names()
        throws
    {
        let (html, _) = try page("rabbitmq/order-pipeline.yaml")
        let seen = try Chromium.drive(
            html,
            """
            const nameless = [...document.querySelectorAll("button, [role=button], input, [role=slider]")].filter(e =>
              !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.[0]?.textContent.trim() || e.title));
            out.push(nameless.map(e => e.outerHTML.slice(0, 80)));
            out.push([...document.querySelectorAll("[role=button]")].filter(e => e.tabIndex < 0).length);
            out.push([...document.querySelectorAll("section, nav, aside, main")].filter(e => e.tagName !== "MAIN" && !e.getAttribute("aria-label")).length);
            out.push(document.documentElement.lang, document.querySelectorAll("h1").length);
            """
        )
        #expect(seen.problems == [])
        let values = try #require(seen.value as? [Any])
        #expect(values[0] as? [String] == [])
        #expect(values[1] as? Int == 0)
        #expect(values[2] as? Int == 0)
        #expect(values[3] as? String == "en")
        #expect(values[4] as? Int == 1)
    }

    @Test("says what is wrong with a page whose facts are damaged, and shows the rest")
    func damage() throws {
        let (html, _) = try page("rabbitmq/order-pipeline.yaml")
        var text = try String(contentsOfFile: html, encoding: .utf8)
        let start = try #require(text.range(of: "id=\"w2\">"))
        let end = text.index(start.upperBound, offsetBy: 4000)
        text.replaceSubrange(start.upperBound..<end, with: String(repeating: "A", count: 4000))
        try text.write(toFile: html, atomically: true, encoding: .utf8)
        let seen = try Chromium.drive(
            html,
            """
            await player.toTime(14e9);
            await player.toTime(41e9);
            out.push(document.getElementById("banner").textContent, player.position > 0);
            """
        )
        let values = try #require(seen.value as? [Any])
        #expect((values[0] as? String)?.contains("cannot be read") == true, "\(values)")
        #expect(values[1] as? Bool == true)
    }

    @Test("folds two thousand queues by name, and says which of a group is the deepest") func many()
        throws
    {
        var text = """
            warren: 1
            name: many
            brokers:
              main:
                kind: rabbitmq
                exchanges: { events: { type: fanout } }
                queues:

            """
        for number in 1...2000 { text += "      tenant-\(number): {}\n" }
        text += "      quiet: {}\n    bindings:\n"
        for number in 1...20 { text += "      - { from: events, queue: tenant-\(number * 7) }\n" }
        text += """
            producers: { p: { to: { exchange: events }, arrivals: 1ms, count: 10 } }
            consumers: { c: { from: tenant-7, service: 1ms } }
            """
        let (html, _) = try page(try scratch.write("many.yaml", text), name: "many")
        let seen = try Chromium.drive(
            html,
            """
            out.push(run.scene.objects.filter(o => o.kind === "queue").map(o => o.name));
            await player.to(run.facts);
            player.choose({ object: run.scene.objects.findLastIndex(o => o.name === "tenant-*") }); await settle();
            out.push(document.querySelector("#inspector .numbers div").firstChild.textContent);
            out.push(document.querySelector("#inspector .row .name")?.textContent);
            await press("o");
            out.push(document.querySelectorAll("#flow .cell").length, new URLSearchParams(location.hash.slice(1)).get("open"));
            out.push([...document.querySelectorAll("#flow .cell .fill")].filter(fill => Number(fill.getAttribute("width")) > 0).length);
            await press("s"); out.push(groups.note.textContent);
            [...document.querySelectorAll("#inspector .row")].find(row => row.textContent.startsWith("tenant-21")).click(); await settle();
            out.push(document.querySelector("#inspector h2").textContent, document.querySelector("#inspector .numbers div").firstChild.textContent);
            out.push(document.querySelectorAll("#flow .cell.chosen").length);
            await press("o"); out.push(document.querySelectorAll("#flow .cell").length);
            """
        )
        #expect(seen.problems == [])
        let values = try #require(seen.value as? [Any])
        // Those that an exchange feeds are a group of their own.
        #expect(values[0] as? [String] == ["tenant-*", "tenant-*", "quiet"])
        #expect(values[1] as? String == "190")
        #expect(values[2] as? String == "tenant-14")
        // Opened, a group is a grid: a cell for each queue, and one of them can be chosen.
        #expect(values[3] as? Int == 20)
        #expect(values[4] as? String == "tenant-*")
        #expect(values[5] as? Int == 19)
        #expect(values[6] as? String == "20 queues, 190 messages wait, by depth")
        #expect(values[7] as? String == "tenant-21")
        #expect(values[8] as? String == "10")
        #expect(values[9] as? Int == 1)
        #expect(values[10] as? Int == 0)
    }

    @Test("tells what each of two masters has, and the same when it is wound back from a snapshot")
    func masters() throws {
        let (html, _) = try page("rabbitmq/cluster/split-brain.yaml")
        let seen = try Chromium.drive(
            html,
            """
            const symbol = run.scene.objects.find(o => o.name === "orders").symbols[0];
            const sides = () => [...player.world.sides.get(symbol) ?? []].map(([node, n]) => [nodeName(node), n]);
            player.show("flow");
            await player.toTime(30e9); out.push(sides());
            player.choose({ object: graph.ofSymbol(symbol) }); await settle();
            out.push(graph.parts[graph.ofSymbol(symbol)].number.textContent);
            await player.toTime(41e9); out.push(sides());
            await player.to(run.facts); player.world = null; await player.toTime(41e9); out.push(sides());
            """
        )
        #expect(seen.problems == [])
        let values = try #require(seen.value as? [Any])
        let both = #"[["main/rabbit-1", 500], ["main/rabbit-2", 500]]"#
        #expect("\(values[0])" == both)
        #expect(values[1] as? String == "500 + 500")
        #expect("\(values[2])" == "\(values[3])")
        #expect("\(values[2])" != both)
    }

    @Test("passes on what a master had that is killed, and forgets it where it gives way")
    func mastersThatGo() throws {
        let file = Repository.root.appending(path: "Topologies/rabbitmq/cluster/split-brain.yaml")
        let text = try String(contentsOf: file, encoding: .utf8)
            .replacing("start: 40s", with: "start: 70s")
        let kill = "faults:\n  - { at: 50s, do: kill, node: main/rabbit-2, for: 100s }"
        let both = #"[["main/rabbit-1", 500], ["main/rabbit-2", 500]]"#
        let cases = [
            (
                "kill", text.replacing("faults:", with: kill),
                #"[["main/rabbit-1", 500], ["main/rabbit-3", 500]]"#,
                #"["rabbit-1 ⚑ leads 1", "rabbit-2 ✕ down", "rabbit-3 ⚑ leads 1"]"#
            ),
            (
                "heal",
                text.replacing("ignore", with: "autoheal").replacing("for: 60s", with: "for: 25s"),
                "[]", #"["rabbit-1 ⚑ leads 1", "rabbit-2 up", "rabbit-3 up"]"#
            ),
        ]
        for (name, text, end, leads) in cases {
            let path = scratch.path("\(name).yaml")
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let seen = try Chromium.drive(
                try page(path, name: name).html,
                """
                const symbol = run.scene.objects.find(o => o.name === "orders").symbols[0];
                const sides = () => [...player.world.sides.get(symbol) ?? []].map(([node, n]) => [nodeName(node), n]);
                player.show("flow");
                for (const time of [30e9, 65e9]) { await player.toTime(time); out.push(sides()); }
                await player.to(run.facts); player.world = null; await player.toTime(65e9);
                out.push(sides(), player.world.gone.size);
                await player.toTime(57e9);
                out.push(graph.nodes.map(one => one.text.textContent));
                """
            )
            #expect(seen.problems == [])
            let values = try #require(seen.value as? [Any])
            #expect("\(values[0])" == both)
            #expect("\(values[1])" == end)
            #expect("\(values[2])" == end)
            #expect(values[3] as? Int == 0)
            #expect("\(values[4])" == leads)
        }
    }

    @Test("shows two runs beside each other, and the one fact in which they part") func comparing()
        throws
    {
        let text = """
            warren: 1
            name: shop
            brokers: { main: { kind: rabbitmq, queues: { orders: { durable: true } } } }
            producers: { web: { to: orders, arrivals: 20ms, count: 20, persistent: true } }
            consumers: { worker: { from: orders, service: 15ms, effect: charge } }
            faults: [{ at: 110ms, do: drop_connection, client: worker }]
            expect: { never: { twice: effects(charge) per message_id > 1 } }
            """
        let one = try scratch.write("one.yaml", text)
        let other = try scratch.write(
            "other.yaml",
            text.replacing(
                "effect: charge }",
                with: "effect: { name: charge, idempotent_by: message_id } }"
            )
        )
        let (_, first) = try page(one, name: "one")
        let (_, second) = try page(other, name: "other")
        let html = scratch.path("both.html")
        let viewed = try warren("view", first, "--compare", second, "-o", html)
        #expect(viewed.code == 0, "\(viewed.errors)")
        let seen = try Chromium.drive(
            html,
            """
            out.push(player.view, run.compare.count, run.compare.lines.length);
            const own = [...document.querySelectorAll("#compare .sides:last-child .side")].map(side => side.querySelector("[data-now=true] span").textContent);
            out.push(own, run.compare.sides.map(side => side.verdicts[0].held));
            await press("n"); out.push(player.time / 1e9 > 0.1);
            """
        )
        #expect(seen.problems == [])
        let values = try #require(seen.value as? [Any])
        #expect(values[0] as? String == "compare")
        #expect(values[1] as? Int == 1)
        #expect(values[2] as? Int == 2)
        let own = try #require(values[3] as? [String])
        #expect(own[0].hasSuffix("the effect charge takes place"))
        #expect(own[1].hasSuffix("the effect charge had taken place already and is skipped"))
        #expect(values[4] as? [Bool] == [false, true])
        #expect(values[5] as? Bool == true)
        // A run beside itself is the same.
        _ = try warren("view", first, "--compare", first, "-o", html)
        let same = try Chromium.drive(html, "out.push(run.compare.count)")
        #expect((same.value as? [Any])?.first as? Int == 0)
        #expect(same.problems == [])
    }

    @Test("is left as pictures of each view, wide and narrow, light and dark, to be looked at")
    func pictures() throws {
        let (html, _) = try page("rabbitmq/order-pipeline.yaml")
        let folder = Repository.root.appending(path: ".build/pictures").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let views = [
            ("flow", "t=33.4&at=billing.orders&theme=light", 1440, 900),
            ("flow-dark", "t=33.4&at=billing.orders&theme=dark", 1440, 900),
            ("phone", "t=33.4&at=billing.orders&theme=light", 400, 860),
            ("space-time", "t=10&at=m1132&view=space-time&theme=light", 1440, 900),
            ("broken", "t=10&view=broken&theme=light", 1440, 900),
        ]
        for (name, address, width, height) in views {
            let picture = "\(folder)/\(name).png"
            try? FileManager.default.removeItem(atPath: picture)
            try Chromium.picture(of: html, at: address, width, height, to: picture)
            let size = try FileManager.default.attributesOfItem(atPath: picture)[.size] as? Int
            #expect((size ?? 0) > 10_000, "\(name)")
        }
    }

    @Test("of a run in which nothing happens says so") func nothing() throws {
        let file = try scratch.write(
            "empty.yaml",
            "warren: 1\nname: empty\nbrokers: { main: { kind: rabbitmq, queues: { q: {} } } }\n"
        )
        let (html, _) = try page(file, name: "empty")
        let seen = try Chromium.drive(
            html,
            "out.push(document.body.textContent.includes('no expectations'))"
        )
        #expect(seen.problems == [])
        #expect((seen.value as? [Any])?.first as? Bool == true)
    }
}
