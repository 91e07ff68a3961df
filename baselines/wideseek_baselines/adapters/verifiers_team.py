"""`Team`: one WideSeek episode in the seats of a verifiers environment.

Every agent goes on as soon as its own generation and its own tools are done, as under `wideseek_baselines.rollout`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from wideseek_baselines.adapters.common import missing, outcome_metrics
from wideseek_baselines.engines.base import EngineError
from wideseek_baselines.rollout.tools import ToolPool
from wideseek_env.conversation import Conversation
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.messages import Message, ToolCall

try:
    import verifiers.v1 as vf
except ImportError as error:
    raise missing("verifiers", error) from error

LIMITS = ("max_turns", "max_input_tokens", "max_output_tokens", "max_total_tokens")
"""Stop conditions of a seat's own limits."""


class Team:
    """Plays `play` with the agents of a verifiers environment.

    Args:
        play: A fresh episode.
        task: The task as verifiers dispatched it; every conversation's trace carries a copy of its data.
        agents: The seats.
        tools: Runs searches and browses.
    """

    def __init__(self, run: EpisodeRun, task: vf.Task, agents: vf.Agents, tools: ToolPool) -> None:
        self.episode_run = run
        self.traces: list[tuple[Conversation, vf.Trace]] = []
        self._task = task
        self._agents = agents
        self._tools = tools
        self._moved = asyncio.Condition()
        self._started = 0

    async def play_on(self) -> None:
        """Play to the end and score.

        Raises:
            EngineError: A model could not answer; the episode has no fair reward then.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._start(group)
        except BaseExceptionGroup as failures:
            self.episode_run.abort("a model could not answer")
            raise _first(failures) from failures
        await asyncio.to_thread(self.episode_run.finish)

    def pay(self) -> None:
        """Record the team's reward, part by part, on the trace of every agent, and the numbers of the episode."""
        metrics = outcome_metrics(self.episode_run)
        for conversation, trace in self.traces:
            for name, value in self.episode_run.parts.items():
                trace.record_reward(name, value)
            paid = set(self.episode_run.parts)
            trace.record_metrics({name: value for name, value in metrics.items() if name not in paid})
            trace.record_metric("agent_turns", conversation.turns)
            trace.record_metric("agent_ended", conversation.ending in ("answered", "reported"))

    def _start(self, group: asyncio.TaskGroup) -> None:
        """Open the conversations that have begun since."""
        conversations = self.episode_run.episode.conversations
        while self._started < len(conversations):
            conversation = conversations[self._started]
            self._started += 1
            if conversation.status == "acting":
                group.create_task(self._converse(conversation, group))

    async def _converse(self, conversation: Conversation, group: asyncio.TaskGroup) -> None:
        """One conversation from its first message to its agent's end."""
        seat = self._agents.subagent if conversation.role == "subagent" else self._agents.lead
        episode, agent = self.episode_run.episode, conversation.agent
        async with seat.interaction(self._briefed(conversation)) as interaction:
            self.traces.append((conversation, interaction.trace))
            news: list[dict[str, Any]] | None = None
            while conversation.status == "acting" and not self.episode_run.done:
                segment = await interaction.turn(news)
                if self.episode_run.done:
                    break
                seen = len(conversation.messages) + 1  # what the agent says now is known to its seat
                if segment.terminated:
                    self._cut_short(conversation, interaction.trace)
                    calls: list[ToolCall] = []
                else:
                    calls = self.episode_run.act(agent, _message(segment, interaction.trace))
                self._start(group)
                for call in calls:
                    group.create_task(self._run(call))
                async with self._moved:
                    self._moved.notify_all()
                    await self._moved.wait_for(lambda: conversation.status != "waiting" or episode.done)
                news = [_to_verifiers(message) for message in conversation.messages[seen:]]

    async def _run(self, call: ToolCall) -> None:
        result = await self._tools.run(call)
        async with self._moved:
            if not self.episode_run.done:
                self.episode_run.deliver(call, result)
            self._moved.notify_all()

    def _briefed(self, conversation: Conversation) -> vf.Task:
        """The task as this conversation's trace shows it: its system prompt, its first message, its tools."""
        system, first = conversation.messages[:2]
        tools = (
            []
            if self.episode_run.game.profile.embed_tools
            else self.episode_run.episode.tools(conversation.role)
        )
        return self._task.with_data(
            system_prompt=system["content"],
            prompt=first["content"],
            agent=conversation.agent,
            conversation=conversation.started,
            tools=tools,
        )

    def _cut_short(self, conversation: Conversation, trace: vf.Trace) -> None:
        """The seat ended before its agent did: by a limit of its own, or because the model failed."""
        if trace.stop_condition in LIMITS:
            full: Message = {"role": "assistant", "content": "", "finish_reason": "context"}
            self.episode_run.act(conversation.agent, full)
            return
        last = trace.last_error
        detail = f"{last.type}: {last.message}" if last is not None else f"stopped: {trace.stop_condition}"
        raise EngineError(f"{conversation.agent} could not go on: {detail}"[:500])


def _message(segment: vf.Segment, trace: vf.Trace) -> Message:
    """What the model said, as the episode takes it."""
    said = next(m for m in reversed(segment.messages) if isinstance(m, vf.AssistantMessage))
    message: Message = {"role": "assistant", "content": said.content or ""}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in said.tool_calls or ()
    ]
    if calls:
        message["tool_calls"] = calls
    elif not message["content"].strip():
        # Training clients parse calls themselves and drop what they cannot read. An empty message would end the
        # agent; this is told to it as a malformed call.
        message["content"] = "<tool_call></tool_call>"
    if trace.calls and trace.calls[-1].finish_reason == "length":
        message["finish_reason"] = "length"
    return message


def _to_verifiers(message: Message) -> dict[str, Any]:
    """Results of native calls stay a tool's; those of calls written as text have none to answer: the user's."""
    if message["role"] == "tool" and message.get("tool_call_id"):
        return {"role": "tool", "tool_call_id": message["tool_call_id"], "content": message["content"]}
    return {"role": "user", "content": message["content"]}


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group, however deeply it is nested."""
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
