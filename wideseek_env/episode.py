"""`Episode`: the rules of the game as a deterministic state machine without I/O.

A driver passes a policy's messages to `act`, which returns the tool requests to run. The driver passes their results to
`deliver`, in any order. An episode does not wait, read a clock, draw random numbers or use a corpus. So it can be
copied, pickled and replayed at any moment. The rules are the same under every driver.

`act` raises no error because of the text that an agent writes. A call that cannot be run becomes an error message to
that agent and costs a turn. `ActionError` is raised only for two mistakes of a driver: it passes a message of an agent
whose turn it is not, or a result that no agent waits for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from wideseek_env import result_texts
from wideseek_env.conversation import Conversation, Ending, Outcome, PendingCall
from wideseek_env.copying import Independent, independent_copy
from wideseek_env.errors import ActionError, ConfigError
from wideseek_env.messages import (
    Counter,
    Message,
    Role,
    ToolCall,
    ToolResult,
    Transcript,
    assistant_message,
    count_characters,
)
from wideseek_env.pages.neutral import neutralise
from wideseek_env.profiles import Profile, profile_named
from wideseek_env.reading import Reading, Refused, read_message
from wideseek_env.reprs import short
from wideseek_env.rules import Rules
from wideseek_env.task import Task

Roster: TypeAlias = Literal["dynamic", "fixed"]

Event: TypeAlias = (
    tuple[str, ...]
    | tuple[str, str, Message]
    | tuple[str, str, str, bool]
    | tuple[str, str, str, bool, dict[str, int]]
)
"""("act", agent, message), ("result", call id, text, ok), ("fail", agent) or ("abort", detail).

