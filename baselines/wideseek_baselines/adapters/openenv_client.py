"""The client of the WideSeek OpenEnv server. `run_remote_episode` runs an episode on the server with any policy.

An observation has only messages that earlier observations did not have. `Transcripts` collects the messages of all
observations into whole conversations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wideseek_baselines.adapters.common import missing
from wideseek_env.messages import Action, Message, Transcript, visible_text
from wideseek_env.policy import Policy, Turn

try:
    from openenv.core import EnvClient, SyncEnvClient
    from openenv.core.client_types import StepResult
except ImportError as error:
    raise missing("openenv", error) from error

from wideseek_baselines.adapters.openenv_models import (
    AgentMessage,
    AgentView,
    Call,
    WideSeekAction,
    WideSeekObservation,
    WideSeekState,
)


class WideSeekClient(EnvClient[WideSeekAction, WideSeekObservation, WideSeekState]):
    """A session with the server: ``async with WideSeekClient(base_url=…)`` or ``with WideSeekClient(…).sync()``."""

    def _step_payload(self, action: WideSeekAction) -> dict[str, Any]:
        payload: dict[str, Any] = action.model_dump()
        return payload

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[WideSeekObservation]:
        observation = WideSeekObservation(
            **payload["observation"], reward=payload.get("reward"), done=payload.get("done", False)
        )
        return StepResult(observation=observation, reward=payload.get("reward"), done=observation.done)

    def _parse_state(self, payload: dict[str, Any]) -> WideSeekState:
        return WideSeekState(**payload)


@dataclass
class _Seen:
    messages: list[Message] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)


class Transcripts:
    """The whole conversations of one episode, collected from its observations."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def turns(self, observation: WideSeekObservation) -> list[Turn]:
        """The turns of the acting agents, for `Policy.act`. Pass every observation once, in order."""
        return [self._turn(view) for view in observation.acting]

    def _turn(self, view: AgentView) -> Turn:
        seen = self._seen.setdefault(view.conversation, _Seen())
        seen.messages += view.messages
        seen.tools = view.tools or seen.tools
        own = [at for at, message in enumerate(seen.messages) if message["role"] == "assistant"]
        return Turn(
            agent=view.agent,
            role=view.role,
            observation=visible_text(seen.messages[own[-1] + 1 if own else 0 :]),
            messages=Transcript(seen.messages),
            tools=seen.tools,
            turns_left=view.turns_left,
            conversation=view.conversation,
            tools_in_prompt=view.tools_in_prompt,
        )


def remote_action(turns: Sequence[Turn], actions: Sequence[Action]) -> WideSeekAction:
    """Make the action for the server from the actions that a policy returned for `turns`."""
    return WideSeekAction(
        turns=[_said(turn.agent, action) for turn, action in zip(turns, actions, strict=True)]
    )


def _said(agent: str, action: Action) -> AgentMessage:
    if isinstance(action, str):
        return AgentMessage(agent=agent, content=action)
    calls = [
        Call(name=call["function"]["name"], arguments=call["function"]["arguments"], id=call.get("id") or "")
        for call in action.get("tool_calls") or ()
    ]
    reason = action.get("finish_reason")
    return AgentMessage(
        agent=agent,
        content=action.get("content") or "",
        calls=calls,
        finish_reason=reason if reason in ("length", "context") else "stop",
    )


def run_remote_episode(
    client: SyncEnvClient[WideSeekAction, WideSeekObservation, WideSeekState],
    policy: Policy,
    *,
    seed: int = 0,
    **reset: Any,
) -> WideSeekObservation:
    """Run one episode with `policy` and return its last observation.

    The keyword arguments `reset` are sent to the server's `reset`. Choose the task with `task_id=…` or `index=…`.
    """
    policy.reset(seed)
    transcripts = Transcripts()
    result = client.reset(seed=seed, **reset)
    while not result.done:
        turns = transcripts.turns(result.observation)
        result = client.step(remote_action(turns, policy.act(turns)))
    observation: WideSeekObservation = result.observation
    return observation
