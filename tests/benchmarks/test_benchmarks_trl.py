"""The comparison of a training step with TRL's: both do the same work, and what is counted is what is computed."""

from __future__ import annotations

import dataclasses
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.errors import ConfigError, MissingDependencyError

REPOSITORY = Path(__file__).resolve().parents[2]
MISSING = [name for name in ("torch", "transformers", "safetensors") if find_spec(name) is None]
NO_TRL = [name for name in ("trl", "datasets", "accelerate") if find_spec(name) is None]
SMALL = "synthetic:rows=4,columns=1,hops=1"

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)}: pip install -e 'baselines[transformers]'"
)


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that holds the scripts."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3 model of a few thousand weights, with a tokenizer."""
    from training_parts import saved_model

    return saved_model(tmp_path_factory.mktemp("models") / "tiny")


def team_batch() -> Any:
    """Six sequences of three teams, lengths and advantages of their own."""
    from recorded_batch import Batch
    from training_parts import agent, rollout

    teams = [
        [agent("lead", (5, 9)), agent("subagent", (4, 4, 7), name="subagent_0")],
        [
            agent("lead", (12,)),
            agent("subagent", (3,), name="subagent_0"),
            agent("subagent", (30, 2), name="subagent_1"),
        ],
        [agent("lead", (1,))],
    ]
    return Batch([rollout(agents, group="a", trial=n) for n, agents in enumerate(teams)], [-1.2, 0.9, 0.4])


@pytest.mark.skipif(bool(NO_TRL), reason=f"needs {', '.join(NO_TRL)}: pip install 'trl>=1.16,<2'")
@pytest.mark.filterwarnings("ignore")  # TRL's own: about versions of vLLM, and Triton without a GPU
def test_both_sides_compute_the_same_gradient(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)  # TRL would load it, which takes longer than the test
    from recorded_step import train_here
    from train_step_vs_trl import LEAST_COSINE, alike
    from trl_trainer import TrlOptions, train_with_trl

    batch = team_batch()
    here = train_here(str(tiny), batch, "cpu", tokens_per_row=40, steps=2, keep_gradient=True)
    assert here.padded_tokens == sum(len(sequence.ids) for _, sequence in batch.sequences)
    assert len(here.seconds) == 2
    through = {}
    for padding in ("batch", "sorted"):
        options = TrlOptions(2, padding, steps=1, clip=False)  # type: ignore[arg-type]
        trl = train_with_trl(str(tiny), batch, "cpu", options, keep_gradient=True)
        likeness = alike(here.gradient, trl.gradient)
        assert likeness["cosine"] > LEAST_COSINE
        assert likeness["relative_difference"] < 1e-3
        assert len(trl.seconds) == 1
        through[padding] = trl.padded_tokens
    assert here.padded_tokens <= through["sorted"] < through["batch"]
    other = dataclasses.replace(batch, advantages=[1.0, 0.2, 0.4])
    options = TrlOptions(2, steps=1, clip=False)
    trl = train_with_trl(str(tiny), other, "cpu", options, keep_gradient=True)
    assert alike(here.gradient, trl.gradient)["cosine"] < LEAST_COSINE


def test_without_trl_it_says_what_to_install(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trl_trainer import TrlOptions, train_with_trl

    monkeypatch.setitem(sys.modules, "trl", None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match="pip install 'trl"):
        train_with_trl(str(tiny), team_batch(), "cpu", TrlOptions(2))


def test_a_recorded_batch_trains_what_agents_wrote(tiny: Path) -> None:
    from recorded_batch import record_batch

    from wideseek_baselines.tokens import load_tokenizer

    batch = record_batch(str(tiny), tasks=1, group=4, tasks_of=SMALL, multiple=4)
    assert len(batch.sequences) % 4 == 0
    assert len(set(batch.advantages)) > 1
    about = batch.describe()
    assert about["trained_tokens"] == sum(rollout.tokens for rollout in batch.rollouts)
    assert set(about["lengths"]) == {"lead", "subagent"}
    tokenizer = load_tokenizer(tiny)
    lead = batch.rollouts[0].agents[0]
    turn = lead.turns[-1]
    assert "|" in tokenizer.decode(lead.sequences[-1].ids[turn.start : turn.stop])  # the table
    longest = max(len(sequence.ids) for _, sequence in batch.sequences)
    shorter = record_batch(str(tiny), tasks=1, group=4, tasks_of=SMALL, context=longest - 1)
    assert max(len(sequence.ids) for _, sequence in shorter.sequences) < longest
    with pytest.raises(ConfigError, match="give more tasks"):
        record_batch(str(tiny), tasks=1, group=4, tasks_of=SMALL, context=10)


def test_a_batch_can_be_kept(tmp_path: Path) -> None:
    from recorded_batch import Batch

    batch = team_batch()
    batch.save(tmp_path / "batch.json")
    assert Batch.load(tmp_path / "batch.json") == batch


@pytest.mark.parametrize(("multiple", "kept"), [(1, 6), (4, 4), (5, 5), (7, 0)])
def test_as_few_episodes_as_possible_are_left_out(multiple: int, kept: int) -> None:
    from recorded_batch import divisible

    assert len(divisible(team_batch(), multiple).sequences) == kept


def test_operations_are_those_that_torch_counts(tiny: Path) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from train_mfu import operations

    from wideseek_baselines.train.config.options import ModelOptions, SelectionOptions
    from wideseek_baselines.train.data.packing import pack
    from wideseek_baselines.train.data.samples import rollout_samples
    from wideseek_baselines.train.estimate import shape_of
    from wideseek_baselines.train.model.model import load_model

    batch = team_batch()
    samples = rollout_samples(batch.rollouts, batch.advantages, SelectionOptions(failures="all"))
    model = load_model(ModelOptions(str(tiny), device="cpu", precision="float32"))
    (row,) = pack(samples.samples, 10_000)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(row)
    matrices = sum(
        count
        for name, count in counter.get_flop_counts()["Global"].items()
        if str(name) in ("aten.mm", "aten.addmm", "aten.bmm")
    )
    shape = shape_of(str(tiny))
    lengths = [len(example) for example in samples.samples]
    pairs = sum(length * (length + 1) // 2 for length in lengths)
    attention = shape.layers * 4 * shape.heads * shape.head_dim * pairs
    assert operations(shape, lengths, len(row.targets)) == 3 * (matrices + attention)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12),
        ("a processor", None),
    ],
)
def test_peaks_by_name(name: str, peak: float | None) -> None:
    from train_mfu import peak_of

    assert peak_of(name) == peak


def test_turns_become_medians_and_ratios() -> None:
    from train_step_vs_trl import figures

    def run(seconds: list[float]) -> dict[str, Any]:
        return {
            "seconds": seconds,
            "processor_seconds": seconds,
            "peak_bytes": 2e9,
            "tokens_through_the_model": 9,
        }

    found = figures({"here": [run([1.0, 2.0]), run([3.0])], "trl": [run([5.0]), run([7.0])]}, team_batch())
    assert found["sides"]["here"]["seconds"] == {"median": 2.0, "least": 1.0, "most": 3.0}
    assert found["ratio"] == {"trl": {"seconds": 3.0, "processor_seconds": 3.0}}
