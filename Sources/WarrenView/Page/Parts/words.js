// Sentences about facts, in the same words as `warren trace message`.
function length(ns) {
  if (ns === 0) return "0s";
  const [unit, size] = ns >= 1e9 ? ["s", 1e9] : ns >= 1e6 ? ["ms", 1e6] : ["µs", 1e3];
  const whole = Math.floor(ns / size), part = Math.floor(ns % size * 1000 / size);
  return whole + "." + String(part + 1000).slice(1) + unit;
}
/// A moment on the axis of the run.
function clock(ns, digits = 3) { return (ns / 1e9).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }) + " s"; }
/// A moment with as many digits as tell it from its neighbours.
function exact(ns) { return clock(ns, ns % 1e6 === 0 ? 3 : ns % 1e5 === 0 ? 4 : 6); }
function count(n) { return n.toLocaleString("en-US"); }
function many(n, one, more) { return count(n) + " " + (n === 1 ? one : more || one + "s"); }
function nodeName(node) { return node === NONE ? "operator" : run.nodes[node] ?? "node " + node; }
function nameOf(symbol) { return run.names[symbol]?.[1] ?? ""; }
function subjectName(symbol) {
  const [kind, text] = run.names[symbol] ?? ["", ""];
  return text || (kind === "exchange" ? "the default exchange" : "(no name)");
}
function headersOf(fact) {
  const text = nameOf(Math.floor(fact.detail / 4294967296));
  if (!text) return "";
  const value = v => typeof v === "string" ? v : JSON.stringify(v);
  return JSON.parse(text).map(([name, type, v]) => name + ": " + (type === "array" ? v.map(e => value(e[e.length - 1])).join(", ") : value(v))).join("; ");
}
function sentenceClass(fact) {
  if (fact.kind === KIND["message.published"]) return (nameOf(fact.peer) ? 1 : 0) + (fact.detail >= 4294967296 ? 2 : 0);
  return (fact.detail === 0 ? 0 : fact.detail === 1000 ? 1 : 2) + (fact.peer === NONE ? 4 : 0);
}
function sentence(fact) {
  if (fact.kind === KIND["fault.began"]) return faultName(fact.detail) + " begins";
  if (fact.kind === KIND["fault.ended"]) return faultName(fact.detail) + " is mended";
  const pieces = run.sentences[(fact.kind * 65536) + fact.variant * 256 + sentenceClass(fact)] ?? [run.kinds[fact.kind]];
  return pieces.map(piece => typeof piece === "string" ? piece : field(piece[0], fact)).join("");
}
function faultName(number) { return run.faults[number] ? "fault " + (number + 1) + ": " + run.faults[number] : "fault " + (number + 1); }
function field(name, fact) {
  switch (name) {
    case "here": return nodeName(fact.node);
    case "subject": return subjectName(fact.subject);
    case "peer": return run.columns[fact.kind][0] === "node" ? nodeName(fact.peer) : nameOf(fact.peer);
    case "detail": return detail(fact);
    case "headers": return headersOf(fact);
    default: return "";
  }
}
function detail(fact) {
  switch (run.columns[fact.kind][1]) {
    case "length": return length(fact.detail);
    case "factor": return String(fact.detail / 1000);
    case "fault": return String(fact.detail + 1);
    case "channel": return String(fact.detail % 65536);
    case "message": return "m" + fact.detail;
    case "publication": return String(fact.detail % 4294967296);
    default: return String(fact.detail);
  }
}
/// Makes an element; texts become text, never markup.
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "rect", "circle", "text", "line", "polygon", "defs", "pattern", "marker", "title", "tspan"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}
function shortened(name, most) {
  if (name.length <= most) return name;
  const head = Math.ceil((most - 1) * 0.55);
  return name.slice(0, head) + "…" + name.slice(name.length - (most - 1 - head));
}
