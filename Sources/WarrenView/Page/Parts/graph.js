// The picture: objects in layers, and what moves between them.
const graph = {
  parts: [], edges: [], dots: [], scale: 10, svg: null, layer: null,
  build(host) {
    const scene = run.scene, isNarrow = innerWidth < 560;
    this.isNarrow = isNarrow;
    groups.spread(scene);
    if (isNarrow) {
      // On a phone: whoever publishes and exchanges on top, each queue beside its consumers.
      scene.objects.forEach((object, place) => { [object.x, object.y] = scene.narrow[place]; });
      Object.assign(scene, { width: 400, height: scene.narrowHeight, frame: [0, 0, 0, 0] });
    }
    const deepest = Math.max(0, ...scene.objects.filter(o => o.kind === "queue").map(o => Math.max(0, ...sum(timeline.lanes.filter(l => l.kind === "depth" && o.symbols.includes(l.of))))));
    this.scale = [1, 2, 5].flatMap(n => [0, 1, 2, 3, 4, 5, 6, 7].map(e => n * 10 ** e)).sort((a, b) => a - b).find(n => n >= deepest && n >= 10) ?? 10;
    const width = Math.max(scene.width, 300), height = Math.max(scene.height, 120);
    this.svg = make("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", preserveAspectRatio: "xMidYMid meet", role: "group", "aria-label": "Objects of the run" });
    this.svg.style.maxWidth = Math.round(width * 1.25) + "px";
    this.svg.style.margin = "0 auto";
    if (!document.getElementById("tip")) document.body.append(make("svg", { width: 0, height: 0, style: "position:absolute", "aria-hidden": "true" }, make("defs", {},
      make("marker", { id: "tip", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" }, make("path", { d: "M0 0.5L8 4L0 7.5", class: "edge", fill: "none" })),
      make("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, make("line", { x1: 0, y1: 0, x2: 0, y2: 6, stroke: "var(--bad)", "stroke-width": 1, opacity: 0.45 })))));
    this.frame(scene);
    this.edges = scene.edges.map(edge => this.edge(edge, scene.objects));
    this.placeLabels(scene);
    this.parts = scene.objects.map((object, index) => this.object(object, index));
    this.layer = make("g", { "aria-hidden": "true" });
    this.svg.append(this.layer);
    host.replaceChildren(this.svg, this.legend());
    if (!scene.objects.length) host.prepend(make("p", { class: "empty" }, run.facts ? "Nothing was published, and no queue was declared." : "Nothing happened in this run."));
  },
  frame(scene) {
    const [x, y, w, h] = scene.frame;
    if (!scene.brokers.length || w <= 0) return;
    this.svg.append(make("rect", { class: "frame", x, y, width: w, height: h, rx: 8 }));
    this.nodes = [];
    let at = x + 14;
    for (const broker of scene.brokers) {
      const title = make("text", { class: "name", x: at, y: y + 22 }, broker.name);
      this.svg.append(title, make("text", { class: "note", x: at + broker.name.length * 8.2 + 8, y: y + 22 }, broker.note));
      for (const [node, left, top, wide] of broker.chips) {
        const name = shortened(nodeName(node).split("/").pop(), 12);
        const group = make("g", { class: "object", role: "button", tabindex: 0, transform: `translate(${left},${top})`, onclick: () => player.choose({ node }), onkeydown: enter(() => player.choose({ node })) });
        group.append(make("rect", { class: "halo", x: 0, y: 0, width: wide, height: 19, rx: 4 }), make("rect", { class: "box", width: wide, height: 19, rx: 4 }), make("text", { x: 7, y: 13.5, class: "note" }));
        this.svg.append(group);
        this.nodes.push({ node, name, group, text: group.lastChild });
      }
      at += (broker.name.length + broker.note.length) * 8 + 24;
    }
  },
  edge(edge, objects) {
    const from = objects[edge.from], to = objects[edge.to];
    let x1 = from.x + from.w, y1 = from.y + from.h / 2, x2 = to.x, y2 = to.y + to.h / 2, d;
    if (this.isNarrow && to.kind === "queue" && from.kind !== "queue") {
      // One trunk at the left leads to all queues.
      const low = Math.max(...objects.filter(o => o.kind === "producer" || o.kind === "exchange").map(o => o.y + o.h)) + 8;
      d = from.kind === "exchange" ? `M${from.x} ${y1}H206V${low}H6V${y2}H${x2}` : `M${from.x + 10} ${from.y + from.h}V${low}H6V${y2}H${x2}`;
    } else if (this.isNarrow && edge.kind !== "message") {
      d = `M${from.x + from.w - 24} ${from.y + from.h}v10H396V${to.y + to.h / 2}H${to.x + to.w}`;
    } else if (edge.kind === "message" && x2 > x1) {
      const bend = Math.max((x2 - x1) / 2, 24);
      d = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
    } else if (edge.kind === "message") {
      const low = Math.max(from.y + from.h, to.y + to.h) + 22;
      d = `M${x1} ${y1}C${x1 + 50} ${low} ${x2 - 50} ${low} ${x2} ${y2}`;
    } else {
      x1 = from.x + from.w * 0.2; y1 = from.y + from.h;
      const below = to.y > from.y;
      const middle = below ? Math.min(y1 + 16, to.y - 8) : y1 + 16;
      if (to.x + to.w < from.x) {
        x2 = to.x + to.w / 2; y2 = below ? to.y : to.y + to.h;
        d = below ? `M${x1} ${y1}V${middle}H${x2}V${y2}` : `M${x1} ${y1}V${middle}H${x2}V${y2}`;
      } else {
        x1 = from.x + 10; x2 = to.x; y2 = to.y + to.h / 2;
        const out = Math.min(from.x, to.x) - 20;
        d = `M${x1} ${y1}V${y1 + 12}H${out}V${y2}H${x2}`;
      }
    }
    const path = make("path", { class: "edge " + edge.kind, d, "marker-end": "url(#tip)" });
    this.svg.append(path);
    return { ...edge, path, count: 0, x2, y2, above: y1 <= y2, labelAt: edge.kind === "message" ? null : [Math.min(x1, x2) + 8, y1 + 12] };
  },
  /// Labels stand at the end of their way, and never on another label: where there is no room they are left out.
  placeLabels(scene) {
    const taken = scene.objects.map(o => [o.x - 2, o.y - (o.kind === "queue" ? 18 : 2), o.x + o.w + 2, o.y + o.h + 2]);
    for (const edge of this.edges) {
      if (!edge.label || this.isNarrow) continue;
      const text = shortened(edge.kind === "deadLetter" ? "dead letter, key " + edge.label : edge.label, 26);
      const wide = text.length * 6 + 4;
      const [right, base] = edge.labelAt ? [edge.labelAt[0] + wide, edge.labelAt[1]] : [edge.x2 - 12, edge.y2 - 8];
      const places = edge.labelAt ? [base, base + 14] : [base, base + 22, base - 12];
      const y = places.find(y => !taken.some(([a, b, c, d]) => right - wide < c && right > a && y - 11 < d && y > b));
      edge.path.append(make("title", {}, edge.label));
      if (y === undefined) continue;
      taken.push([right - wide, y - 11, right, y]);
      this.svg.append(make("text", { class: "label " + edge.kind, x: right, y, "text-anchor": "end" }, text));
    }
  },
  object(object, index) {
    const { x, y, w, h, kind } = object;
    const group = make("g", { class: "object", role: "button", tabindex: 0, "aria-pressed": "false", transform: `translate(${x},${y})`, onclick: () => player.choose({ object: index }), ondblclick: () => groups.toggle(index), onkeydown: enter(() => player.chosen.object === index && groups.canOpen(index) ? groups.toggle(index) : player.choose({ object: index })) });
    const part = { object, index, group };
    const round = kind === "queue" ? h / 2 : 6;
    const isOpen = index === groups.open && !this.isNarrow;
    group.append(make("rect", { class: "halo", x: -4, y: -4, width: w + 8, height: h + 8, rx: (isOpen ? 8 : round) + 4 }));
    if (isOpen) groups.panel(object, index, group);
    else if (kind === "exchange") {
      group.append(make("polygon", { class: "box", points: `12,0 ${w - 12},0 ${w},${h / 2} ${w - 12},${h} 12,${h} 0,${h / 2}` }),
        make("text", { class: "name", x: w / 2, y: object.note ? 17 : 24, "text-anchor": "middle" }, shortened(object.name, 16)));
      if (object.note) group.append(make("text", { class: "note", x: w / 2, y: 30, "text-anchor": "middle" }, object.note));
    } else if (kind === "queue") {
      const many = object.members > 1;
      if (many) for (const off of [6, 3]) group.append(make("rect", { class: "box", x: off, y: -off, width: w, height: h, rx: round }));
      group.append(make("rect", { class: "track", width: w, height: h, rx: round }));
      part.fill = make("rect", { class: "fill", x: w, y: 1.5, width: 0, height: h - 3, rx: round - 1.5 });
      part.beads = make("g");
      part.number = make("text", { class: "name", x: w - 14, y: h / 2 + 4.5, "text-anchor": "end" });
      group.append(part.fill, part.beads, part.number, make("text", { class: "name", x: 2, y: many ? -13 : -7 }, (many ? "▸ " : "") + shortened(object.name, 24)));
      if (object.room) group.append(make("line", { x1: w - this.fraction(object.room) * w, x2: w - this.fraction(object.room) * w, y1: -3, y2: h + 3, class: "edge" }));
    } else {
      group.append(make("rect", { class: "box", width: w, height: h, rx: 6 }),
        make("text", { class: "name", x: 11, y: 20 }, shortened(object.name, kind === "producer" ? 13 : 16)));
      const below = kind === "producer" || object.members > 1;
      part.status = make("text", { class: "note", x: below ? 11 : w - 11, y: below ? 38 : 20, "text-anchor": below ? "start" : "end" });
      group.append(part.status);
      if (kind === "consumer" && object.members === 1) {
        part.slots = object.nodes.slice(0, 12).map((node, row) => {
          const bar = make("rect", { class: "slot", x: 11, y: 28 + row * 9, width: w - 22, height: 6, rx: 1 });
          const full = make("rect", { class: "slot full", x: 11, y: 28 + row * 9, width: 0, height: 6, rx: 1 });
          group.append(bar, full);
          return { node, full };
        });
      }
    }
    this.svg.append(group);
    return part;
  },
  fraction(depth) { return Math.min(Math.sqrt(depth / this.scale), 1); },
  legend() {
    return make("div", { class: "legend" },
      make("span", {}, make("b", {}, "● "), "message on its way"), make("span", {}, make("b", {}, "○ "), "redelivered"),
      make("span", {}, make("b", {}, "◁ "), "confirm"),
      make("span", {}, make("b", {}, "▬ "), `waits in the queue (tube: 0 to ${count(this.scale)}, square root)`),
      make("span", {}, make("b", {}, "▪ "), "held by a consumer, not yet acknowledged"),
      run.scene.edges.some(e => e.kind === "deadLetter") ? make("span", {}, make("b", {}, "╌ "), "dead letters") : null);
  },
  draw(world, chosen) {
    for (const part of this.parts) {
      const { object, group } = part;
      const isChosen = chosen.object === part.index;
      group.setAttribute("aria-pressed", String(isChosen));
      let name = object.kind + " " + object.name;
      if (object.kind === "queue") {
        const { depth, held } = world.sum(object.symbols);
        name += `, ${many(depth, "message")} wait, ${count(held.length)} held`;
        if (!part.fill) { groups.draw(world, chosen); group.setAttribute("aria-label", name + ", open"); continue; }
        const beads = depth > 0 && depth <= 12 && object.symbols.length === 1;
        const wide = beads ? 0 : depth ? Math.max(this.fraction(depth) * object.w, 8) : 0;
        part.fill.setAttribute("x", object.w - wide);
        part.fill.setAttribute("width", wide);
        const sides = object.symbols.length === 1 && world.sides.get(object.symbols[0]);
        part.number.textContent = sides ? [...sides.values()].map(count).join(" + ") : count(depth);
        if (sides) name += ", two masters: " + [...sides].map(([node, n]) => `${nodeName(node)} has ${count(n)}`).join(", ");
        part.number.setAttribute("x", beads ? 16 : object.w - 14);
        part.number.setAttribute("text-anchor", beads ? "start" : "end");
        part.number.style.fill = wide > 60 ? "var(--on-waits)" : "var(--ink)";
        if (!beads && wide && wide <= 60) { part.number.setAttribute("x", object.w - wide - 6); }
        this.drawBeads(part, beads ? world.queues.get(object.symbols[0]) : null, chosen);
      } else if (object.nodes.length) {
        const down = object.nodes.filter(n => world.down.has(n)).length;
        const frozen = object.nodes.filter(n => world.frozen.has(n)).length;
        const online = object.nodes.filter(n => !world.down.has(n) && world.isConnected(n)).length;
        group.classList.toggle("gone", down === object.nodes.length);
        const all = object.nodes.length;
        part.status.textContent = down === all ? "✕ down" : frozen ? "frozen" : down ? `${all - down} of ${all} up` : online === all && object.members === 1 ? `${timeline.rate(object)}/s ${object.kind === "producer" ? "published" : "handled"}` : online ? `${online} of ${all} online` : "offline";
        part.status.style.fill = down ? "var(--bad)" : "";
        name += ", " + part.status.textContent;
        for (const slot of part.slots ?? []) {
          let held = 0;
          for (const queue of world.queues.values()) for (const one of queue.held) if (one.peer === slot.node) held++;
          const room = object.prefetch || Math.max(held, 20);
          slot.full.setAttribute("width", Math.min(held / room, 1) * (object.w - 22));
        }
      }
      group.setAttribute("aria-label", name);
    }
    for (const one of this.nodes ?? []) {
      const leads = new Set([...[...world.leaders].filter(([, node]) => node === one.node).map(([symbol]) => symbol), ...[...world.sides].filter(([symbol, sides]) => sides.has(one.node) && !world.gone.has(`${symbol} ${one.node}`)).map(([symbol]) => symbol)]).size;
      const down = world.down.has(one.node);
      one.text.textContent = `${one.name} ${down ? "✕ down" : world.frozen.has(one.node) ? "frozen" : leads ? `⚑ leads ${leads}` : "up"}`;
      one.group.classList.toggle("gone", down);
      one.group.setAttribute("aria-pressed", String(chosen.node === one.node));
      one.group.setAttribute("aria-label", "node " + one.text.textContent);
    }
  },
  drawBeads(part, queue, chosen) {
    const { w, h } = part.object;
    const beads = queue ? queue.messages.slice(queue.head) : [];
    part.beads.replaceChildren(...beads.map((message, place) => make("circle", {
      class: "bead", cx: w - 14 - place * 11, cy: h / 2, r: chosen.message === message ? 5.5 : 4.5,
      style: chosen.message === message ? "stroke:var(--chosen);stroke-width:3" : "",
      onclick: event => { event.stopPropagation(); player.choose({ message }); },
    }, make("title", {}, "m" + message))));
  },
  // What moves: dots leave at their moment and stay on the screen for long enough to be seen.
  lastFrom: new Map(),
  hop(w, i, now) {
    const kind = w.kind[i], subject = w.subject[i], message = w.message[i];
    const way = (from, to, look, back) => {
      if (from < 0 || to < 0) return;
      const edge = this.edges.find(e => e.from === from && e.to === to);
      if (!edge) return;
      if (edge.count > 40) return;
      edge.count++;
      const dot = look === "confirm" ? make("path", { class: "dot confirm", d: "M-5 0L4 -5V5Z" }) : make("circle", { class: "dot " + look, r: look === "again" ? 4.5 : 5 });
      this.layer.append(dot);
      this.dots.push({ edge, dot, start: now, back });
    };
    if (kind === KIND["message.published"]) {
      this.lastFrom.set(message, [this.ofNode(w.node[i]), this.ofSymbol(subject)]);
      if (this.lastFrom.size > 5000) this.lastFrom.delete(this.lastFrom.keys().next().value);
      way(this.ofNode(w.node[i]), this.ofSymbol(subject), "");
    } else if (kind === KIND["message.routed"] || kind === KIND["message.dead-lettered"]) {
      const [client, exchange] = this.lastFrom.get(message) ?? [-1, -1];
      const queue = this.ofSymbol(subject);
      if (kind === KIND["message.dead-lettered"]) {
        const edge = this.edges.find(e => e.from === queue && e.kind === "deadLetter");
        if (edge) way(queue, edge.to, "");
      } else if (this.edges.some(e => e.from === exchange && e.to === queue)) way(exchange, queue, "");
      else way(client, queue, "");
    } else if (kind === KIND["delivery.sent"]) way(this.ofSymbol(subject), this.ofNode(w.peer[i]), w.variant[i] & 1 ? "again" : "");
    else if (kind === KIND["message.confirmed"]) {
      const client = this.ofNode(w.node[i]);
      const edge = this.edges.find(e => e.from === client);
      if (edge) way(client, edge.to, "confirm", true);
    }
  },
  ofNode(node) { return this.nodeIndex ??= index("nodes"), this.nodeIndex.get(node) ?? -1; },
  ofSymbol(symbol) { return this.symbolIndex ??= index("symbols"), this.symbolIndex.get(symbol) ?? -1; },
  move(now) {
    const hop = 420;
    this.dots = this.dots.filter(one => {
      const share = (now - one.start) / hop;
      if (share >= 1) { one.dot.remove(); one.edge.count--; return false; }
      const [x, y] = this.along(one.edge, one.back ? 1 - share : share);
      one.dot.setAttribute("transform", `translate(${x.toFixed(1)},${(y + (one.back ? 9 : 0)).toFixed(1)})`);
      return true;
    });
    return this.dots.length > 0;
  },
  /// A point on a way: measured once at 64 places, and straight between them.
  along(edge, share) {
    if (!edge.points) {
      const length = edge.path.getTotalLength();
      edge.points = Array.from({ length: 65 }, (_, i) => { const at = edge.path.getPointAtLength(length * i / 64); return [at.x, at.y]; });
    }
    const place = Math.max(0, Math.min(share, 1)) * 64, low = Math.min(Math.floor(place), 63), rest = place - low;
    const [a, b] = [edge.points[low], edge.points[low + 1]];
    return [a[0] + (b[0] - a[0]) * rest, a[1] + (b[1] - a[1]) * rest];
  },
  clear() { for (const one of this.dots) { one.dot.remove(); one.edge.count = 0; } this.dots = []; },
};
function index(key) {
  const found = new Map();
  run.scene.objects.forEach((object, number) => { for (const one of object[key]) found.set(one, number); });
  return found;
}
function enter(body) { return event => { if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); body(); } }; }