A result that a model helped to make has its usage as a fifth item."""


class Episode(Independent):
    """One question that a team answers, or with ``team=False`` a single agent.

    Args:
        task: The question. An episode never reads its gold table.
        rules: The limits of the episode.
        profile: The prompts and tools of the agents: a name from `wideseek_env.profiles.PROFILES` or a `Profile`.
        team: True for a lead with subagents, False for one agent ("agent") that searches by itself.
        roster: "dynamic" gives each subagent a new id. "fixed" uses the same `rules.width` ids again and again.
        counter: Measures messages in the unit of `rules.context`. To pickle an episode, its counter must be
            picklable.
    """

    def __init__(
        self,
        task: Task,
        *,
        rules: Rules | None = None,
        profile: str | Profile = "default",
        team: bool = True,
        roster: Roster = "dynamic",
        counter: Counter = count_characters,
    ) -> None:
        if roster not in ("dynamic", "fixed"):
            raise ConfigError(f"roster must be 'dynamic' or 'fixed', not {roster!r}")
        self.task = task
        self.rules = rules if rules is not None else Rules()
        self.profile = profile_named(profile)
        self.team = team
        self.roster = roster
        self.counter = counter
        self.language = self.profile.language_for(task)
        self.texts = self.profile.texts[self.language]
        self.tool_arguments = self.profile.tool_arguments(self.rules)
        """The names of the tools of all roles, each with the names of its arguments."""
        self.conversations: list[Conversation] = []
        self.events: list[Event] = []
        self.outcome: Outcome | None = None
        self._current: dict[str, Conversation] = {}
        self._ready: dict[str, Conversation] = {}
        self._waiting: dict[str, tuple[Conversation, int, int]] = {}
        self._parents: dict[str, Conversation] = {}
        self._prompts: dict[Role, Message] = {}
        self._subagents = 0
        self._calls = 0
        self._closing = False  # if a budget of the team is used up, the next turn of each agent is its last
        self.root = self._start("lead" if team else "agent", "lead" if team else "single", "", 0)

    def __repr__(self) -> str:
        return f"<Episode of {short(self.task.id)}, {self.describe()}>"

    def describe(self) -> str:
        """One line that says who takes part, how many turns there were, and who acts now or how the episode ended."""
        who = f"team of width {self.rules.width}" if self.team else "single agent"
        turns = sum(each.turns for each in self.conversations)
        state = f"{len(self._ready)} acting" if self.outcome is None else self.outcome.ending
        return f"{who}: {turns} turns of {len(self.conversations)} conversations, {state}"

    # --- reading -------------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether the episode has ended. If it has, `outcome` describes the end."""
        return self.outcome is not None

    @property
    def agents(self) -> list[str]:
        """The ids that have been used so far, in order of first use."""
        return list(self._current)

    @property
    def known(self) -> Collection[str]:
        """The ids that have been used so far, for fast membership tests."""
        return self._current.keys()

    def ready(self) -> list[str]:
        """The agents whose turn it is, in order of first use of their ids. Empty once the episode is done."""
        if len(self._ready) < 2:
            return list(self._ready)
        return sorted(self._ready, key=lambda agent: self._ready[agent].started)

    def conversation(self, agent: str) -> Conversation:
        """The latest conversation of `agent`. Raises `ActionError` for an id that has not been used."""
        try:
            return self._current[agent]
        except KeyError:
            raise ActionError(
                f"no agent {agent!r} in this episode; there are: {', '.join(self._current)}"
            ) from None

    def messages(self, agent: str) -> Transcript:
        """The conversation of `agent` so far, in OpenAI chat shape."""
        return Transcript(self.conversation(agent).messages)

    def tools(self, role: Role) -> list[dict[str, Any]]:
        """The tool schemas of a role, in OpenAI form."""
        return self.profile.schemas(role, self.rules, self.language)

    def read(self, role: Role, message: Message) -> Reading:
        """How the profile's protocol reads a message of an agent in `role`. This changes nothing."""
        return read_message(message, role, self.profile, self.rules, self.tool_arguments)

    def pending(self) -> list[str]:
        """The ids of the tool requests for which no result has arrived yet."""
        return list(self._waiting)

    # --- acting --------------------------------------------------------------------------------------------------

    def act(self, agent: str, message: str | Mapping[str, Any]) -> list[ToolCall]:
        """Take one agent's message and return the tool requests to run, in the order written.

        `message` is text or an assistant message in OpenAI shape, with `content`, `tool_calls` and `finish_reason`. A
        message without calls ends the agent: it is the lead's answer or a subagent's report.

        These values of `finish_reason` have a meaning here:

        * "length": the model reached its length limit, so the message is cut off.
        * "context": the conversation fills the context of the model. The agent ends without a report.
        * "budget": the team's budget is used up. After this turn every agent has one message left.

        Raises:
            ActionError: It is not the turn of `agent`, or `message` is neither text nor a mapping.
        """
        if not isinstance(message, str | Mapping):
            raise ActionError(f"an action is text or a message, not {type(message).__name__}")
        conversation = self._ready.pop(agent, None)
        if conversation is None:
            if self.outcome is not None:
                raise ActionError(f"{agent!r} cannot act: the episode is done")
            status = self.conversation(agent).status
            raise ActionError(f"{agent!r} cannot act: it is {status}; it is the turn of {self.ready()}")
        record = assistant_message(message, self.rules.action_chars)
        self.events.append(("act", agent, record))
        conversation.turns += 1
        conversation.clock += 1
        conversation.clocks.append(conversation.clock)
        if not self._append(conversation, record):
            return []
        if record.get("finish_reason") == "context":
            self._end(conversation, "out_of_context")
            return []
        if record.get("finish_reason") == "budget":
            self._closing = True
            # Without text and calls, the agent may not write even a last message.
            if not record["content"] and not record.get("tool_calls"):
                self._end(conversation, "out_of_context")
                return []
        reading = self.read(conversation.role, record)
        conversation.dropped += reading.dropped
        if not reading.calls:
            self._end(
                conversation, "reported" if conversation.role == "subagent" else "answered", reading.text
            )
            return []
        if conversation.turns >= conversation.limit and self.profile.protocol.last_turn == "end":
            self._end(conversation, "out_of_turns")
            return []
        calls = self._open_calls(conversation, reading)
        if conversation.outstanding:
            conversation.status = "waiting"
        else:
            self._resume(conversation)
        return calls

    def deliver(self, call: ToolCall | str, result: ToolResult | str) -> None:
        """Pass the result of a request to the agent.

        `call` is the request or its id. A failed tool also has a result.
        """
        call_id = call if isinstance(call, str) else call.id
        if isinstance(result, str):
            result = ToolResult(result)
        try:
            conversation, at, part = self._waiting.pop(call_id)
        except KeyError:
            raise ActionError(f"no result of {call_id!r} is awaited; awaited are {self.pending()}") from None
        # Text from outside must not look like the markup of this package.
        text = result_texts.cut(self.texts, neutralise(result.text), self.rules.result_chars)
        usage = _counts(result.usage)
        self.events.append(
            ("result", call_id, text, result.ok, usage) if usage else ("result", call_id, text, result.ok)
        )
        if not result.ok:
            conversation.errors += 1
        head = conversation.pending_calls[at].parts[part]
        conversation.pending_calls[at].parts[part] = f"{head}\n{text}"
        self._one_done(conversation)

    def fail(self, agent: str) -> None:
        """End an acting agent without a report because its policy failed. The lead of that agent is told."""
        conversation = self._ready.pop(agent, None)
        if conversation is None:
            raise ActionError(f"{agent!r} cannot fail: it is not its turn")
        self.events.append(("fail", agent))
        self._end(conversation, "failed")

    def abort(self, detail: str = "") -> None:
        """End the whole episode without an answer, for example because an engine was lost."""
        if self.outcome is None:
            self.events.append(("abort", detail))
            for conversation in self._current.values():
                if conversation.status in ("acting", "waiting"):
                    conversation.ending, conversation.status = "failed", "done"
            self._close("failed", None, detail)

    def replay(self, events: Iterable[Event]) -> Episode:
        """Apply recorded events to this episode and return it. The episode should be new."""
        for event in events:
            match event:
                case ("act", str(agent), dict(message)):
                    self.act(agent, message)
                case ("result", str(call), str(text), bool(ok)):
                    self.deliver(call, ToolResult(text, ok))
                case ("result", str(call), str(text), bool(ok), dict(usage)):
                    self.deliver(call, ToolResult(text, ok, usage))
                case ("fail", str(agent)):
                    self.fail(agent)
                case ("abort", str(detail)):
                    self.abort(detail)
                case _:
                    raise ActionError(f"not an event of an episode: {event!r}"[:300])
        return self

    def copy(self) -> Episode:
        """An independent episode in the same state.

        Both episodes use the same objects for task, rules, profile, counter and messages. `copy.copy` and
        `copy.deepcopy` do the same.
        """
        return self.__copy__()

    def __deepcopy__(self, memo: dict[int, Any]) -> Episode:
        messages = (message for conversation in self.conversations for message in conversation.messages)
        shared = (self.task, self.rules, self.profile, self.counter, self.texts)
        return independent_copy(self, memo, *shared, *messages, *self.events)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "texts"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.texts = self.profile.texts[self.language]

    # --- a turn --------------------------------------------------------------------------------------------------

    def _open_calls(self, conversation: Conversation, reading: Reading) -> list[ToolCall]:
        """Turn the calls into pending calls. A pending call has the texts that will answer it."""
        conversation.pending_calls = pending = []
        calls: list[ToolCall] = []
        subtasks: list[tuple[PendingCall, list[str]]] = []
        whole = self.profile.protocol.headings == "whole"
        for item in reading.calls:
            pending_call = PendingCall(item.native_id, [])
            pending.append(pending_call)
            if isinstance(item, Refused):
                self._problem(conversation, pending_call, item.code, item.detail)
                continue
            tool, requests = item.tool, item.requests
            if tool.kind != "delegate" and not self._spend(len(requests)):
                self._problem(conversation, pending_call, "no_calls_left", self.rules.episode_calls)
                continue
            conversation.calls[tool.kind] = conversation.calls.get(tool.kind, 0) + len(requests)
            if tool.kind == "delegate":
                subtasks.append((pending_call, [request["subtask"] for request in requests]))
                continue
            for arguments in requests:
                call = ToolCall(
                    self._call_id(conversation, len(calls)), conversation.agent, tool.kind, arguments
                )
                self._waiting[call.id] = (conversation, len(pending) - 1, len(pending_call.parts))
                pending_call.parts.append(result_texts.heading(self.texts, call, tool.name, whole))
                pending_call.requests.append(call.id)
                calls.append(call)
        # Servers demand a result for every native call, also for one that was left out.
        pending += [PendingCall(native_id, []) for native_id in reading.unanswered]
        conversation.outstanding = len(calls)
        if subtasks:
            self._delegate(conversation, subtasks)
        return calls

    def _spend(self, requests: int) -> bool:
        """Subtract `requests` calls from the team's budget. Returns False if the budget has fewer calls left."""
        budget = self.rules.episode_calls
        if budget is None:
            return True
        fits = self._calls + requests <= budget
        self._calls += requests if fits else 0
        self._closing = self._closing or not fits or self._calls == budget
        return fits

    def _limit(self, conversation: Conversation) -> int:
        """The total number of turns that an agent may have: its own limit, or less if a team budget allows less."""
        limit = conversation.limit
        if self.rules.episode_path is not None:
            left = self.rules.episode_path - conversation.clock
            limit = min(limit, conversation.turns + left - (conversation.role == "subagent"))
        return min(limit, conversation.turns + 1) if self._closing and conversation.turns else limit

    def _delegate(self, lead: Conversation, subtasks: list[tuple[PendingCall, list[str]]]) -> None:
        wanted = sum(len(texts) for _, texts in subtasks)
        if wanted > self.rules.width:
            for pending_call, _ in subtasks:
                self._problem(lead, pending_call, "too_wide", f"{wanted} > {self.rules.width}")
            return
        if self.rules.episode_path is not None and self.rules.episode_path - lead.clock < 2:
            for pending_call, _ in subtasks:
                self._problem(lead, pending_call, "no_time_left", "")
            return
        lead.outstanding += wanted
        spawned: list[tuple[PendingCall, Conversation]] = []
        for pending_call, texts in subtasks:
            for text in texts:
                number = len(spawned) if self.roster == "fixed" else self._subagents
                self._subagents += 1
                agent = f"subagent_{number}"
                self._parents[agent] = lead
                pending_call.parts.append("")
                spawned.append((pending_call, self._start(agent, "subagent", text, lead.clock)))
                pending_call.spawned.append(spawned[-1][1])
        for _, conversation in spawned:
            if conversation.status == "done":  # the subagent's first message was too long for its context
                lead.outstanding -= 1

    def _start(self, agent: str, role: Role, subtask: str, clock: int) -> Conversation:
        previous = self._current.get(agent)
        conversation = Conversation(
            agent=agent,
            role=role,
            generation=previous.generation + 1 if previous is not None else 0,
            limit=self.rules.turns(role),
            subtask=subtask,
            started=len(self.conversations),
            delegation=self.root.turns if role == "subagent" else 0,
            clock=clock,
        )
        conversation.limit = self._limit(conversation)
        self.conversations.append(conversation)
        self._current[agent] = conversation
        prompt = self._prompts.get(role)
        if prompt is None:
            content = self.profile.system_prompt(role, self.rules, self.task)
            self._prompts[role] = prompt = {"role": "system", "content": content}
        first = self.profile.first_message(role, self.task, subtask, conversation.limit)
        conversation.messages += (prompt, first)
        conversation.used = self.counter(prompt) + self.counter(first)
        if conversation.used > self.rules.context:
            if role == "subagent":
                conversation.ending, conversation.status = "out_of_context", "done"
            else:
                self._end(conversation, "out_of_context")
        else:
            self._ready[agent] = conversation
        return conversation

    def _one_done(self, conversation: Conversation) -> None:
        conversation.outstanding -= 1
        if not conversation.outstanding and self.outcome is None:
            self._resume(conversation)

    def _resume(self, conversation: Conversation) -> None:
        """Tell the agent all results of its turn and give it its next turn."""
        whole = self.profile.protocol.headings == "whole"
        for pending_call in conversation.pending_calls:
            for number, child in enumerate(pending_call.spawned):
                conversation.clock = max(conversation.clock, child.clock)
                pending_call.parts[number] = result_texts.report(
                    self.texts, child, number, whole, self.rules.result_chars
                )
        conversation.limit = self._limit(conversation)
        turn = conversation.turns + 1
        notice = self.texts.turns_left if turn < conversation.limit else self.texts.last_turn
        notice = notice.format(turn=turn, turns=conversation.limit)
        texts = ["\n\n".join(pending_call.parts) for pending_call in conversation.pending_calls]
        messages: list[Message] = []
        if conversation.pending_calls[0].native_id:
            for pending_call, text in zip(conversation.pending_calls, texts, strict=True):
                if pending_call.native_id:
                    messages.append({"role": "tool", "tool_call_id": pending_call.native_id, "content": text})
                else:  # a call in the text beside native calls has no id to which a message could answer
                    messages[-1]["content"] += f"\n\n{text}"
            messages[-1]["content"] = "\n\n".join(filter(None, (messages[-1]["content"], notice)))
        else:
            messages.append({"role": "tool", "content": "\n\n".join(filter(None, (*texts, notice)))})
        conversation.pending_calls = []
        for message in messages:
            if not self._append(conversation, message):
                return
        if conversation.turns >= conversation.limit and self.profile.protocol.last_turn == "run":
            self._end(conversation, "out_of_turns")
            return
        conversation.status = "acting"
        self._ready[conversation.agent] = conversation

    def _append(self, conversation: Conversation, message: Message) -> bool:
        """Add a message. Returns False when the context budget is used up and the agent has ended."""
        conversation.messages.append(message)
        conversation.used += self.counter(message)
        if conversation.used > self.rules.context:
            self._end(conversation, "out_of_context")
            return False
        return True

    def _end(self, conversation: Conversation, ending: Ending, final: str = "") -> None:
        conversation.status, conversation.ending, conversation.final = "done", ending, final
        if conversation.role == "subagent":
            self._one_done(self._parents[conversation.agent])
        else:
            self._close(ending, final if ending == "answered" else None)

    def _close(self, ending: Ending, answer: str | None, detail: str = "") -> None:
        self._ready.clear()
        self._waiting.clear()
        calls: dict[str, int] = {}
        for conversation in self.conversations:
            for kind, count in conversation.calls.items():
                calls[kind] = calls.get(kind, 0) + count
        self.outcome = Outcome(
            answer=answer,
            ending=ending,
            turns=sum(c.turns for c in self.conversations),
            critical_path=max(c.clock for c in self.conversations),
            tool_calls=calls,
            subagents=self._subagents,
            errors=sum(c.errors for c in self.conversations),
            detail=detail,
            dropped=sum(c.dropped for c in self.conversations),
        )

    # --- texts ---------------------------------------------------------------------------------------------------

    def _call_id(self, conversation: Conversation, number: int) -> str:
        generation = f"{conversation.generation}." if conversation.generation else ""
        return f"{conversation.agent}/{generation}{conversation.turns}/{number}"

    def _problem(
        self, conversation: Conversation, pending_call: PendingCall, code: str, detail: object
    ) -> None:
        conversation.errors += 1
        names = [tool.name for tool in self.profile.tools[conversation.role]]
        pending_call.parts.append(result_texts.problem(self.texts, code, detail, names))


def _counts(usage: Mapping[str, int]) -> dict[str, int]:
    """The usage of a result, without values that are no counts."""
    return {
        str(name): number
        for name, number in usage.items()
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0
    }
