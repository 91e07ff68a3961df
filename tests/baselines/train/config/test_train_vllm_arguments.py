"""vLLM's arguments in a training configuration: `engine.vllm.NAME=VALUE` on the command line and in files."""

from __future__ import annotations

import dataclasses
import importlib.machinery
import re
import sys
import types
from pathlib import Path
from typing import Any, Literal

import pytest
from click.testing import CliRunner

from wideseek_baselines.engines.vllm_arguments import FIXED, OWN
from wideseek_baselines.engines.vllm_loading import VllmSettings
from wideseek_baselines.train.cli import train
from wideseek_baselines.train.config.loading import config_from, config_to_dict, explained, load_config
from wideseek_baselines.train.config.run import policy_options
from wideseek_baselines.train.grpo import GrpoConfig
from wideseek_env.errors import ConfigError

NEEDED = ["model.path=m", "out=o"]
PAGE = Path(__file__).resolve().parents[4] / "docs" / "training.md"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("max_num_batched_tokens=8192", {"max_num_batched_tokens": 8192}),
        ("enable_chunked_prefill=false", {"enable_chunked_prefill": False}),
        ("quantization=fp8", {"quantization": "fp8"}),
        ("quantization=none", {"quantization": None}),
        ("cudagraph_capture_sizes=[1, 2]", {"cudagraph_capture_sizes": [1, 2]}),
        ('speculative_config={method="ngram"}', {"speculative_config": {"method": "ngram"}}),
        ("compilation_config.level=0", {"compilation_config": {"level": 0}}),
        ("kv_cache_dtype=fp8", {"kv_cache_dtype": "fp8"}),
        ("cpu_offload_gb=1.5", {"cpu_offload_gb": 1.5}),
        ("hf_overrides.rope.theta=1e6", {"hf_overrides": {"rope": {"theta": 1e6}}}),
    ],
)
def test_an_argument_reaches_the_engine(tmp_path: Path, text: str, value: dict[str, Any]) -> None:
    config = load_config(GrpoConfig, None, [*NEEDED, f"engine.vllm.{text}"])
    assert config.engine.vllm == value
    options = policy_options("m", config.engine)
    assert options["engine_options"] == value
    assert config_from(GrpoConfig, config_to_dict(config)) == config, "checkpoints hold it"


def test_a_file_and_the_command_line_set_arguments_together(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[engine.vllm]\nblock_size = 32\nenforce_eager = true\n")
    config = load_config(GrpoConfig, tmp_path / "run.toml", [*NEEDED, "engine.vllm.block_size=64"])
    assert config.engine.vllm == {"block_size": 64, "enforce_eager": True}
    options = policy_options("m", config.engine)
    assert options["enforce_eager"] is True, "a setting of the engine that training does not have"
    assert options["engine_options"] == {"block_size": 64}
    VllmSettings("m", options=options["engine_options"], enforce_eager=options["enforce_eager"])
    assert "engine_options" not in policy_options("m", load_config(GrpoConfig, None, NEEDED).engine)
    assert "engine.vllm (default {})" in explained(GrpoConfig)


@pytest.mark.parametrize("name", sorted(set(OWN) - {"seed", "enforce_eager"}))
def test_an_argument_with_another_setting_is_refused_with_its_name(name: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|$", PAGE.read_text("utf-8"), re.MULTILINE))
    says = rf"^engine: vllm must not set {name}: set {re.escape(rows[name])} instead"
    with pytest.raises(ConfigError, match=says):
        load_config(GrpoConfig, None, [*NEEDED, f"engine.vllm.{name}=1"])
    load_config(GrpoConfig, None, NEEDED)


@pytest.mark.parametrize("name", sorted(FIXED))
def test_an_argument_that_must_be_as_it_is(name: str) -> None:
    with pytest.raises(ConfigError, match=f"vllm must not set {name}: this engine works only with {name}="):
        load_config(GrpoConfig, None, [*NEEDED, f"engine.vllm.{name}=1"])


def test_vllms_arguments_are_for_vllm() -> None:
    with pytest.raises(ConfigError, match="vllm is a setting of vLLM"):
        load_config(GrpoConfig, None, [*NEEDED, "engine.kind=transformers", "engine.vllm.block_size=9"])
    with pytest.raises(ConfigError, match=r"engine\.vllm must be a table"):
        load_config(GrpoConfig, None, [*NEEDED, "engine.vllm=9"])


@dataclasses.dataclass
class Arguments:
    """Stands for `vllm.AsyncEngineArgs`."""

    max_num_batched_tokens: int | None = None
    enforce_eager: bool = False
    seed: int = 0
    kv_cache_dtype: Literal["auto", "fp8"] = "auto"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vLLM that only has arguments."""
    module = types.ModuleType("vllm")
    module.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    module.__version__ = "9.9"  # type: ignore[attr-defined]
    module.AsyncEngineArgs = Arguments  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)


DRY = ["grpo", "model.path=HuggingFaceTB/SmolLM2-135M-Instruct", "out=o", "--dry-run"]
WRONG = [
    (
        "max_num_batched_tokens=hot",
        "engine.vllm.max_num_batched_tokens must be a whole number or none, not 'hot'",
    ),
    (
        "max_num_batched_tokens=[1]",
        "engine.vllm.max_num_batched_tokens must be a whole number or none, not [1]",
    ),
    (
        "max_num_batched_tokens.a=1",
        "engine.vllm.max_num_batched_tokens must be a whole number or none, not {'a': 1}",
    ),
    (
        "max_num_batched_tokens=1.5",
        "engine.vllm.max_num_batched_tokens must be a whole number or none, not 1.5",
    ),
    ("enforce_eager=hot", "engine.vllm.enforce_eager must be true or false, not 'hot'"),
    ("enforce_eager=1", "engine.vllm.enforce_eager must be true or false, not 1"),
    ("seed=x", "engine.vllm.seed must be a whole number, not 'x'"),
    ("seed=none", "engine.vllm.seed must be a whole number, not None"),
    ("kv_cache_dtype=fp9", "must be one of auto, fp8, not 'fp9' (did you mean 'fp8'?)"),
    (
        "max_num_batch_tokens=1",
        "no engine argument 'max_num_batch_tokens'; did you mean 'max_num_batched_tokens'?",
    ),
    ("zzz=1", "vLLM 9.9 has no engine argument 'zzz'"),
]


@pytest.mark.parametrize(("setting", "says"), WRONG)
def test_a_dry_run_checks_names_and_values(installed: None, setting: str, says: str) -> None:
    result = CliRunner().invoke(train, [*DRY, f"engine.vllm.{setting}"])
    assert result.exit_code != 0
    assert says in str(result.exception) + result.output
    right = CliRunner().invoke(train, [*DRY, "engine.vllm.max_num_batched_tokens=9"])
    assert right.exit_code == 0, right.output
    assert "not checked" not in right.output


def test_a_dry_run_without_vllm_says_what_it_did_not_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wideseek_baselines.engines.vllm_loading.find_spec", lambda name: None)
    told = "engine.vllm was not checked, because vLLM is not installed here"
    assert told in CliRunner().invoke(train, [*DRY, "engine.vllm.max_num_batched_tokens=hot"]).output
    assert told not in CliRunner().invoke(train, DRY).output
