// The answer next to the gold table: the scorer's verdict for each cell, and the source of its value.

const MARKS = { right: "✓", wrong: "✗", missing: "∅", extra: "+" };
const TOLD = {
  about: "the first result that has this value next to the name of the row",
  near: "the first result that has this value and the name of the row in different places; none has them together",
  other: "the first result that has this value and another cell of the row; none has the name of the row",
  alone: "the first result that has this value; no result has it with anything else of the row",
};

const FATES = {
  right: ["right", "the answer has this row, and all its cells are right"],
  wrong_values: ["wrong or blank", "the answer has the key of this row, but not all its cells are right"],
  lost_in_merge: ["lost in merge", "a subagent reported this row, but the answer does not have it"],
  not_reported: ["not reported", "the key of this row was found, but no report has the row with a value"],
  not_found: ["not found", "no tool result and no report has the key of this row"],
};

/** What became of the rows of an episode, as one line of text. */
function fates(detail) {
  const { coverage } = detail.answer;
  if (coverage.right === undefined) return "";
  const lost = Object.entries(FATES).slice(1).filter(([name]) => coverage[name] > 0);
  return `gold rows: ${percent(coverage.coverage)} covered, ${percent(coverage.right)} right${lost.map(([name, [called]]) => `, ${percent(coverage[name])} ${called}`).join("")}`;
}

/** A tag that says where the row of a side was lost. Nothing if the answer has it: its cells show what is wrong. */
function fateTag(side, row) {
  if (!row.trace || row.predicted !== null) return "";
  const [fate, seen, reported] = row.trace;
  const agents = (numbers) => numbers.map((number) => brief(side.detail.agents[number].agent)).join(", ");
  const [called, told] = FATES[fate];
  const title = [told, seen.length ? `seen by ${agents(seen)}` : "", reported.length ? `reported by ${agents(reported)}` : ""];
  return el("span", { class: `tag fate ${fate}`, title: title.filter(Boolean).join("\n") }, called);
}

/** Whether agents of WideSeek made the answer. If not, only the answer and its score are known. */
function isPlayed(side) {
  return side.detail.agents.length > 0;
}

function mark(verdict) {
  return el("span", { class: `mark ${verdict}`, title: verdict }, `${MARKS[verdict]} `);
}

/**
 * The sheet of one episode, or of two of the same task merged; beside it the inspector of the chosen cell.
 * `go(side, conversation, turn, request, value)` shows a result.
 */
function answerTab(sides, state, go) {
  const [{ detail }] = sides;
  const columns = detail.answer.columns.length ? detail.answer.columns : sides.at(-1).detail.answer.columns;
  const inspector = el("aside", { class: "inspector card", "aria-live": "polite" });
  const hint = () => inspector.replaceChildren(el("p", { class: "soft" },
    sides.some(isPlayed) ? "Choose a cell to see which agent found it and on which page." : "Choose a cell to see how it was compared."));
  hint();
  const sheet = el("div", { class: "sheet" });
  const select = (cell, inspected) => {
    for (const each of sheet.querySelectorAll("[aria-selected=true]")) each.setAttribute("aria-selected", "false");
    cell.setAttribute("aria-selected", "true");
    inspector.replaceChildren(inspectorOf(inspected, go));
  };
  const draw = () => sheet.replaceChildren(cellTable(sides, columns, state, select));
  draw();
  const box = el("input", { type: "checkbox", id: "only-faults", on: { change: (event) => {
    state.faults = event.target.checked;
    hint();
    draw();
  } } });
  box.checked = state.faults;
  return el("div", {},
    el("div", { class: "tabs" },
      el("label", {}, box, sides.length > 1 ? " only rows that differ" : " only rows with mistakes"),
      el("span", { class: "legend" }, Object.entries(MARKS).map(([name]) => el("span", {}, mark(name), name)),
        sides.some(isPlayed) ? [el("span", {}, "s3: found by subagent_3"), el("span", {}, "?: in no tool result")] :
          el("span", {}, "1 ↔ 3: gold row 1 is compared with row 3 of the answer"))),
    sides.map((side) => notes(side, sides.length > 1)),
    el("div", { class: "answer" }, sheet, inspector),
    sides.map((side) => folded(
      sides.length > 1 ? `The answer as written: ${index.runs[side.line.run].name}` : "The answer as written",
      () => el("div", { class: "card" }, plain(side.detail.final ?? "(no answer)", { code: true })))),
  );
}

