// The list of episodes: what is shown of them, filters and order.

const ALL = {
  text: "", low: "", high: "", ending: "", failed: false, run: "", labels: [], sort: "place", down: false,
};
const wish = { ...ALL, labels: [], ...(memory.get(`filters.${index.runs.map((run) => run.path).join("|")}`) ?? {}) };

const played = !episodes.length || episodes.some((episode) => episode.played !== false);
const thing = played ? "episode" : "answer";

const COLUMNS = [
  several && { name: "Run", sort: "run", cell: (e) => runTag(e.run), class: "narrow" },
  { name: "Task", sort: "task", class: "task", cell: taskCell },
  { name: "Cells", sort: "right", cell: (e) => bar(e.cells) },
  { name: "item-F1", sort: "f1", number: true, cell: (e) => percent(e.f1) },
  several && { name: "Δ", sort: "delta", number: true, cell: deltaCell, title: "item-F1 against the first run, same task and trial" },
  { name: "row-F1", sort: "row_f1", number: true, wide: true, cell: (e) => percent(e.row_f1) },
  played && { name: "Reward", played: true, sort: "reward", number: true, wide: true, cell: (e) => e.reward.toFixed(3) },
  { name: "Ending", sort: "ending", wide: true, cell: endingTag },
  played && { name: "Turns", played: true, sort: "turns", number: true, wide: true, cell: (e) => String(e.turns), title: "of all agents" },
  played && { name: "Path", played: true, sort: "critical_path", number: true, wide: true, cell: (e) => String(e.critical_path), title: "critical path, in turns" },
  played && { name: "Subagents", played: true, sort: "subagents", number: true, wide: true, cell: (e) => String(e.subagents) },
  played && { name: "Calls", played: true, sort: "calls", number: true, wide: true, cell: (e) => e.calls.toLocaleString("en") },
  played && { name: "Errors", played: true, sort: "errors", number: true, wide: true, cell: (e) => String(e.errors || "") },
  played && { name: "Time", played: true, sort: "seconds", number: true, wide: true, cell: (e) => seconds(e.seconds) },
].filter(Boolean);
const ORDERS = { place: "as recorded", ...Object.fromEntries(COLUMNS.map((c) => [c.sort, c.name === "Δ" ? "difference" : c.name])) };

const trials = episodes.some((episode) => episode.trial > 0);

let shown = []; // the episodes that pass the filters, in order
let chosen = null; // the episode under the cursor
let limit = 0; // how many rows are in the table
const BATCH = 300;

function runTag(run) {
  return el("span", { class: `tag run run-${run % 4}`, title: index.runs[run].path }, index.runs[run].name);
}

function endingTag(episode) {
  const good = episode.ending === "answered" && !episode.failed;
  return el("span", { class: `tag ${good ? "good" : "bad"}` }, episode.failed ? "failed" : words(episode.ending) || "–");
}

function taskCell(episode) {
  const trial = trials ? ` · trial ${episode.trial}` : "";
  return [
    el("div", { title: episode.task }, common && el("span", { class: "soft" }, "…"), episode.task.slice(common.length), el("span", { class: "soft" }, trial)),
    el("div", { class: "question", title: episode.question }, episode.question),
  ];
}

function deltaCell(episode) {
  if (typeof episode.delta !== "number") return "";
  const points = 100 * episode.delta;
  const sign = points > 0 ? "+" : points < 0 ? "−" : "±";
  const look = points > 0.05 ? "delta-up" : points < -0.05 ? "delta-down" : "soft";
  return el("span", { class: look }, `${sign}${Math.abs(points).toFixed(1)}`);
}

/** Right, wrong, missing and extra cells as a bar. */
function bar([right, wrong, missing, extra]) {
  const all = Math.max(1, right + wrong + missing + extra);
  const parts = { right, wrong, missing, extra };
  const said = Object.entries(parts).map(([name, count]) => `${count} ${name}`).join(", ");
  return el("div", { class: "meter", title: `cells: ${said}`, role: "img", "aria-label": said },
    Object.entries(parts).map(([name, count]) => el("i", { class: name, style: { width: `${(100 * count) / all}%` } })));
}

function passes(episode) {
  if (wish.text && !wish.text.toLowerCase().split(/\s+/).every((word) => episode.search.includes(word))) return false;
  const score = Math.round(1000 * episode.f1) / 10;
  if (wish.low !== "" && score < Number(wish.low)) return false;
  if (wish.high !== "" && score > Number(wish.high)) return false;
  if (wish.ending && episode.ending !== wish.ending) return false;
  if (wish.failed && !episode.failed) return false;
  if (wish.run !== "" && episode.run !== Number(wish.run)) return false;
  // Several values of one label: any of them. Several labels: all of them.
  return wish.labels.every(([name]) =>
    wish.labels.some(([other, value]) => other === name && String(episode.labels[name]) === value));
}

