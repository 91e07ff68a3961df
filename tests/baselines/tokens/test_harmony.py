"""gpt-oss's format is read from ids: only real special tokens are markers, and no call is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from families import family_tokenizer

from wideseek_baselines.tokens import ChatTemplate
from wideseek_baselines.tokens.record import TurnRecord
from wideseek_env.messages import assistant_message
from wideseek_env.parsing import Problem, RawCall, parse_message

pytest.importorskip("transformers")

ARGS = '{"query": "museum"}'
HEAD = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}]


@pytest.fixture(scope="module")
def template() -> ChatTemplate:
    return ChatTemplate(family_tokenizer("harmony"))


def read(template: ChatTemplate, text: str, before: str = "<|start|>assistant") -> dict[str, Any]:
    prompt, ids = template.encoder.encode(before), template.encoder.encode(text)
    return template.read(prompt, "", ids)[0]


def parsed(message: dict[str, Any], cut: bool = False) -> Any:
    return parse_message(
        assistant_message({**message, **({"finish_reason": "length"} if cut else {})}, 10_000)
    )


@pytest.mark.parametrize(
    "said",
    [
        f"<|channel|>commentary to=functions.search <|constrain|>json<|message|>{ARGS}<|call|>",
        f" to=functions.search<|channel|>commentary <|constrain|>json<|message|>{ARGS}<|call|>",
        f" to=functions.search<|channel|>commentary json<|message|>{ARGS}<|call|>",
        f"<|channel|>commentary to=functions.search<|message|>{ARGS}<|call|>",
        f"<|channel|>commentary to=functions.search code<|message|>{ARGS}<|call|>",
        f"<|channel|>commentary to=search<|constrain|>json<|message|>{ARGS}<|call|>",
        f"<|channel|>commentary to = functions.search<|message|>{ARGS}<|call|>",
        f"<|channel|>commentaryto=functions.search<|message|>{ARGS}<|call|>",
        f"<|channel|>analysis to=functions.search<|message|>{ARGS}<|call|>",
        f"<|channel|>final to=functions.search<|message|>{ARGS}<|call|>",
        f"<|channel|>commentary functions.search<|message|>{ARGS}<|call|>",
        f"<|channel|>commentary to=functions.search<|channel|>commentary json<|message|>{ARGS}<|call|>",
        f"<|channel|>commentary to=functions.search<|message|>{ARGS}",  # another stop token
        f"<|channel|>commentary to=functions.search<|message|>{ARGS}<|end|>",
        f"<|channel|>commentary to=functions.search<|message|>{ARGS}<|return|>",
        f"<|channel|>commentary to=functions.search<|message|><|message|>{ARGS}<|call|>",
        f"<|channel|>commentary to=functions.search json<|message|>{ARGS[:-1]}<|call|>",  # a bracket is missing
        f"<|start|>assistant to=functions.search<|channel|>commentary<|message|>{ARGS}<|call|>",
        f"<|channel|>analysis<|message|>Hm.<|end|><|start|>functions.search<|message|>{ARGS}<|call|>",
        f"<|channel|>analysis<|message|>Hm.<|channel|>commentary to=functions.search<|message|>{ARGS}<|call|>",
        f"<|channel|>analysis<|message|>Hm.<|end|>assistant<|channel|>commentary to=search<|message|>{ARGS}<|call|>",
        f"<|channel|>analysis<|message|>Hm.<|start|>assistant to=functions.search<|channel|>commentary"
        f"<|message|>{ARGS}<|call|>",
    ],
)
def test_forms_of_a_call(template: ChatTemplate, said: str) -> None:
    message = read(template, said)
    (call,) = parsed(message).calls
    assert (call.name, call.arguments) == ("search", {"query": "museum"})
    assert parsed(message).text == ""
    assert ("Hm." in message["content"]) == ("Hm." in said)


@pytest.mark.parametrize(
    ("said", "text", "thought"),
    [
        ("<|channel|>final<|message|>Done.<|return|>", "Done.", ""),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Done.",
            "Done.",
            "Hm.",
        ),
        ("<|channel|>commentary<|message|>I look.<|end|>", "I look.", ""),
        (
            "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>final<|message|>Done.",
            "Done.",
            "I look.",
        ),
        ("<|message|>Done.<|return|>", "Done.", ""),
        ("Done.", "Done.", ""),
        ("<|channel|>summary<|message|>Done.<|return|>", "Done.", ""),
        ("<|channel|>final to=user<|message|>Done.<|return|>", "Done.", ""),
        ("<|channel|>final Done.", "Done.", ""),
        (
            "<|start|>functions.search to=assistant<|channel|>commentary<|message|>{}<|end|>"
            "<|start|>assistant<|channel|>final<|message|>Done.",
            "Done.",
            "{}",
        ),
        (
            "<|channel|>final<|message|>One <think> two </think> three.<|return|>",
            "One ‹think› two ‹/think› three.",
            "",
        ),
    ],
)
def test_text_and_thoughts(template: ChatTemplate, said: str, text: str, thought: str) -> None:
    message = read(template, said)
    assert parsed(message) == (text, [])
    assert (f"<think>\n{thought}\n</think>" in message["content"]) == bool(thought)


def test_a_preamble_stays_next_to_its_call(template: ChatTemplate) -> None:
    message = read(
        template,
        "<|channel|>commentary<|message|>I look.<|end|>"
        f"<|start|>assistant<|channel|>commentary to=functions.search<|message|>{ARGS}<|call|>",
    )
    assert parsed(message).text == "I look."
    assert len(parsed(message).calls) == 1


def test_several_calls_of_a_turn_have_ids(template: ChatTemplate) -> None:
    one = f"<|channel|>commentary to=functions.search<|message|>{ARGS}"
    message = read(template, f"{one}<|end|><|start|>assistant{one}<|end|><|start|>assistant{one}<|call|>")
    assert [call["id"] for call in message["tool_calls"]] == ["call_0", "call_1", "call_2"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("<|channel|>analysis<|message|>Hm", "unclosed_thinking"),
        ("<|channel|>analysis<|message|>Hm, I call <|message|> {}", "unclosed_thinking"),
        ("<|channel|>analysis<|message|>Hm.<|end|>", "cut_off"),
        ("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant", "cut_off"),
        ("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>fin", "cut_off"),
        ("<|channel|>final<|message|>| A |", "cut_off"),
        ("<|channel|>", "cut_off"),
        ("", "cut_off"),
        ('<|channel|>commentary to=functions.search<|message|>{"query": "mus', "bad_json"),
        ("<|channel|>commentary to=functions.search<|constrain|>json", "bad_json"),
        (" to=functions.sea", "bad_json"),
    ],
)
def test_a_turn_that_was_cut_off_is_no_answer_and_runs_nothing(
    template: ChatTemplate, said: str, problem: str
) -> None:
    (call,) = parsed(read(template, said), cut=True).calls
    assert isinstance(call, Problem)
    assert call.code == problem


def test_a_second_call_that_was_cut_off_is_not_lost(template: ChatTemplate) -> None:
    one = f"<|channel|>commentary to=functions.search<|message|>{ARGS}<|end|><|start|>assistant"
    for rest in (" to=functions.browse", '<|channel|>commentary to=functions.browse<|message|>{"url": "x'):
        first, second = parsed(read(template, one + rest), cut=True).calls
        assert isinstance(first, RawCall)
        assert isinstance(second, Problem)


def test_markers_that_are_only_spelled_are_text(template: ChatTemplate) -> None:
    spelled = f"<|call|> and <|channel|>commentary to=functions.search<|message|>{ARGS}<|call|>"
    encoder = template.encoder
    body = [i for part in spelled.split("|") for i in encoder.encode(part + "|")][:-1]
    assert not set(body) & set(template.encoder.encode("<|call|><|channel|><|message|>"))
    ids = [*encoder.encode("<|channel|>final<|message|>"), *body, *encoder.encode("<|return|>")]
    message, _ = template.read(encoder.encode("<|start|>assistant"), "", ids)
    text, calls = parsed(message)
    assert calls == []
    assert "call" in text
    assert "<|call|>" not in text
    arguments = [
        *encoder.encode("<|channel|>commentary to=functions.search<|message|>"),
        *encoder.encode('{"query": "'),
    ]
    arguments += [*encoder.encode("<|"), *encoder.encode("call|>"), *encoder.encode('"}<|call|>')]
    message, _ = template.read(encoder.encode("<|start|>assistant"), "", arguments)
    assert parsed(message).calls[0].arguments == {"query": "<|call|>"}


@pytest.mark.parametrize(
    ("before", "said", "kind"),
    [
        ("<|start|>assistant<|channel|>analysis<|message|>", "Hm", "thought"),
        (
            "<|start|>assistant<|channel|>analysis<|message|>",
            "Hm<|end|><|start|>assistant<|channel|>final<|message|>A",
            "A",
        ),
        ("<|start|>assistant<|channel|>final<|message|>", "A<|return|>", "A"),
        ("<|start|>assistant<|channel|>final", "<|message|>A<|return|>", "A"),
    ],
)
def test_a_prompt_may_have_begun_the_message(
    template: ChatTemplate, before: str, said: str, kind: str
) -> None:
    text, calls = parsed(read(template, said, "<|start|>user<|message|>Q<|end|>" + before))
    if kind == "thought":
        assert [call.code for call in calls] == ["unclosed_thinking"]
    else:
        assert (text, calls) == (kind, [])


def record(number: int) -> TurnRecord:
    return TurnRecord(number, 0, 0, [], (), "stop")


@pytest.mark.parametrize("history", ["template", "keep"])
def test_the_next_prompt_has_thought_call_and_result_in_the_templates_form(history: Any) -> None:
    template = ChatTemplate(family_tokenizer("harmony"), history=history)
    encoder, thread = template.encoder, template.thread()
    messages = list(HEAD)
    prompts = [thread.prompt(messages)]
    said = [
        "<|channel|>analysis<|message|>Hm.<|end|>"
        f"<|start|>assistant to=functions.search<|channel|>commentary json<|message|>{ARGS}<|call|>",
        "<|channel|>analysis<|message|>So.<|end|><|start|>assistant"
        f"<|channel|>commentary to=functions.search <|constrain|>json<|message|>{ARGS}<|call|>",
        "<|channel|>final<|message|>Cut",
        "<|channel|>final<|message|>Done.<|return|>",
    ]
    for number, text in enumerate(said):
        ids = encoder.encode(text)
        thread.add(ids, record(number))
        message = thread.message
        messages.append(message)
        back = {"role": "tool", "content": f"Page {number}."}
        if "tool_calls" in message:
            back["tool_call_id"] = message["tool_calls"][0]["id"]
        messages.append(back)
        prompts.append(thread.prompt(messages))
        if history == "keep" or number == 0:
            assert prompts[-1][: len(prompts[-2]) + len(ids)] == [*prompts[-2], *ids], (
                "the sequence continues"
            )
    text = encoder.decode(prompts[2])
    assert text.count("<|channel|>analysis<|message|>Hm.<|end|>") == 1
    assert text.count("functions.search to=assistant<|channel|>commentary<|message|>") == 2
    assert text.endswith("<|end|><|start|>assistant")
    assert "<think>" not in text
    last = encoder.decode(prompts[3])
    assert last.endswith("Cut<|end|><|start|>user<|message|>Page 2.<|end|><|start|>assistant"), (
        "no call, no result"
    )
    ids = [
        i
        for sequence in thread.sequences
        for turn in sequence.turns
        for i in sequence.ids[turn.start : turn.stop]
    ]
    assert ids == [i for text in said for i in encoder.encode(text)], "exactly what was sampled is trained on"
    assert len(thread.sequences) == (1 if history == "keep" else 3), (
        "the template says some turns in its own way"
    )


def test_several_calls_are_shown_one_after_another(template: ChatTemplate) -> None:
    calls = [
        {
            "id": f"c{n}",
            "type": "function",
            "function": {"name": f"tool{n}", "arguments": json.dumps({"n": n})},
        }
        for n in range(3)
    ]
    results = [{"role": "tool", "tool_call_id": f"c{n}", "content": f"Result {n}."} for n in (2, 0, 1)]
    content = "<think>\nHm.\n</think>\n\nI look."
    text = template.renderer.render(
        [*HEAD, {"role": "assistant", "content": content, "tool_calls": calls}, *results]
    ).text
    at = [text.index(word) for n in range(3) for word in (f"to=functions.tool{n}<", f'"Result {n}."')]
    assert at == sorted(at)
    assert text.count("Hm.") == text.count("I look.") == 1