/** The scorer's remarks about the answer of a side. */
function notes(side, named) {
  const { answer, score, detail: why } = side.detail;
  const said = [
    score.message,
    score.well_formed ? "" : "the response has no table or short answer",
    why,
    score.judge ? `judged by ${score.judge}` : "",
    answer.anew ? "the record has no verdicts, so the offline judge scored the answer again for this page" : "",
    answer.traced || !isPlayed(side) ? "" : "the table is too large to search for sources",
    fates(side.detail),
    answer.accepted.length ? `accepted: ${answer.accepted.join(" / ")}` : "",
  ].filter(Boolean);
  return el("p", { class: "soft plain" }, named ? [runTag(side.line.run), " "] : [], said.join(" · "));
}

function cellTable(sides, columns, state, select) {
  const count = Math.max(...sides.map((side) => side.detail.answer.rows.length));
  const body = el("tbody");
  for (let at = 0; at < count; at += 1) {
    const rows = sides.map((side) => side.detail.answer.rows[at]);
    const verdicts = rows.map((row) => row.cells.map(([verdict]) => verdict));
    const quiet = sides.length > 1
      ? rows[0].cells.every((cell, c) => cell[0] === rows[1].cells[c][0] && cell[1] === rows[1].cells[c][1])
      : verdicts[0].every((verdict) => verdict === "right");
    if (state.faults && quiet) continue;
    body.append(el("tr", {}, el("td", { class: "row", title: rows.map(rowTitle).join("\n") }, String(at + 1),
        rows.map((row, number) => row.predicted !== null && !isPlayed(sides[number]) ? el("span", { class: "soft" }, `\u00a0↔\u00a0${row.predicted + 1}`) : ""),
        rows.map((row, number) => [" ", fateTag(sides[number], row)])),
      columns.map((column, c) => sides.length > 1 ? pairCell(sides, rows, c, column, select) : oneCell(sides[0], rows[0], c, column, select))));
  }
  for (const side of sides) {
    for (const row of side.detail.answer.extra) {
      if (state.faults && sides.length > 1) continue;
      body.append(el("tr", { class: "extra" }, el("td", { class: "row", title: "a row that the gold table does not have" }, "+"),
        row.map(([value, source], c) => {
          const cell = el("td", { class: "cell extra", "aria-selected": "false" },
            sides.length > 1 && c === 0 ? runTag(side.line.run) : "", by(side, source, value), mark("extra"), value);
          return pressable(cell, () => select(cell, { side, column: columns[c], row: null, verdict: "extra", predicted: value, gold: "", source, missed: null }));
        })));
    }
  }
  return el("table", { class: "cells" },
    el("thead", {}, el("tr", {}, el("th", {}, ""), columns.map((column) => el("th", { scope: "col",
      title: `compared by ${column.metrics.join(", ")}${column.criterion === null ? "" : ` (${column.criterion})`}` },
    el("div", { class: "column" }, column.name, column.key ? [" ", el("span", { class: "tag" }, "key")] : ""))))),
    body);
}

function rowTitle(row) {
  return row.predicted === null ? "the answer has no such row" : `row ${row.predicted + 1} of the answer`;
}

function pressable(cell, action) {
  cell.tabIndex = 0;
  cell.addEventListener("click", action);
  cell.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.stopPropagation();
    action();
  });
  return cell;
}

/** The agent that found a value, as a small tag. */
function by(side, source, value) {
  if (!side.detail.answer.traced || !value) return "";
  if (!source) return el("span", { class: "by none", title: "no tool result contains this value as written" }, "?");
  if (side.detail.agents.length === 1) return ""; // there is only one agent
  const [number] = side.detail.results[source[0]];
  return el("span", { class: "by", title: TOLD[source[2]] }, brief(side.detail.agents[number].agent));
}

function shownValue([verdict, predicted, gold]) {
  if (verdict === "right") return [predicted];
  if (verdict === "wrong") return [predicted, el("span", { class: "gold" }, `gold: ${gold}`)];
  return [el("span", { class: "soft" }, gold)];
}

