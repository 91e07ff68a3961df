"""Whole episodes of models that write other formats: what runs, what is recorded, and what is trained on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from families import family_tokenizer
from told_engine import PlainEngine
from toy_team import TOWNS, town_setup

from wideseek_baselines.engines.base import Generation, Request
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.rollout.jobs import Finished
from wideseek_baselines.tokens import ChatTemplate
from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train.config.options import SelectionOptions
from wideseek_baselines.train.data.samples import rollout_samples
from wideseek_baselines.train.data.supervised import rollout_lessons
from wideseek_env.policy import Job

pytest.importorskip("transformers")

RULES = {"subagent_turns": 4, "lead_turns": 5, "calls_per_turn": 2}
TABLE = "| Town | Population |\n| --- | --- |\n| Alder | 1000 |"


class SpokenEngine(PlainEngine):
    """Samples the ids of what `says` makes of the prompt's text, all with the same log-probability."""

    def __init__(self, tokenizer: Any, says: Callable[[str], str]) -> None:
        super().__init__("tokens", "spoken", 1_000_000)
        self._tokenizer = tokenizer
        self._says = says

    async def generate(self, request: Request) -> Generation:
        text = self._says(self._tokenizer.decode(list(request.ids)))
        ids = self._tokenizer.encode(text, add_special_tokens=False)[: request.sampling.max_tokens]
        await asyncio.sleep(0)
        finish = "stop" if ids[-1] in request.sampling.stop_ids else "length"
        return Generation(finish, ids=ids, logprobs=[-0.5] * len(ids), versions=((0, len(ids)),))


def harmony_call(name: str, **arguments: Any) -> str:
    """A call in the form that models use, which is not the template's."""
    text = json.dumps(arguments, separators=(",", ":"))
    return f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{text}<|call|>"


def thinks(text: str, then: str) -> str:
    return f"<|channel|>analysis<|message|>{text}<|end|><|start|>assistant{then}"


def harmony_says(prompt: str) -> str:
    """A lead that delegates and answers, and subagents whose first call is only spelled in a thought."""
    turns = prompt.count("<|start|>assistant") - 1
    if "probeofuser" in prompt:
        raise AssertionError("a prompt must not have a probe in it")
    if '"delegate"' in prompt:
        final = f"<|channel|>final<|message|>{TABLE}<|return|>"
        if "<|start|>functions.delegate to=assistant" in prompt:
            return thinks("The reports are there.", final)
        subtasks = ["Look up Alder", "Look up Birch"]
        return thinks("Divide.", harmony_call("delegate", subtasks=subtasks))
    if "<|start|>functions.search to=assistant" in prompt:
        return f"<|channel|>final<|message|>{'Alder' if 'Look up Alder' in prompt else 'Birch'} is known.<|return|>"
    if turns == 0:
        return '<|channel|>analysis<|message|>I will call search with {"query": "Alder"} and'  # cut off
    return thinks("Now.", harmony_call("search", query="Alder" if "Look up Alder" in prompt else "Birch"))


def qwen_call(name: str, **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def qwen_says(prompt: str) -> str:
    """The same team in a format whose prompt opens the thought."""
    last = prompt.rindex("<|im_start|>user")
    if '"delegate"' in prompt:
        said = TABLE if "is known." in prompt[last:] else qwen_call("delegate", subtasks=["Alder?", "Birch?"])
        return f"Hm.\n</think>\n\n{said}<|im_end|>"
    if "inhabitants" in prompt[last:]:
        return "Hm.\n</think>\n\nIt is known.<|im_end|>"
    if prompt.count("<|im_start|>assistant") == 1:
        return f"I may call {qwen_call('search', query='Elm')}"  # cut off
    return (
        f"Hm.\n</think>\n\n{qwen_call('search', query='Alder' if 'Alder?' in prompt else 'Birch')}<|im_end|>"
    )


FORMATS = {"harmony": harmony_says, "qwen3-thinking": qwen_says}


def played(family: str, history: Any) -> Finished:
    game = town_setup(1, profile="terse", rules=RULES)
    tokenizer = family_tokenizer(family)
    engine = SpokenEngine(tokenizer, FORMATS[family])
    with LLMPolicy(engine, tokenizer=tokenizer, history=history, turn_tokens=400) as policy:
        (finished,) = policy.rollouts(game, [Job(game.tasks[0], seed=1)])
    return finished


@pytest.mark.parametrize("history", ["template", "keep"])
@pytest.mark.parametrize("family", sorted(FORMATS))
def test_a_team_plays_and_is_trained_on_what_it_sampled(family: str, history: Any) -> None:
    finished = played(family, history)
    assert not finished.error
    trajectory, rollout = finished.trajectory, finished.rollout
    assert trajectory is not None
    assert rollout is not None
    assert rollout.trainable
    assert [agent.ending for agent in rollout.agents] == ["answered", "reported", "reported"]
    assert trajectory.outcome["answer"] == TABLE
    assert trajectory.outcome["tool_calls"]["search"] == 2, "the draft in the thought does not run"
    assert [len(agent.turns) for agent in rollout.agents] == [2, 3, 3]
    for conversation in trajectory.conversations[1:]:
        drafted = next(m for m in conversation["messages"] if m["role"] == "assistant")
        assert drafted["content"].startswith("<think>\n")
        assert "</think>" not in drafted["content"]
        assert str(TOWNS["Alder"]) in str(conversation) or str(TOWNS["Birch"]) in str(conversation)
    check_ids(family, rollout)
    expected = {"harmony": {"template": [2, 3, 3], "keep": [1, 1, 1]}, "qwen3-thinking": [1, 1, 1]}[family]
    counts = expected[history] if isinstance(expected, dict) else expected
    assert [len(agent.sequences) for agent in rollout.agents] == counts
    again = Rollout.from_dict(json.loads(json.dumps(rollout.to_dict())))
    batch = rollout_samples([again], [1.0], SelectionOptions())
    trained = sum(int((sample.columns["weight"] != 0).sum()) for sample in batch.samples)
    assert trained == rollout.tokens, "each sampled id is trained on once"
    lessons = list(rollout_lessons(again, ("lead", "subagent"), len(family_tokenizer(family))))
    assert len(lessons) == sum(counts)


def check_ids(family: str, rollout: Rollout) -> None:
    """Each turn's ids are those that were sampled after the ids before them."""
    template = ChatTemplate(family_tokenizer(family))
    for agent in rollout.agents:
        for sequence in agent.sequences:
            for turn in sequence.turns:
                prompt = template.encoder.decode(sequence.ids[: turn.start])
                said = template.encoder.encode(FORMATS[family](prompt))
                assert sequence.ids[turn.start : turn.stop] == said
                assert len(turn.logprobs) == len(said)


def test_prompts_of_a_harmony_model_have_calls_and_results_as_its_template_shows_them() -> None:
    rollout = played("harmony", "template").rollout
    assert rollout is not None
    decode = ChatTemplate(family_tokenizer("harmony")).encoder.decode
    last = decode(rollout.agents[0].sequences[-1].ids)
    assert "<|start|>assistant<|channel|>analysis<|message|>Divide.<|end|>" in last
    assert (
        '<|start|>assistant to=functions.delegate<|channel|>commentary json<|message|>{"subtasks": [' in last
    )
    assert "<think>" not in last