function order(a, b) {
  const key = (e) => (wish.sort === "right" ? e.cells[0] / Math.max(1, e.cells[0] + e.cells[1] + e.cells[2]) : e[wish.sort]);
  const [one, other] = [key(a), key(b)];
  if (one === other) return a.number - b.number;
  if (one === null || one === undefined) return 1;
  if (other === null || other === undefined) return -1;
  const less = typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other;
  return wish.down ? -less : less;
}

/** Apply filters and order, and draw the list again. */
function refreshList() {
  shown = episodes.filter(passes).sort(order);
  memory.set(`filters.${index.runs.map((run) => run.path).join("|")}`, wish);
  limit = Math.max(BATCH, shown.indexOf(chosen) + 1);
  drawTally();
  drawRows();
}

function drawFilters() {
  const set = (name, read) => (event) => {
    wish[name] = read ? read(event.target) : event.target.value;
    refreshList();
  };
  const endings = [...new Set(episodes.map((e) => e.ending))].sort();
  const number = (name, hint) => {
    const input = el("input", { type: "number", min: 0, max: 100, step: 5, placeholder: hint, "aria-label": `item-F1 ${name}`, id: `filter-${name}`, on: { input: set(name) } });
    input.value = wish[name];
    return input;
  };
  const text = el("input", { type: "search", id: "filter-text", placeholder: "Search task and question  /", on: { input: set("text") } });
  text.value = wish.text;
  const failed = el("input", { type: "checkbox", id: "filter-failed", on: { change: set("failed", (box) => box.checked) } });
  failed.checked = wish.failed;
  const values = new Map();
  for (const episode of episodes) {
    for (const [name, value] of Object.entries(episode.labels)) {
      if (!values.has(name)) values.set(name, new Map());
      values.get(name).set(String(value), (values.get(name).get(String(value)) ?? 0) + 1);
    }
  }
  const labels = el("select", { id: "filter-label", "aria-label": "Label", on: { change: (event) => {
    if (event.target.value) wish.labels.push(JSON.parse(event.target.value));
    event.target.value = "";
    drawFilters();
    refreshList();
  } } }, option("", "label…", true));
  for (const [name, counts] of values) {
    if (counts.size < 2 || counts.size > 40) continue; // says nothing, or is different for every task
    const sorted = [...counts].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
    labels.append(el("optgroup", { label: name },
      sorted.map(([value, count]) => option(JSON.stringify([name, value]), `${name}: ${value} (${count})`, false))));
  }
  const filters = el("div", { class: "filters" },
    text,
    el("label", {}, "item-F1", number("low", "from"), "–", number("high", "to")),
    el("select", { id: "filter-ending", "aria-label": "Ending", on: { change: set("ending") } },
      option("", "any ending", !wish.ending), endings.map((ending) => option(ending, words(ending), wish.ending === ending))),
    several && el("select", { id: "filter-run", "aria-label": "Run", on: { change: set("run") } },
      option("", "all runs", wish.run === ""), index.runs.map((run, at) => option(String(at), run.name, wish.run === String(at)))),
    el("label", {}, failed, "failed"),
    labels.options.length > 1 && labels,
    wish.labels.map(([name, value], at) => el("button", { class: "chip", title: "Remove this filter", on: { click: () => {
      wish.labels.splice(at, 1);
      drawFilters();
      refreshList();
    } } }, `${name}: ${value} ×`)),
    el("label", {}, "sort", el("select", { id: "sort", "aria-label": "Sort by", on: { change: set("sort") } },
      Object.entries(ORDERS).map(([name, title]) => option(name, title, wish.sort === name)))),
    el("button", { id: "direction", title: "Reverse the order", on: { click: (event) => {
      wish.down = !wish.down;
      event.target.textContent = wish.down ? "↓" : "↑";
      refreshList();
    } } }, wish.down ? "↓" : "↑"),
    el("button", { id: "reset", on: { click: () => {
      Object.assign(wish, ALL, { labels: [] });
      drawFilters();
      refreshList();
    } } }, "Reset"),
  );
  const old = byId("list").querySelector(".filters");
  if (old) old.replaceWith(filters);
  else byId("list").append(filters, el("div", { class: "tally" }), el("div", { class: "scroll" }));
}

