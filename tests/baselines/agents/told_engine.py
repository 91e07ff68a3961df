"""Engines for tests: one that is told what to say and takes its log-probabilities from a real model, and odd ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wideseek_baselines.engines.base import EngineInfo, Generation, Request, Weights


class PlainEngine:
    """The parts of an engine that need no model."""

    def __init__(self, takes: Any = "tokens", model: str = "plain", context: int | None = None) -> None:
        self.info = EngineInfo("plain", model, takes, context)
        self.version = 0
        self.started = self.closed = 0
        self.requests: list[Request] = []

    async def start(self) -> None:
        self.started += 1

    async def generate(self, request: Request) -> Generation:
        raise NotImplementedError

    async def update_weights(self, weights: Weights, version: int) -> None:
        self.version = version

    async def pause(self) -> None: ...

    async def resume(self) -> None: ...

    async def sleep(self) -> None: ...

    async def wake(self) -> None: ...

    async def close(self) -> None:
        self.closed += 1


class ToldEngine(PlainEngine):
    """Says what `says` makes of the prompt's text; how likely that was is what the model in `folder` thinks.

    A random model writes no tool calls, so that a team would never get beyond its lead's first turn.
    """

    def __init__(self, folder: Path, says: Callable[[str], str]) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        super().__init__("tokens", str(folder), 4096)
        self._says = says
        self._model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)

    async def generate(self, request: Request) -> Generation:
        self.requests.append(request)
        prompt = list(request.ids)
        text = self._says(self._tokenizer.decode(prompt))
        ids = [*self._tokenizer.encode(text, add_special_tokens=False), self._tokenizer.eos_token_id]
        ids = ids[: request.sampling.max_tokens]
        await asyncio.sleep(0)
        return Generation(
            "stop" if ids[-1] in request.sampling.stop_ids else "length",
            ids=ids,
            logprobs=logprobs_of(self._model, [*prompt, *ids], len(prompt), request.sampling.temperature),
            versions=((0, len(ids)),),
            prompt_tokens=len(prompt),
            completion_tokens=len(ids),
        )


def logprobs_of(model: Any, ids: list[int], start: int, temperature: float = 1.0) -> list[float]:
    """What a forward pass over the whole sequence says about its ids from `start`."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].float() / temperature
    logprobs = torch.log_softmax(logits[:-1], -1)
    return [logprobs[at - 1, ids[at]].item() for at in range(start, len(ids))]


def team_says(prompt: str, thinking: bool = False) -> str:
    """A lead that delegates once and answers, subagents that search once and report, in the prompt's own tools."""
    turn = prompt.count("<|im_start|>assistant\n") - 1
    published = "create_sub_agents" in prompt or "queries" in prompt
    if turn:
        said = "| Town | Population |\n| --- | --- |\n| Alder | 1000 |"
    elif "create_sub_agents" in prompt:
        said = call(
            "create_sub_agents", sub_agents=[{"prompt": "Look up Alder"}, {"prompt": "Look up Birch 🌳"}]
        )
    elif '"delegate"' in prompt:
        said = call("delegate", subtasks=["Look up Alder", "Look up Birch 🌳"])
    elif published:
        said = call("search", queries=[{"query": "Alder"}, {"query": "Birch"}])
    else:
        said = f"{call('search', query='Alder')}\n{call('search', query='Birch')}"
    return f"<think>\nTurn {turn}, hm.\n</think>\n\n{said}" if thinking else said


def call(name: str, **arguments: Any) -> str:
    """A tool call as text."""
    return (
        f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments}, ensure_ascii=False)}\n</tool_call>"
    )
