"""A whole team as a chat model: turns a chat request into a task, and the team's record into a completion."""

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
    """The question of a request as a task. The task has no gold rows, so the score of an answer has no meaning.

    The question consists of all messages, in order. If the request names columns, these are added in the form of a
    table header.
    """
    texts = [message.text().strip() for message in asked.messages]
    columns = tuple(dict.fromkeys(name.strip() for name in asked.wideseek.columns if name.strip()))
    if columns:
        texts.append("| " + " | ".join(name.replace("|", "\\|") for name in columns) + " |")
    header = columns or ("answer",)  # agents see only the question, not this header of the gold table
    return Task(
        id=f"chat-{uuid4().hex}",
        question="\n\n".join(text for text in texts if text),
        columns=header,
        key_columns=header[:1],
        gold=Table(header, ()),
        language=asked.wideseek.language,
        source="chat",
    )


def answer(policies: PolicyPool, game: Game, asked: ChatRequest, task: Task, seed: int) -> Trajectory:
    """Let the team answer, and return the record of the episode.

    Raises:
        ServiceError: The policy or a service failed.
    """
    width = asked.wideseek.width
    if width is not None:
        game = replace(game, rules=game.rules.replace(width=width))
    trajectory = policies.run(game, Job(task, seed))
    if trajectory.outcome["ending"] == "failed":
        raise ServiceError(f"the team failed: {trajectory.outcome['detail']}")
    return trajectory


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
    """The text of the answer and OpenAI's finish reason, which is "length" if no turns or no context were left for an
    answer."""
    text = trajectory.outcome["answer"]
    return (text, "stop") if text is not None else ("", "length")


def _about(trajectory: Trajectory) -> dict[str, Any]:
    keys = ("ending", "turns", "critical_path", "subagents", "tool_calls", "errors")
    return {key: trajectory.outcome[key] for key in keys}


def completion(name: str, trajectory: Trajectory) -> dict[str, Any]:
    """The answer as a chat completion. `usage` is the sum over all agents. `wideseek` describes the team's episode."""
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
    """A comment that keeps the connection open. Clients ignore this comment."""

    DONE = "data: [DONE]\n\n"

    def __init__(self, name: str) -> None:
        self._head = _head(name, "chat.completion.chunk", f"chatcmpl-{uuid4().hex}", int(time.time()))

    def begin(self) -> str:
        """The first event."""
        return self._event([self._choice({"role": "assistant", "content": ""}, None)])

    def end(self, trajectory: Trajectory, *, usage: bool) -> list[str]:
        """The last events: the whole answer, the finish reason, and the usage if the request asks for it."""
        text, reason = _ending(trajectory)
        events = [
            self._event([self._choice({"content": text}, None)]),
            self._event([self._choice({}, reason)], wideseek=_about(trajectory)),
        ]
        if usage:
            events.append(self._event([], usage=_usage(trajectory)))
        return [*events, self.DONE]

    def error(self, body: dict[str, Any]) -> str:
        """The event for an error after the stream has begun."""
        return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> str:
        body = json.dumps({**self._head, "choices": choices, **more}, ensure_ascii=False)
        return f"data: {body}\n\n"

    @staticmethod
    def _choice(delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
