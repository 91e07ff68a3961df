// An open episode, alone or side by side with another one of the same task.

const TABS = ["answer", "conversations", "about"];
const view = { sides: [], tab: "answer", scale: "seconds", faults: false, focus: { side: 0, conversation: 0 }, ticket: 0 };

/** Open `episode`, side by side with `other`. */
async function openEpisode(episode, other = null) {
  const ticket = (view.ticket += 1); // a slow one must not come after a later one
  const lines = [episode, other].filter(Boolean);
  const details = await Promise.all(lines.map((line) => detailOf(line.number)));
  if (ticket !== view.ticket) return;
  const same = view.sides.length && view.sides[0].line === episode;
  view.sides = lines.map((line, at) => ({ line, detail: details[at] }));
  if (!same) view.focus = { side: 0, conversation: 0 };
  view.focus.side = Math.min(view.focus.side, lines.length - 1);
  document.body.classList.add("reading");
  byId("episode").hidden = false;
  remember();
  drawEpisode();
  if (!same) byId("episode").scrollTop = 0;
  choose(episode);
}

function closeEpisode() {
  view.ticket += 1;
  view.sides = [];
  document.body.classList.remove("reading");
  byId("episode").hidden = true;
  byId("episode").replaceChildren();
  remember();
}

/** The place in the page's address, so that it can be reloaded, shared and gone back to. */
function remember() {
  const keys = view.sides.map((side) => encodeURIComponent(side.line.key));
  const place = keys.length ? `#${keys.join("&")}` : "#";
  if (location.hash === place) return;
  try {
    history.replaceState(null, "", place);
  } catch {
    // A page inside a notebook has no address of its own.
  }
}

function drawEpisode() {
  const { sides } = view;
  const scale = sides.every((side) => side.detail.timed) ? view.scale : "turns";
  byId("episode").replaceChildren(
    heading(sides),
    figures(sides),
    sides.some(isPlayed) ? lanes(sides, scale) : "",
    el("div", { class: "tabs", role: "tablist" }, tabs().map((tab, at) => el("button", {
      role: "tab", data: { tab }, "aria-selected": String(view.tab === tab), on: { click: () => showTab(tab) },
    }, `${at + 1} ${tab[0].toUpperCase()}${tab.slice(1)}`))),
    el("div", { id: "tab" }),
  );
  drawTab();
}

/** The tabs of the open episodes. Answers of other programs have no conversations. */
function tabs() {
  return TABS.filter((tab) => tab !== "conversations" || view.sides.some(isPlayed));
}

function showTab(tab) {
  if (!tabs().includes(tab)) return;
  view.tab = tab;
  for (const button of byId("episode").querySelectorAll("[role=tab]")) {
    button.setAttribute("aria-selected", String(button.dataset.tab === tab));
  }
  drawTab();
}

function drawTab() {
  const { sides, focus } = view;
  const make = {
    answer: () => answerTab(sides, view, (side, conversation, turn, request, value) =>
      goTo({ side: sides.indexOf(side), conversation, turn, request, value })),
    conversations: () => conversationTab(sides, focus, goTo),
    about: () => about(sides),
  };
  if (!tabs().includes(view.tab)) view.tab = "answer";
  byId("tab").replaceChildren(make[view.tab]());
}

/** Show a conversation, at a turn if one is named. */
function goTo(focus) {
  view.focus = focus;
  showTab("conversations");
  const target = byId("tab").querySelector(".target");
  const marked = byId("tab").querySelector("mark");
  if (marked ?? target) (marked ?? target).scrollIntoView({ block: marked ? "center" : "start" });
}

function heading(sides) {
  const [{ line, detail }] = sides;
  const others = counterparts(line);
  const beside = sides[1]?.line.number;
  const question = el("p", { class: "question-text folded", title: "Click to unfold", on: { click: () => question.classList.toggle("folded") } }, detail.question);
  return el("div", {},
    el("div", { class: "title" },
      el("button", { id: "close", title: "Back to the list (Esc)", on: { click: closeEpisode } }, "×"),
      el("h2", {}, line.task),
      several && sides.length < 2 ? runTag(line.run) : "",
      el("span", { class: "tag" }, `trial ${line.trial}`),
      endingTag(line),
      el("span", { class: "grow" }),
      others.length ? el("label", { class: "soft" }, "side by side with ", el("select", { id: "beside", on: { change: (event) => {
        const number = event.target.value;
        openEpisode(line, number === "" ? null : episodes[Number(number)]);
      } } }, option("", "—", beside === undefined), others.map((other) => option(String(other.number),
        `${index.runs[other.run].name}, trial ${other.trial} · item-F1 ${percent(other.f1)}`, other.number === beside)))) : ""),
    question);
}

