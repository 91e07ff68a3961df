"""Markers that are special tokens reach the parser, and text that only spells such a token does not act as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from families import FAMILIES, family_tokenizer

from wideseek_baselines.tokens import ChatTemplate
from wideseek_baselines.tokens.record import TurnRecord

pytest.importorskip("transformers")

HEAD = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}]
TOKENS = [
    (name, token)
    for name, family in sorted(FAMILIES.items())
    if name != "harmony"
    for token in family.specials
    if token != family.eos
]
CALLS = {
    "kimi-k2": '<|tool_calls_section_begin|><|tool_call_begin|>functions.search:0<|tool_call_argument_begin|>{"query": '
    '"x"}<|tool_call_end|><|tool_calls_section_end|>',
    "deepseek-r1": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>search\n```json\n{}\n```"
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "mistral": '[TOOL_CALLS][{"name": "search", "arguments": {"query": "x"}}]',
    "llama-3": '<|python_tag|>{"name": "search", "parameters": {"query": "x"}}',
    "function-tags": "<start_function_call>call:search{query:x}<end_function_call>",
}


def record(number: int = 0) -> TurnRecord:
    return TurnRecord(number, 0, 0, [], (), "stop")


def in_pieces(template: ChatTemplate, text: str) -> list[int]:
    """The ids of a text, one character after the other, so that no added token is among them."""
    return [token_id for char in text for token_id in template.encoder.encode(char)]


def read(template: ChatTemplate, ids: list[int]) -> tuple[str, str]:
    message, sampled = template.read([], "", ids)
    return message["content"], sampled


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("end", [True, False])
def test_special_tokens_of_a_call_are_in_the_text(name: str, end: bool) -> None:
    template = ChatTemplate(family_tokenizer(name))
    ids = [*template.encoder.encode(f"I look.{CALLS[name]}"), *([template.end_id] if end else [])]
    assert read(template, ids) == (f"I look.{CALLS[name]}",) * 2


@pytest.mark.parametrize(("name", "token"), TOKENS)
def test_a_token_that_is_only_spelled_is_text(name: str, token: str) -> None:
    template = ChatTemplate(family_tokenizer(name))
    spelled = in_pieces(template, token)
    assert len(spelled) > 1
    content, sampled = read(template, [*in_pieces(template, "a "), *spelled, *in_pieces(template, " b")])
    assert sampled == f"a {token} b"
    assert token not in content
    assert content.startswith("a ")
    assert content.endswith(" b")


@pytest.mark.parametrize("name", sorted(CALLS))
def test_real_and_spelled_tokens_are_told_apart(name: str) -> None:
    template = ChatTemplate(family_tokenizer(name))
    encode, call = template.encoder.encode, CALLS[name]
    opener = template.encoder.found(call)[0]
    ids = [*in_pieces(template, f"博 {opener} "), *encode(call), *in_pieces(template, opener), *encode(call)]
    content, sampled = read(template, ids)
    assert sampled == f"博 {opener} {call}{opener}{call}"
    assert content.count(opener) == 2
    assert content.count(call) == 2


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("history", ["template", "keep"])
def test_a_spelled_token_does_not_break_the_sequence(name: str, history: Any) -> None:
    template = ChatTemplate(family_tokenizer(name), history=history)
    opener = template.encoder.found(CALLS[name])[0]
    thread, messages = template.thread(), list(HEAD)
    before: list[int] = []
    for number in range(3):
        prompt = thread.prompt(messages)
        assert prompt[: len(before)] == before or (name, history) == ("deepseek-r1", "template")
        ids = [*in_pieces(template, f"a {opener} b"), template.end_id]
        thread.add(ids, record(number))  # type: ignore[arg-type]
        before = [*prompt, *ids]
        messages += [thread.message, {"role": "user", "content": "Go on."}]
        assert opener not in messages[-2]["content"]
    if name != "deepseek-r1" or history == "keep":
        assert len(thread.sequences) == 1


def test_a_message_that_the_environment_changed_is_shown_as_it_is() -> None:
    template = ChatTemplate(family_tokenizer("llama-3"))
    thread = template.thread()
    thread.prompt(HEAD)
    thread.add(in_pieces(template, "a <|python_tag|> b"), record())
    message = {**thread.message, "content": thread.message["content"][:-2]}
    text = template.encoder.decode(thread.prompt([*HEAD, message, {"role": "user", "content": "Go on."}]))
    assert "<|python_tag|>" not in text


def saved(folder: Path, name: str, ends: list[str]) -> ChatTemplate:
    """The template of a folder whose ``generation_config.json`` names these end tokens."""
    from transformers import GenerationConfig

    tokenizer = family_tokenizer(name)
    tokenizer.save_pretrained(folder)
    GenerationConfig(eos_token_id=tokenizer.convert_tokens_to_ids(ends)).save_pretrained(folder)
    return ChatTemplate(folder)


@pytest.mark.parametrize(
    ("name", "end", "kept"),
    [
        ("function-tags", "<end_function_call>", True),
        ("deepseek-r1", "<｜tool▁calls▁end｜>", True),
        ("deepseek-r1", "<｜tool▁call▁end｜>", True),
        ("deepseek-r1", "<｜end▁of▁sentence｜>", False),
        ("kimi-k2", "<|im_end|>", False),
        ("llama-3", "<|eom_id|>", False),
        ("llama-3", "<|eot_id|>", False),
        ("qwen3-thinking", "</tool_call>", True),
        ("glm-4.5", "<|observation|>", False),
        ("glm-4.5", "<|user|>", False),
        ("mistral", "</s>", False),
    ],
)
def test_a_stop_token_stays_if_it_ends_a_call(tmp_path: Path, name: str, end: str, kept: bool) -> None:
    template = saved(tmp_path, name, [end])
    token = template.encoder.id_of(end)
    assert token in template.stop_ids
    assert template.text([*template.encoder.encode("Yes."), token]) == ("Yes." + end if kept else "Yes.")
    assert template.text(template.encoder.encode("Yes.")) == "Yes."


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("harmony", {"<|return|>", "<|call|>"}),
        ("glm-4.5", {"<|endoftext|>", "<|user|>", "<|observation|>"}),
        ("llama-3", {"<|eot_id|>"}),
        ("mistral", {"</s>"}),
    ],
)
def test_end_tokens_are_found_without_a_generation_config(name: str, ends: set[str]) -> None:
    template = ChatTemplate(family_tokenizer(name))
    assert {template.encoder.token(stop) for stop in template.stop_ids} == ends


def test_what_strict_templates_refuse_is_rendered_another_way() -> None:
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": "look_up", "arguments": f'{{"n": {n}}}'}}
        for n in range(2)
    ]
    messages = [
        *HEAD,
        {"role": "assistant", "content": "", "tool_calls": calls},
        *({"role": "tool", "tool_call_id": f"call_{n}", "content": f"Result {n}."} for n in range(2)),
        {"role": "assistant", "content": "[broken"},
        {"role": "tool", "content": "It is broken."},
    ]
    mistral = ChatTemplate(family_tokenizer("mistral")).renderer.render(messages).text
    assert mistral.count("[TOOL_RESULTS]") == 2
    assert mistral.endswith("[broken</s>[INST]It is broken.[/INST]")
    llama = ChatTemplate(family_tokenizer("llama-3")).renderer.render(messages).text
    at = [llama.index(text) for n in range(2) for text in (f'"parameters": {{"n": {n}}}', f"Result {n}.")]
    assert at == sorted(at)


def test_thoughts_move_to_the_field_that_the_template_reads() -> None:
    messages = [
        *HEAD,
        {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nYes."},
        {"role": "user", "content": "Sure?"},
    ]
    text = ChatTemplate(family_tokenizer("kimi-thinking")).renderer.render(messages).text
    assert "<think>Hm.</think>Yes." in text
    assert text.count("<think>") == 1
