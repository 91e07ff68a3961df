// The frame: heading, theme, keys, the address, and following a run that grows.

const KEYS = [
  ["j  k  ↓  ↑", "next, previous episode"],
  ["Enter", "open the chosen episode"],
  ["Esc", "close: this help, the search, the episode"],
  ["1  2  3", "answer, conversations, about"],
  ["[  ]", "previous, next agent"],
  ["c", "side by side with the same task of the other run (or another trial), and back"],
  ["m", "timeline in seconds or in turns"],
  ["/", "search"],
  ["t", "light, dark, as the system"],
  ["?", "this help"],
];
const THEMES = ["light dark", "light", "dark"];
const POLL = 2000; // milliseconds between questions whether a served run has grown

function setTheme(theme) {
  document.documentElement.style.colorScheme = theme;
  byId("theme").textContent = { "light dark": "◐ system", light: "○ light", dark: "● dark" }[theme];
  memory.set("theme", theme);
}

function nextTheme() {
  const now = THEMES.indexOf(memory.get("theme") ?? document.documentElement.style.colorScheme);
  setTheme(THEMES[(Math.max(0, now) + 1) % THEMES.length]);
}

function drawFrame() {
  byId("top").append(
    el("h1", {}, "WideSeek"),
    el("div", { class: "runs" }, index.runs.map((run, at) => el("span", { title: run.path },
      runTag(at), " ", el("span", { class: "soft" }, [run.settings.policy ?? run.settings.responses, run.settings.tasks].filter(Boolean).join(" on "))))),
    el("span", { class: "grow" }),
    index.live ? el("span", { class: "tag good", id: "live" }, "live") : "",
    el("button", { id: "theme", title: "Light, dark or as the system (t)", on: { click: nextTheme } }),
    el("button", { id: "keys", title: "Keys (?)", "aria-label": "Help", on: { click: toggleHelp } }, "?"),
  );
  byId("help").append(
    el("h2", {}, "Keys"),
    el("dl", {}, KEYS.map(([keys, text]) => [el("dt", {}, keys.split("  ").map((key) => [el("kbd", {}, key), " "])), el("dd", {}, text)])),
    el("p", { class: "soft" }, "This page needs no network. It shows the texts of agents and web pages only as text."),
    el("button", { on: { click: toggleHelp } }, "Close"),
  );
  setTheme(THEMES.includes(memory.get("theme")) ? memory.get("theme") : "light dark");
}

function toggleHelp() {
  const help = byId("help");
  if (help.open) help.close();
  else help.showModal();
}

function step(by) {
  const next = move(by);
  if (next && view.sides.length) openEpisode(next);
}

function toggleBeside() {
  if (!view.sides.length) return;
  const [{ line }] = view.sides;
  openEpisode(line, view.sides.length > 1 ? null : counterparts(line)[0] ?? null);
}

function nextAgent(by) {
  if (!view.sides.length) return;
  const { side, conversation } = view.focus;
  if (!isPlayed(view.sides[side])) return;
  const count = view.sides[side].detail.agents.length;
  const next = view.tab === "conversations" ? (conversation + by + count) % count : conversation;
  goTo({ side, conversation: next });
}

const ACTIONS = {
  j: () => step(1),
  ArrowDown: () => step(1),
  k: () => step(-1),
  ArrowUp: () => step(-1),
  Enter: () => chosen && openEpisode(chosen),
  Escape: () => (view.sides.length ? closeEpisode() : null),
  1: () => view.sides.length && showTab(tabs()[0]),
  2: () => view.sides.length && showTab(tabs()[1]),
  3: () => view.sides.length && showTab(tabs()[2]),
  "[": () => nextAgent(-1),
  "]": () => nextAgent(1),
  c: toggleBeside,
  m: () => {
    if (!view.sides.length) return;
    view.scale = view.scale === "seconds" ? "turns" : "seconds";
    drawEpisode();
  },
  "/": () => byId("filter-text").focus(),
  t: nextTheme,
  "?": toggleHelp,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const writing = event.target.matches("input:not([type=checkbox]), select");
  if (writing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (byId("help").open && event.key !== "?") return; // the dialog knows Esc itself
  if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

let resizing = 0;
window.addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => view.sides.length && drawEpisode(), 150);
});

/** Open what the address names. */
function openPlace() {
  const keys = location.hash.slice(1).split("&").filter(Boolean).map((key) => {
    try {
      return decodeURIComponent(key);
    } catch {
      return "";
    }
  });
  const named = keys.map((key) => episodes.find((episode) => episode.key === key)).filter(Boolean);
  if (named.length) openEpisode(named[0], named[1] ?? null);
  else if (view.sides.length) closeEpisode();
  else if (location.protocol === "about:" && episodes.length === 1) openEpisode(episodes[0]); // one episode in a notebook
}

window.addEventListener("hashchange", openPlace);

/** Ask the server now and then; a run that has grown loads the page again, at the same place. */
async function follow() {
  const notice = byId("notice");
  try {
    const answer = await (await fetch("state", { cache: "no-store" })).json();
    notice.hidden = !answer.problem;
    notice.textContent = answer.problem;
    if (answer.state !== index.live) {
      location.reload();
      return;
    }
  } catch {
    notice.hidden = false;
    notice.textContent = "The server does not answer. This page shows the last state.";
  }
  setTimeout(follow, POLL);
}

drawFrame();
drawFilters();
refreshList();
openPlace();
if (index.live) setTimeout(follow, POLL);