/** The metrics of an episode by name, as nodes. */
function figuresOf({ line, detail }) {
  const score = detail.score.figures;
  return {
    "item-F1": el("span", { class: "big" }, percent(score["item F1"])),
    cells: bar(line.cells),
    "precision / recall": `${percent(score["item precision"])} / ${percent(score["item recall"])}`,
    "row-F1": percent(score["row F1"]),
    ...(isPlayed({ detail }) ? costsOf(line, detail) : { success: percent(score.success) }),
  };
}

/** The reward and the costs of an episode by name, as nodes. */
function costsOf(line, detail) {
  const parts = Object.entries(detail.reward.parts);
  const signed = (worth) => `${worth >= 0 ? "+" : "−"}${Math.abs(worth).toFixed(3)}`;
  const { prompt_tokens: read, completion_tokens: written } = line.usage ?? {};
  const pages = line.summary_usage;
  return {
    [`reward (${detail.reward.name})`]: [detail.reward.total.toFixed(3),
      parts.length > 1 ? el("div", { class: "parts" }, parts.map(([name, worth]) => `${words(name)} ${signed(worth)}`).join("  ")) : ""],
    turns: String(line.turns),
    "critical path": many(line.critical_path, "turn"),
    subagents: String(line.subagents),
    "tool calls": line.calls.toLocaleString("en"),
    errors: String(line.errors),
    ...(line.dropped ? { "calls left out": String(line.dropped) } : {}),
    time: seconds(line.seconds),
    ...(read === undefined ? {} : { "tokens read / written": `${read.toLocaleString("en")} / ${(written ?? 0).toLocaleString("en")}` }),
    ...(pages ? { "summariser read / written": [
      `${(pages.prompt_tokens ?? 0).toLocaleString("en")} / ${(pages.completion_tokens ?? 0).toLocaleString("en")}`,
      el("div", { class: "parts" }, `${many(pages.summaries ?? 0, "summary", "summaries")}, ${pages.cached ?? 0} cached, ${pages.failed ?? 0} failed`),
    ] } : {}),
  };
}

/** The metrics as a table: names in the header, one line for each side. */
function figures(sides) {
  const all = sides.map(figuresOf);
  const names = [...new Set(all.flatMap((each) => Object.keys(each)))];
  const pair = sides.length > 1;
  return el("div", { class: "over" }, el("table", { class: pair ? "figures two" : "figures" },
    el("thead", {}, el("tr", {}, pair ? el("th", {}, "") : [], names.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, sides.map((side, at) => el("tr", {},
      pair ? el("td", {}, sideTag(at), " ", runTag(side.line.run), trials ? el("span", { class: "soft" }, ` trial ${side.line.trial}`) : "") : [],
      names.map((name) => el("td", {}, all[at][name] ?? "–")))))));
}

/** The time lines, on one scale so that lengths can be compared. */
function lanes(sides, scale) {
  const timed = sides.every((side) => side.detail.timed);
  const card = el("section", { class: "card" },
    el("h3", {}, "Timeline",
      timed ? ["seconds", "turns"].map((name) => el("button", { "aria-pressed": String(scale === name), data: { scale: name }, on: { click: () => {
        view.scale = name;
        drawEpisode();
      } } }, name === "seconds" ? "clock" : "turns")) : el("span", { class: "soft" }, "in logical turns: the record has no times"),
      sides.some((side) => side.detail.unread) ? el("span", { class: "tag bad", title: sides.map((side) => side.detail.unread).join("\n") }, "requests as written") : ""));
  const length = Math.max(...sides.map((side) => span(side.detail, scale)));
  const width = Math.max(560, (byId("episode").clientWidth || 1000) - 75);
  sides.forEach((side, at) => {
    if (!isPlayed(side)) return;
    if (sides.length > 1) card.append(el("div", {}, sideTag(at), " ", runTag(side.line.run)));
    const picture = timeline(side.detail, {
      scale, length, width,
      pick: (conversation, turn) => goTo({ side: at, conversation, turn }),
    });
    card.append(el("div", { class: "lanes" }, picture));
  });
  card.append(legend(scale === "seconds"));
  return card;
}

function about(sides) {
  const table = (title, values) => el("section", { class: "card" }, el("h3", {}, title), el("table", {}, el("tbody", {},
    Object.entries(values).map(([name, value]) => el("tr", {}, el("td", {}, words(name)),
      addText(el("td"), typeof value === "string" ? value : JSON.stringify(value)))))));
  return el("div", {}, sides.map((side, at) => el("div", {},
    sides.length > 1 ? el("h3", {}, sideTag(at), " ", runTag(side.line.run)) : "",
    el("div", { class: "about" },
      table("Score", { ...side.detail.score.figures, judge: side.detail.score.judge || "(none was needed)", message: side.detail.score.message }),
      isPlayed(side) && table("Reward", { [side.detail.reward.name]: side.detail.reward.total, ...side.detail.reward.parts }),
      table("Task", side.detail.about.task),
      isPlayed(side) && table("Game", side.detail.about.game),
      table("Record", side.detail.about.record),
      table("Run", { path: index.runs[side.line.run].path, ...index.runs[side.line.run].settings })))));
}
