"""Conversations that are built turn by turn have the ids of the whole conversation, or begin anew."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_chat import TEMPLATES, TURNS, tiny_tokenizer

from wideseek_baselines.tokens import ChatTemplate, Thread
from wideseek_baselines.tokens.record import TurnRecord
from wideseek_env.clean import clean_text
from wideseek_env.errors import ConfigError

pytest.importorskip("transformers")

HEAD = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is it?"}]


def record(number: int = 0) -> TurnRecord:
    return TurnRecord(number, 0, 0, [], (), "stop")


SPOKEN = ["", "| A | B |\n| --- | --- |", "哪里？🗺", "a<|im_end|>\n<|im_start|>system\nb", "<think>", *TURNS]
PIECES = ["The museum", " of", "\n\n", " 1901", "<tool_response>", *TURNS]
texts = st.one_of(
    st.text(max_size=30), st.sampled_from(SPOKEN), st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
).map(lambda text: clean_text(text, 100))


@dataclass
class Said:
    """One turn of a random conversation: what is sampled, whether it was cut off, and what comes back."""

    text: str
    thought: str
    cut: bool
    back: list[str] = field(default_factory=list)


turns = st.lists(
    st.builds(
        Said,
        text=texts.map(lambda text: text.strip() or "Yes."),  # as it comes through templates that trim
        thought=st.sampled_from(["", "", "Hm.", "Let me\nsee."]),
        cut=st.booleans(),
        back=st.lists(texts, min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


def play(
    template: ChatTemplate, said: list[Said], head: list[dict[str, Any]]
) -> tuple[Thread, list[list[int]]]:
    """Sample this conversation; the thread and the prompts that it gave."""
    thread = template.thread()
    messages, prompts = list(head), []
    for number, turn in enumerate(said):
        prompts.append(thread.prompt(messages))
        assert thread.prompt(messages) == prompts[-1]
        text = f"<think>\n{turn.thought}\n</think>\n\n{turn.text}" if turn.thought else turn.text
        sampled = template.encoder.encode(text)
        if not turn.cut:
            sampled.append(template.end_id)  # type: ignore[arg-type]
        thread.add(sampled, record(number))
        messages += (
            {"role": "assistant", "content": text},
            *({"role": "tool", "content": b} for b in turn.back),
        )
    prompts.append(thread.prompt(messages))
    return thread, prompts


def conversation(said: list[Said], head: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same conversation as messages."""
    messages = list(head)
    for turn in said:
        text = f"<think>\n{turn.thought}\n</think>\n\n{turn.text}" if turn.thought else turn.text
        messages += (
            {"role": "assistant", "content": text},
            *({"role": "tool", "content": b} for b in turn.back),
        )
    return messages


def spells_tokens(said: list[Said]) -> bool:
    """Whether a sampled text holds special tokens: it then was sampled as such and is not what a template writes."""
    return any(token in turn.text for turn in said for token in TURNS)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@given(said=turns, first=texts)
@settings(max_examples=60)
def test_growing_gives_the_ids_of_the_whole(name: str, said: list[Said], first: str) -> None:
    template = ChatTemplate(tiny_tokenizer(name))
    head = [HEAD[0], {"role": "user", "content": first}]
    _, prompts = play(template, said, head)
    whole = conversation(said, head)
    assert template.encoder.decode(prompts[-1]) == template.renderer.render(whole).text
    if not spells_tokens(said):
        assert prompts[-1] == template.prompt(whole)


@pytest.mark.parametrize("name", ["qwen2", "strict"])
@given(said=turns, first=texts)
@settings(max_examples=40)
def test_templates_that_only_append_give_one_sequence(name: str, said: list[Said], first: str) -> None:
    template = ChatTemplate(tiny_tokenizer(name))
    thread, prompts = play(template, said, [HEAD[0], {"role": "user", "content": first}])
    (sequence,) = thread.sequences
    assert prompts[-1][: len(sequence.ids)] == sequence.ids
    assert [turn.turn for turn in sequence.turns] == list(range(len(said)))
    for turn, prompt in zip(sequence.turns, prompts, strict=False):
        assert sequence.ids[: turn.start] == prompt


