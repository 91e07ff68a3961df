"""Advantages from credits against hand-computed values, and their way into a step."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from toy_game import NoTools, toy_config, toy_tasks
from training_parts import agent, rollout, saved_model, tiny_causal

from wideseek_baselines.rollout.store import iter_rollouts, open_rollouts
from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train.config.options import AdvantageOptions, SelectionOptions
from wideseek_baselines.train.data.samples import rollout_samples
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo, train_step
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.critic import ValueHead
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.objective.advantages import agent_advantages, group_advantages
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.ppo import PpoConfig, prepare
from wideseek_baselines.train.rollouts.metrics import rollout_metrics
from wideseek_env.errors import ConfigError

PLAIN = AdvantageOptions()


def team(
    reward: float, *credits: float, group: str = "a", lead: float | None = None, **changes: Any
) -> Rollout:
    """A lead with its reward, and subagents with these credits."""
    one = rollout(
        [agent("lead", [2]), *(agent("subagent", [3], name=f"s{at}") for at in range(len(credits)))],
        group=group,
        reward=reward,
        **changes,
    )
    paid = (reward if lead is None else lead, *credits)
    agents = [dataclasses.replace(each, credit=credit) for each, credit in zip(one.agents, paid, strict=True)]
    return dataclasses.replace(one, agents=agents)


def test_a_role_is_compared_with_itself() -> None:
    found = agent_advantages([team(1.0, 0.5, 0.1), team(0.0, 0.0), team(0.5)], PLAIN)
    assert found.agents is not None
    spread = (0.5 / 3) ** 0.5 + 1e-6  # leads: 1, 0, 0.5
    np.testing.assert_allclose([each[0] for each in found.agents], np.array([0.5, -0.5, 0]) / spread)
    # Subagents: the mean credits of two rollouts are 0.3 and 0, so the baseline is 0.15. Each rollout counts once.
    variance = ((0.35**2 + 0.05**2) / 2 + 0.15**2) / 2
    scale = variance**0.5 + 1e-6
    np.testing.assert_allclose(found.agents[0][1:], np.array([0.35, -0.05]) / scale)
    np.testing.assert_allclose(found.agents[1][1:], np.array([-0.15]) / scale)
    assert [len(each) for each in found.agents] == [3, 2, 1]
    assert found.values.tolist() == [each[0] for each in found.agents]
    assert (found.groups, found.zero_variance, found.untrainable) == (1, 0, 0)


def test_leave_one_out_leaves_out_the_whole_rollout() -> None:
    options = AdvantageOptions(scale="none", baseline="leave_one_out")
    found = agent_advantages([team(1.0, 0.5, 0.1), team(0.0, 0.0), team(0.4, 0.2, 0.2, 0.5)], options).agents
    assert found is not None
    np.testing.assert_allclose(found[0], [1 - 0.2, 0.5 - 0.15, 0.1 - 0.15])
    np.testing.assert_allclose(found[1], [0 - 0.7, 0 - 0.3])
    np.testing.assert_allclose(found[2], [0.4 - 0.5, 0.2 - 0.15, 0.2 - 0.15, 0.5 - 0.15])
    alone = agent_advantages([team(1.0, 0.5, 0.1), team(0.0)], options).agents
    assert alone is not None
    assert alone[0][1:].tolist() == [0, 0], "there is no other rollout with subagents"


def test_the_standard_deviation_of_a_sample_counts_rollouts() -> None:
    teams = [team(1.0, 0.5, 0.1), team(0.0, 0.0), team(0.4, 0.2)]
    one, other = (
        agent_advantages(teams, AdvantageOptions(std=std)).agents for std in ("population", "sample")
    )
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(np.concatenate(one) / np.concatenate(other), 1.5**0.5, rtol=1e-4)


@pytest.mark.parametrize("scale", ["std", "none"])
@pytest.mark.parametrize("std", ["population", "sample"])
@pytest.mark.parametrize("baseline", ["mean", "leave_one_out"])
def test_one_agent_for_each_rollout_is_the_published_advantage(scale: Any, std: Any, baseline: Any) -> None:
    """Where every rollout has one agent of a role, credits are compared as rewards are."""
    options = AdvantageOptions(scale=scale, std=std, baseline=baseline)
    rewards, groups = [1.0, 0.0, 0.3, 0.7, 0.7, 0.2], list("aaabbb")
    teams = [team(reward, reward / 2, group=group) for reward, group in zip(rewards, groups, strict=True)]
    found = agent_advantages(teams, options).agents
    for number, factor in ((0, 1.0), (1, 0.5)):
        wanted = group_advantages([reward * factor for reward in rewards], groups, [True] * 6, options).values
        assert found is not None
        np.testing.assert_allclose([each[number] for each in found], wanted, rtol=1e-9)


def test_rollouts_without_credits_are_compared_by_rewards() -> None:
    teams = [
        rollout([agent("lead", [2]), agent("subagent", [3])], reward=reward, group=group)
        for reward, group in ((1.0, "a"), (0.2, "a"), (0.5, "b"), (0.5, "b"))
    ]
    found = agent_advantages(teams, PLAIN)
    wanted = group_advantages([1.0, 0.2, 0.5, 0.5], list("aabb"), [True] * 4, PLAIN)
    np.testing.assert_array_equal(found.values, wanted.values)
    assert (found.groups, found.zero_variance, found.agents) == (1, 1, None)


def test_groups_without_a_difference() -> None:
    equal = [team(0.5, 0.1, 0.1, group="a"), team(0.5, 0.1, group="a")]
    leads = [team(1.0, 0.1, group="b"), team(0.0, 0.1, 0.1, group="b")]
    helpers = [team(0.5, 0.1, group="c"), team(0.5, 0.3, group="c")]
    found = agent_advantages([*equal, *leads, *helpers], PLAIN)
    assert found.agents is not None
    assert np.isnan(np.concatenate(found.agents[:2])).all()
    assert found.used.tolist() == [False] * 2 + [True] * 4
    assert (found.groups, found.zero_variance) == (2, 1)
    assert found.agents[2][1] == found.agents[3][1] == found.agents[3][2] == 0, "only the leads differ"
    assert [each[0] for each in found.agents[4:]] == [0, 0], "only the subagents differ"
    assert found.agents[5][1] == pytest.approx(1, rel=1e-4)
    kept = agent_advantages([*equal, *leads], AdvantageOptions(zero_variance_groups="keep"))
    assert kept.agents is not None
    assert not np.concatenate(kept.agents[:2]).any()
    assert (kept.groups, kept.zero_variance) == (2, 1)


def test_untrainable_rollouts_and_credits_that_are_no_numbers() -> None:
    found = agent_advantages([team(1.0, 0.3), team(0.0, 0.1), team(0.0, 9.0, trainable=False)], PLAIN)
    assert found.agents is not None
    np.testing.assert_allclose(found.agents[0], [1, 1], rtol=1e-4)
    assert np.isnan(found.agents[2]).all()
    assert found.untrainable == 1
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="credits must be finite"):
            agent_advantages([team(1.0, wrong), team(0.0, 0.1)], PLAIN)


def test_properties() -> None:
    """With the mean as baseline, each role's advantages sum to 0 where each rollout counts once. Their order, the
    groups next to them and a constant that is added to all credits do not matter."""
    rng = random.Random(3)
    for _ in range(30):
        teams = [
            team(
                rng.random(), *(rng.uniform(-1, 1) for _ in range(rng.randint(0, 4))), group=rng.choice("ab")
            )
            for _ in range(8)
        ]
        found = agent_advantages(teams, PLAIN).agents
        assert found is not None
        for group in "ab":
            mine = [each for each, one in zip(found, teams, strict=True) if one.group == group]
            if len(mine) > 1:
                assert sum(each[0] for each in mine) == pytest.approx(0, abs=1e-9)
            helpers = [fmean(each[1:]) for each in mine if len(each) > 1]
            if len(helpers) > 1:
                assert sum(helpers) == pytest.approx(0, abs=1e-9)
        order = rng.sample(range(8), 8)
        again = agent_advantages([teams[at] for at in order], PLAIN).agents
        assert again is not None
        for at, each in zip(order, again, strict=True):
            np.testing.assert_allclose(each, found[at], atol=1e-9)
        raised = [
            dataclasses.replace(
                one,
                agents=[dataclasses.replace(each, credit=(each.credit or 0) + 5) for each in one.agents],
            )
            for one in teams
        ]
        more = agent_advantages(raised, PLAIN).agents
        assert more is not None
        for each, other in zip(more, found, strict=True):
            np.testing.assert_allclose(each, other, atol=1e-6)


def test_samples_have_the_advantage_of_their_agent() -> None:
    teams = [team(1.0, 0.5, 0.1), team(0.0, 0.0)]
    by_agent = agent_advantages(teams, PLAIN).agents
    assert by_agent is not None
    batch = rollout_samples(teams, [0.0, 0.0], SelectionOptions(), by_agent=by_agent)
    for sample, owner in zip(batch.samples, batch.owners, strict=True):
        np.testing.assert_allclose(
            sample.columns["advantage"], by_agent[owner.rollout][owner.agent], rtol=1e-6
        )
    same = rollout_samples(teams, [0.25, 0.5], SelectionOptions())
    assert {float(sample.columns["advantage"][0]) for sample in same.samples} == {0.25, 0.5}


def test_a_step_of_grpo_moves_towards_who_earned_more(tmp_path: Path) -> None:
    """Two subagents that wrote different tokens: the one with the credit gets likelier, the other less likely."""
    model = TokenModel(tiny_causal(0))
    use_attention(model.causal, "packed")
    config = toy_config(
        GrpoConfig, tmp_path, tmp_path, "game.team=true", "loss.kl=0", "loss.importance_sampling=none"
    )
    teams = [team(0.5, 0.5, -0.5), team(0.5, 0.0, 0.0)]
    for one in teams:  # the second subagent has other tokens
        one.agents[2].sequences[0].ids[-3:] = [60, 61, 62]
    found = agent_advantages(teams, PLAIN)
    before = [scores(model, one) for one in teams[0].agents]
    optimizer = Optimizer(model.named_parameters(), config.optim)
    _, tokens = train_step(model, None, optimizer, teams, found.values, config, 0, by_agent=found.agents)
    after = [scores(model, one) for one in teams[0].agents]
    assert tokens == sum(each.tokens for one in teams for each in one.agents)
    assert after[1] > before[1]
    assert after[2] < before[2]


def scores(model: TokenModel, member: Any) -> float:
    """The log-probability of the last three tokens."""
    causal = tiny_causal(0)
    causal.load_state_dict(model.causal.state_dict())
    ids = torch.tensor([member.sequences[0].ids])
    with torch.no_grad():
        every = torch.log_softmax(causal(ids, use_cache=False).logits[0], -1)
    return float(every[:-1].gather(1, ids[0, 1:, None])[-3:].sum())


def test_ppo_pays_each_agent_its_credit(tmp_path: Path) -> None:
    config = toy_config(
        PpoConfig,
        tmp_path,
        tmp_path,
        *("game.team=true", "whiten=false", "value.gamma=1", "value.gae_lambda=1", "value.steps=token"),
    )
    model = TokenModel(tiny_causal(0))
    use_attention(model.causal, "packed")
    (batch,) = prepare(model, None, ValueHead(32), [team(0.8, 0.5, -0.25)], config, 0.0, 0)
    assert sorted(float(sample.columns["return"][0]) for sample in batch.samples) == pytest.approx(
        [-0.25, 0.5, 0.8]
    )


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "parquet"])
def test_rollouts_keep_credits(suffix: str, tmp_path: Path) -> None:
    paid, plain = [team(1.0, 0.5, -0.1), team(0.0)], [rollout([agent("lead", [2]), agent("subagent", [3])])]
    for name, some in (("paid", paid), ("plain", plain)):
        with open_rollouts(tmp_path / f"{name}.{suffix}") as writer:
            for one in some:
                writer.write(one)
        assert list(iter_rollouts(tmp_path / f"{name}.{suffix}")) == some
    assert "credit" not in json.dumps(plain[0].to_dict())
    assert [plain[0].credit(each) for each in plain[0].agents] == [1.0, 1.0]
    assert [paid[0].credit(each) for each in paid[0].agents] == [1.0, 0.5, -0.1]
    if suffix == "parquet":
        import pyarrow.parquet as parquet

        columns = {
            name: parquet.read_schema(tmp_path / f"{name}.parquet").names for name in ("paid", "plain")
        }
        assert columns["paid"] == [*columns["plain"], "credit"]


def test_metrics_of_credits() -> None:
    found = rollout_metrics([team(1.0, 0.5, 0.1, score=SCORE), team(0.0, 0.0, score=SCORE)], 0)
    assert found["subagent_credit"] == pytest.approx(0.2)
    assert found["subagent_credit_std"] == pytest.approx((0.14 / 3) ** 0.5)
    assert not any(
        "credit" in name for name in rollout_metrics([rollout([agent("lead", [2])], score=SCORE)], 0)
    )


SCORE = {"item_f1": 1.0, "success": 1.0}


class Written:
    """Pays a conversation the share of letters e in what it wrote."""

    name = "written"

    def __call__(self, episode: Any, score: Any, reward: float) -> list[float]:
        texts = [
            "".join(each["content"] for each in one.messages if each["role"] == "assistant")
            for one in episode.conversations
        ]
        return [text.count("e") / max(1, len(text)) for text in texts]


def test_a_run_with_a_custom_credit(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "tiny")
    config = toy_config(GrpoConfig, folder, tmp_path / "run", "steps=1")
    told: list[Any] = []
    game = {"tasks": toy_tasks(2), "executor": NoTools(), "credit": Written(), "profile": "terse"}
    run_grpo(config, game=game, on_step=told.append)
    assert told[0]["groups"] == 2, "item-F1 is 0 everywhere, but the credits differ"
    assert told[0]["reward"] == 0
