"""A model server on loopback behind which the scripted team plays: chat completions, and vLLM's token endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scripted_server import Asked, Raw

from wideseek_env.game import Game
from wideseek_env.messages import Role
from wideseek_env.policy import Policy, Turn


def scripted_text(policy: Policy, setup: Game) -> Callable[[list[dict[str, Any]]], str]:
    """What the policy says in a conversation, told from its messages alone. Prompts must describe the tools."""
    episode = setup.episode(setup.tasks[0])
    roles: tuple[Role, ...] = ("lead", "subagent", "single")
    tools = {role: episode.tools(role) for role in roles}

    def say(messages: list[dict[str, Any]]) -> str:
        role: Role = (
            "single" if not setup.team else "lead" if '"delegate"' in messages[0]["content"] else "subagent"
        )
        turn = Turn("agent", role, messages[-1]["content"], messages, tools[role], turns_left=9)
        action = policy.act([turn])[0]
        assert isinstance(action, str)
        return action

    return say


def chat_answer(text: str, finish: str = "stop") -> Raw:
    """A chat completion with every field that a strict client asks for."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    document = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }
    return Raw(body=json.dumps(document).encode())


SPELLED = "The museum:\n\n"
"""Begins every answer of a `TokenModel`, letter by letter, as no tokenizer would spell it: ids that were decoded and
encoded again would not be those that were sampled."""


@dataclass
class TokenModel:
    """Answers ``/inference/v1/generate`` from the text that the prompt's ids spell, and remembers both sides."""

    tokenizer: Any
    say: Callable[[list[dict[str, Any]]], str]
    asked: list[tuple[list[int], list[int]]] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Raw:
        """Answer one request."""
        assert asked.path == "/inference/v1/generate", asked.path
        prompt = asked.body["token_ids"]
        ids = [self.tokenizer.encode(letter, add_special_tokens=False)[0] for letter in SPELLED]
        ids += self.tokenizer.encode(
            self.say(chatml_messages(self.tokenizer.decode(prompt))), add_special_tokens=False
        )
        ids.append(self.tokenizer.eos_token_id)
        self.asked.append((prompt, ids))
        content = [
            {"token": f"token_id:{token}", "logprob": logprob_of(place)} for place, token in enumerate(ids)
        ]
        choice = {"index": 0, "token_ids": ids, "finish_reason": "stop", "logprobs": {"content": content}}
        return Raw(body=json.dumps({"request_id": "r", "choices": [choice]}).encode())


def chatml_messages(text: str) -> list[dict[str, Any]]:
    """The messages of a rendered prompt; tool results, which a template shows as the user's, without their tags."""
    messages = []
    for part in text.split("<|im_start|>")[1:-1]:
        role, _, content = part.removesuffix("\n").removesuffix("<|im_end|>").partition("\n")
        if content.startswith("<tool_response>"):
            role, content = "tool", content.replace("<tool_response>\n", "").replace("\n</tool_response>", "")
        messages.append({"role": role, "content": content})
    return messages


def logprob_of(place: int) -> float:
    """A log-probability that tells at which place of its turn a token stood."""
    return -0.25 - place / 64
