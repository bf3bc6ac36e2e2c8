// The story of one message: lifelines beside each other, time down, gaps shorter the longer they are.
const spaceTime = {
  async draw() {
    const host = document.getElementById("space-time"), message = player.chosen.message;
    if (!message) {
      host.replaceChildren(make("p", { class: "empty" }, "Choose a message to follow: click one in a queue, or find it by its number with / (m41)."));
      return;
    }
    const facts = await factsOf(message);
    if (player.chosen.message !== message) return;
    const steps = [];
    let publisher = null, broker = null;
    for (const fact of facts) {
      const name = run.kinds[fact.kind];
      if (name === "message.published" || name === "message.retried") { publisher = fact; steps.push({ fact, at: fact.node, label: name === "message.retried" ? "again" : "" }); }
      else if (name === "message.routed") {
        if (publisher) { steps.push({ fact, start: publisher.time, from: publisher.node, to: fact.node, label: "m" + message + (nameOf(publisher.peer) ? " " + nameOf(publisher.peer) : "") }); publisher = null; }
        steps.push({ fact, at: fact.node, label: "copy in " + subjectName(fact.subject) });
        broker = fact.node;
      } else if (name === "delivery.sent" || name === "record.read") steps.push({ fact, from: fact.node, to: fact.peer, label: (fact.variant & 1 ? "sent again, redelivered" : "deliver") + ", " + subjectName(fact.subject), back: fact.variant & 1 });
      else if (name === "delivery.acked") steps.push({ fact, from: fact.peer, to: fact.node, label: "ack" });
      else if (name === "delivery.rejected") steps.push({ fact, from: fact.peer, to: fact.node, label: "reject" });
      else if ((name === "message.confirmed" || name === "message.returned" || name === "message.nacked") && broker !== null) steps.push({ fact, from: broker, to: fact.node, label: name.split(".")[1] });
      else steps.push({ fact, at: fact.node, label: { "message.handled": "done", "effect.applied": "effect: " + subjectName(fact.subject), "delivery.requeued": "back in " + subjectName(fact.subject), "message.dead-lettered": "dead letter of " + subjectName(fact.subject), "message.dropped": "gone from " + subjectName(fact.subject), "work.failed": "fails" }[name] ?? name });
    }
    const nodes = [];
    for (const step of steps) for (const node of step.at !== undefined ? [step.at] : [step.from, step.to]) if (!nodes.includes(node)) nodes.push(node);
    const marks = run.marks.filter(([time, kind, node]) => facts.length && time >= facts[0].time && time <= facts.at(-1).time && (kind === KIND["fault.began"] || nodes.includes(node) && kind !== KIND["node.started"]));
    // Things in the order of time: each below the one before, farther below the longer it took.
    const items = [...steps.map(step => ({ time: step.fact.time, step })), ...marks.map(mark => ({ time: mark[0], mark }))];
    items.sort((one, other) => one.time - other.time || (one.mark ? 0 : 1) - (other.mark ? 0 : 1));
    let y = 78;
    const heights = new Map();
    items.forEach((item, place) => {
      const before = items[place - 1];
      if (before) y += before.time === item.time ? (item.step?.at === undefined ? 27 : 19) : 26 + Math.min(Math.sqrt((item.time - before.time) / 1e6) * 4, 60);
      item.y = y;
      if (!heights.has(item.time)) heights.set(item.time, y);
    });
    const width = Math.max(host.clientWidth, 340), left = 92, gap = Math.max((width - left - 110) / Math.max(nodes.length - 1, 1), 90);
    const x = node => left + 20 + nodes.indexOf(node) * gap;
    const svg = make("svg", { width: Math.max(width, left + gap * nodes.length), height: y + 40, role: "group", "aria-label": "Story of m" + message });
    svg.append(make("text", { class: "note", x: 14, y: 20 }, `Follows m${message}: time runs down; gaps are drawn shorter the longer they are`));
    for (const node of nodes) svg.append(make("text", { class: "name", x: x(node), y: 46, "text-anchor": "middle" }, shortened(nodeName(node), 18)), make("line", { class: "life", x1: x(node), x2: x(node), y1: 56, y2: y + 24 }));
    let last = null;
    for (const { time, step, mark, y: at } of items) {
      if (time !== last) svg.append(make("text", { class: mark ? "bad" : "note", x: left - 14, y: at + 4, "text-anchor": "end", style: "font-size:11px" }, exact(time)));
      last = time;
      if (mark) {
        const [, kind, node, subject, detail, variant, peer] = mark, words = sentence({ kind, node, subject, detail, variant, peer });
        if (kind === KIND["fault.began"]) svg.append(make("line", { x1: left - 10, x2: width, y1: at, y2: at, stroke: "var(--bad)", "stroke-dasharray": "5 4" }), make("text", { class: "bad", x: width - 12, y: at - 4, "text-anchor": "end", style: "font-size:11px;font-weight:550" }, shortened(words, 60)));
        else svg.append(make("path", { d: `M${x(node) - 5} ${at - 5}l10 10m0 -10l-10 10`, stroke: "var(--bad)", "stroke-width": 2, fill: "none" }), make("text", { class: "bad", x: x(node) + 10, y: at + 4, style: "font-size:11px" }, words));
        continue;
      }
      const isNow = step.fact.event === player.world?.event;
      const group = make("g", { class: "object", tabindex: 0, role: "button", "aria-label": exact(step.fact.time) + ": " + sentence(step.fact), onclick: () => player.toEvent(step.fact.event), onkeydown: enter(() => player.toEvent(step.fact.event)) });
      if (step.at !== undefined) {
        group.append(make("circle", { class: "event", cx: x(step.at), cy: at, r: 4.5, style: isNow ? "fill:var(--chosen)" : "" }), make("text", { class: "label", x: x(step.at) + 10, y: at + 4 }, step.label));
      } else {
        const start = step.start !== undefined ? heights.get(step.start) : at - 9;
        const d = `M${x(step.from)} ${start}L${x(step.to)} ${at}`;
        if (isNow) group.append(make("path", { class: "way halo", d }));
        group.append(make("path", { class: "way" + (step.back ? " back" : ""), d, "marker-end": "url(#tip)" }), make("text", { class: "label", x: (x(step.from) + x(step.to)) / 2, y: (start + at) / 2 - 5, "text-anchor": "middle" }, step.label));
      }
      svg.append(group);
    }
    const rows = facts.slice(0, 300).map(fact => make("tr", {}, make("td", {}, exact(fact.time)), make("td", {}, sentence(fact))));
    host.replaceChildren(svg, make("details", { style: "padding:0 16px 16px" }, make("summary", {}, "The same as a table"), make("table", {}, make("tbody", {}, rows))));
  },
};
