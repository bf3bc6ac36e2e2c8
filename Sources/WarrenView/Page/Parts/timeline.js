// The whole run at once: faults as bands, a lane for each queue and client, and where we are.
const timeline = {
  lanes: [], width: 900, left: 128, right: 62, from: 0, to: run.end || 1,
  async load() {
    const packed = await unpack("lanes");
    const lanes = packed.next(), buckets = packed.next();
    this.bucket = packed.next();
    for (let i = 0; i < lanes; i++) {
      const kind = ["depth", "published", "worked", "confirmed"][packed.next()];
      const of = packed.next();
      this.lanes.push({ kind, of, values: packed.differences(new Float64Array(buckets)) });
    }
    this.faults = this.bands();
  },
  /// Faults with their beginnings and ends; one that is never mended lasts to the end.
  bands() {
    const bands = [];
    for (const [time, kind, node, , detail] of run.marks) {
      if (kind === KIND["fault.began"]) bands.push({ number: detail, from: time, to: null });
      if (kind === KIND["fault.ended"]) { const band = bands.findLast(b => b.number === detail && b.to === null); if (band) band.to = time; }
      if (kind === KIND["node.crashed"] && !bands.some(b => b.from === time)) bands.push({ crash: node, from: time, to: time });
    }
    for (const band of bands) if (band.to === null) band.to = isInstant(band.number) ? band.from : run.end;
    return bands;
  },
  x(time) { return this.left + (time - this.from) / (this.to - this.from) * (this.width - this.left - this.right); },
  time(x) { return Math.min(Math.max(this.from + (x - this.left) / (this.width - this.left - this.right) * (this.to - this.from), 0), run.end); },
  build(host) {
    this.host = host;
    host.tabIndex = 0;
    host.setAttribute("role", "slider");
    host.setAttribute("aria-valuemin", 0);
    host.setAttribute("aria-valuemax", run.end / 1e9);
    let drag = false;
    const scrub = event => player.toTime(this.time(event.clientX - host.getBoundingClientRect().left));
    host.addEventListener("pointerdown", event => { drag = true; host.setPointerCapture(event.pointerId); scrub(event); });
    host.addEventListener("pointermove", event => { if (drag) scrub(event); });
    host.addEventListener("pointerup", event => {
      drag = false;
      const lane = event.target.closest?.("[data-object]");
      if (lane && event.clientX - host.getBoundingClientRect().left < this.left) player.choose({ object: Number(lane.dataset.object) });
    });
    let last = 0;
    new ResizeObserver(() => { if (host.clientWidth !== last) { last = host.clientWidth; requestAnimationFrame(() => this.redraw()); } }).observe(host);
    this.redraw();
  },
  rows() {
    const rows = [];
    run.scene.objects.forEach((object, number) => {
      if (object.kind === "queue") {
        const lanes = this.lanes.filter(l => l.kind === "depth" && object.symbols.includes(l.of));
        rows.push({ object, number, kind: "depth", values: sum(lanes), height: 30 });
      } else if (object.nodes.length) {
        const kind = object.kind === "producer" ? "published" : "worked";
        const lanes = this.lanes.filter(l => l.kind === kind && object.nodes.includes(l.of));
        if (lanes.length) rows.push({ object, number, kind, values: sum(lanes), height: 20 });
      }
    });
    for (const broker of run.scene.brokers) if (broker.nodes.length > 1) for (const node of broker.nodes) rows.push({ object: { name: nodeName(node), nodes: [node] }, number: rows.length, node, kind: "node", values: [0], height: 19 });
    const order = { depth: 0, node: 1, published: 2, worked: 3 };
    rows.sort((a, b) => order[a.kind] - order[b.kind] || a.number - b.number);
    const narrow = this.width < 560;
    return rows.filter((row, place) => narrow ? row.number === player.chosen.object || place === 0 : place < 80);
  },
  redraw() {
    const host = this.host;
    this.width = Math.max(host.clientWidth, 280);
    this.left = this.width < 560 ? 14 : 128;
    this.right = this.width < 560 ? 14 : 62;
    const rows = this.rows();
    const deepest = Math.max(1, ...rows.filter(r => r.kind === "depth").map(r => Math.max(...r.values)));
    let y = 30;
    const svg = make("svg", { width: this.width, role: "img", "aria-label": "Depths, work and faults over time" });
    const body = make("g");
    this.numbers = [];
    for (const row of rows) {
      const base = y + row.height - 5, top = row.kind === "depth" ? deepest : Math.max(...row.values, 1);
      const group = make("g", { class: "lane", "data-object": row.kind === "node" ? null : row.number, "data-chosen": String(row.number === player.chosen.object) });
      group.append(make("rect", { class: "lane-ground", x: 4, y: y - 1, width: this.width - 8, height: row.height, rx: 4 }),
        make("text", { x: 14, y: this.left > 20 ? base - 3 : y + 9, class: row.kind === "depth" ? "name" : "note", style: "font-size:12px" }, shortened(row.object.name, 17)));
      const step = values => { let d = ""; for (let i = 0; i < values.length; i++) { const x = this.x(i * this.bucket), h = base - values[i] / top * (row.height - 10); d += (i ? "L" : "M") + x.toFixed(1) + " " + h.toFixed(1); } return d; };
      if (row.kind === "node") group.append(...this.roles(row.node, base - 9));
      else if (row.kind === "depth") {
        const d = step(row.values), end = this.x((row.values.length - 1) * this.bucket).toFixed(1);
        group.append(make("path", { class: "lane-area", d: `${d}L${end} ${base}L${this.left} ${base}Z` }), make("path", { class: "lane-line", d }));
        const most = Math.max(...row.values);
        if (most > 0 && this.left > 20) group.append(make("text", { class: "note", x: this.x(row.values.indexOf(most) * this.bucket) - 4, y: y + 9, "text-anchor": "end" }, count(most)));
      } else {
        const bars = 256, size = row.values.length / bars;
        let d = "", most = 1;
        const heights = Array.from({ length: bars }, (_, b) => { let n = 0; for (let i = 0; i < size; i++) n += row.values[b * size + i]; most = Math.max(most, n); return n; });
        heights.forEach((n, b) => { if (n) d += `M${this.x(b * size * this.bucket).toFixed(1)} ${base}v${(-n / most * (row.height - 8)).toFixed(1)}h${Math.max(this.x((b + 1) * size * this.bucket) - this.x(b * size * this.bucket) - 0.7, 0.7).toFixed(1)}V${base}z`; });
        group.append(make("path", { class: "lane-bars", d }));
      }
      const number = make("text", { x: this.width - 10, y: base - 2, "text-anchor": "end", class: "name", style: "font-size:12px" });
      if (this.right > 20) { group.append(number); this.numbers.push({ row, number }); }
      body.append(group);
      y += row.height;
    }
    const height = Math.max(y + 24, 60);
    svg.setAttribute("height", height);
    svg.append(this.drawFaults(height - 22), body, this.axis(height));
    this.cursor = make("g", {}, make("line", { class: "cursor", x1: 0, x2: 0, y1: 4, y2: height - 20 }), make("path", { class: "cursor-head", d: "M-5 2h10v7l-5 5l-5 -5z" }));
    svg.append(this.cursor);
    this.host.replaceChildren(svg);
    this.draw(player.world);
  },
  /// What a node was: solid where it led something, outlined where it was up, hatched where it was down.
  roles(node, y) {
    const parts = [], leads = new Set();
    let from = 0, state = "up";
    const end = time => {
      const x = this.x(from), wide = Math.max(this.x(time) - x, 0);
      if (wide > 0.5) {
        parts.push(make("rect", { x, y, width: wide, height: 10, rx: 1, fill: state === "down" ? "url(#hatch)" : state === "up" ? "none" : "var(--second)", stroke: state === "down" ? "none" : "var(--second)" }, make("title", {}, `${nodeName(node)} ${state}, ${clock(from)} to ${clock(time)}`)));
        if (wide > 52) parts.push(make("text", { x: x + 4, y: y + 9, style: "font-size:10px;fill:" + (state === "leads" ? "var(--panel)" : "var(--ink)") }, state));
      }
      from = time;
    };
    for (const [time, kind, other, subject] of run.marks) {
      if (kind === KIND["leader.elected"] || kind === KIND["mirror.promoted"]) {
        if (other === node) leads.add(subject); else leads.delete(subject);
      } else if (other !== node) continue;
      let next = state === "down" ? "down" : leads.size ? "leads" : "up";
      if (other === node && (kind === KIND["node.crashed"] || kind === KIND["node.stopped"])) { leads.clear(); next = "down"; }
      if (other === node && kind === KIND["node.started"]) next = leads.size ? "leads" : "up";
      if (next !== state) { end(time); state = next; }
    }
    end(run.end);
    return parts;
  },
  drawFaults(bottom) {
    const group = make("g");
    if (this.left > 20) group.append(make("text", { class: "note", x: 14, y: 19 }, "Faults"));
    if (!this.faults.length && this.left > 20) group.append(make("text", { class: "note", x: this.left, y: 19 }, "no faults in this run"));
    let free = this.left;
    const shown = this.faults.slice(0, 400);
    for (const [place, band] of shown.entries()) {
      const x = this.x(band.from), wide = Math.max(this.x(band.to) - x, 4);
      if (band.crash !== undefined) { free = Math.max(free, x + 8); group.append(make("path", { d: `M${x} 9l5 6l-5 6l-5 -6z`, fill: "none", stroke: "var(--bad)" }, make("title", {}, nodeName(band.crash) + " is killed at " + clock(band.from)))); continue; }
      const words = run.faults[band.number] ?? "fault";
      group.append(make("rect", { class: "band", x, y: 26, width: wide, height: bottom - 26 }),
        make("rect", { x, y: 8, width: wide, height: 14, rx: 2, class: "band band-top" }), make("rect", { x, y: 8, width: wide, height: 14, rx: 2, fill: "url(#hatch)" }, make("title", {}, `${words}, ${clock(band.from)} to ${clock(band.to)}`)));
      // A name stands before its band, or behind it, where nothing else stands; a short one before none.
      const next = shown.slice(place + 1).find(b => b.from > band.from), limit = next ? this.x(next.from) - 6 : this.width - this.right;
      free = Math.max(free, this.left);
      for (const most of [30, 16]) {
        const text = shortened(words, most), room = text.length * 6.4, style = "font-size:11px;font-weight:550";
        if (x - room - 6 > free) { group.append(make("text", { class: "bad", x: x - 4, y: 19, "text-anchor": "end", style }, text)); break; }
        if (x + wide + room + 8 < limit) { group.append(make("text", { class: "bad", x: x + wide + 4, y: 19, style }, text)); free = x + wide + room + 6; break; }
      }
      free = Math.max(free, x + wide + 4);
    }
    return group;
  },
  axis(height) {
    const group = make("g"), span = (this.to - this.from) / 1e9, wide = this.width - this.left - this.right;
    const wanted = span / Math.max(wide / 90, 1), power = 10 ** Math.floor(Math.log10(wanted));
    const unit = [1, 2, 5, 10].map(n => n * power).find(n => n >= wanted);
    const digits = Math.max(0, -Math.floor(Math.log10(unit) + 1e-9));
    for (let t = Math.ceil(this.from / 1e9 / unit) * unit; t <= this.to / 1e9 + 1e-9; t += unit) {
      const x = this.x(t * 1e9);
      group.append(make("line", { class: "axis", x1: x, x2: x, y1: height - 20, y2: height - 16 }), make("text", { class: "note", x, y: height - 5, "text-anchor": "middle" }, t === 0 ? "0" : t.toLocaleString("en-US", { maximumFractionDigits: digits }) + " s"));
    }
    return group;
  },
  draw(world) {
    if (!this.cursor || !world) return;
    this.cursor.setAttribute("transform", `translate(${this.x(player.time).toFixed(1)},0)`);
    this.host.setAttribute("aria-valuenow", (player.time / 1e9).toFixed(3));
    this.host.setAttribute("aria-valuetext", clock(player.time) + " of " + clock(run.end));
    for (const { row, number } of this.numbers) {
      if (row.kind === "node") number.textContent = world.down.has(row.node) ? "down" : [...world.leaders.values()].includes(row.node) ? "leads" : "up";
      else if (row.kind === "depth") number.textContent = count(world.sum(row.object.symbols).depth);
      else {
        const down = row.object.nodes.filter(n => world.down.has(n)).length;
        number.textContent = down === row.object.nodes.length ? "down" : down ? `${row.object.nodes.length - down} of ${row.object.nodes.length}` : "up";
        number.style.fill = down ? "var(--bad)" : "";
      }
    }
    for (const group of this.host.querySelectorAll("[data-object]")) group.setAttribute("data-chosen", String(Number(group.dataset.object) === player.chosen.object));
  },
  /// What a client did in the last second, or since the beginning if that is later: a number a second.
  rate(object) {
    const kind = object.kind === "producer" ? "published" : "worked";
    const last = Math.min(Math.floor(player.time / this.bucket), (this.lanes[0]?.values.length ?? 1) - 1);
    const span = Math.min(Math.max(Math.round(1e9 / this.bucket), 1), last + 1);
    let n = 0;
    for (const lane of this.lanes) if (lane.kind === kind && object.nodes.includes(lane.of)) for (let i = last - span + 1; i <= last; i++) n += lane.values[i];
    const rate = n / (span * this.bucket / 1e9);
    return rate >= 10 || rate === 0 ? count(Math.round(rate)) : rate.toFixed(1);
  },
  zoom(factor) {
    const span = Math.min(Math.max((this.to - this.from) * factor, 1e6), run.end || 1);
    this.from = Math.min(Math.max(player.time - span / 2, 0), run.end - span);
    this.to = this.from + span;
    this.redraw();
  },
  follow() {
    if (player.time >= this.from && player.time <= this.to) return;
    const span = this.to - this.from;
    this.from = Math.min(Math.max(player.time - span * 0.1, 0), Math.max(run.end - span, 0));
    this.to = this.from + span;
    this.redraw();
  },
};
/// What is over at once and leaves nothing to be mended.
function isInstant(number) { return /^drop connection/.test(run.faults[number] ?? ""); }
function sum(lanes) {
  if (lanes.length === 1) return lanes[0].values;
  const all = new Float64Array(lanes[0]?.values.length ?? 1);
  for (const lane of lanes) for (let i = 0; i < all.length; i++) all[i] += lane.values[i];
  return all;
}
