// What an agent read and wrote, turn by turn. Long texts are built when they are unfolded.

const PREVIEW = 420;

/** The agents on the left, the turns of the chosen one on the right. `focus` is {side, conversation, turn, request, value}. */
function conversationTab(sides, focus, pick) {
  const side = sides[focus.side];
  const { detail } = side;
  const agents = el("nav", { class: "agents", "aria-label": "Agents" },
    sides.length > 1 ? el("div", { class: "tabs" }, sides.map((each, at) => el("button", {
      "aria-pressed": String(at === focus.side), on: { click: () => pick({ side: at, conversation: 0 }) },
    }, `${"AB"[at]} ${index.runs[each.line.run].name}`))) : [],
    detail.agents.map((agent, number) => el("button", {
      "aria-pressed": String(number === focus.conversation),
      title: agent.subtask.slice(0, 500),
      on: { click: () => pick({ side: focus.side, conversation: number }) },
    }, el("span", { class: "name" }, agent.life ? `${agent.agent} (${agent.life + 1})` : agent.agent),
    agent.found ? el("span", { class: "tag good", title: "right cells from its results" }, `${agent.found} ✓`) : "",
    ["answered", "reported"].includes(agent.ending) ? "" : el("span", { class: "tag bad" }, words(agent.ending) || "open"))));
  if (!isPlayed(side)) return el("div", { class: "talk" }, agents, el("p", { class: "soft" }, "Another program made this answer. Its work is not known."));
  const agent = detail.agents[focus.conversation];
  const goTo = (conversation, turn = 0) => pick({ side: focus.side, conversation, turn });
  const turns = el("div", { class: "turns" },
    opening(agent, goTo),
    agent.turns.map((turn, at) => turnCard(detail, agent, turn, at, focus, goTo)),
    el("p", { class: "soft" }, `Ended: ${words(agent.ending) || "still open when the episode was stopped"}${agent.errors ? ` · ${many(agent.errors, "error")}` : ""}${agent.dropped ? ` · ${many(agent.dropped, "call")} or items left out` : ""}`));
  return el("div", { class: "talk" }, agents, turns);
}

function opening(agent, goTo) {
  const messages = agent.opening.map(([role, content]) => folded(
    `${role === "system" ? "Instructions" : role === "user" ? (agent.parent ? "Subtask" : "Question") : role} · ${many(content.length, "character")}`,
    () => plain(content), { open: role === "user" }));
  const from = agent.parent ? el("button", { class: "unfold", on: { click: () => goTo(...agent.parent) } },
    `started in turn ${agent.parent[1] + 1} of the lead`) : "";
  return el("section", { class: "turn" }, el("header", {}, el("b", {}, "Beginning"), from), el("div", { class: "body" }, messages));
}

function turnCard(detail, agent, turn, at, focus, goTo) {
  const target = focus.turn === at;
  const [ready, written, settled] = turn.times;
  const calls = turn.requests.length + turn.spawned.length;
  const card = el("section", { class: `turn ${target ? "target" : ""}`, data: { turn: at } },
    el("header", {}, el("b", {}, `Turn ${at + 1}`),
      detail.timed ? el("span", { title: "time to write the message · time to wait for results or reports" },
        `at ${seconds(ready)} · ${seconds(written - ready)} writing${settled > written ? ` · ${seconds(settled - written)} waiting` : ""}`) : "",
      turn.problems ? el("span", { class: "tag bad" }, many(turn.problems, "unreadable call")) : "",
      turn.written - turn.problems > calls && !turn.requests.length && !turn.spawned.length ? el("span", { class: "tag bad" }, "no call was run") : "",
      turn.finish ? el("span", { class: "tag bad" }, "cut off") : "",
      el("span", { class: "grow" }),
      turn.raw || turn.native ? rawButton(turn) : ""));
  const body = el("div", { class: "body" });
  if (turn.thinking) {
    body.append(folded(`Thinking · ${many(turn.thinking.length, "character")}`, () => plain(turn.thinking), { class: "thinking" }));
  }
  if (turn.text) body.append(plain(turn.text, { code: turn.text.includes("|") }));
  for (const request of turn.requests) {
    body.append(addText(el("div", { class: "call" }, el("i", { class: look(request) })), callText(request)));
  }
  for (const child of turn.spawned) {
    const started = detail.agents[child];
    body.append(el("div", { class: "call" }, el("i", { class: "generation" }),
      el("button", { class: "unfold", on: { click: () => goTo(child) } }, `→ ${started.agent}`),
      started.found ? el("span", { class: "tag good" }, `${started.found} ✓`) : "",
      ` ${firstLine(started.subtask)}`));
  }
  if (!body.childNodes.length) body.append(el("span", { class: "soft" }, turn.raw ? "(unreadable message; press “raw”)" : "(empty message)"));
  card.append(body);
  if (turn.back.length) card.append(cameBack(detail, turn, target ? focus : null, goTo));
  return card;
}

/** The tool message as the agent read it, its results and reports in boxes. */
function cameBack(detail, turn, focus, goTo) {
  const came = el("div", { class: "came" });
  for (const part of turn.back) {
    if (part[0] === "text") {
      if (part[1].trim()) came.append(plain(part[1].trim()));
    } else if (part[0] === "result") {
      const request = turn.requests[part[1]];
      const wanted = focus && focus.request === part[1] ? focus.value ?? "" : "";
      came.append(box(request.text, look(request), wanted));
    } else {
      const report = box(part[2], "report", "");
      report.prepend(el("button", { class: "unfold", on: { click: () => goTo(part[1]) } }, `${detail.agents[part[1]].agent} →`));
      came.append(report);
    }
  }
  return came;
}

/** A text that is cut to its beginning until it is unfolded. */
function box(text, kind, wanted) {
  const container = el("div", { class: `box ${kind}` });
  const whole = () => container.querySelector("pre").replaceWith(plain(text, { code: true, wanted }));
  if (text.length <= PREVIEW || wanted) {
    container.append(plain(text, { code: true, wanted }));
    return container;
  }
  const button = el("button", { class: "unfold", "aria-expanded": "false", on: { click: () => {
    whole();
    button.remove();
  } } }, `Show all ${many(text.length, "character")}`);
  container.append(plain(`${text.slice(0, PREVIEW)}…`, { code: true }), button);
  return container;
}

function rawButton(turn) {
  const raw = () => {
    const calls = turn.native ? `\n\ntool_calls = ${JSON.stringify(turn.native, null, 2)}` : "";
    return plain(`${turn.raw ?? turn.text}${calls}`, { code: true });
  };
  return el("button", { class: "unfold", title: "The message exactly as the agent wrote it", on: { click: (event) => {
    const body = event.target.closest(".turn").querySelector(".body");
    const old = body.querySelector(".raw");
    if (old) old.remove();
    else body.prepend(el("div", { class: "box raw" }, raw()));
  } } }, "raw");
}

function firstLine(text) {
  const line = text.trim().split("\n", 1)[0];
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}
