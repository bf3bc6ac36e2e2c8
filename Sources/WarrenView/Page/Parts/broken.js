// What was expected and broke: the sentence, the first message, and only the facts without which it would not have happened.
const broken = {
  get all() { return run.verdicts.filter(v => !v.held); },
  at: 0,
  async draw() {
    const host = document.getElementById("broken"), verdict = this.all[this.at] ?? null;
    if (!verdict) {
      host.replaceChildren(make("div", { class: "broken-head held" }, make("span", { class: "word" }, run.verdicts.length ? `✓ all ${run.verdicts.length} expectations held` : "The file expects nothing"), make("p", { class: "sentence" }, run.verdicts.length ? "Nothing is broken." : "Nothing was asked, so nothing broke.")));
      return;
    }
    const message = Number((verdict.message ?? "").slice(1)) || 0;
    const chain = verdict.time === null ? [] : await this.chain(message, verdict.time);
    host.replaceChildren(
      make("div", { class: "broken-head" }, make("div", {}, make("span", { class: "word" }, `✕ ${verdict.kind}: ${verdict.name} `), make("span", { class: "second" }, verdict.meant ? "meant to break in this lesson" : "", this.all.length > 1 ? ` · ${this.at + 1} of ${this.all.length}, e for the next` : "")), make("p", { class: "sentence" }, verdict.sentence),
        verdict.seen ? make("p", { class: "second", style: "margin:6px 0 0;white-space:normal" }, "Seen: " + verdict.seen + (message ? `. The first is m${message}` : "") + (verdict.time === null ? "." : `, at ${exact(verdict.time)}.`)) : ""),
      make("div", { class: "chain" }, make("h2", { class: "causes" }, chain.length ? `${many(chain.length, "cause")}, in order` : "No message is to blame: it is a number of the whole run", make("span", {}, chain.length ? "what happened to the message, to who held it, and the faults open then" : "")),
        make("ol", { class: "rows", id: "chain" }, chain.map((fact, place) => make("li", { style: "display:block;padding:0" }, inspector.row(`${place + 1}.  ${exact(fact.time)}`, sentence(fact), fact.event ? "#" + count(fact.event) : "", { onclick: () => fact.event ? player.toEvent(fact.event) : player.toTime(fact.time), "data-now": String(fact.time === player.time) }))))));
  },
  /// The message's own facts, what happened to nodes that had to do with it, and the faults that were open then.
  async chain(message, end) {
    const facts = message ? (await factsOf(message)).filter(f => f.time <= end) : [];
    const from = facts[0]?.time ?? 0;
    const nodes = new Set(facts.flatMap(f => [f.node, f.peer]));
    const marks = run.marks.filter(([time, kind, node]) => time <= end && (kind === KIND["fault.began"] ? time >= from || timeline.faults.some(b => b.from === time && b.to >= from) : time >= from && nodes.has(node) && (kind !== KIND["node.started"] || time > 0)))
      .map(([time, kind, node, subject, detail, variant, peer]) => ({ time, kind, node, subject, detail, variant, peer, event: 0 }));
    const all = [...facts, ...marks].sort((a, b) => a.time - b.time || (a.event || 0) - (b.event || 0));
    const seen = new Map();
    return all.filter(f => { const words = sentence(f), times = (seen.get(words) ?? 0) + 1; seen.set(words, times); return times <= 2; }).slice(0, 40);
  },
  async next(step) {
    if (!this.all.length) return;
    this.at = (this.at + step + this.all.length) % this.all.length;
    await player.toBroken(this.all[this.at]);
  },
};
