"""The nano model: the same bytes each time, a tokenizer that loses nothing, and a template that only appends."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from wideseek_baselines.nano import SIZES, Nano, make_nano
from wideseek_baselines.nano.cli import nano as command
from wideseek_baselines.nano.text import TERSE_TEAM, episode_text
from wideseek_baselines.nano.tokenizer import CONTROL, MARKUP
from wideseek_env.errors import ConfigError, CorpusError, MissingDependencyError
from wideseek_env.messages import Message
from wideseek_env.pages.neutral import neutralise

tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")

QUICK = {"vocab": 1024, "worlds": 6, "context": 512}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Nano:
    return make_nano(tmp_path_factory.mktemp("nano") / "model", **QUICK)


@pytest.fixture(scope="module")
def encoder(made: Nano) -> Any:
    return tokenizers.Tokenizer.from_file(str(made.folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def tokenizer(made: Nano) -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(made.folder)


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_the_same_options_give_the_same_bytes_in_another_process(made: Nano, tmp_path: Path) -> None:
    options = ["--vocab", "1024", "--worlds", "6", "--context", "512"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "wideseek_baselines.nano", str(tmp_path / "again"), *options],
        env={
            **os.environ,
            "PYTHONHASHSEED": "77",
            "RAYON_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "again") == digests(made.folder)
    assert set(digests(made.folder)) == {
        *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json"),
        "tokenizer_config.json",
    }


def test_the_seed_changes_the_weights_alone(made: Nano, tmp_path: Path) -> None:
    other = make_nano(tmp_path / "other", seed=1, **QUICK)
    differ = {name for name, digest in digests(other.folder).items() if digests(made.folder)[name] != digest}
    assert differ == {"model.safetensors"}


@given(st.text(max_size=60))
def test_any_text_comes_back_from_its_tokens(encoder: Any, text: str) -> None:
    ids = encoder.encode(text, add_special_tokens=False).ids
    assert encoder.decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("pause", [" ", "\n", "\r\n", "\t", "　", " \n \n", "| --- |\n| a |\n\n"])
def test_white_space_comes_back_whatever_it_stands_beside(encoder: Any, pause: str) -> None:
    text = f"{pause}a{pause}1{pause}{pause}|{pause}<tool_call>{pause}{{}}</tool_call>{pause}"
    assert encoder.decode(encoder.encode(text).ids, skip_special_tokens=False) == text


def test_control_and_markup_are_single_tokens(encoder: Any) -> None:
    for name in CONTROL + MARKUP:
        assert [encoder.id_to_token(token) for token in encoder.encode(f"a{name}b").ids][1] == name
    spoken = "".join(CONTROL) + "<tool_call>{}</tool_call><think></think>"
    kept = encoder.decode(encoder.encode(spoken).ids, skip_special_tokens=True)
    assert kept == "<tool_call>{}</tool_call><think></think>", "calls are text, turns are not"


@given(st.lists(st.sampled_from([*CONTROL, *MARKUP, "<|im_", "end|>", "<", ">", "a ", "|"]), max_size=8))
def test_neutralised_text_makes_no_special_token(encoder: Any, parts: list[str]) -> None:
    special = {encoder.token_to_id(name) for name in CONTROL + MARKUP}
    assert special.isdisjoint(encoder.encode(neutralise("".join(parts))).ids)


def test_the_tokenizer_fits_text_that_it_was_not_made_from(made: Nano, encoder: Any) -> None:
    unseen = [message["content"] for chat in episode_text(999, TERSE_TEAM) for message in chat]
    tokens = sum(len(encoder.encode(text).ids) for text in unseen)
    assert sum(map(len, unseen)) / tokens > 2.5
    assert 2.5 < made.fit.characters_per_token < 5
    assert 0 < made.fit.median <= made.fit.longest


def test_numbers_are_cut_after_every_second_digit(encoder: Any) -> None:
    tokens = [encoder.decode([number]) for number in encoder.encode("In 1876 and 187650").ids]
    assert "".join(tokens) == "In 1876 and 187650"
    assert all(sum(sign.isdigit() for sign in token) <= 2 for token in tokens)
    assert not any(token[0].isalpha() and token[-1].isdigit() for token in tokens)
    assert " 18" in tokens


def chat_of(*more: Message) -> list[Message]:
    call = {"id": "c", "type": "function", "function": {"name": "search", "arguments": '{"query": "ä"}'}}
    return [
        {"role": "system", "content": "You lead."},
        {"role": "user", "content": "Find museums."},
        {"role": "assistant", "content": "<think>\nhm\n</think>\nFirst.\n<tool_call>\n{}\n</tool_call>"},
        {"role": "tool", "content": "# Search\nnothing"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "one"},
        {"role": "tool", "tool_call_id": "d", "content": "two"},
        {"role": "user", "content": "Go on."},
        {"role": "assistant", "content": "| a |"},
        *more,
    ]


@pytest.mark.parametrize("tools", [None, [{"type": "function", "function": {"name": "search"}}]])
def test_the_template_only_appends(tokenizer: Any, tools: list[Any] | None) -> None:
    chat = chat_of()
    texts = [
        tokenizer.apply_chat_template(chat[:stop], tools=tools, tokenize=False)
        for stop in range(1, len(chat) + 1)
    ]
    for shorter, longer in pairwise(texts):
        assert longer.startswith(shorter)
    for index, message in enumerate(chat):
        if message["role"] == "assistant":
            asked = tokenizer.apply_chat_template(
                chat[:index], tools=tools, add_generation_prompt=True, tokenize=False
            )
            assert texts[index].startswith(asked), "what a model is asked is what stays in the conversation"
    assert texts[-1].count("<|im_end|>") == len(chat)
    assert "<think>\nhm\n</think>" in texts[-1], "thinking stays"
    assert '<tool_call>\n{"name": "search", "arguments": {"query": "ä"}}\n</tool_call><|im_end|>' in texts[-1]
    assert ('{"name": "search"}\n' in texts[-1]) == bool(tools)


def test_the_template_describes_tools_without_a_system_prompt(tokenizer: Any) -> None:
    tool = {"type": "function", "function": {"name": "search"}}
    text = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tools=[tool], tokenize=False)
    assert text.startswith('<|im_start|>system\nTools, as JSON schemas:\n{"name": "search"}\n')
    assert text.endswith("<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n")


def test_the_template_refuses_unknown_roles(tokenizer: Any) -> None:
    with pytest.raises(Exception, match="no role robot"):
        tokenizer.apply_chat_template([{"role": "robot", "content": "Hi"}], tokenize=False)


@pytest.mark.parametrize("size", SIZES)
def test_it_loads_in_transformers_and_generates(size: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    nano = make_nano(tmp_path / size, size=size, vocab=600, worlds=3, context=128)
    tokenizer = transformers.AutoTokenizer.from_pretrained(nano.folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(nano.folder)
    assert sum(weights.numel() for weights in model.parameters()) == nano.weights
    assert model.config.max_position_embeddings == tokenizer.model_max_length == 128
    assert tokenizer.eos_token == "<|im_end|>"
    assert model.generation_config.eos_token_id[0] == tokenizer.eos_token_id
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    ids = tokenizer("a question", return_tensors="pt")["input_ids"]
    mask = torch.ones_like(ids)
    assert (
        model.generate(ids, attention_mask=mask, min_new_tokens=5, max_new_tokens=5).shape[1]
        == ids.shape[1] + 5
    )
    loss = model(ids, labels=ids).loss.detach()
    assert abs(float(loss) - float(torch.tensor(600.0).log())) < 0.7, "fresh weights know nothing"


def test_sizes_are_what_they_say() -> None:
    millions = {name: round(size.weights(3072) / 1e6, 1) for name, size in SIZES.items()}
    assert millions == {"tiny": 1.6, "small": 3.2, "base": 4.9}


@pytest.mark.parametrize(
    "options",
    [{"size": "huge"}, {"vocab": 100}, {"vocab": 10**6}, {"context": 0}, {"seed": -1}, {"worlds": 0}],
    ids=str,
)
def test_silly_options_are_refused_before_anything_is_made(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        make_nano(tmp_path / "nano", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_vocabulary_that_the_text_does_not_fill_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use more worlds or a smaller vocabulary"):
        make_nano(tmp_path / "nano", vocab=60_000, worlds=1)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(made: Nano, tmp_path: Path) -> None:
    before = digests(made.folder)
    with pytest.raises(ConfigError, match="has another model already"):
        make_nano(made.folder, **{**QUICK, "seed": 5})
    assert digests(made.folder) == before
    (made.folder / "building.lock").touch()  # killed after the last rename
    again = make_nano(made.folder, **QUICK)
    assert (again.fit, again.weights) == (made.fit, made.weights)
    assert digests(made.folder) == before, "the same command ends well"
    assert not (made.folder / "building.lock").exists()
    (tmp_path / "file").write_text("kept")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").touch()
    for name in ("file", "other"):
        with pytest.raises(ConfigError, match="exists already"):
            make_nano(tmp_path / name, **QUICK)
    with pytest.raises(CorpusError, match="cannot build in"):
        make_nano(tmp_path / "file" / "below", **QUICK)
    assert (tmp_path / "file").read_text() == "kept"


def test_the_command_says_what_it_made(tmp_path: Path) -> None:
    options = ["--vocab", "600", "--worlds", "3", "--context", "128", "--size", "small"]
    done = CliRunner().invoke(command, [str(tmp_path / "nano"), *options])
    assert done.exit_code == 0, done.output
    assert "weights, 600 tokens, sequences of up to 128" in done.output
    assert "characters per token" in done.output
    assert (tmp_path / "nano" / "model.safetensors").is_file()


def test_all_missing_packages_are_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wideseek_baselines.nano.build.find_spec", lambda name: None)
    hint = r'needs safetensors and tokenizers; .*pip install -e "baselines\[transformers\]"'
    with pytest.raises(MissingDependencyError, match=hint):
        make_nano(tmp_path / "nano", **QUICK)
    assert list(tmp_path.iterdir()) == []
