// Groups of queues with names of one pattern: one at a time is open, a grid with a cell for each queue.
const groups = {
  open: -1, byDepth: false, cells: [],
  canOpen(index) { const object = run.scene.objects[index]; return object?.kind === "queue" && object.members > 1; },
  toggle(index = player.chosen.object) {
    if (!this.canOpen(index)) return false;
    this.open = this.open === index ? -1 : index;
    graph.build(document.getElementById("flow"));
    player.choose({ object: index });
    graph.parts[index].group.focus();
  },
  sort() {
    if (this.open < 0) return false;
    this.byDepth = !this.byDepth;
    this.placed = null;
    player.draw();
  },
  /// Makes room for the open group: what stands below it goes down, what stands right of it goes right.
  spread(scene) {
    scene.plain ??= { width: scene.width, height: scene.height, frame: scene.frame, places: scene.objects.map(o => [o.x, o.y, o.w, o.h]) };
    Object.assign(scene, { width: scene.plain.width, height: scene.plain.height, frame: [...scene.plain.frame] });
    scene.objects.forEach((o, i) => { [o.x, o.y, o.w, o.h] = scene.plain.places[i]; });
    const group = scene.objects[this.open];
    if (!group || graph.isNarrow) return;
    this.columns = Math.max(27, Math.min(40, Math.ceil(Math.sqrt(group.members * 2.4))));
    const [x, y, w, h] = scene.plain.places[this.open];
    group.w = this.columns * 14 + 20;
    group.h = 36 + Math.ceil(group.members / this.columns) * 12 + 30;
    for (const o of scene.objects) {
      if (o === group) continue;
      if (o.x >= x + w) o.x += group.w - w; else if (o.x + o.w > x && o.y > y) o.y += group.h - h;
    }
    scene.width += group.w - w;
    scene.frame[2] += group.w - w;
    scene.height = Math.max(scene.height, ...scene.objects.map(o => o.y + o.h + 40));
    scene.frame[3] = scene.height - 28;
  },
  /// The open group as a part of the picture.
  panel(object, index, group) {
    const { w, h } = object, star = object.name.indexOf("*"), grid = make("g", { transform: "translate(11,34)" });
    this.placed = null;
    // Names in the grid leave out what all of them begin with, up to the last word before the star.
    this.prefix = Math.max(0, ...[".", ":", "/"].map(sign => object.name.lastIndexOf(sign, star) + 1));
    this.cells = object.symbols.map(symbol => {
      const fill = make("rect", { class: "fill", x: 12, y: 0, width: 0, height: 10 });
      const cell = make("g", { class: "cell", onclick: event => { event.stopPropagation(); player.choose({ object: index, symbol }); } }, make("rect", { class: "slot", width: 12, height: 10 }), fill, make("title", {}, nameOf(symbol)));
      grid.append(cell);
      return { symbol, name: nameOf(symbol), cell, fill, depth: 0 };
    }).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
    group.append(make("rect", { class: "box", width: w, height: h, rx: 8 }), make("text", { class: "name", x: 11, y: 21 }, "▼ " + shortened(object.name, 24)), grid);
    this.note = make("text", { class: "note", x: w - 11, y: 21, "text-anchor": "end" });
    this.deepest = make("text", { class: "note", x: 11, y: h - 11 });
    group.append(this.note, this.deepest);
  },
  draw(world, chosen) {
    let waits = 0;
    for (const one of this.cells) {
      const depth = world.queues.get(one.symbol)?.depth ?? 0;
      waits += depth;
      if (depth !== one.depth) {
        one.depth = depth;
        const wide = depth ? Math.max(graph.fraction(depth) * 12, 2) : 0;
        one.fill.setAttribute("x", 12 - wide);
        one.fill.setAttribute("width", wide);
      }
      one.cell.classList.toggle("chosen", chosen.symbol === one.symbol);
    }
    const deepest = [...this.cells].sort((a, b) => b.depth - a.depth);
    const order = this.byDepth ? deepest : this.cells;
    // In the order of names a cell never moves; in that of depths they do.
    if (this.byDepth || !this.placed) order.forEach((one, i) => one.cell.setAttribute("transform", `translate(${(i % this.columns) * 14},${Math.floor(i / this.columns) * 12})`));
    this.placed = true;
    const full = deepest.filter(one => one.depth > 0);
    this.note.textContent = `${count(this.cells.length)} queues, ${many(waits, "message")} wait` + (this.byDepth ? ", by depth" : "");
    const named = n => full.length ? "deepest: " + full.slice(0, n).map(one => `${shortened(one.name.slice(this.prefix), 14)} ${count(one.depth)}`).join(", ") + `; ${count(this.cells.length - full.length)} are empty` : "All are empty.";
    for (let n = 3; n > 0; n--) {
      this.deepest.textContent = named(n);
      if (this.deepest.getComputedTextLength() < this.columns * 14) break;
    }
  },
};
