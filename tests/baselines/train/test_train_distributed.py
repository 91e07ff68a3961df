"""Two processes train as one does: real processes that torchrun starts, on gloo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharing
import torch
from training_parts import examples, saved_model

from wideseek_baselines.train.data.packing import empty_row, shares
from wideseek_baselines.train.reporting.log import read_log

pytest.importorskip("peft", reason="one of the scenarios trains adapters: install peft")

PATIENCE = 1500.0
"""Seconds after which processes that wait for each other for good are ended."""
HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all scenarios were done by two processes, and some of them before by this one."""
    place = tmp_path_factory.mktemp("processes")
    saved_model(place / "model")
    sharing.written(place)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    paths = [str(HERE), str(HERE.parents[2]), str(HERE.parents[2] / "baselines")]
    process = subprocess.Popen(
        [*launch, str(HERE / "sharing.py"), str(place)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert process.returncode == 0, said[-4000:]
    return place


def by_two(folder: Path, name: str) -> dict[str, Any]:
    came = torch.load(folder / f"{name}-0.pt", weights_only=False)
    assert isinstance(came, dict)
    return came


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in nested mappings and lists, with where it is."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    else:
        yield path, value


def assert_same(one: dict[str, Any], two: dict[str, Any], tolerance: float) -> None:
    first, second = dict(leaves(one)), dict(leaves(two))
    assert first.keys() == second.keys()
    for path, value in first.items():
        if isinstance(value, (torch.Tensor, float)):
            torch.testing.assert_close(
                torch.as_tensor(second[path]),
                torch.as_tensor(value),
                atol=tolerance,
                rtol=tolerance,
                msg=lambda text, path=path: f"{path}: {text}",
            )
        else:
            assert second[path] == value, path


@pytest.mark.parametrize(
    "name",
    [
        "supervised",
        "adapters",
        "group_relative",
        "published",
        "shared_critic",
        "detached_critic",
        "separate_critic",
        "continued",
    ],
)
def test_two_processes_come_to_the_losses_and_weights_of_one(name: str, folder: Path) -> None:
    one, two = getattr(sharing, name)(folder), by_two(folder, name)
    assert_same(one, two, 1e-5)
    begun = dict(sharing.state_dict_for_engine(sharing.policy(0).causal))
    came = one["policy"] if "policy" in one else one["weights"]
    moved = {part: came[part] for part in came if part.removeprefix("causal.") in begun}
    assert len(moved) == len(begun)
    assert (
        max((tensor - begun[part.removeprefix("causal.")]).abs().max() for part, tensor in moved.items())
        > 1e-3
    ), "the weights hardly moved: the comparison says nothing"


def test_masters_of_bfloat16_weights_are_spread_too(folder: Path) -> None:
    one, two = sharing.bfloat16(folder), by_two(folder, "bfloat16")
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-2)
    assert_same(one["weights"], two["weights"], 2e-4)  # steps are of up to 3e-3


def test_a_float32_value_head_of_a_bfloat16_critic_keeps_its_type(folder: Path) -> None:
    one, two = sharing.bfloat16_critic(folder), by_two(folder, "bfloat16_critic")
    statistics = "head.norm."
    types = {name: t.dtype for name, t in two["critic"].items() if not name.startswith(statistics)}
    assert {name for name, kind in types.items() if kind == torch.float32} == {
        "head.linear.weight",
        "head.linear.bias",
    }
    assert types == {name: one["critic"][name].dtype for name in types}
    head = two["critic"]["head.linear.weight"]
    torch.testing.assert_close(head, one["critic"]["head.linear.weight"], atol=2e-4, rtol=0.05)
    assert head.abs().max() > 1e-3, "the head hardly moved: the comparison says nothing"
    assert (head != head.bfloat16()).any(), "its precision is that of bfloat16"
    for first, second in zip(one["figures"], two["figures"], strict=True):
        assert second["value_error"] == pytest.approx(first["value_error"], rel=0.05)


def test_layers_of_another_number_type_are_spread_too(folder: Path) -> None:
    one, two = sharing.mixed_types(folder), by_two(folder, "mixed_types")
    assert two["types"] == ["torch.bfloat16", "torch.float32"]
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-2)
    assert "of 1 (Linear) have the number types torch.bfloat16, torch.float32" in two["refused"]


def test_one_process_goes_on_from_the_checkpoint_of_two(folder: Path) -> None:
    assert_same(sharing.continued(folder), sharing.second_half(folder, "by-2"), 1e-5)


def test_a_broken_gradient_on_one_process_is_skipped_on_both(folder: Path) -> None:
    assert_same(sharing.broken(folder), by_two(folder, "broken"), 1e-5)


def test_episodes_are_shared_and_come_back_in_order(folder: Path) -> None:
    two = by_two(folder, "played")
    assert_same(sharing.played(folder), two, 1e-5)
    assert set(two["versions"]) == {((3, 6),)}
    logs = [read_log(folder / f"run-{count}" / "metrics.jsonl") for count in (1, 2)]
    assert [[record["step"] for record in log] for log in logs] == [[1, 2], [1, 2]]
    from transformers import AutoModelForCausalLM

    exported = [AutoModelForCausalLM.from_pretrained(folder / f"run-{count}" / "model") for count in (1, 2)]
    for (name, mine), theirs in zip(exported[0].named_parameters(), exported[1].parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5, msg=name)
    files = [sorted(os.listdir(folder / f"run-{count}" / "model")) for count in (1, 2)]
    assert files[0] == files[1]
    assert sorted(os.listdir(folder / "run-2" / "checkpoints")) == ["step-00000001", "step-00000002"]


def test_rows_are_spread_evenly() -> None:
    random = np.random.default_rng(0)
    for processes in (2, 3, 8):
        for count in (1, 2, 5, 40, 200):
            lengths = random.integers(5, 900, count).tolist()
            spread = shares(lengths, 1000, processes)
            assert len({len(rows) for rows in spread}) == 1, "a different number of passes"
            rows = [row for own in spread for row in own]
            assert sorted(at for row in rows for at in row) == list(range(count))
            tokens = [sum(lengths[at] for at in row) for row in rows]
            assert max(tokens) <= 1000
            if count == 200:
                totals = [sum(lengths[at] for row in own for at in row) for own in spread]
                assert max(totals) < 1.02 * min(totals)
                assert len(rows) <= 1.15 * sum(lengths) / 1000 + processes
    assert shares([2000, 3, 3], 1000, 2) == [[[0]], [[1, 2]]]
    assert shares([], 1000, 2) == [[], []]


def test_an_empty_row_has_no_part_in_anything() -> None:
    model = sharing.policy(0)
    (example,) = examples([9])
    row = empty_row(example.with_columns(weight=np.ones(len(example.places), np.float32)))
    assert (len(row), len(row.targets), row.columns["weight"].tolist()) == (2, 0, [])
    scores = model(row, entropies=True)
    scores.logprobs.sum().backward()
    assert all(not parameter.grad.any() for parameter in model.parameters() if parameter.grad is not None)
    assert next(iter(model.parameters())).grad is not None, "it does not take part in the backward pass"
