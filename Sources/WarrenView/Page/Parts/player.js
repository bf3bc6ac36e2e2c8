// Where we are in the run, and what is chosen: everything that can be seen follows from it, and stands in the address.
const SPEEDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
const player = {
  position: 0, time: 0, world: null, chosen: {}, view: "flow", speed: 9, isPlaying: false, trail: [],
  // MARK: moving
  /// Goes to where so many facts have happened: forward from here, or from the snapshot before.
  async to(position, isMoving = false) {
    position = Math.max(0, Math.min(position, run.facts));
    const turn = this.turn = (this.turn ?? 0) + 1;
    let world = this.world, at = this.position;
    const number = windows.of(Math.max(position - 1, 0));
    if (!world || position < at || windows.of(at) < number - 1) {
      let base = number;
      while (base > 0 && !document.getElementById("s" + base)) base--;
      const packed = await unpack("s" + base);
      world = packed ? World.restored(packed) : new World();
      at = run.windowStarts[base] ?? 0;
      graph.clear();
    }
    while (at < position) {
      const w = await windows.whole(windows.of(at));
      if (turn !== this.turn && !isMoving) return;
      const end = w ? Math.min(position, w.start + w.count) : run.windowStarts[windows.of(at) + 1];
      if (w) for (let i = at - w.start; i < end - w.start; i++) {
        world.apply(w, i);
        if (isMoving) graph.hop(w, i, performance.now());
      }
      at = end;
    }
    this.world = world;
    this.position = position;
    this.time = position === 0 ? 0 : position === run.facts && !isMoving ? Math.max(world.time, 0) : world.time;
    if (position === 0) { world.time = 0; world.event = 0; }
    await this.draw();
  },
  async toTime(time) {
    time = Math.max(0, Math.min(time, run.end));
    await this.to(await positionAt(time));
    this.time = time;
    this.draw();
  },
  async toEvent(event) {
    this.trail.push(this.position);
    const index = await indexOfEvent(event);
    await this.to(await this.endOfEvent(index));
  },
  /// The index behind the last fact of the event at an index.
  async endOfEvent(index) {
    const w = await windows.whole(windows.of(Math.min(index, run.facts - 1)));
    if (!w) return index + 1;
    let i = index - w.start;
    const event = w.event[i];
    while (i < w.count && w.event[i] === event) i++;
    return w.start + i;
  },
  async step(by) {
    this.pause();
    if (by > 0) {
      if (this.position < run.facts) await this.to(await this.endOfEvent(this.position), true);
    } else if (this.position > 0) {
      const w = await windows.whole(windows.of(this.position - 1));
      let i = this.position - 1 - (w?.start ?? 0);
      while (w && i > 0 && w.event[i - 1] === w.event[i]) i--;
      await this.to(w ? w.start + i : this.position - 1);
    }
    this.say();
  },
  async toFault(by) {
    const times = [...new Set(timeline.faults.map(b => b.from))].sort((a, b) => a - b);
    const time = by > 0 ? times.find(t => t > this.time) : times.findLast(t => t < this.time);
    if (time !== undefined) await this.toTime(time);
    this.say();
  },
  async toBroken(verdict) {
    broken.at = Math.max(broken.all.indexOf(verdict), 0);
    this.show("broken", false);
    const message = Number((verdict.message ?? "").slice(1));
    this.chosen = message ? { message } : {};
    if (verdict.time !== null) await this.toTime(verdict.time); else await this.draw();
  },
  async toCause() {
    const w = await windows.whole(windows.of(Math.max(this.position - 1, 0)));
    const cause = w?.cause[this.position - 1 - w.start];
    if (cause) await this.toEvent(cause);
  },
  back() { const position = this.trail.pop(); if (position !== undefined) this.to(position); },
  async ofMessage(by) {
    if (!this.chosen.message) return;
    const facts = await factsOf(this.chosen.message);
    const fact = by > 0 ? facts.find(f => f.index >= this.position) : facts.findLast(f => f.event < (this.world?.event ?? 0));
    if (fact) await this.toEvent(fact.event);
    this.say();
  },
  // MARK: playing
  toggle() { this.isPlaying ? this.pause() : this.play(); },
  play() {
    if (this.position >= run.facts) this.to(0);
    this.isPlaying = true;
    let last = performance.now(), busy = false;
    const frame = async now => {
      if (!this.isPlaying) return;
      if (!busy) {
        busy = true;
        const time = Math.min(this.time + (now - last) * 1e6 * SPEEDS[this.speed], run.end);
        last = now;
        const position = await positionAt(time);
        if (this.isPlaying) {
          if (position > this.position) await this.to(position, position - this.position < 3000); 
          this.time = time;
          this.drawLight();
          if (time >= run.end) this.pause();
        }
        busy = false;
      }
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    this.drawButtons();
  },
  pause() { const was = this.isPlaying; this.isPlaying = false; this.drawButtons(); if (was) this.draw(); },
  faster(by) { this.speed = Math.max(0, Math.min(this.speed + by, SPEEDS.length - 1)); this.drawButtons(); this.remember(); },
  // MARK: choosing
  choose(chosen) {
    this.chosen = chosen;
    if (chosen.message && this.view === "broken") this.show("space-time", false);
    this.draw();
  },
  show(view, draws = true) { this.view = view; if (draws) this.draw(); },
  theme() {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    this.isThemeChosen = true;
    this.remember();
  },
  // MARK: drawing
  async draw() {
    this.drawLight();
    if (this.view === "space-time") await spaceTime.draw();
    if (this.view === "broken") await broken.draw();
    if (this.view === "compare") compare.draw();
    if (!this.isPlaying || performance.now() - (this.inspected ?? 0) > 250) { this.inspected = performance.now(); await inspector.draw(this.world); }
    if (!this.isPlaying) this.remember();
  },
  drawLight() {
    for (const view of ["flow", "space-time", "broken", "compare"]) document.getElementById(view).hidden = view !== this.view;
    for (const button of document.querySelectorAll("#views button")) button.setAttribute("aria-pressed", String(button.dataset.view === this.view));
    if (this.view === "flow") graph.draw(this.world, this.chosen);
    timeline.follow();
    timeline.draw(this.world);
    document.getElementById("clock").textContent = clock(this.time);
    document.getElementById("counter").textContent = `event ${count(this.world.event)} of ${count(run.lastEvent)}`;
    if (graph.dots.length && !this.isAnimating) this.animate();
  },
  animate() {
    this.isAnimating = true;
    const frame = now => { if (graph.move(now)) requestAnimationFrame(frame); else this.isAnimating = false; };
    requestAnimationFrame(frame);
  },
  drawButtons() {
    const play = document.getElementById("play");
    play.textContent = this.isPlaying ? "❚❚" : "▶";
    play.setAttribute("aria-label", this.isPlaying ? "Pause" : "Play");
    const speed = SPEEDS[this.speed];
    document.getElementById("speed").textContent = speed < 1 ? `1/${Math.round(1 / speed)} speed` : `${speed}/1 speed`;
  },
  /// Speaks where we are, for those who do not see it; never while playing.
  say() { if (!this.isPlaying) document.getElementById("live").textContent = `${clock(this.time)}, event ${count(this.world.event)}`; },
  damaged() {
    const words = [...windows.wrong.keys()].map(n => `facts ${count(run.windowStarts[n] + 1)} to ${count(run.windowStarts[n + 1])} cannot be read`);
    document.getElementById("banner").replaceChildren(make("span", { class: "wrong" }, words.join("; ")));
  },
  // MARK: the address
  remember() {
    const chosen = this.chosen, parts = ["t=" + (this.time / 1e9).toFixed(9).replace(/\.?0+$/, "")];
    if (chosen.object !== undefined) parts.push("at=" + encodeURIComponent(chosen.symbol === undefined ? run.scene.objects[chosen.object]?.name ?? "" : nameOf(chosen.symbol)));
    if (groups.open >= 0) parts.push("open=" + encodeURIComponent(run.scene.objects[groups.open].name));
    if (chosen.message) parts.push("at=m" + chosen.message);
    if (chosen.node !== undefined) parts.push("at=" + encodeURIComponent(nodeName(chosen.node)));
    if (this.view !== "flow") parts.push("view=" + this.view);
    if (this.speed !== 9) parts.push("speed=" + SPEEDS[this.speed]);
    if (this.isThemeChosen) parts.push("theme=" + document.documentElement.dataset.theme);
    const hash = "#" + parts.join("&");
    if (hash === location.hash) return;
    this.isRemembering = true;
    try { history.replaceState(null, "", hash); } catch { location.hash = hash; }
    this.isRemembering = false;
  },
  async recall() {
    const words = new URLSearchParams(location.hash.slice(1));
    if (words.get("theme")) { document.documentElement.dataset.theme = words.get("theme") === "dark" ? "dark" : "light"; this.isThemeChosen = true; }
    if (["flow", "space-time", "broken", ...(compare.is ? ["compare"] : [])].includes(words.get("view"))) this.view = words.get("view");
    const speed = SPEEDS.indexOf(Number(words.get("speed")));
    if (speed >= 0) this.speed = speed;
    const open = run.scene.objects.findIndex((o, i) => o.name === words.get("open") && groups.canOpen(i));
    if (open !== groups.open) { groups.open = open; graph.build(document.getElementById("flow")); }
    if (words.get("at")) this.chosen = find(words.get("at"))[0]?.chosen ?? {};
    const time = parseFloat(words.get("t"));
    if (Number.isFinite(time)) await this.toTime(Math.round(time * 1e9));
    return Number.isFinite(time);
  },
  /// The most telling moment: what broke first, else just after the first fault, else the deepest backlog.
  async open() {
    if (compare.is) { this.view = "compare"; if (run.compare.differences.length) return compare.next(0); }
    const first = broken.all.filter(v => v.time !== null).sort((a, b) => a.time - b.time)[0];
    if (first) return this.toBroken(first);
    const fault = timeline.faults.find(b => b.number !== undefined);
    const queue = run.deepest ? run.scene.objects.findIndex(o => o.kind === "queue" && timeline.lanes.some(l => l.kind === "depth" && o.symbols.includes(l.of) && Math.max(...l.values) === run.deepest)) : -1;
    if (queue >= 0) this.chosen = { object: queue };
    await this.toTime(fault ? Math.min(fault.from + 1e6, run.end) : run.deepestAt);
  },
  async start() {
    const root = document.documentElement;
    root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    document.getElementById("name").textContent = run.name;
    document.getElementById("identity").textContent = `seed ${run.seed}   digest ${run.digest || "none"}`;
    const bad = broken.all.filter(v => !v.meant).length, unbroken = run.verdicts.filter(v => v.held && v.meant).length, good = run.verdicts.length - bad - unbroken;
    document.getElementById("verdict").replaceChildren(...(run.verdicts.length ? [
      bad + unbroken ? make("button", { class: "chip bad", onclick: () => broken.next(0) }, `✕ ${bad + unbroken} not as meant`) : null,
      good ? make("span", { class: "chip good" }, `✓ ${good} as meant`) : null].filter(Boolean) : [make("span", { class: "chip" }, "no expectations")]));
    if (!run.complete) document.getElementById("banner").replaceChildren(make("span", { class: "wrong" }, `This run was cut off at ${clock(run.end)}`));
    document.getElementById("views").replaceChildren(...[["flow", "Flow"], ["space-time", "Space-time"], ["broken", "Broken"], ...(compare.is ? [["compare", "Compare"]] : [])].map(([view, words]) => make("button", { "data-view": view, onclick: () => this.show(view) }, words)));
    document.getElementById("clock-end").textContent = "of " + clock(run.end);
    for (const [id, action] of [["play", () => this.toggle()], ["step-on", () => this.step(1)], ["step-back", () => this.step(-1)], ["fault-on", () => this.toFault(1)], ["fault-back", () => this.toFault(-1)], ["speed", () => this.faster(this.speed === SPEEDS.length - 1 ? -SPEEDS.length : 1)], ["jump", () => document.getElementById("find").focus()], ["help-button", openHelp]]) document.getElementById(id).addEventListener("click", action);
    this.drawButtons();
    this.world = new World();
    await timeline.load();
    graph.build(document.getElementById("flow"));
    timeline.build(document.getElementById("timeline"));
    finding();
    if (!await this.recall()) await this.open();
    addEventListener("hashchange", () => { if (!this.isRemembering) this.recall(); });
    document.body.dataset.ready = "true";
  },
};
// MARK: finding
/// What a text may mean: a moment, an event, a message, or something by its name.
function find(text) {
  text = text.trim();
  const found = [];
  if (/^m\d+$/i.test(text)) found.push({ words: "message " + text.toLowerCase(), chosen: { message: Number(text.slice(1)) } });
  if (/^#\d+$/.test(text)) found.push({ words: "event " + text, go: () => player.toEvent(Number(text.slice(1))) });
  if (/^[\d.]+ ?s?$/.test(text)) found.push({ words: `moment ${parseFloat(text)} s`, go: () => player.toTime(parseFloat(text) * 1e9) });
  const low = text.toLowerCase();
  const named = [...run.scene.objects.map((object, number) => ({ words: object.kind + " " + object.name, name: object.name, chosen: { object: number } })), ...run.scene.objects.flatMap((o, object) => o.kind === "queue" && o.members > 1 ? o.symbols.map(symbol => ({ words: "queue " + nameOf(symbol), name: nameOf(symbol), chosen: { object, symbol } })) : []), ...(run.scene.brokers.flatMap(b => b.nodes).map(node => ({ words: "node " + nodeName(node), name: nodeName(node), chosen: { node } })))];
  const exact = named.filter(one => one.name === text), rest = named.filter(one => one.name !== text && one.name.toLowerCase().includes(low));
  return [...found, ...exact, ...rest].slice(0, 12);
}
/// The names that come nearest, where nothing fits.
function nearest(text) {
  const grams = s => new Set(Array.from({ length: Math.max(s.length - 1, 1) }, (_, i) => s.slice(i, i + 2)));
  const mine = grams(text.toLowerCase());
  return run.scene.objects.map((object, number) => ({ words: object.kind + " " + object.name, chosen: { object: number }, score: [...grams(object.name.toLowerCase())].filter(g => mine.has(g)).length })).sort((a, b) => b.score - a.score).slice(0, 3);
}
function finding() {
  const input = document.getElementById("find"), list = document.getElementById("found");
  const pick = one => { list.hidden = true; input.value = ""; input.blur(); if (one.go) one.go(); else { player.choose(one.chosen); } };
  const look = () => {
    const text = input.value, found = text ? find(text) : [];
    const all = found.length || !text ? found : nearest(text);
    list.hidden = !text;
    list.replaceChildren(...(found.length || !text ? [] : [make("div", { class: "second", style: "padding:7px 10px" }, "Nothing is called so; near are:")]), ...all.map(one => make("button", { type: "button", role: "option", onclick: () => pick(one) }, one.words)));
    return all;
  };
  input.addEventListener("input", look);
  document.getElementById("find-form").addEventListener("submit", event => { event.preventDefault(); const first = look()[0]; if (first) pick(first); });
  input.addEventListener("blur", () => setTimeout(() => { if (!list.contains(document.activeElement)) list.hidden = true; }, 150));
}
player.start().catch(error => {
  document.getElementById("banner").replaceChildren(make("span", { class: "wrong" }, String(error.message || error)));
  throw error;
});
