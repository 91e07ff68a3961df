"""The symbolic episodes in RLlib: the same as without it, masks, absent agents, and that training changes weights."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for needed in ("ray", "tree", "lz4", "ormsgpack", "tensorboardX"):
    pytest.importorskip(needed, reason="needs RLlib: pip install 'ray[rllib]'")

from marl import one_thread, play_again  # noqa: E402
from scripts import load_script  # noqa: E402

# Ray and what it brings warn of their own deprecations.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("ray")]
TINY = "synthetic:rows=3,columns=1,hops=1,pages=300,seed=3"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return load_script("examples/marl/rllib_ppo.py")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray on this machine, for all tests here."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
        try:
            yield
        finally:
            ray.shutdown()


def by_chance(env: Any, rng: np.random.Generator, seed: int) -> tuple[list[dict[str, int]], float, float]:
    """One episode of chance: its actions, what the lead was paid, its item-F1."""
    observations, _ = env.reset(seed=seed)
    actions, paid = [], 0.0
    while True:
        assert set(observations) == set(env.symbolic.acting_agents), "an agent out of turn was asked"
        chosen = {a: int(rng.choice(np.flatnonzero(o["action_mask"]))) for a, o in observations.items()}
        actions.append(chosen)
        have_acted = set(env.acted)
        observations, rewards, terminated, truncated, infos = env.step(chosen)
        paid += rewards["lead"]
        assert set(infos) == set(observations)
        assert set(rewards) == have_acted
        if terminated["__all__"]:
            assert not truncated["__all__"]
            assert set(observations) == env.acted == set(rewards)
            return actions, paid, infos["lead"]["item_f1"]


def test_the_environment_pays_what_the_symbolic_one_pays(example: ModuleType) -> None:
    args = example.Args(world=TINY, shaping=0.5)
    env, alone = example.TeamEnv({"args": args}), example.make(args)
    rng = np.random.default_rng(0)
    lengths, paid_all = [], 0.0
    for seed in range(40):
        actions, paid, f1 = by_chance(env, rng, seed)
        assert play_again(alone, actions, seed=seed) == pytest.approx((paid, f1))
        lengths.append(len(actions))
        paid_all += paid
    assert paid_all > 0
    assert max(lengths) > min(lengths)


def test_masked_actions_have_no_probability(example: ModuleType) -> None:
    env = example.make(example.Args(world=TINY))
    module = example.MaskedModule(
        observation_space=env.observation_space("lead"),
        action_space=env.action_space("lead"),
        model_config={"hidden": 8},
    )
    masks = torch.zeros(40, env.layout.actions, dtype=torch.int8)
    masks[torch.arange(40), torch.arange(40) % env.layout.actions] = 1
    batch = {"obs": {"observation": torch.rand(40, env.layout.features), "action_mask": masks}}
    for forward in (module.forward_exploration, module.forward_inference, module.forward_train):
        logits = forward(batch)["action_dist_inputs"]
        assert torch.equal(torch.distributions.Categorical(logits=logits).sample(), masks.argmax(-1))
    assert module.compute_values(batch).shape == (40,)


@pytest.mark.parametrize("roles", [False, True])
def test_iterations(example: ModuleType, cluster: None, roles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[bool, bool]] = []
    played = example.TeamEnv.step

    def watched(env: Any, actions: dict[str, int]) -> Any:
        symbolic = env.symbolic
        seen = symbolic._observations()
        legal = all(seen[agent]["action_mask"][action] for agent, action in actions.items())
        steps.append((set(actions) == set(symbolic.acting_agents), legal))
        return played(env, actions)

    kept: list[Any] = []
    before: dict[str, Any] = {}

    def built(algorithm: Any) -> None:
        # RLlib has tried the environment with actions of any kind by now.
        monkeypatch.setattr(example.TeamEnv, "step", watched)
        kept.append(algorithm)
        before.update(algorithm.get_weights())

    def after(algorithm: Any) -> dict[str, Any]:
        weights: dict[str, Any] = algorithm.get_weights()
        return weights

    with one_thread():
        args = example.Args(world=TINY, roles=roles, envs=4, steps=128, iterations=2, epochs=1, hidden=16)
        stop = example.PPOConfig().algo_class.stop
        monkeypatch.setattr(
            example.PPOConfig().algo_class,
            "stop",
            lambda algorithm: (kept.append(after(algorithm)), stop(algorithm)),
        )
        curve = example.train(args, on_algorithm=built)
    assert len(curve) == 2
    assert all(0 <= f1 <= 1 for f1 in curve)
    assert len(steps) >= 2 * 128
    assert all(turns for turns, _ in steps), "an agent was asked out of turn"
    assert all(legal for _, legal in steps), "a masked action was taken"
    learned = kept[-1]
    assert set(learned) == ({"lead", "subagent"} if roles else {"team"})
    for name, weights in learned.items():
        assert any(not np.array_equal(before[name][key], weights[key]) for key in weights)
