// Facts as they lie in the page: windows that are opened when they are looked at.
const run = JSON.parse(document.getElementById("run").textContent);
/// The number of a kind by its name; a name that is none is a fault of this page.
const KIND = new Proxy(Object.fromEntries(Object.entries(run.kinds).map(([number, name]) => [name, Number(number)])), {
  get(kinds, name) { if (!(name in kinds)) throw new Error("no kind of fact is called " + name); return kinds[name]; },
});
const NONE = 4294967295;

/// Opens a packed element: base64, then deflate. Fails with a sentence where the browser cannot.
async function unpack(id) {
  const element = document.getElementById(id);
  if (!element) return null;
  if (typeof DecompressionStream === "undefined") throw new Error("this browser cannot open packed data; try a newer one");
  const binary = atob(element.textContent);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Packed(new Uint8Array(await new Response(stream).arrayBuffer()));
}

/// Numbers of seven bits a byte.
class Packed {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  next() {
    let byte = this.bytes[this.at++];
    if (byte < 128) return byte;
    let value = byte & 127, scale = 128;
    do {
      byte = this.bytes[this.at++];
      if (byte === undefined) throw new Error("packed data ends too early");
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte >= 128);
    return value;
  }
  signed() { const n = this.next(); return n % 2 ? -(n + 1) / 2 : n / 2; }
  /// A column of numbers, each written as its difference to the one before.
  differences(column) {
    let last = 0;
    for (let i = 0; i < column.length; i++) column[i] = last += this.signed();
    return column;
  }
  column(column, change = 0) {
    for (let i = 0; i < column.length; i++) column[i] = this.next() + change;
    return column;
  }
}

/// The windows of facts; the latest 16 stay open.
class Windows {
  constructor() { this.open = new Map(); this.wrong = new Map(); }
  get count() { return run.windows.length; }
  start(number) { return run.windowStarts[number]; }
  /// The window that the fact at an index stands in.
  of(index) {
    let low = 0, high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (run.windowStarts[middle] <= index) low = middle; else high = middle - 1;
    }
    return low;
  }
  async get(number) {
    let window = this.open.get(number);
    if (window) { this.open.delete(number); this.open.set(number, window); return window; }
    const packed = await unpack("w" + number);
    const n = packed.next();
    window = {
      start: run.windowStarts[number], count: n,
      time: packed.differences(new Float64Array(n)), event: packed.differences(new Float64Array(n)),
      cause: packed.column(new Float64Array(n)), kind: packed.column(new Uint8Array(n)),
      node: packed.column(new Float64Array(n), -1), message: packed.differences(new Float64Array(n)),
      subject: packed.column(new Uint32Array(n)), peer: packed.column(new Float64Array(n), -1),
      variant: packed.column(new Uint8Array(n)), detail: packed.column(new Float64Array(n)),
    };
    for (let i = 0; i < n; i++) {
      window.cause[i] = window.event[i] - window.cause[i];
      if (window.peer[i] < 0) window.peer[i] = NONE;
    }
    this.open.set(number, window);
    if (this.open.size > 16) this.open.delete(this.open.keys().next().value);
    return window;
  }
  /// Like `get`, and null with a note of it where the window is damaged.
  async whole(number) {
    try { return await this.get(number); } catch (error) {
      if (!this.wrong.has(number)) { this.wrong.set(number, String(error.message || error)); player.damaged(); }
      return null;
    }
  }
}
const windows = new Windows();

/// One fact of a window.
function factAt(window, i) {
  return {
    index: window.start + i, time: window.time[i], event: window.event[i], cause: window.cause[i], kind: window.kind[i],
    node: window.node[i], message: window.message[i], subject: window.subject[i], peer: window.peer[i],
    variant: window.variant[i], detail: window.detail[i],
  };
}

/// How many facts there are up to and with a moment.
async function positionAt(time) {
  let low = 0, high = windows.count - 1;
  if (high < 0) return 0;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (run.windows[middle][1] <= time) low = middle; else high = middle - 1;
  }
  const window = await windows.whole(low);
  if (!window) return run.windowStarts[low];
  let from = 0, to = window.count;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (window.time[middle] <= time) from = middle + 1; else to = middle;
  }
  return window.start + from;
}

/// The index of the first fact of an event, or of the first one after it.
async function indexOfEvent(event) {
  let low = 0, high = windows.count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (run.windows[middle][0] <= event) low = middle; else high = middle - 1;
  }
  const window = await windows.whole(low);
  if (!window) return run.windowStarts[low];
  let i = 0;
  while (i < window.count && window.event[i] < event) i++;
  return window.start + i;
}

let firsts = null;
/// Everything that happened to a message, as long as any of its copies is somewhere.
async function factsOf(message) {
  if (!firsts) {
    const packed = await unpack("firsts");
    firsts = packed.differences(new Float64Array(packed.next()));
  }
  if (!(message > 0) || message >= firsts.length) return [];
  const found = [];
  let copies = 0, isOut = false, quiet = 0;
  for (let number = windows.of(firsts[message]); number < windows.count; number++) {
    const window = await windows.whole(number);
    if (!window) continue;
    let here = false;
    for (let i = 0; i < window.count; i++) {
      if (window.message[i] !== message) continue;
      here = true;
      const fact = factAt(window, i);
      found.push(fact);
      if (fact.kind === KIND["message.routed"] && fact.variant !== 1) copies++;
      if (fact.kind === KIND["delivery.acked"] || fact.kind === KIND["message.dropped"]) copies--;
      if (fact.kind === KIND["message.confirmed"] || fact.kind === KIND["message.unknown"]) isOut = true;
    }
    // What is settled is told of a little longer: work that goes on, confirms on their way.
    quiet = here ? 0 : quiet + 1;
    if (copies <= 0 && quiet >= 2 && (isOut || quiet >= 4)) break;
  }
  return found;
}
