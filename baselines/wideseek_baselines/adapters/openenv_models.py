"""What goes over the wire between an OpenEnv client and the WideSeek server: actions, observations and state."""

from __future__ import annotations

import json
from typing import Any, Literal

from wideseek_baselines.adapters.common import missing

try:
    from openenv.core.env_server.types import Action, Observation, State
    from pydantic import BaseModel, ConfigDict, Field
except ImportError as error:
    raise missing("openenv", error) from error


class Call(BaseModel):
    """One tool call in structured form."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The tool, as the agent's schemas call it")
    arguments: dict[str, Any] | str = Field(
        default_factory=dict, description="Its arguments, or the JSON that a model wrote, malformed or not"
    )
    id: str = Field(default="", description="Comes back with the result")


class AgentMessage(BaseModel):
    """What one agent says in its turn: text (in which tool calls may be written), structured calls, or both.

    A message without any call ends the agent: it is the lead's answer or a subagent's report.
    """

    model_config = ConfigDict(extra="forbid")

    agent: str = Field(description="Whose turn it is, such as lead or subagent_0")
    content: str = Field(default="", description="The text")
    calls: list[Call] = Field(default_factory=list, description="Structured tool calls")
    finish_reason: Literal["stop", "length", "context"] = Field(
        default="stop",
        description="length: the generation was cut off; context: the model has no room left, which ends the agent",
    )

    def message(self) -> dict[str, Any]:
        """The same as an assistant message of OpenAI's API."""
        message: dict[str, Any] = {"role": "assistant", "content": self.content}
        if self.calls:
            message["tool_calls"] = [
                {
                    "id": call.id or f"call_{number}",
                    "type": "function",
                    "function": {
                        "name": call.name,
                        "arguments": call.arguments
                        if isinstance(call.arguments, str)
                        else json.dumps(call.arguments, ensure_ascii=False),
                    },
                }
                for number, call in enumerate(self.calls)
            ]
        if self.finish_reason != "stop":
            message["finish_reason"] = self.finish_reason
        return message


class WideSeekAction(Action):
    """Turns of one or more acting agents. Those that come together have their tools run together, as one batch.

    Agents that act but are not named keep their turn, so that a client may also move them one by one.
    """

    turns: list[AgentMessage] = Field(min_length=1, description="At most one for each agent whose turn it is")


class AgentView(BaseModel):
    """An agent whose turn it is, with what it has not been shown yet."""

    model_config = ConfigDict(extra="forbid")

    agent: str
    role: Literal["lead", "subagent", "single"]
    conversation: int = Field(
        description="Number of its conversation: a slot that is used again begins a new one"
    )
    messages: list[dict[str, Any]] = Field(description="New messages in OpenAI chat shape, its own included")
    tools: list[dict[str, Any]] = Field(
        default_factory=list, description="Tool schemas, given with the first messages of a conversation"
    )
    tools_in_prompt: bool = Field(description="Whether the system prompt describes the tools already")
    turns_left: int = Field(description="This one included")


class WideSeekObservation(Observation):
    """The agents whose turn it is; when `done`, what the episode came to and `reward`, the team's reward."""

    task_id: str = ""
    acting: list[AgentView] = Field(default_factory=list)
    answer: str | None = Field(default=None, description="The lead's answer, when done")
    ending: str = Field(default="", description="How the lead ended, when done")
    metrics: dict[str, float] = Field(
        default_factory=dict, description="item_f1 and other numbers, when done"
    )
    reward_parts: dict[str, float] = Field(default_factory=dict)


class WideSeekState(State):
    """Where an episode stands. It says nothing about the gold table."""

    task_id: str = ""
    question: str = ""
    agents: dict[str, str] = Field(
        default_factory=dict, description="acting, waiting, done or idle, by agent"
    )
    acting: list[str] = Field(default_factory=list)
    done: bool = False
