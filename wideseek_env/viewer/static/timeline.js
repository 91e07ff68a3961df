// The timeline of an episode: one lane per agent, its turns and requests as bars, delegations and reports as arrows.

const LABEL = 148; // width of the names
const RIGHT = 26;
const KINDS = ["search", "browse"];

/** A short name: "s3" for "subagent_3". */
function brief(agent) {
  return agent.replace(/^subagent_/, "s");
}

/** The length of an episode on a scale: seconds or turns. */
function span(detail, scale) {
  return Math.max(1e-9, ...detail.agents.map((agent) => agent.ended[scale === "seconds" ? 0 : 1]));
}

/** Where a turn and its parts lie on the scale: when it began, was written and had its results. */
function placeOf(turn, scale) {
  if (scale === "seconds") return { ready: turn.times[0], at: turn.times[1], settled: turn.times[2] };
  const ready = turn.clock - 1;
  return { ready, at: turn.requests.length ? turn.clock - 0.45 : turn.clock, settled: turn.clock };
}

/**
 * Draw the lanes. `length` is the end of the scale, which two episodes side by side share; `pick(conversation, turn)`
 * is called for a click.
 */
function timeline(detail, { scale, length, width, pick }) {
  const lanes = [...new Set(detail.agents.map((agent) => agent.agent))];
  const height = lanes.length <= 14 ? 24 : lanes.length <= 30 ? 17 : 12;
  const top = 20;
  const inner = Math.max(200, width - LABEL - RIGHT);
  const x = (value) => LABEL + (inner * value) / length;
  const y = (number) => top + lanes.indexOf(detail.agents[number].agent) * height;
  const place = (turn) => placeOf(turn, scale);
  const picture = svg("svg", { width: LABEL + inner + RIGHT, height: top + lanes.length * height + 6, role: "img",
    "aria-label": `time line of ${many(lanes.length, "agent")}` });

  lanes.forEach((name, at) => {
    const mine = detail.agents.map((agent, number) => [agent, number]).filter(([agent]) => agent.agent === name);
    const found = mine.reduce((sum, [agent]) => sum + agent.found, 0);
    const last = mine.at(-1);
    const lane = top + at * height;
    const middle = lane + height / 2 + 4;
    picture.append(
      svg("rect", { class: at % 2 ? "lane odd" : "lane", x: 0, width: LABEL + inner + RIGHT, y: lane, height, data: { agent: name }, on: { click: () => pick(last[1], 0) } },
      svg("title", {}, laneTitle(mine))),
      svg("text", { x: 6, y: middle }, name.length > 15 ? `${name.slice(0, 14)}…` : name),
    );
    if (found) picture.append(svg("text", { class: "found", x: LABEL - 8, y: middle, "text-anchor": "end" }, `${found} ✓`));
  });
  for (const tick of ticks(length, scale)) {
    const label = scale === "seconds" ? seconds(tick) : String(tick);
    picture.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top - 4, y2: top + lanes.length * height }),
      svg("text", { class: "soft", x: x(tick), y: 11, "text-anchor": "middle" }, label));
  }
  const arrows = svg("g");
  const bars = svg("g");
  picture.append(arrows, bars);

  detail.agents.forEach((agent, number) => {
    const lane = y(number);
    agent.turns.forEach((turn, at) => {
      const { ready, at: written, settled } = place(turn);
      const title = turnTitle(agent, at);
      const click = { click: () => pick(number, at) };
      const block = (kind, from, to, yy, size, note) => svg("rect", {
        class: `span ${kind}`, x: x(from), width: Math.max(1.5, x(to) - x(from)), y: yy, height: size, rx: size > 6 ? 2 : 0, on: click,
      }, svg("title", {}, note));
      const waits = turn.spawned.length || turn.requests.some((request) => request.at === null);
      if (scale === "seconds" && waits && settled > written) {
        bars.append(svg("line", { class: "wait", x1: x(written), x2: x(settled), y1: lane + height / 2, y2: lane + height / 2 }));
      }
      if (scale === "turns" && turn.spawned.length) {
        const end = Math.max(...turn.spawned.map((child) => detail.agents[child].ended[1]));
        bars.append(svg("line", { class: "wait", x1: x(settled), x2: x(end), y1: lane + height / 2, y2: lane + height / 2 }));
      }
      bars.append(block("generation", ready, written, lane + 3, height - 7, title));
      const size = (height - 7) / Math.max(1, turn.requests.length);
      turn.requests.forEach((request, order) => {
        const end = scale === "seconds" ? request.at ?? written : settled - 0.06;
        bars.append(block(look(request), written, end, lane + 3 + order * size, Math.max(1, size - (size > 3 ? 0.6 : 0)),
          `${agent.agent}, turn ${at + 1}: ${callText(request)}${request.ok ? "" : " (failed)"}`));
      });
    });
    if (agent.parent) drawArrows(arrows, detail, number, { x, y, height, scale, place });
    if (!["answered", "reported", ""].includes(agent.ending)) {
      const end = x(agent.ended[scale === "seconds" ? 0 : 1]);
      bars.append(svg("text", { class: "bad", x: end + 3, y: lane + height / 2 + 4 }, "✕", svg("title", {}, words(agent.ending))));
    }
  });
  picture.append(criticalPath(detail, { x, y, height, scale, place }));
  return picture;
}

