"""A whole team as a chat model: from a chat request to a task, and from the team's record to a completion."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

from wideseek_env.errors import ServiceError
from wideseek_env.game import Game
from wideseek_env.policy import Job
from wideseek_env.serve.agents.policy_pool import PolicyPool, TokenUsage
from wideseek_env.serve.agents.wire import ChatRequest
from wideseek_env.task import Table, Task
from wideseek_env.trajectory import Trajectory


def question_task(asked: ChatRequest) -> Task:
    """The question of a request as a task without gold rows: its score means nothing.

    All messages are the question, in their order. Columns that the request names are written under it, in the form
    that a header has.
    """
    texts = [message.text().strip() for message in asked.messages]
    columns = tuple(dict.fromkeys(name.strip() for name in asked.wideseek.columns if name.strip()))
    if columns:
        texts.append("| " + " | ".join(name.replace("|", "\\|") for name in columns) + " |")
    header = columns or ("answer",)  # agents read the question, never the header of the gold table
    return Task(
        id=f"chat-{uuid4().hex}",
        question="\n\n".join(text for text in texts if text),
        columns=header,
        key_columns=header[:1],
        gold=Table(header, ()),
        language=asked.wideseek.language,
        source="chat",
    )


def answer(players: PolicyPool, game: Game, asked: ChatRequest, task: Task, seed: int) -> Trajectory:
    """Let the team answer.

    Raises:
        ServiceError: The policy or a service failed.
    """
    width = asked.wideseek.width
    if width is not None:
        game = replace(game, rules=game.rules.replace(width=width))
    played = players.run(game, Job(task, seed))
    if played.outcome["ending"] == "failed":
        raise ServiceError(f"the team failed: {played.outcome['detail']}")
    return played


def _head(name: str, kind: str, number: str, made: int) -> dict[str, Any]:
    return {"id": number, "object": kind, "created": made, "model": name}


def _usage(trajectory: Trajectory) -> dict[str, int]:
    used = TokenUsage.of(trajectory)
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
    }


def _ending(trajectory: Trajectory) -> tuple[str, str]:
    """The answer's text, and OpenAI's word for how it ended: "length" when turns or context ran out before one."""
    text = trajectory.outcome["answer"]
    return (text, "stop") if text is not None else ("", "length")


def _about(trajectory: Trajectory) -> dict[str, Any]:
    keys = ("ending", "turns", "critical_path", "subagents", "tool_calls", "errors")
    return {key: trajectory.outcome[key] for key in keys}


def completion(name: str, trajectory: Trajectory) -> dict[str, Any]:
    """The answer as a chat completion; `usage` is the sum over all agents, `wideseek` says how the team went."""
    text, reason = _ending(trajectory)
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        **_head(name, "chat.completion", f"chatcmpl-{uuid4().hex}", int(time.time())),
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": _usage(trajectory),
        "wideseek": _about(trajectory),
    }


class Chunks:
    """The events of a streamed completion, as lines of server-sent events."""

    WAITING = ": the team is at work\n\n"
    """A comment that keeps the connection open; clients pass over it."""

    DONE = "data: [DONE]\n\n"

    def __init__(self, name: str) -> None:
        self._head = _head(name, "chat.completion.chunk", f"chatcmpl-{uuid4().hex}", int(time.time()))

    def begin(self) -> str:
        """The first event."""
        return self._event([self._choice({"role": "assistant", "content": ""}, None)])

    def end(self, trajectory: Trajectory, *, usage: bool) -> list[str]:
        """The answer in one piece, why it ended, and the usage if it was asked for."""
        text, reason = _ending(trajectory)
        events = [
            self._event([self._choice({"content": text}, None)]),
            self._event([self._choice({}, reason)], wideseek=_about(trajectory)),
        ]
        if usage:
            events.append(self._event([], usage=_usage(trajectory)))
        return [*events, self.DONE]

    def error(self, body: dict[str, Any]) -> str:
        """An error that came after the stream had begun."""
        return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> str:
        body = json.dumps({**self._head, "choices": choices, **more}, ensure_ascii=False)
        return f"data: {body}\n\n"

    @staticmethod
    def _choice(delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
