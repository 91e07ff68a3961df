"""Configurations: typed, from TOML and key=value, with errors that help."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from wideseek_baselines.train.config import options
from wideseek_baselines.train.config.loading import config_from, config_to_dict, explained, load_config
from wideseek_baselines.train.sft import SftConfig
from wideseek_env.docstrings import field_docstrings
from wideseek_env.errors import ConfigError

NEEDED = ("data=episodes.jsonl", "out=run", "model.path=nano")


def test_file_then_overrides_then_defaults(tmp_path: Path) -> None:
    file = tmp_path / "sft.toml"
    file.write_text(
        'data = ["a.jsonl", "b.jsonl"]\nout = "run"\nepochs = 3\nroles = ["lead"]\n'
        '[model]\npath = "nano"\n[optim]\nlr = 1\nschedule = "linear"\n',
        "utf-8",
    )
    config = load_config(
        SftConfig, file, ["optim.lr=3e-4", "model.device=cpu", "resume=false", "max_steps=none", "seed = 4"]
    )
    assert config.data == ("a.jsonl", "b.jsonl")
    assert config.roles == ("lead",)
    assert (config.epochs, config.seed, config.resume, config.max_steps) == (3, 4, False, None)
    assert (config.optim.lr, config.optim.schedule) == (3e-4, "linear")
    assert config.model == options.ModelOptions("nano", device="cpu")
    assert config.checkpoint == options.CheckpointOptions()
    assert config_from(SftConfig, config_to_dict(config)) == config


def test_tables_that_are_left_out_have_the_outer_default() -> None:
    config = load_config(SftConfig, None, NEEDED)
    assert config.optim.lr == 1e-5
    part = load_config(SftConfig, None, [*NEEDED, "optim.warmup=3"])
    assert (part.optim.lr, part.optim.warmup, part.optim.schedule) == (1e-5, 3, "cosine")
    assert config.data == ("episodes.jsonl",)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lrr=1", r"unknown key 'optim.lrr'; did you mean 'optim.lr'\?"),
        ("optin.lr=1", r"unknown key 'optin'; did you mean 'optim'\?"),
        ("zzz=1", "unknown key 'zzz'; there are: data, out"),
        ("epochs=1.5", "epochs must be a whole number, not 1.5"),
        ("epochs=true", "epochs must be a whole number, not True"),
        ("epochs=0", "epochs must be at least 1, not 0"),
        ("held_out=1.2", "held_out must be at least 0 and at most 1, not 1.2"),
        ("optim.lr=0", "optim.lr must be above 0, not 0"),
        ("optim.lr=fast", "optim.lr must be a number, not 'fast'"),
        ("resume=yes", "resume must be true or false, not 'yes'"),
        ("optim.schedule=step", "optim.schedule must be one of constant, linear, cosine, not 'step'"),
        ('roles=["boss"]', r"roles\[0\] must be one of lead, subagent, single, not 'boss'"),
        ("optim.betas=[0.9]", "optim: betas must be two numbers"),
        ("optim=3", "optim must be a table, not 3"),
        ("epochs.x=3", "epochs is a single value, not a table"),
        ("max_steps=soon", "max_steps must be a whole number, not 'soon'"),
        ("epochs", "not of the form key=value"),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(SftConfig, None, [*NEEDED, override])


def test_missing_keys_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model is missing|model\.path is missing"):
        load_config(SftConfig, None, NEEDED[:2])
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(SftConfig, tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("a = = 1", "utf-8")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(SftConfig, tmp_path / "bad.toml")


def test_a_critic_that_sees_the_team_is_one_of_its_own() -> None:
    with pytest.raises(ConfigError, match="separate"):
        config_from(options.ValueOptions, {"view": "team"})
    assert config_from(options.ValueOptions, {"view": "team", "critic": "separate"}).view == "team"


KINDS = [
    SftConfig,
    *(
        kind
        for kind in vars(options).values()
        if dataclasses.is_dataclass(kind) and kind.__module__ == options.__name__
    ),
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_documented(kind: Any) -> None:
    names = [field.name for field in dataclasses.fields(kind)]
    assert set(names) == set(get_type_hints(kind))
    documents = field_docstrings(kind)
    assert [name for name in names if len(documents.get(name, "")) < 5] == []


def test_the_settings_can_be_listed() -> None:
    text = explained(SftConfig)
    assert "optim.lr (default 1e-05)\n    Highest learning rate." in text
    assert "model.path (required)" in text