function oneCell(side, row, c, column, select) {
  const [verdict, predicted, gold, source, missed] = row.cells[c];
  const cell = el("td", { class: `cell ${verdict}`, "aria-selected": "false" },
    verdict === "missing" ? "" : by(side, source, predicted), mark(verdict), shownValue(row.cells[c]));
  return pressable(cell, () => select(cell, { side, column, row, verdict, predicted, gold, source, missed }));
}

/** A cell of two episodes: one value if both are right, otherwise one line for each episode. */
function pairCell(sides, rows, c, column, select) {
  const pair = rows.map((row) => row.cells[c]);
  const same = pair[0][0] === pair[1][0] && pair[0][1] === pair[1][1];
  const inspect = (side, at) => {
    const [verdict, predicted, gold, source, missed] = pair[at];
    return { side, column, row: rows[at], verdict, predicted, gold, source, missed };
  };
  const cell = el("td", { class: `cell ${same ? pair[0][0] : "both"}`, "aria-selected": "false" });
  if (same) cell.append(mark(pair[0][0]), ...shownValue(pair[0]));
  else {
    pair.forEach((each, at) => {
      const line = el("span", { class: "side" }, sideTag(at), " ", mark(each[0]), each[1] || el("span", { class: "soft" }, "–"));
      line.addEventListener("click", (event) => {
        event.stopPropagation();
        select(cell, inspect(sides[at], at));
      });
      cell.append(line);
    });
    cell.append(el("span", { class: "gold" }, `gold: ${pair[0][2]}`));
  }
  return pressable(cell, () => select(cell, inspect(sides[0], 0)));
}

function sideTag(at) {
  return el("span", { class: "tag" }, "AB"[at]);
}

/** The details of one cell. */
function inspectorOf({ side, column, row, verdict, predicted, gold, source, missed }, go) {
  const list = el("dl", {},
    el("dt", {}, "Column"), el("dd", {}, column.name),
    el("dt", {}, "Verdict"), el("dd", {}, mark(verdict), verdict),
    el("dt", {}, "Answer"), el("dd", {}, predicted || el("span", { class: "soft" }, "(empty)")),
    verdict === "extra" ? [] : [el("dt", {}, "Gold"), el("dd", {}, gold)],
    row && !isPlayed(side) ? [el("dt", {}, "Row"), el("dd", {}, rowTitle(row))] : [],
    el("dt", {}, "Compared by"), el("dd", {}, `${column.metrics.join(", ") || "(not recorded)"}${column.criterion === null ? "" : ` (${column.criterion})`}`),
  );
  if (!isPlayed(side)) return list;
  if (predicted) list.append(...sourceLines(side, "Source of the answer's value", source, predicted, go));
  if (missed) list.append(...sourceLines(side, "An agent saw the gold value", missed, gold, go));
  else if (verdict !== "right" && verdict !== "extra" && side.detail.answer.traced) {
    list.append(el("h4", {}, "The gold value"), el("dd", { class: "soft across" }, "is in no tool result as written: no agent saw it"));
  }
  return list;
}

function sourceLines(side, heading, source, value, go) {
  const lines = [el("h4", {}, heading)];
  if (!source) {
    return [...lines, el("dd", { class: "across" }, side.detail.answer.traced ? "in no tool result as written: an agent computed, reformatted or invented it" : "not searched")];
  }
  const [number, page, kind] = source;
  const [conversation, turn, request] = side.detail.results[number];
  const agent = side.detail.agents[conversation];
  const text = agent.turns[turn].requests[request].text;
  lines.push(
    el("dt", {}, "Agent"), el("dd", {}, `${agent.agent}, turn ${turn + 1}`),
    el("dt", {}, "Page"), el("dd", {}, page ? link(page) : "(not known)"),
    el("dt", {}, "Found as"), el("dd", {}, TOLD[kind]),
    excerpt(text, value),
    el("dd", { class: "across" }, el("button", { class: "go", on: { click: () => go(side, conversation, turn, request, value) } }, "Show the result")),
  );
  return lines;
}

/** The lines around the first occurrence of a value. */
function excerpt(text, value) {
  const at = text.toLowerCase().indexOf(value.toLowerCase());
  if (at < 0) return "";
  const from = Math.max(0, text.lastIndexOf("\n", Math.max(0, at - 60)));
  const to = text.indexOf("\n", at + value.length + 60);
  const piece = text.slice(Math.max(from, at - 200), Math.min(to < 0 ? text.length : to, at + value.length + 200)).trim();
  return plain(piece, { code: true, wanted: value });
}