@given(said=turns)
@settings(max_examples=40)
def test_dropped_thinking_begins_a_new_sequence_and_only_that_does(said: list[Said]) -> None:
    if spells_tokens(said) or any("think>" in turn.text for turn in said):
        return
    template = ChatTemplate(tiny_tokenizer("forgetful"))
    thread, prompts = play(template, said, HEAD)
    dropped = sum(bool(turn.thought) for turn in said[:-1])
    assert len(thread.sequences) == 1 + dropped
    for sequence in thread.sequences:
        begun = sequence.turns[0]
        assert sequence.ids[: begun.start] == prompts[begun.turn]


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@pytest.mark.parametrize("thinking", [True, False])
@given(said=turns)
@settings(max_examples=25)
def test_kept_histories_only_grow(name: str, thinking: bool, said: list[Said]) -> None:
    template = ChatTemplate(tiny_tokenizer(name), thinking=thinking, history="keep")
    thread, prompts = play(template, said, HEAD)
    (sequence,) = thread.sequences
    text = template.encoder.decode(prompts[-1])
    for turn in said:
        assert turn.thought in text, "thinking stays as it was sampled"
    if not spells_tokens(said):
        ends = sum(token_id == template.end_id for token_id in prompts[-1])
        roles = [m["role"] for m in conversation(said, HEAD)]
        assert ends == len([r for n, r in enumerate(roles) if r != "tool" or roles[n - 1] != "tool"]) - (
            not template.renderer.features.system
        )
    assert sequence.ids == prompts[-1][: len(sequence.ids)]


def test_sampled_ids_stay_as_they_were_sampled() -> None:
    """A model may spell a word in pieces that the tokenizer would never choose."""
    template = ChatTemplate(tiny_tokenizer("qwen2"))
    thread = template.thread()
    start = thread.prompt(HEAD)
    spelled = [i for letter in "museum" for i in template.encoder.encode(letter)]
    assert len(spelled) > len(template.encoder.encode("museum"))
    thread.add([*spelled, template.end_id], record())  # type: ignore[list-item]
    after = [*HEAD, {"role": "assistant", "content": "museum"}, {"role": "tool", "content": "Here."}]
    prompt = thread.prompt(after)
    assert prompt[: len(start) + len(spelled)] == [*start, *spelled]
    assert template.encoder.decode(prompt) == template.renderer.render(after).text
    assert len(prompt) > len(template.prompt(after))


def test_a_turn_that_was_cut_off_gets_its_end() -> None:
    template = ChatTemplate(tiny_tokenizer("qwen2"))
    end = template.end_id
    assert end is not None
    after = [*HEAD, {"role": "assistant", "content": "The mus"}, {"role": "tool", "content": "Here."}]
    prompts = []
    for sampled in (template.encoder.encode("The mus"), [*template.encoder.encode("The mus"), end]):
        thread = template.thread()
        thread.prompt(HEAD)
        thread.add(sampled, record())
        prompts.append(thread.prompt(after))
        (sequence,) = thread.sequences
        assert sum(sequence.mask) == len(sampled)
    assert prompts[0] == prompts[1] == template.prompt(after)


def test_half_a_character_does_not_break_the_sequence() -> None:
    template = ChatTemplate(tiny_tokenizer("qwen2"))
    thread = template.thread()
    thread.prompt(HEAD)
    half = template.encoder.encode("🗺")[:1]
    thread.add(half, record())
    text = template.text(half)
    assert text.strip("\ufffd") == ""
    thread.prompt([*HEAD, {"role": "assistant", "content": text}, {"role": "tool", "content": "?"}])
    thread.add(half, record(1))
    assert len(thread.sequences) == 1


def test_another_end_than_the_templates_is_followed_by_what_the_template_says() -> None:
    tokenizer = copy.deepcopy(tiny_tokenizer("qwen2"))
    tokenizer.eos_token = "<|endoftext|>"
    template = ChatTemplate(tokenizer)
    assert len(template.stop_ids) == 2
    thread = template.thread()
    thread.prompt(HEAD)
    thread.add([*template.encoder.encode("Yes."), template.encoder.id_of("<|endoftext|>")], record())
    after = [*HEAD, {"role": "assistant", "content": "Yes."}, {"role": "tool", "content": "Here."}]
    assert thread.prompt(after) == template.prompt(after)
    thread.add(template.encoder.encode("No."), record(1))
    assert len(thread.sequences) == 2


def test_a_text_that_the_environment_cut_begins_a_new_sequence() -> None:
    template = ChatTemplate(tiny_tokenizer("qwen2"))
    thread = template.thread()
    thread.prompt(HEAD)
    thread.add(template.encoder.encode("A long story"), record())
    after = [*HEAD, {"role": "assistant", "content": "A long"}, {"role": "tool", "content": "Here."}]
    assert thread.prompt(after) == template.prompt(after)


def test_adding_needs_a_prompt() -> None:
    with pytest.raises(ConfigError, match="prompt"):
        ChatTemplate(tiny_tokenizer("qwen2")).thread().add([1], record())
