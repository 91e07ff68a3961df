"""The symbolic episodes in Stable-Baselines3 through SuperSuit: the same episodes, masks, and that it learns."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")
supersuit = pytest.importorskip("supersuit")

from marl import one_thread, play_again  # noqa: E402
from scripts import load_script  # noqa: E402

from wideseek_env.cli.app import app  # noqa: E402
from wideseek_env.episode_run import run_episode  # noqa: E402
from wideseek_env.wrappers import Flat, NumericPolicy  # noqa: E402

TINY = "synthetic:rows=3,columns=1,hops=1,pages=300,seed=3"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return load_script("examples/marl/sb3_ppo.py")


@pytest.mark.parametrize("processes", [0, 1, 2])
def test_vectors_of_supersuit_run_the_same_episodes(example: ModuleType, processes: int) -> None:
    args = example.Args(world=TINY, envs=2, shaping=0.5, processes=processes)
    env = example.make(args)
    agents, features = env.possible_agents, env.layout.features
    many = example.vector(env, args)
    rng = np.random.default_rng(0)
    try:
        assert many.num_envs == 2 * len(agents)
        seen = many.reset()
        taken: list[list[dict[str, int]]] = [[], []]
        paid, ended = np.zeros(2), 0
        alone = example.make(args)
        for n in range(
            2
        ):  # the seed of the first episode is that of `vector`, and this reset is the second one
            alone.reset(seed=args.seed + n)
            observations, _ = alone.reset()
            for seat, agent in enumerate(agents):
                row = seen[n * len(agents) + seat]
                assert np.array_equal(row[:features], observations[agent]["observation"])
        first = [_second_task(example.make(args), args.seed + n) for n in range(2)]
        while ended < 2:
            actions = (rng.random((len(seen), env.layout.actions)) * seen[:, features:]).argmax(-1)
            for n in range(2):
                taken[n].append(dict(zip(agents, actions.reshape(2, -1)[n].tolist(), strict=True)))
            seen, rewards, dones, infos = many.step(actions)
            paid += rewards.reshape(2, -1)[:, 0]
            for n in np.flatnonzero(dones.reshape(2, -1)[:, 0]):
                assert dones.reshape(2, -1)[n].all()
                if first[n]:
                    total, f1 = play_again(alone, taken[n], options={"task_id": first[n]})
                    assert paid[n] == pytest.approx(total, abs=1e-6)
                    for info in infos[n * len(agents) : (n + 1) * len(agents)]:
                        assert info["item_f1"] == info["team_reward"] == pytest.approx(f1)
                        assert info["terminal_observation"].shape == (features + env.layout.actions,)
                    first[n], ended = "", ended + 1
    finally:
        many.close()


def _second_task(env: Any, seed: int) -> str:
    env.reset(seed=seed)
    env.reset()
    return str(env.episode_run.task.id)


def test_copies_of_a_vector_choose_different_tasks_without_seeds(example: ModuleType) -> None:
    env = example.make(example.Args(world=TINY))
    agents = supersuit.pettingzoo_env_to_vec_env_v1(Flat(env, mask="observation"))
    many = supersuit.concat_vec_envs_v1(agents, 6, base_class="stable_baselines3")
    many.reset()
    tasks = {each.par_env.env.episode_run.task.id for each in many.venv.vec_envs}
    assert len(tasks) > 1
    many.close()


def test_the_policy_keeps_to_the_mask_when_it_acts_and_when_it_learns(example: ModuleType) -> None:
    args = example.Args(world=TINY, envs=2)
    env = example.make(args)
    policy = example.PPO(example.MaskedPolicy, example.vector(env, args), device="cpu").policy
    actions = env.layout.actions
    masks = torch.zeros(3 * actions, actions)
    masks[torch.arange(3 * actions), torch.arange(3 * actions) % actions] = 1
    batch = torch.cat([torch.rand(3 * actions, env.layout.features), masks], -1)
    chosen, values, log_prob = policy(batch)
    assert torch.equal(chosen, masks.argmax(-1))
    again, log_prob_again, entropy = policy.evaluate_actions(batch, chosen)
    assert torch.equal(values, again)
    for number in (log_prob, log_prob_again, entropy):
        assert number.detach().abs().max() < 1e-5
    everything = torch.cat([torch.rand(5, env.layout.features), torch.ones(5, actions)], -1)
    assert (policy.get_distribution(everything).distribution.probs > 0).all()


def test_item_f1_rises_and_the_saved_network_is_measured_by_name(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "team.zip"
    args = example.Args(world=TINY, steps=8192, evaluate=12, save=str(path))
    with one_thread():
        model, (random, trained) = example.train(args)
        assert random < 0.2
        assert trained > 0.6
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["policy"] for line in lines] == ["random", "trained"]
        monkeypatch.syspath_prepend(str(Path(example.__file__).parent))
        name = f"sb3_ppo:trained,path={path}"
        common = ["--policy", name, "--tasks", TINY, "--limit", "12", "--profile", "terse"]
        limits = ["--rule", "subagent_turns=8", "--rule", "lead_turns=4"]
        done = CliRunner().invoke(
            app,
            [
                "bench",
                "width",
                *common,
                *limits,
                "--rules",
                "default",
                "--widths",
                "1,2",
                "--out",
                str(tmp_path / "width"),
            ],
        )
        assert done.exit_code == 0, done.output
        points = json.loads((tmp_path / "width" / "width.json").read_text())["points"]
        assert points[1]["item_f1"] == pytest.approx(trained)
        # The same messages as in the environment of the training.
        env = example.make(args)
        task = env.game.tasks[0]
        observations, infos = env.reset(options={"task_id": task.id})
        while env.agents:
            batch = [
                np.concatenate([observations[a]["observation"], observations[a]["action_mask"]])
                for a in env.agents
            ]
            chosen, _ = model.predict(np.stack(batch).astype(np.float32), deterministic=True)
            observations, _, _, _, infos = env.step(dict(zip(env.agents, chosen.tolist(), strict=True)))
        run = run_episode(env.env.game, NumericPolicy(model, env.layout), task)
        assert [list(c.messages) for c in run.episode.conversations] == [
            list(c.messages) for c in env.episode_run.episode.conversations
        ]
        assert run.score is not None
        assert run.score.f1_by_item == infos["lead"]["item_f1"]
