"""The messages between an OpenEnv client and the WideSeek server: actions, observations and state."""

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

    name: str = Field(description="Name of the tool in the agent's schemas")
    arguments: dict[str, Any] | str = Field(
        default_factory=dict,
        description="The arguments as an object, or as the JSON text that a model wrote, even if it is malformed",
    )
    id: str = Field(default="", description="Id of the call; the result has the same id")


class AgentMessage(BaseModel):
    """The message of one agent in its turn: text, structured calls, or both. The text may also contain tool calls.

    If a message has no call, the agent ends. The message is then the lead's answer or a subagent's report.
    """

    model_config = ConfigDict(extra="forbid")

    agent: str = Field(description="Id of the agent whose turn it is, such as lead or subagent_0")
    content: str = Field(default="", description="The text")
    calls: list[Call] = Field(default_factory=list, description="Structured tool calls")
    finish_reason: Literal["stop", "length", "context"] = Field(
        default="stop",
        description="length: the generation was cut off; context: the model's context is full, which ends the agent",
    )

    def message(self) -> dict[str, Any]:
        """The message as an assistant message of OpenAI's API."""
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
    """Messages of one or more acting agents. The server runs the tool calls of all these messages as one batch.

    If an acting agent has no message in the action, it is still its turn. So a client may also send the messages one by
    one.
    """

    turns: list[AgentMessage] = Field(
        min_length=1, description="At most one message for each agent whose turn it is"
    )


class AgentView(BaseModel):
    """An agent whose turn it is, with the messages that the client has not received yet."""

    model_config = ConfigDict(extra="forbid")

    agent: str
    role: Literal["lead", "subagent", "single"]
    conversation: int = Field(
        description="Number of the conversation; a slot that is used again begins a new one"
    )
    messages: list[dict[str, Any]] = Field(
        description="New messages in OpenAI's chat format, including the agent's messages"
    )
    tools: list[dict[str, Any]] = Field(
        default_factory=list, description="Tool schemas, sent with the first messages of a conversation"
    )
    tools_in_prompt: bool = Field(description="Whether the system prompt already describes the tools")
    turns_left: int = Field(description="Turns that the agent has left, including this one")


class WideSeekObservation(Observation):
    """The agents whose turn it is. If the episode is `done`, also its result, with the team's reward in `reward`."""

    task_id: str = ""
    acting: list[AgentView] = Field(default_factory=list)
    answer: str | None = Field(default=None, description="The lead's answer, if done")
    ending: str = Field(default="", description="How the lead ended, if done")
    metrics: dict[str, float] = Field(default_factory=dict, description="item_f1 and other metrics, if done")
    reward_parts: dict[str, float] = Field(default_factory=dict)


class WideSeekState(State):
    """The state of an episode. It contains nothing about the gold table."""

    task_id: str = ""
    question: str = ""
    agents: dict[str, str] = Field(
        default_factory=dict, description="The status of each agent: acting, waiting, done or idle"
    )
    acting: list[str] = Field(default_factory=list)
    done: bool = False
