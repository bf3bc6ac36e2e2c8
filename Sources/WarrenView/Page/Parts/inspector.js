// What is chosen: what it is now, why, and what is in it.
const inspector = {
  turn: 0,
  async draw(world) {
    const turn = ++this.turn, chosen = player.chosen;
    let content;
    if (chosen.message) content = await this.message(chosen.message);
    else if (chosen.node !== undefined) content = this.node(chosen.node, world);
    else if (chosen.object !== undefined) content = await this.object(run.scene.objects[chosen.object], world);
    else content = this.whole(world);
    if (turn === this.turn) document.getElementById("inspector").replaceChildren(...content.filter(Boolean));
  },
  numbers(pairs) { return make("div", { class: "numbers" }, pairs.map(([value, words]) => make("div", {}, String(value), make("span", {}, words)))); },
  head(kind, name) { return [make("div", { class: "kind" }, kind), make("h2", {}, name)]; },
  row(first, text, more, attributes = {}, isName = false) {
    return make(attributes.onclick ? "button" : "div", { class: "row", ...attributes }, make(isName ? "span" : "time", { class: "first" + (isName ? " name" : "") }, first), make("span", {}, text), make("span", { class: "more" }, more ?? ""));
  },
  factRow(fact) {
    const now = fact.event === player.world?.event;
    return this.row(exact(fact.time), sentence(fact), "#" + count(fact.event), { onclick: () => player.toEvent(fact.event), "data-now": String(now), "data-future": String(fact.index >= player.position) });
  },
  whole(world) {
    const good = run.verdicts.filter(v => v.held !== v.meant).length;
    let depth = 0, held = 0;
    for (const queue of world.queues.values()) { depth += queue.depth; held += queue.held.length; }
    return [
      ...this.head("Run of Warren " + run.version, run.name),
      this.numbers([[count(depth), "wait in all queues"], [count(held), "held, unacked"], [count(run.events), "events"]]),
      run.note ? make("p", { class: "wrong" }, run.note) : null,
      make("h3", {}, "What was expected", make("span", {}, run.verdicts.length ? `${good} of ${run.verdicts.length} as meant` : "")),
      run.verdicts.length ? make("div", { class: "rows" }, run.verdicts.map(v => this.row(v.held ? "✓ held" : "✕ broken", v.name + ": " + v.sentence, v.time === null ? "" : clock(v.time), v.time === null ? {} : { onclick: () => player.toBroken(v) }))) : make("p", { class: "second" }, "The file expects nothing."),
      ...this.around(null),
    ];
  },
  /// What went wrong near here: of some nodes, or of all.
  around(nodes) {
    const told = run.marks.filter(([, kind, node]) => !nodes || nodes.includes(node) || kind === KIND["fault.began"] || kind === KIND["fault.ended"]);
    const marks = told.filter(([, kind, , , , variant]) => kind !== KIND["node.started"] || variant === 1);
    const place = marks.findLastIndex(([time]) => time <= player.time);
    const near = marks.slice(Math.max(place - 5, 0), place + 4);
    if (!near.length) return [make("h3", {}, "What happened"), make("p", { class: "second" }, "No fault, crash or change of leader.")];
    return [make("h3", {}, "What happened", make("span", {}, "near here")), make("div", { class: "rows" }, near.map(([time, kind, node, subject, detail, variant, peer]) =>
      this.row(exact(time), sentence({ kind, node, subject, detail, variant, peer }), "", { onclick: () => player.toTime(time), "data-now": String(time === player.time), "data-future": String(time > player.time) })))];
  },
  async object(object, world) {
    const one = player.chosen.symbol;
    if (object.kind === "queue") return this.queue(one === undefined ? object : { ...object, symbols: [one], name: nameOf(one), members: 1, isMember: true }, world, object);
    const leads = run.scene.edges.filter(e => run.scene.objects[e.from] === object);
    const fed = run.scene.edges.filter(e => run.scene.objects[e.to] === object);
    const content = this.head(object.kind === "exchange" ? `Exchange, ${object.note}` : object.note || object.kind, object.name);
    if (object.nodes.length) {
      const held = node => [...world.queues.values()].reduce((n, q) => n + q.held.filter(h => h.peer === node).length, 0);
      content.push(this.numbers([[object.nodes.filter(n => !world.down.has(n)).length + " of " + object.nodes.length, "up"], [object.nodes.filter(n => world.isConnected(n)).length, "connected"], ...(object.kind === "consumer" ? [[count(object.nodes.reduce((n, node) => n + held(node), 0)), "held, unacked"]] : [])]));
      content.push(make("h3", {}, "Instances", make("span", {}, object.prefetch ? "prefetch " + object.prefetch : "")));
      content.push(make("div", { class: "rows" }, object.nodes.slice(0, 40).map(node => this.row(nodeName(node), world.down.has(node) ? "✕ down" : world.frozen.has(node) ? "frozen" : world.isConnected(node) ? "connected" : "not connected", object.kind === "consumer" ? count(held(node)) + " held" : "", {}, true))));
    }
    content.push(...this.ways("Leads to", leads, "to"), ...this.ways("Fed by", fed, "from"));
    if (object.nodes.length) content.push(...this.around(object.nodes));
    return content;
  },
  ways(title, edges, end) {
    if (!edges.length) return [];
    return [make("h3", {}, title), make("div", { class: "rows" }, edges.slice(0, 20).map(edge => this.row(run.scene.objects[edge[end]].name, edge.kind === "deadLetter" ? "dead letters" + (edge.label ? ", key " + edge.label : "") : /^\d+ ways$/.test(edge.label) ? edge.label : edge.label ? "key " + edge.label : "", "", { onclick: () => player.choose({ object: edge[end] }) }, true)))];
  },
  async queue(object, world, whole) {
    const { depth, held } = world.sum(object.symbols);
    const queue = world.queues.get(object.symbols[0]);
    const single = object.symbols.length === 1;
    const waiting = single && queue ? queue.messages.slice(queue.head, queue.head + 8) : [];
    const rows = [];
    for (const message of waiting) rows.push(await this.waitingRow(message, object.symbols[0]));
    const oldest = rows.find(Boolean)?.since;
    const leads = run.scene.edges.filter(e => run.scene.objects[e.from] === whole);
    const [came, went] = await flow(object.symbols);
    const leader = single ? world.leaders.get(object.symbols[0]) : undefined;
    const deepest = single ? [] : object.symbols.map(symbol => [symbol, world.queues.get(symbol)?.depth ?? 0]).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    return [
      ...this.head(single ? `Queue, ${object.note || "declared by a client"}` : `Group of ${object.symbols.length} queues, ${object.note}`, object.name),
      this.numbers([[count(depth), single ? "wait" : "wait in all"], [count(held.length), "held, unacked"], ...(oldest !== undefined ? [[length(player.time - oldest), "age of the oldest"]] : []), ...(leader !== undefined ? [[nodeName(leader).split("/").pop(), "leads"]] : []), ...(came === undefined ? [] : [[`${count(came)} / ${count(went)}`, "in / out per s"]])]),
      ...this.sides(single ? world.sides.get(object.symbols[0]) : null, node => world.gone.has(`${object.symbols[0]} ${node}`)),
      make("h3", {}, "Why", make("span", {}, "at " + clock(player.time))),
      make("div", { class: "rows" }, this.reasons(object, world, depth, held)),
      single ? null : make("h3", {}, "The deepest", make("span", {}, `by depth, of ${object.symbols.length}`)),
      single ? null : make("div", { class: "rows" }, deepest.slice(0, 14).map(([symbol, n]) => this.row(nameOf(symbol), "", count(n), { onclick: () => player.choose({ object: run.scene.objects.indexOf(object), symbol }) }, true))),
      single ? null : make("p", { class: "second" }, make("button", { onclick: () => groups.toggle() }, groups.open === run.scene.objects.indexOf(object) ? "Close the group (o)" : "Open the group (o)")),
      whole !== object ? make("p", { class: "second" }, make("button", { onclick: () => player.choose({ object: run.scene.objects.indexOf(whole) }) }, "All of " + whole.name)) : null,
      single ? make("h3", {}, "Next in line", make("span", {}, `${count(depth)} in all, the first in line first`)) : null,
      rows.length ? make("div", { class: "rows" }, rows.filter(Boolean).map(one => one.row)) : single ? make("p", { class: "second" }, "Nothing waits.") : null,
      held.length ? make("h3", {}, "Held by consumers", make("span", {}, "not yet acknowledged")) : null,
      held.length ? make("div", { class: "rows" }, this.holders(held)) : null,
      ...this.ways("Leads to", leads, "to"),
      ...this.around([]),
    ];
  },
  /// A queue that two nodes lead after a partition: what each of them has.
  sides(sides, gone) {
    if (!sides) return [];
    return [make("h3", {}, "Two masters", make("span", {}, "each with messages of its own")), make("div", { class: "rows" }, [...sides].map(([node, n]) => this.row(nodeName(node).split("/").pop(), gone(node) ? `${many(n, "message")}, and it has gone` : many(n, "message") + " wait", "", { onclick: () => player.choose({ node }) }, true)))];
  },
  holders(held) {
    const by = new Map();
    for (const one of held) by.set(one.peer, [...(by.get(one.peer) ?? []), one.message]);
    return [...by].sort((a, b) => a[0] - b[0]).slice(0, 30).map(([peer, messages]) => this.row(nodeName(peer), messages.slice(0, 4).map(m => "m" + m).join(", ") + (messages.length > 4 ? " …" : ""), many(messages.length, "message"), { onclick: () => player.choose({ message: messages[0] }) }, true));
  },
  /// What can be said of the depth from what is up and who takes: nothing that no fact carries.
  reasons(object, world, depth, held) {
    const takers = run.scene.edges.filter(e => run.scene.objects[e.from].symbols.includes(object.symbols[0]) && e.kind === "message").map(e => run.scene.objects[e.to]);
    const nodes = takers.flatMap(t => t.nodes), up = nodes.filter(n => !world.down.has(n) && world.isConnected(n));
    const rows = [];
    for (const number of world.faults) {
      if (isInstant(number)) continue;
      const band = timeline.faults.findLast(b => b.number === number && b.from <= player.time);
      rows.push(this.row(band ? clock(band.from) : "", faultName(number) + ", not yet mended", ""));
    }
    if (object.isMember) rows.push(this.row("", `Who takes from it is one of ${takers.map(t => t.name).join(", ") || "no consumers"}.`, ""));
    else if (!takers.length) rows.push(this.row("", "Nobody ever consumed from it in this run.", ""));
    else if (!up.length) rows.push(this.row("", `None of its consumers is connected: ${takers.map(t => t.name).join(", ")}.`, ""));
    else {
      const busy = up.filter(n => { const room = takers.find(t => t.nodes.includes(n))?.prefetch; return room && held.filter(h => h.peer === n).length >= room; });
      rows.push(this.row("", `${many(up.length, "consumer")} of ${nodes.length} connected` + (busy.length ? `; ${busy.length === up.length ? "all" : busy.length} hold as many as their prefetch allows.` : "."), ""));
    }
    if (!depth && !held.length) rows.push(this.row("", "It is empty.", ""));
    return rows;
  },
  async waitingRow(message, symbol) {
    const facts = await firstFactsOf(message);
    const published = facts.find(f => f.kind === KIND["message.published"]);
    if (!published) return { row: this.row("m" + message, "", "", { onclick: () => player.choose({ message }) }, true) };
    const size = published.detail % 4294967296;
    return { since: published.time, row: this.row("m" + message, nameOf(published.peer), `${size >= 1024 ? (size / 1024).toFixed(1) + " KiB" : size + " B"}, ${length(player.time - published.time)} old`, { onclick: () => player.choose({ message }) }, true) };
  },
  async message(message) {
    const facts = await factsOf(message);
    const n = kind => facts.filter(f => f.kind === KIND[kind]).length;
    if (!facts.length) return [...this.head("Message", "m" + message), make("p", {}, "There is no such message in this run.")];
    return [
      ...this.head("Message", `The life of m${message}`),
      this.numbers([[n("message.routed"), "copies"], [n("delivery.sent"), "deliveries"], [n("delivery.acked"), "acks"], ...(n("effect.applied") ? [[n("effect.applied"), "effects"]] : [])]),
      make("h3", {}, "What happened to it", make("span", {}, many(facts.length, "fact"))),
      make("div", { class: "rows", id: "life" }, facts.slice(0, 300).map(fact => this.factRow(fact))),
      facts.length > 300 ? make("p", { class: "second" }, `and ${count(facts.length - 300)} more`) : null,
      make("p", { class: "second" }, make("button", { onclick: () => player.show("space-time") }, "Show it in space-time")),
    ];
  },
  node(node, world) {
    const leads = [...world.leaders].filter(([, n]) => n === node).map(([symbol]) => symbol);
    const clients = [...world.connections.values()].filter(c => c.node === node).map(c => nodeName(c.client));
    return [
      ...this.head("Node", nodeName(node)),
      this.numbers([[world.down.has(node) ? "down" : world.frozen.has(node) ? "frozen" : "up", "now"], [leads.length, "queues that it leads"], [clients.length, "connections"]]),
      leads.length ? make("h3", {}, "Leads") : null,
      leads.length ? make("div", { class: "rows" }, leads.slice(0, 40).map(symbol => this.row(nameOf(symbol), "", "", { onclick: () => player.choose({ object: graph.ofSymbol(symbol) }) }, true))) : null,
      clients.length ? make("h3", {}, "Connected") : null,
      clients.length ? make("p", {}, clients.slice(0, 60).join(", ")) : null,
      ...this.around([node]),
    ];
  },
};
/// How many copies came into some queues and how many left them in the last second, from the facts themselves; nothing if there are
/// too many to read again.
async function flow(symbols) {
  const mine = new Set(symbols), from = Math.max(player.time - 1e9, 0);
  let came = 0, went = 0;
  for (let number = windows.of(Math.max(player.position - 1, 0)), read = 0; number >= 0; number--, read++) {
    const w = await windows.whole(number);
    if (!w || read > 8) return [];
    for (let i = Math.min(player.position - w.start, w.count) - 1; i >= 0; i--) {
      if (w.time[i] < from) { number = -1; break; }
      if (!mine.has(w.subject[i])) continue;
      if (w.kind[i] === KIND["message.routed"] && w.variant[i] !== 1 || w.kind[i] === KIND["delivery.requeued"]) came++;
      else if (w.kind[i] === KIND["message.recovered"] && w.variant[i] === 1) came++;
      else if (w.kind[i] === KIND["delivery.sent"] || w.kind[i] === KIND["message.dead-lettered"] && w.variant[i] < 64 || w.kind[i] === KIND["message.dropped"] && w.detail[i] === 0) went++;
    }
  }
  const seconds = Math.max(Math.min(player.time, 1e9) / 1e9, 1e-9);
  return player.time ? [Math.round(came / seconds), Math.round(went / seconds)] : [];
}
/// The facts of a message in the window in which it began.
async function firstFactsOf(message) {
  if (!firsts) await factsOf(0);
  const index = firsts?.[message];
  if (index === undefined) return [];
  const window = await windows.whole(windows.of(index));
  return window ? [factAt(window, index - window.start)] : [];
}
