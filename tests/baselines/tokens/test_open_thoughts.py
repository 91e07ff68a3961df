"""A thought that the prompt opened is whole in the message, and nothing of it runs or becomes an answer."""

from __future__ import annotations

from typing import Any

import pytest
from families import FAMILIES, family_tokenizer

from wideseek_baselines.tokens import ChatTemplate
from wideseek_baselines.tokens.record import TurnRecord
from wideseek_env.messages import assistant_message
from wideseek_env.parsing import parse_message

pytest.importorskip("transformers")

HEAD = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}]
DRAFT = 'I could call <tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>'
OPENING = ["qwen3-thinking", "deepseek-r1", "minimax-m2"]


def record(number: int = 0) -> TurnRecord:
    return TurnRecord(number, 0, 0, [], (), "stop")


def said(template: ChatTemplate, text: str, *, end: bool = False) -> dict[str, Any]:
    """The message for a sampled text."""
    thread = template.thread()
    thread.prompt(HEAD)
    thread.add([*template.encoder.encode(text), *([template.end_id] if end else [])], record())  # type: ignore[list-item]
    return thread.message


def parsed(message: dict[str, Any], finish: str = "length") -> Any:
    return parse_message(assistant_message({**message, "finish_reason": finish}, 10_000))


@pytest.mark.parametrize("name", OPENING)
@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("finish", ["length", "stop", "budget"])
@pytest.mark.parametrize("text", [DRAFT, "Hm.", f"Hm.\n{DRAFT}\nmore", "<think> again", ""])
def test_a_thought_without_an_end_runs_nothing_and_is_no_answer(
    name: str, end: bool, finish: str, text: str
) -> None:
    message = said(ChatTemplate(family_tokenizer(name)), text, end=end)
    assert message["content"] == f"<think>\n{text}"
    assert [call.code for call in parsed(message, finish).calls] == ["unclosed_thinking"]


@pytest.mark.parametrize("name", OPENING)
def test_a_thought_with_an_end_is_whole(name: str) -> None:
    message = said(ChatTemplate(family_tokenizer(name)), f"{DRAFT}\n</think>\n\nDone.", end=True)
    assert message["content"] == f"<think>\n{DRAFT}\n</think>\n\nDone."
    assert parsed(message, "stop") == ("Done.", [])


@pytest.mark.parametrize("thinking", [True, False, None])
def test_a_thought_that_the_prompt_closed_is_not_opened(thinking: bool | None) -> None:
    message = said(ChatTemplate(family_tokenizer("qwen3-hybrid"), thinking=thinking), "Done.", end=True)
    assert message["content"] == "Done."


@pytest.mark.parametrize(
    ("ending", "opening"),
    [
        ("<think>", "<think>"),
        ("<think>\\n", "<think>\n"),
        ("<think>\\n\\n", "<think>\n\n"),
        ("[THINK]", "[THINK]"),
        ("<|START_THINKING|>", "<|START_THINKING|>"),
        ("<seed:think>", "<seed:think>"),
        ("<thought>\\n", "<thought>\n"),
        ("◁think▷", "◁think▷"),
        ("<think>\\n\\n</think>\\n\\n", ""),
        ("<think></think>", ""),
        ("", ""),
        ("<thinker>", ""),
    ],
)
def test_tags_at_the_end_of_prompts(ending: str, opening: str) -> None:
    import copy

    tokenizer = copy.deepcopy(family_tokenizer("qwen3-hybrid"))
    tokenizer.chat_template = (
        "{%- for m in messages -%}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' -}}{%- endfor -%}"
        f"{{%- if add_generation_prompt -%}}{{{{- '<|im_start|>assistant\\n{ending}' -}}}}{{%- endif -%}}"
    )
    assert said(ChatTemplate(tokenizer), "Hm.")["content"] == f"{opening}Hm."


def test_a_tag_in_a_page_or_an_earlier_turn_opens_nothing() -> None:
    template = ChatTemplate(family_tokenizer("qwen3-hybrid"))
    thread = template.thread()
    messages = [
        *HEAD,
        {"role": "assistant", "content": "<think>\nHm"},
        {"role": "tool", "content": "<think>"},
    ]
    thread.prompt(messages)
    thread.add(template.encoder.encode("Done."), record())
    assert thread.message["content"] == "Done."


def test_a_turn_after_results_where_the_template_opens_nothing() -> None:
    template = ChatTemplate(family_tokenizer("deepseek-r1"))
    thread = template.thread()
    thread.prompt([*HEAD, {"role": "assistant", "content": "x"}, {"role": "tool", "content": "Page."}])
    thread.add(template.encoder.encode("Done."), record())
    assert thread.message["content"] == "Done."


# The thoughts that each family writes, and how many sequences four turns of one conversation make.
TURN = {
    "qwen3-thinking": "Hm {n}.\n</think>\n\nI look at page {n}.",
    "qwen3-hybrid": "<think>\nHm {n}.\n</think>\n\nI look at page {n}.",
    "deepseek-r1": "Hm {n}.\n</think>\n\nI look at page {n}.",
    "glm-4.5": "\n<think>Hm {n}.</think>\nI look at page {n}.",
    "kimi-k2": "I look at page {n}.",
    "kimi-thinking": "<think>Hm {n}.</think>I look at page {n}.",
    "minimax-m2": "Hm {n}.\n</think>\n\nI look at page {n}.",
    "llama-3": "I look at page {n}.",
    "mistral": "I look at page {n}.",
    "function-tags": "I look at page {n}.",
}
REWRITES = ("deepseek-r1",)


@pytest.mark.parametrize("history", ["template", "keep"])
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("name", sorted(TURN))
def test_conversations_stay_one_sequence(name: str, cut: bool, history: Any) -> None:
    template = ChatTemplate(family_tokenizer(name), history=history)
    end = template.end_id if template.end_id is not None else template.encoder.id_of("<|observation|>")
    thread, messages, sampled = template.thread(), list(HEAD), []
    for number in range(4):
        prompt = thread.prompt(messages)
        ids = template.encoder.encode(TURN[name].format(n=number))
        ids = ids if cut and number == 1 and name != "glm-4.5" else [*ids, end]
        thread.add(ids, record(number))
        sampled.append((prompt, ids))
        back = {"role": "tool", "content": f"Page {number}."}
        messages += [thread.message, back]
    text = "".join(template.encoder.decode(thread.prompt(messages)).split())
    assert template.encoder.token(end) * 2 not in text, "the end of a turn is there once"
    sequences = thread.sequences
    if history == "keep" or name not in REWRITES:
        assert len(sequences) == 1
    else:
        assert len(sequences) == 4, "every thought is dropped from the next prompt"
    turns = [(sequence, turn) for sequence in sequences for turn in sequence.turns]
    for (sequence, turn), (prompt, ids) in zip(turns, sampled, strict=True):
        assert sequence.ids[: turn.start] == prompt
        assert sequence.ids[turn.start : turn.stop] == ids
    assert sum(sum(sequence.mask) for sequence in sequences) == sum(len(ids) for _, ids in sampled)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_forecast_counts_the_thought_that_the_prompt_opens(name: str) -> None:
    expected = name not in ("deepseek-r1", "glm-4.5", "kimi-thinking", "harmony")
    assert ChatTemplate(family_tokenizer(name)).append_only is expected
    assert ChatTemplate(family_tokenizer(name), history="keep").append_only
