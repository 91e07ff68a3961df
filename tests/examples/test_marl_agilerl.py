"""The symbolic episodes in AgileRL: the same episodes as without it, and masks when acting and when learning."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("agilerl")

from marl import one_thread, play_again  # noqa: E402
from scripts import load_script  # noqa: E402

# AgileRL and what it brings warn of their own deprecations.
pytestmark = pytest.mark.filterwarnings("ignore")
TINY = "synthetic:rows=3,columns=1,hops=1,pages=300,seed=3"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return load_script("examples/marl/agilerl_ippo.py")


def test_batches_are_real_episodes_and_respect_the_masks(example: ModuleType) -> None:
    args = example.Args(world=TINY, envs=3, steps=40, updates=2, epochs=1, shaping=0.5)
    seen: list[tuple[Any, Any]] = []
    with one_thread():
        example.train(args, on_step=lambda experience, ended: seen.append((experience, ended)))
    env = example.make(args)
    agents, features = env.possible_agents, env.layout.features
    assert len(seen) == 2
    experience, ended = seen[0]
    assert all(list(part) == ["team"] for part in experience)
    observations, actions, _, rewards, dones, values, last, next_done = (part["team"] for part in experience)
    masks = np.stack(observations)[..., features:]
    taken = np.stack(actions).reshape(40, 9).astype(int)
    assert np.take_along_axis(masks, taken[..., None], -1).all(), "a masked action was taken"
    assert last.shape == observations[0].shape == (9, features + env.layout.actions)
    assert np.stack(values).size == 360
    over = np.stack([*dones, next_done]).reshape(41, 3, 3)
    assert (over == over[..., :1]).all()
    assert int(over[..., 0].sum()) == len(ended) > 0
    taken, paid_each = taken.reshape(40, 3, 3), np.stack(rewards).reshape(40, 3, 3)
    # The first episode of each place, played again with the same actions.
    for place in range(3):
        first = next((e for e in ended if e.place == place), None)
        if first is None:
            continue
        chosen = [dict(zip(agents, taken[t, place].tolist(), strict=True)) for t in range(first.steps)]
        paid, f1 = play_again(env, chosen, options={"task_id": first.task_id})
        assert paid_each[: first.steps, place, 0].sum() == pytest.approx(paid)
        assert first.item_f1 == pytest.approx(f1)


def test_the_policy_keeps_to_the_mask_when_it_learns(example: ModuleType) -> None:
    env = example.make(example.Args(world=TINY))
    team = example.make_team(example.Flat(env, mask="observation"), example.Args())
    assert list(team.actors) == ["team"]
    masks = torch.zeros(40, env.layout.actions)
    masks[torch.arange(40), torch.arange(40) % env.layout.actions] = 1
    batch = torch.cat([torch.rand(40, env.layout.features), masks], -1)
    for actor in team.actors.values():
        chosen, log_prob, entropy = actor(batch)
        assert torch.equal(chosen.flatten().long(), masks.argmax(-1))
        # As `learn` does it: the probability of what was taken, under the policy of now.
        assert actor.action_log_prob(masks.argmax(-1)).detach().numpy() == pytest.approx(0, abs=1e-5)
        assert log_prob.detach().numpy() == pytest.approx(0, abs=1e-5)
        assert entropy.detach().abs().max() < 1e-5


def test_a_few_updates_change_every_network(example: ModuleType) -> None:
    args = example.Args(world=TINY, envs=4, steps=32, updates=2, epochs=1)
    with one_thread():
        torch.manual_seed(args.seed)
        fresh = example.make_team(example.Flat(example.make(args), mask="observation"), args)
        team, curve = example.train(args)
    assert len(curve) == 2
    for networks in ("actors", "critics"):
        before, after = getattr(fresh, networks).state_dict(), getattr(team, networks).state_dict()
        assert before.keys() == after.keys()
        assert any(not torch.equal(before[name], after[name]) for name in before), f"{networks} did not learn"
