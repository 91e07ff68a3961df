"""Keys never reach a record, and names, models and addresses stay as they are."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner

from wideseek_env.provenance.command import command_line
from wideseek_env.provenance.record import record_of
from wideseek_env.provenance.secrets import hidden, hidden_text, is_secret_option

KEY = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"--policy-arg api_key={KEY}",
        f"--policy-arg password={KEY}",
        f"my.judges:Judge,token={KEY},share=0.5",
        f"my.judges:Judge,x=1,apiKey={KEY}",
        f"openai:model@https://user:{KEY}@host/v1",
        f"openai:model@https://host/v1?sig={KEY}",
        f"live:json=https://host/search?q={{query}}&key={KEY},limit=3",
        f"Authorization: Bearer {KEY}",
        f'{{"headers": {{"x-api-key": "{KEY}"}}}}',
        f"--base-url=https://host/v1;access_token={KEY}",
        f"ACCESS_TOKEN={KEY} wideseek",
        f"remote:https://host/v1#jwt={KEY}",
        f"secret: {KEY}",
        f"sk-{KEY}",
        f"m:P,auth=Bearer {KEY}",
    ],
)
def test_a_key_is_hidden(text: str) -> None:
    shown = hidden_text(text)
    assert KEY not in shown
    assert "[key-" in shown
    assert hidden_text(shown) == shown
    assert KEY not in json.dumps(record_of({"game": {"judge": text}}, text))


@pytest.mark.parametrize(
    "text",
    [
        "wideseek eval --policy vllm --model models/qwen3-4b --tasks hybridqa:data,mode=pages",
        "--policy-arg api_key_env=OPENAI_API_KEY",
        "--policy-arg stop_token=</s> --policy-arg turn_tokens=2048",
        "my_rewards:Half,share=0.5",
        "openai:qwen3-4b@http://127.0.0.1:8000/v1",
        "/tmp/pytest-of-root/pytest-12/test_x0/run",
        "--where key_columns=2",
        "Qwen/Qwen2.5-0.5B-Instruct",
        "",
    ],
)
def test_other_texts_stay(text: str) -> None:
    assert hidden_text(text) == text


def test_keys_of_the_environment_are_hidden_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERPER_API_KEY", KEY)
    assert KEY not in hidden_text(f"--note {KEY}")
    assert KEY not in json.dumps(hidden({"options": [{"name": f"x{KEY}y"}]}))


def test_values_by_the_names_of_options() -> None:
    options: dict[str, Any] = {
        "api_key": KEY,
        "model": "m",
        "fields": {"password": KEY, "n": 3},
        "tokens": 12345678,
    }
    shown = hidden(options)
    assert KEY not in json.dumps(shown)
    assert (shown["model"], shown["fields"]["n"], shown["tokens"]) == ("m", 3, 12345678)
    assert is_secret_option("openai_api_key")
    assert not is_secret_option("stop_token")


def test_a_command_line_has_no_keys() -> None:
    found = []

    @click.command()
    @click.option("--judge")
    @click.option("--policy-arg", "pairs", multiple=True)
    @click.argument("files", nargs=-1)
    def play(judge: str, pairs: tuple[str, ...], files: tuple[str, ...]) -> None:
        found.append(command_line())

    arguments = [
        "--judge",
        f"m:J,api_key={KEY}",
        "--policy-arg",
        f"secret={KEY}",
        "--policy-arg",
        "x=1",
        "a.jsonl",
    ]
    assert CliRunner().invoke(play, arguments).exit_code == 0
    assert KEY not in found[0]
    assert "x=1" in found[0]
    assert found[0].endswith("a.jsonl")
    assert command_line() == ""  # no command runs
