// Everything by keyboard: letters by meaning, never Ctrl, Alt or Cmd.
const KEYS = [
  ["space", "play, pause"], ["→ ←", "one step on, back"], ["shift → ←", "one second of the run"], ["Home End", "start, end"],
  ["f F", "next, previous fault"], ["e E", "next, previous broken expectation"], ["< >", "slower, faster"], ["+ - 0", "zoom the timeline, whole run"],
  ["/", "find a queue, message, client or node"], ["g", "jump: 33.4, #14930, m1132, a name"], ["[ ]", "previous, next fact of the chosen message"],
  ["c", "to the cause of this event; backspace returns"], ["o s", "open or close a group of queues, sort it"], ["1 2 3 4", "views: flow, space-time, broken, compare"], ["n N", "next, previous difference of two runs"], ["t", "light, dark"], ["y", "copy the address of this moment"], ["?", "all keys"], ["Esc", "close, then unselect"],
];
function openHelp() {
  const dialog = document.getElementById("help");
  dialog.replaceChildren(make("h2", {}, "All keys"), make("table", {}, KEYS.map(([keys, words]) => make("tr", {}, make("td", {}, make("kbd", {}, keys)), make("td", {}, words)))), make("form", { method: "dialog" }, make("button", {}, "Close")));
  dialog.showModal();
}
addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches?.("input, textarea, dialog *")) { if (event.key === "Escape") event.target.blur(); return; }
  const isButton = event.target.matches?.("button, [role=button], summary");
  const actions = {
    " ": () => isButton ? false : player.toggle(),
    ArrowRight: () => event.shiftKey ? player.toTime(player.time + 1e9) : player.step(1),
    ArrowLeft: () => event.shiftKey ? player.toTime(player.time - 1e9) : player.step(-1),
    Home: () => player.to(0), End: () => player.to(run.facts),
    f: () => player.toFault(1), F: () => player.toFault(-1), e: () => { broken.next(player.view === "broken" ? 1 : 0); }, E: () => { broken.next(-1); },
    "<": () => player.faster(-1), ">": () => player.faster(1), "+": () => timeline.zoom(0.5), "-": () => timeline.zoom(2), 0: () => timeline.zoom(1e12),
    "/": () => document.getElementById("find").focus(), g: () => document.getElementById("find").focus(),
    "[": () => player.ofMessage(-1), "]": () => player.ofMessage(1), c: () => player.toCause(), Backspace: () => player.back(),
    1: () => player.show("flow"), 2: () => player.show("space-time"), 3: () => player.show("broken"),
    4: () => compare.is ? player.show("compare") : false, n: () => { compare.next(1); }, N: () => { compare.next(-1); },
    o: () => groups.toggle(), s: () => groups.sort(),
    t: () => player.theme(), y: () => navigator.clipboard?.writeText(location.href), "?": openHelp,
    Escape: () => player.choose({}),
  };
  const action = actions[event.key];
  if (action && action() !== false) event.preventDefault();
});
