"""The IPPO example: its advantages against their definition, its masks, and a few updates with both critics."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scripts import load_script

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def ippo() -> ModuleType:
    return load_script("examples/symbolic_ippo.py")


def by_definition(
    rewards: np.ndarray,
    ended: np.ndarray,
    acting: np.ndarray,
    values: np.ndarray,
    last: float,
    gamma: float,
    lam: float,
) -> dict[int, float]:
    """One agent in one environment: for each decision that counts, the sum of its discounted errors."""
    steps = len(rewards)
    errors: list[tuple[int, float, bool, bool]] = []  # where, error, episode ends before the next, counts
    for t in np.flatnonzero(acting[:steps]):
        paid, at, over = 0.0, t, False
        while True:
            paid += rewards[at]
            over = bool(ended[at])
            at += 1
            if over or at == steps or acting[at]:
                break
        counts = over or at < steps or bool(acting[steps])
        following = 0.0 if over else (values[at] if at < steps else last)
        errors.append((int(t), paid + gamma * following - values[t], over, counts))
    result = {}
    for n, (where, _, _, counts) in enumerate(errors):
        total, weight = 0.0, 1.0
        for _, error, over, seen in errors[n:]:
            total += weight * error * seen
            weight *= gamma * lam
            if over:
                break
        if counts:
            result[where] = total
    return result


def test_advantages_go_from_decision_to_decision(ippo: ModuleType) -> None:
    rng = np.random.default_rng(0)
    steps, envs, agents = 30, 4, 3
    rewards = rng.normal(size=(steps, envs, agents))
    ended = rng.random((steps, envs)) < 0.15
    acting = rng.random((steps + 1, envs, agents)) < 0.5
    values, last = rng.normal(size=rewards.shape), rng.normal(size=(envs, agents))
    gained, returns, known = ippo.advantages(rewards, ended, acting, values, last, 0.9, 0.8)
    uncounted = 0
    for env in range(envs):
        for agent in range(agents):
            at = (slice(None), env, agent)
            expected = by_definition(
                rewards[at], ended[:, env], acting[at], values[at], last[env, agent], 0.9, 0.8
            )
            assert list(np.flatnonzero(known[at])) == list(expected)
            assert gained[at][known[at]] == pytest.approx(list(expected.values()))
            uncounted += int(acting[:-1, env, agent].sum()) - len(expected)
    assert uncounted, "no stream of decisions was cut off: the case is not covered"
    assert np.allclose(returns, gained + values)


def test_the_policy_never_takes_what_the_mask_excludes(ippo: ModuleType) -> None:
    env = ippo.make(ippo.Args(world="synthetic:rows=6,columns=2,hops=1,pages=400"), "train")
    team = ippo.Team(env.layout, 4, 16, False)
    mask = torch.zeros(50, env.layout.actions)
    mask[torch.arange(50), torch.arange(50) % env.layout.actions] = 1
    chosen = team.policy(torch.rand(50, env.layout.features), mask).sample()
    assert torch.equal(chosen, mask.argmax(-1))


@pytest.mark.parametrize("centralised", [False, True])
def test_a_few_updates(
    ippo: ModuleType, tmp_path: Path, centralised: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = tmp_path / "curve.jsonl"
    args = ippo.Args(
        world="synthetic:rows=6,columns=2,hops=1,pages=400,seed=3",
        centralised=centralised,
        envs=8,
        steps=24,
        updates=3,
        hidden=16,
        evaluate=1,
        curve=str(curve),
    )
    torch.manual_seed(args.seed)
    fresh = ippo.Team(ippo.make(args, "train").layout, 4, 16, centralised)
    threads = torch.get_num_threads()
    try:
        team = ippo.train(args)
    finally:
        torch.set_num_threads(threads)
    lines = [json.loads(line) for line in curve.read_text().splitlines()]
    assert [line["update"] for line in lines] == [1, 2, 3]
    assert lines[-1]["episodes"] > lines[0]["episodes"] > 0
    assert all(np.isfinite(line["value_loss"]) for line in lines)
    assert "test split, greedy: item-F1" in capsys.readouterr().out
    before, after = fresh.state_dict(), team.state_dict()
    for part in ("trunk.0.weight", "from_near.weight", "score.weight", "critic.0.weight"):
        assert not torch.equal(before[part], after[part]), f"{part} did not learn"
