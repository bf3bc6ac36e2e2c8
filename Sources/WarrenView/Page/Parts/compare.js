// Two runs beside each other: what differs in the files first, then what held, then the first different fact with its story.
const compare = {
  at: 0,
  get is() { return Boolean(run.compare); },
  draw() {
    const host = document.getElementById("compare"), data = run.compare;
    const one = data.differences[this.at];
    const verdicts = side => side.verdicts.length ? side.verdicts.map(v => make("span", { class: "chip " + (v.held ? "good" : "bad") }, (v.held ? "✓ " : "✕ ") + v.name)) : [make("span", { class: "chip" }, "no expectations")];
    const head = data.sides.map((side, place) => make("div", { class: "side" },
      make("h2", {}, make("span", { class: "chip" }, "AB"[place]), " " + side.name), make("div", { class: "second" }, `seed ${side.seed}   digest ${side.digest || "none"}`), make("p", {}, ...verdicts(side).flatMap(v => [v, " "]))));
    const changed = data.lines.length ? make("pre", { tabindex: 0, class: "lines" }, data.lines.slice(0, 40).join("\n")) : make("p", { class: "second" }, "The files are the same.");
    const words = !data.count ? `The same ${count(data.facts[0])} facts in A and B.` : `${many(data.count, "difference")} in ${count(Math.max(...data.facts))} facts` + (data.apart ? "; after the last one they never meet again" : "") + (one ? `. ${this.at + 1} of ${count(data.count)}, at ${exact(one.time)}: ${count(one.at[0])} facts before it are told by both` : "");
    const rows = side => one.rows[side].map(([number, time, text, own, event]) => inspector.row(exact(time), (own ? "AB"[side] + "  " : "") + text, count(number), { "data-now": String(own), onclick: side === 0 ? () => player.toEvent(event) : undefined }));
    const story = side => one.story[side].length ? [make("h3", {}, "How it came here"), make("div", { class: "rows" }, one.story[side].map(([, time, text, own]) => inspector.row(exact(time), text, "", { "data-now": String(own) })))] : [];
    host.replaceChildren(make("div", { class: "sides" }, head), make("div", { class: "chain" }, make("h3", {}, "What differs in the file"), changed, make("h3", {}, words, make("span", {}, make("button", { onclick: () => this.next(-1) }, "Previous N"), " ", make("button", { onclick: () => this.next(1) }, "Next n")))),
      one ? make("div", { class: "sides" }, [0, 1].map(side => make("div", { class: "side" }, make("div", { class: "rows" }, rows(side)), ...story(side)))) : "");
  },
  async next(step) {
    if (!this.is || !run.compare.differences.length) return;
    const all = run.compare.differences.length;
    this.at = (this.at + step + all) % all;
    player.view = "compare";
    await player.toTime(run.compare.differences[this.at].time);
  },
};