/** From the turn that started a conversation down to its beginning, and from its end back up. */
function drawArrows(arrows, detail, number, { x, y, height, scale, place }) {
  const agent = detail.agents[number];
  const [parent, turn] = agent.parent;
  const unit = scale === "seconds" ? 0 : 1;
  const up = y(parent) + height - 4;
  const middle = y(number) + height / 2;
  const start = x(place(detail.agents[parent].turns[turn]).at);
  arrows.append(
    svg("path", { class: "arrow", d: `M${start - 3},${up} V${middle} h3` }),
    svg("path", { class: "head", d: `M${start + 1},${middle} l-4,-2.6 v5.2 z` }),
  );
  if (agent.ending === "reported") {
    const end = x(agent.ended[unit]);
    arrows.append(
      svg("path", { class: "arrow report", d: `M${end},${middle} h4 V${up + 5}` }),
      svg("path", { class: "head", d: `M${end + 4},${up + 1} l-2.6,4.5 h5.2 z`, opacity: 0.6 }),
    );
  }
}

/** A line along the critical path: the turns that the end of the episode waited for. */
function criticalPath(detail, { x, y, height, scale, place }) {
  const path = detail.critical[scale];
  const points = [];
  path.forEach(([number, at], step) => {
    const turn = place(detail.agents[number].turns[at]);
    const next = path[step + 1];
    const level = y(number) + height - 2.5;
    const end = next && next[0] === number && scale === "seconds" ? turn.settled : scale === "seconds" ? turn.at : turn.settled;
    points.push(`${x(turn.ready)},${level}`, `${x(end)},${level}`);
  });
  return svg("polyline", { class: "critical", points: points.join(" "), "pointer-events": "none" });
}

function look(request) {
  if (!request.ok) return "failed";
  return KINDS.includes(request.kind) ? request.kind : "tool";
}

/** A request in words. */
function callText(request) {
  const given = request.arguments;
  if (request.kind === "search" && typeof given.query === "string") return `search “${given.query}”`;
  if (request.kind === "browse" && typeof given.url === "string") {
    const chunk = given.chunk > 1 ? ` (chunk ${given.chunk})` : "";
    return `browse ${given.url}${chunk}${given.focus ? ` for “${given.focus}”` : ""}`;
  }
  return `${request.kind} ${Object.keys(given).length ? JSON.stringify(given) : ""}`.trim();
}

function laneTitle(mine) {
  return mine.map(([agent]) => [
    `${agent.agent}: ${words(agent.ending) || "no ending"}, ${many(agent.turns.length, "turn")}`,
    agent.found ? `${many(agent.found, "right cell")} from its own results` : "",
    agent.subtask.slice(0, 300),
  ].filter(Boolean).join("\n")).join("\n\n");
}

function turnTitle(agent, at) {
  const turn = agent.turns[at];
  const asked = turn.spawned.length
    ? `starts ${many(turn.spawned.length, "subagent")}`
    : turn.requests.length ? many(turn.requests.length, "request") : turn.text.slice(0, 200);
  return `${agent.agent}, turn ${at + 1}: ${asked}`;
}

/** Round places for about eight ticks. */
function ticks(length, scale) {
  const rough = length / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
  if (scale === "turns") step = Math.max(1, Math.round(step));
  const all = [];
  for (let at = 0; at <= length * 1.0001; at += step) all.push(+at.toPrecision(6));
  return all;
}

function legend(timed) {
  const entry = (kind, text) => el("span", {}, el("i", { class: kind }), text);
  return el("div", { class: "legend" },
    entry("generation", timed ? "writing (waiting for the policy)" : "a turn"), entry("search", "search"), entry("browse", "browse"), entry("tool", "other tool"),
    entry("failed", "failed request"), el("span", {}, "┄ waiting for reports"), el("span", {}, "→ starts"), el("span", {}, "⇢ reports"),
    entry("path", "critical path: what the end waited for"), el("span", {}, "n ✓ right cells from that agent's results"));
}
