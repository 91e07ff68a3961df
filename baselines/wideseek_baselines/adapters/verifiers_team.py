"""`Team` runs one WideSeek episode in the seats of a verifiers environment.

As in `wideseek_baselines.rollout`, an agent does not wait for other agents. It continues when its generation and its
tool calls are complete.
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
"""The stop conditions of verifiers that mean that a limit of the seat was reached."""


class Team:
    """Runs one episode with the agents of a verifiers environment.

    Args:
        run: A new episode.
        task: The task that verifiers sent. The trace of every conversation has a copy of its data.
        agents: The agents in the seats.
        tools: Runs the tool calls.
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
        """Run the episode to its end and score it.

        Raises:
            EngineError: A model could not answer. The reward of such an episode would say nothing about the team.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._start(group)
        except BaseExceptionGroup as failures:
            self.episode_run.abort("a model could not answer")
            raise _first(failures) from failures
        await asyncio.to_thread(self.episode_run.finish)

    def pay(self) -> None:
        """Record the parts of the team's reward and the metrics of the episode on the trace of every agent."""
        metrics = outcome_metrics(self.episode_run)
        for conversation, trace in self.traces:
            for name, value in self.episode_run.parts.items():
                trace.record_reward(name, value)
            paid = set(self.episode_run.parts)
            trace.record_metrics({name: value for name, value in metrics.items() if name not in paid})
            trace.record_metric("agent_turns", conversation.turns)
            trace.record_metric("agent_ended", conversation.ending in ("answered", "reported"))

    def _start(self, group: asyncio.TaskGroup) -> None:
        """Start a task for every new conversation."""
        conversations = self.episode_run.episode.conversations
        while self._started < len(conversations):
            conversation = conversations[self._started]
            self._started += 1
            if conversation.status == "acting":
                group.create_task(self._converse(conversation, group))

    async def _converse(self, conversation: Conversation, group: asyncio.TaskGroup) -> None:
        """Run one conversation from its first message until its agent ends."""
        seat = self._agents.subagent if conversation.role == "subagent" else self._agents.lead
        episode, agent = self.episode_run.episode, conversation.agent
        async with seat.interaction(self._briefed(conversation)) as interaction:
            self.traces.append((conversation, interaction.trace))
            news: list[dict[str, Any]] | None = None
            while conversation.status == "acting" and not self.episode_run.done:
                segment = await interaction.turn(news)
                if self.episode_run.done:
                    break
                seen = len(conversation.messages) + 1  # the seat already knows this message of the agent
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
        """The task with the system prompt, first message and tools of this conversation, for its trace."""
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
        """Handle a conversation that verifiers ended because a limit was reached or the model failed."""
        if trace.stop_condition in LIMITS:
            full: Message = {"role": "assistant", "content": "", "finish_reason": "context"}
            self.episode_run.act(conversation.agent, full)
            return
        last = trace.last_error
        detail = f"{last.type}: {last.message}" if last is not None else f"stopped: {trace.stop_condition}"
        raise EngineError(f"{conversation.agent} could not continue: {detail}"[:500])


def _message(segment: vf.Segment, trace: vf.Trace) -> Message:
    """The model's message in the form that `EpisodeRun.act` takes."""
    said = next(m for m in reversed(segment.messages) if isinstance(m, vf.AssistantMessage))
    message: Message = {"role": "assistant", "content": said.content or ""}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in said.tool_calls or ()
    ]
    if calls:
        message["tool_calls"] = calls
    elif not message["content"].strip():
        # Training clients parse calls and drop those that they cannot read. An empty message would end the
        # agent, so it is replaced by a malformed call, about which the agent is told.
        message["content"] = "<tool_call></tool_call>"
    if trace.calls and trace.calls[-1].finish_reason == "length":
        message["finish_reason"] = "length"
    return message


def _to_verifiers(message: Message) -> dict[str, Any]:
    """A tool result for verifiers: role "tool" for a native call, role "user" for a call written as text."""
    if message["role"] == "tool" and message.get("tool_call_id"):
        return {"role": "tool", "tool_call_id": message["tool_call_id"], "content": message["content"]}
    return {"role": "user", "content": message["content"]}


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group, even if groups are nested."""
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
