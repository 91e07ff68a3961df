"""The symbolic episodes in TorchRL: its own checks, the same episodes as without it, masks, and that it learns."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchrl")

from marl import one_thread, play_again  # noqa: E402
from scripts import load_script  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torchrl")
TINY = "synthetic:rows=3,columns=1,hops=1,pages=300,seed=3"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_script("examples/marl/torchrl_mappo.py")


def test_torchrl_finds_what_its_specs_say(example: ModuleType) -> None:
    from torchrl.envs.utils import check_env_specs

    env = example.wrap(example.make(example.Args(world=TINY)))
    check_env_specs(env, seed=0)
    assert env.group_map == {"team": ["lead", "subagent_0", "subagent_1"]}
    assert env.observation_spec["state"].shape == (3 * env.layout.features,)


def test_episodes_and_rewards_are_those_without_torchrl(example: ModuleType) -> None:
    args = example.Args(world=TINY, shaping=0.5)
    for seed in range(6):
        env = example.wrap(example.make(args))
        env.set_seed(seed)
        torch.manual_seed(seed)
        # The reset with a seed has begun an episode; the rollout goes on from it.
        first = env.reset(seed=seed)
        played = env.rollout(200, auto_reset=False, tensordict=first)
        actions = [
            dict(zip(env.group_map["team"], row.tolist(), strict=True)) for row in played["team", "action"]
        ]
        paid, f1 = play_again(example.make(args).env, actions, seed=seed)
        assert played["next", "team", "reward"][:, 0].sum().item() == pytest.approx(paid)
        assert played["next", "team", "info", "item_f1"][-1].tolist() == pytest.approx([f1] * 3)
        assert played["next", "done"].flatten().tolist() == [False] * (len(actions) - 1) + [True]
        assert not played["next", "truncated"].any()


def test_masks_agents_and_rows_of_a_batch(example: ModuleType) -> None:
    batches: list[Any] = []
    with one_thread():
        args = example.Args(world=TINY, envs=3, steps=40, updates=2, hidden=16, epochs=1)
        actor, _ = example.train(args, on_batch=lambda batch: batches.append(batch.clone()))
    assert len(batches) == 2
    for batch in batches:
        assert batch.batch_size == (3, 40)
        team = batch["team"]
        taken = team["action_mask"].gather(-1, team["action"][..., None])
        assert taken.all(), "a masked action was taken"
        acting = team["info", "acting"] > 0
        assert (team["action"][~acting] == 0).all()
        assert acting.any(-1).all()
        assert 0 < acting.sum() < acting.numel()
    env = example.make(args)
    _, critic = example.networks(env, args)
    loss = example.make_loss(actor, critic, args)
    rows = example.decisions(batches[0], loss)
    assert len(rows) == int((batches[0]["team", "info", "acting"] > 0).sum())
    again = actor.get_dist(rows).log_prob(rows["team", "action"])
    assert again.shape == (len(rows),)
    assert torch.isfinite(again).all()


@pytest.mark.parametrize("independent", [False, True])
def test_item_f1_rises(example: ModuleType, independent: bool) -> None:
    with one_thread():
        args = example.Args(
            world=TINY, independent=independent, updates=12 if not independent else 2, hidden=64
        )
        torch.manual_seed(args.seed)
        fresh, _ = example.networks(example.make(args), args)
        actor, curve = example.train(args)
    before, after = fresh.state_dict(), actor.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    if not independent:
        assert np.mean(curve[:2]) < 0.2
        assert np.mean(curve[-2:]) > 0.4
