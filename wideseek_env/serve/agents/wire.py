"""Requests and answers of the HTTP service. They have the form of OpenAI's API if that API has such a request or
answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wideseek_env.messages import Message
from wideseek_env.policy import Turn
from wideseek_env.serve.agents.outside import OutsideEpisode, Reply, Seat

Name = Annotated[str, Field(max_length=256)]


class EpisodeRequest(BaseModel):
    """The body of `POST /v1/episodes`."""

    model_config = ConfigDict(extra="forbid")

    task: Name = ""
    seat: Seat | None = None
    subtask: Annotated[str, Field(max_length=8_000)] = ""
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class MoveRequest(BaseModel):
    """The body of `POST /v1/episodes/{id}/messages`: an agent's assistant message.

    `agent` may be left out if only one agent must act now.
    """

    model_config = ConfigDict(extra="forbid")

    message: dict[str, Any]
    agent: Name = ""
    finish_reason: Literal["stop", "tool_calls", "length"] | None = None


class TextPart(BaseModel):
    """A text part of a message."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One message of the messages that are the question to the team."""

    role: Literal["system", "developer", "user"]
    content: str | list[TextPart]
    name: str | None = None

    def text(self) -> str:
        """The content of the message as one text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """The field `stream_options` of a chat completion."""

    include_usage: bool = False
    include_obfuscation: bool = False


class TeamOptions(BaseModel):
    """The field `wideseek` of a chat completion: options that OpenAI's form does not have."""

    model_config = ConfigDict(extra="forbid")

    columns: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=64)] = []
    language: Literal["en", "zh"] = "en"
    width: Annotated[int, Field(ge=1)] | None = None


class ChatRequest(BaseModel):
    """The body of `POST /v1/chat/completions`.

    The policy decides how tokens are sampled. OpenAI's fields for sampling are accepted, because many clients always
    send them, but they have no effect. Fields that a team does not support cause an error.
    """

    model_config = ConfigDict(extra="forbid")

    model: Name
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=64)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    n: Literal[1] | None = None
    wideseek: TeamOptions = TeamOptions()
    user: str | None = None
    metadata: dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


def turn_to_json(turn: Turn) -> dict[str, Any]:
    """The conversation and tools of an agent that must act now, in the form of a chat completion request."""
    return {
        "agent": turn.agent,
        "role": turn.role,
        "turns_left": turn.turns_left,
        "messages": [dict(message) for message in turn.messages],
        "tools": list(turn.tools),
    }


def episode_to_json(key: str, episode: OutsideEpisode, *, whole: bool) -> dict[str, Any]:
    """The state of an episode. With `whole`, each agent that must act now has its conversation and tools."""
    turns = episode.turns()
    record: dict[str, Any] = {
        "id": key,
        "object": "episode",
        "task": episode.task.id,
        "seat": episode.seat,
        "status": "ended" if episode.done else "open",
        "turns": [
            turn_to_json(turn)
            if whole
            else {"agent": turn.agent, "role": turn.role, "turns_left": turn.turns_left}
            for turn in turns
        ],
    }
    outcome = episode.episode_run.episode.outcome
    if episode.done and outcome is not None and episode.episode_run.score is not None:
        record["outcome"] = {
            "ending": outcome.ending,
            "detail": outcome.detail,
            "answer": outcome.answer,
            "turns": outcome.turns,
            "critical_path": outcome.critical_path,
            "subagents": outcome.subagents,
            "tool_calls": dict(outcome.tool_calls),
            "reward": episode.episode_run.reward,
            "item_f1": episode.episode_run.score.f1_by_item,
        }
    return record


def move_to_json(key: str, episode: OutsideEpisode, agent: str, reply: Reply) -> dict[str, Any]:
    """The result of an agent's message: the tool messages to append, and the agents that must act now."""
    messages: list[Message] = reply.messages
    return {
        **episode_to_json(key, episode, whole=False),
        "agent": agent,
        "messages": messages,
        "ending": reply.ending,
    }


def error_body(status: int, message: str, param: str | None = None) -> dict[str, Any]:
    """The body of an error in OpenAI's form."""
    kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": status}}