/** How many are shown and their means, a line for each run. */
function drawTally() {
  const tally = byId("list").querySelector(".tally");
  const mean = (set, read) => set.reduce((sum, e) => sum + read(e), 0) / Math.max(1, set.length);
  const runs = index.runs.map((run, at) => [at, shown.filter((e) => e.run === at)]).filter(([, set]) => set.length);
  tally.replaceChildren(
    el("span", { id: "count" }, el("b", {}, String(shown.length)), ` of ${many(episodes.length, thing)}`),
    ...runs.map(([at, set]) => el("span", { title: "means over the episodes shown" },
      several ? [runTag(at), " "] : [],
      "item-F1 ", el("b", {}, percent(mean(set, (e) => e.f1))),
      " · success ", el("b", {}, percent(mean(set, (e) => e.success))),
      set.some((e) => e.played === false) ? [] : [
        " · turns ", el("b", {}, mean(set, (e) => e.turns).toFixed(1)),
        " · path ", el("b", {}, mean(set, (e) => e.critical_path).toFixed(1))])),
    el("span", { class: "grow" }),
    histogram(runs),
  );
}

/** The distribution of item-F1; a click on a bar takes its range as the filter. */
function histogram(runs) {
  const bins = runs.map(([, set]) => {
    const counts = new Array(10).fill(0);
    for (const e of set) counts[Math.min(9, Math.floor(e.f1 * 10))] += 1;
    return counts;
  });
  const most = Math.max(1, ...bins.flat());
  const [step, height] = [18, 34];
  const picture = svg("svg", { class: "histogram", width: 10 * step, height: height + 2, role: "img", "aria-label": "distribution of item-F1" },
    svg("line", { x1: 0, x2: 10 * step, y1: height + 0.5, y2: height + 0.5 }));
  for (let bin = 0; bin < 10; bin += 1) {
    bins.forEach((counts, at) => {
      const width = (step - 3) / bins.length;
      const size = (height * counts[bin]) / most;
      picture.append(svg("rect", { class: `bar run-${runs[at][0] % 4}`, x: bin * step + 1 + at * width, width, y: height - size, height: size }));
    });
    const top = bin === 9 ? 100 : bin * 10 + 9.9;
    picture.append(svg("rect", { class: "hit", x: bin * step, width: step, y: 0, height, on: { click: () => {
      Object.assign(wish, { low: String(bin * 10), high: String(top) });
      drawFilters();
      refreshList();
    } } }, svg("title", {}, `item-F1 ${bin * 10}–${top}: ${bins.map((counts) => counts[bin]).join(" / ")}`)));
  }
  return picture;
}

function drawRows() {
  const scroll = byId("list").querySelector(".scroll");
  if (!shown.length) {
    scroll.replaceChildren(el("div", { class: "nothing" },
      episodes.length ? `No ${thing} matches these filters.` : "No episode has finished yet."));
    return;
  }
  const head = el("tr", {}, COLUMNS.map((column) => el("th", {
    class: [column.number && "number", column.wide && "wide"].filter(Boolean).join(" ") || null,
    title: column.title,
    scope: "col",
    "aria-sort": wish.sort === column.sort ? (wish.down ? "descending" : "ascending") : "none",
    on: { click: () => {
      wish.down = wish.sort === column.sort ? !wish.down : Boolean(column.number);
      wish.sort = column.sort;
      drawFilters();
      refreshList();
    } },
  }, column.name, wish.sort === column.sort ? (wish.down ? " ↓" : " ↑") : "")));
  const body = el("tbody", {}, shown.slice(0, limit).map(row));
  const rest = shown.length - limit;
  scroll.replaceChildren(
    el("table", { class: "episodes" }, el("thead", {}, head), body),
    rest > 0 ? el("div", { class: "more" }, el("button", { on: { click: () => {
      limit += BATCH;
      drawRows();
    } } }, `Show ${Math.min(rest, BATCH)} more of ${rest}`)) : "",
  );
}

function row(episode) {
  return el("tr", {
    data: { number: episode.number },
    "aria-selected": String(episode === chosen),
    on: { click: () => {
      choose(episode);
      openEpisode(episode);
    } },
  }, COLUMNS.map((column) => el("td", {
    class: [column.class, column.number && "number", column.wide && "wide"].filter(Boolean).join(" ") || null,
  }, column.played && episode.played === false ? "" : column.cell(episode))));
}

/** Put the cursor on an episode and bring its row into view. */
function choose(episode) {
  chosen = episode;
  if (shown.indexOf(episode) >= limit) {
    limit = shown.indexOf(episode) + BATCH;
    drawRows();
  }
  for (const each of byId("list").querySelectorAll("tbody tr")) {
    const mine = Number(each.dataset.number) === episode.number;
    each.setAttribute("aria-selected", String(mine));
    if (mine) each.scrollIntoView({ block: "nearest" });
  }
}

/** Move the cursor by `step` rows. */
function move(step) {
  if (!shown.length) return null;
  const at = shown.indexOf(chosen);
  const next = at < 0 ? (step > 0 ? 0 : shown.length - 1) : Math.max(0, Math.min(shown.length - 1, at + step));
  choose(shown[next]);
  return shown[next];
}
