"""Advantages and token weights against hand-computed values, one test a trap."""

from __future__ import annotations

from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from training_parts import agent, rollout

from wideseek_baselines.train.config.options import AdvantageOptions, SelectionOptions
from wideseek_baselines.train.data.packing import pack
from wideseek_baselines.train.data.samples import by_agent, mini_batches, rollout_samples, spans
from wideseek_baselines.train.objective.advantages import agent_gae, gae, group_advantages
from wideseek_env.errors import ConfigError, TrajectoryError

PLAIN = AdvantageOptions()


def test_the_default_advantage() -> None:
    found = group_advantages([1.0, 0.0, 0.0, 1.0, 0.3, 0.7], list("aaaabb"), [True] * 6, PLAIN)
    np.testing.assert_allclose(found.values[:4], np.array([1, -1, -1, 1]) * 0.5 / (0.5 + 1e-6))
    np.testing.assert_allclose(found.values[4:], np.array([-1, 1]) * 0.2 / (0.2 + 1e-6))
    assert (found.groups, found.zero_variance, found.untrainable) == (2, 0, 0)


def test_every_rollout_counts_once_whatever_its_agents_and_turns() -> None:
    wide = rollout([agent("lead", [4, 4])] + [agent("subagent", [3] * 5) for _ in range(9)], reward=1.0)
    narrow = [rollout([agent("lead", [2])], reward=0.0) for _ in range(3)]
    team = [wide, *narrow]
    found = group_advantages([r.reward for r in team], [r.group for r in team], [True] * 4, PLAIN)
    # mean 1/4, deviation sqrt(3)/4: had agents or turns been counted, the mean would be near 1
    np.testing.assert_allclose(found.values, (np.array([1, 0, 0, 0]) - 0.25) / (3**0.5 / 4 + 1e-6))


def test_no_scaling_and_leave_one_out() -> None:
    found = group_advantages(
        [1.0, 0.0, 0.5], ["a"] * 3, [True] * 3, AdvantageOptions(scale="none", baseline="leave_one_out")
    )
    np.testing.assert_allclose(found.values, [0.75, -0.75, 0.0])
    plain = group_advantages([1.0, 0.0, 0.5], ["a"] * 3, [True] * 3, AdvantageOptions(scale="none"))
    np.testing.assert_allclose(plain.values, [0.5, -0.5, 0.0])


def test_the_standard_deviation_of_a_sample() -> None:
    rewards = [1.0, 0.0, 0.3, 0.7, 0.2, 0.9, 0.4]
    for size in (2, 3, 7):
        part = rewards[:size]
        options = AdvantageOptions(std="sample")
        found = group_advantages(part, ["a"] * size, [True] * size, options).values
        wanted = [(each - mean(part)) / (stdev(part) + 1e-6) for each in part]
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        other = group_advantages(part, ["a"] * size, [True] * size, PLAIN).values
        np.testing.assert_allclose(np.array(other) / found, (size / (size - 1)) ** 0.5, rtol=1e-4)
    alone = group_advantages([0.3, 0.3], ["a", "b"], [True] * 2, AdvantageOptions(std="sample"))
    assert alone.zero_variance == 2, "the deviation of one number is not defined, and is not needed"


def test_zero_variance_groups_are_counted_and_dropped_or_kept() -> None:
    rewards, groups = [0.1, 0.1, 0.1, 1.0, 0.0, 0.4], list("aaabbc")
    found = group_advantages(rewards, groups, [True] * 6, PLAIN)
    assert np.isnan(found.values[[0, 1, 2, 5]]).all()
    assert found.used.tolist() == [False] * 3 + [True] * 2 + [False]
    assert (found.groups, found.zero_variance) == (1, 2)
    kept = group_advantages(rewards, groups, [True] * 6, AdvantageOptions(zero_variance_groups="keep"))
    assert kept.values[[0, 1, 2, 5]].tolist() == [0.0] * 4
    assert (kept.groups, kept.zero_variance) == (3, 2)


def test_untrainable_rollouts_enter_neither_mean_nor_training() -> None:
    found = group_advantages([1.0, 0.0, 0.0], ["a"] * 3, [True, True, False], PLAIN)
    np.testing.assert_allclose(found.values[:2], [1, -1], rtol=1e-5)
    assert np.isnan(found.values[2])
    assert found.untrainable == 1
    with pytest.raises(ConfigError, match="finite"):
        group_advantages([float("nan"), 1.0], ["a"] * 2, [True] * 2, PLAIN)


def test_gae_by_hand() -> None:
    advantages, returns = gae([0, 0, 1.0], [0.2, 0.5, 0.4], gamma=0.9, gae_lambda=0.5)
    last = 1.0 - 0.4
    middle = 0.9 * 0.4 - 0.5 + 0.45 * last
    first = 0.9 * 0.5 - 0.2 + 0.45 * middle
    np.testing.assert_allclose(advantages, [first, middle, last])
    np.testing.assert_allclose(returns, advantages + np.array([0.2, 0.5, 0.4]))


def test_gae_ends_are_rewards_and_values_alone() -> None:
    values = [0.2, 0.5, 0.4]
    np.testing.assert_allclose(gae([0, 0, 1], values, gamma=1, gae_lambda=1)[1], [1, 1, 1])
    np.testing.assert_allclose(gae([0, 0, 1], values, gamma=1, gae_lambda=0)[1], [0.5, 0.4, 1])


def test_an_agents_turns_share_the_teams_reward_at_its_own_end() -> None:
    values = np.array([0.3, 9, 9, 0.6, 9])
    advantages, returns = agent_gae([3, 2], values, 1.0, gamma=1, gae_lambda=0, per_turn=True)
    np.testing.assert_allclose(
        advantages, [0.3] * 3 + [0.4] * 2
    )  # 0.6 - 0.3; 1 - 0.6: only first tokens' values
    np.testing.assert_allclose(returns, [0.6] * 3 + [1.0] * 2)
    tokens, _ = agent_gae([3, 2], np.zeros(5), 1.0, gamma=0.5, gae_lambda=1, per_turn=False)
    np.testing.assert_allclose(tokens, [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1])
    punished, _ = agent_gae(
        [1, 1], np.zeros(2), 1.0, gamma=1, gae_lambda=1, per_turn=True, penalties=[0.1, 0.2]
    )
    np.testing.assert_allclose(punished, [0.7, 0.8])
    with pytest.raises(ConfigError, match="do not fit"):
        agent_gae([3, 3], values, 1.0, gamma=1, gae_lambda=1, per_turn=True)


def weights_of(rollouts: Any, **options: Any) -> list[float]:
    samples = rollout_samples(rollouts, [1.0] * len(rollouts), SelectionOptions(**options))
    return [float(example.columns["weight"][0]) for example in samples.samples]


def team() -> list[Any]:
    """Two tasks: one with rollouts of three agents and of one agent, one with a single rollout."""
    return [
        rollout([agent("lead", [2, 2]), agent("subagent", [5]), agent("subagent", [1, 1, 1])]),
        rollout([agent("lead", [10])]),
        rollout([agent("lead", [6])], group="b"),
    ]


def test_dual_level_averaging_by_hand() -> None:
    # 1/2 tasks · 1/2 rollouts · 1/3 agents · 1/tokens
    wanted = [1 / 12 / 4, 1 / 12 / 5, 1 / 12 / 3, 1 / 4 / 10, 1 / 2 / 6]
    np.testing.assert_allclose(weights_of(team()), wanted, rtol=1e-6)


def test_other_averages_by_hand() -> None:
    np.testing.assert_allclose(weights_of(team(), loss_aggregation="token"), [1 / 28] * 5, rtol=1e-6)
    np.testing.assert_allclose(
        weights_of(team(), loss_aggregation="rollout"), [1 / 4 / 12] * 3 + [1 / 4 / 10, 1 / 2 / 6], rtol=1e-6
    )


@pytest.mark.parametrize("average", ["agent", "rollout", "token"])
def test_weights_sum_to_one_however_they_are_packed(average: Any) -> None:
    samples = rollout_samples(team(), [1.0] * 3, SelectionOptions(loss_aggregation=average))
    for tokens_per_row in (1, 20, 1000):
        rows = pack(samples.samples, tokens_per_row)
        assert sum(float(row.columns["weight"].sum()) for row in rows) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("average", ["agent", "rollout", "token"])
@pytest.mark.parametrize("kept", [{"a"}, {"b"}, {"a", "c"}, {"b", "c", "d"}])
def test_dropped_groups_do_not_change_the_weight_of_the_others(average: Any, kept: set[str]) -> None:
    """Four groups of two rollouts of equal length, all planned. By default the others keep their weight."""
    made = [rollout([agent("lead", [2, 3]), agent("subagent", [5])], group=name) for name in "aabbccdd"]

    def weights(advantages: list[float], **options: Any) -> dict[str, float]:
        found = rollout_samples(
            made, advantages, SelectionOptions(loss_aggregation=average, **options), planned=8
        )
        return {
            str(owner.group): float(sample.columns["weight"].sum())
            for owner, sample in zip(found.owners, found.samples, strict=True)
        }

    every = weights([1.0] * 8)
    some = weights([1.0 if one.group in kept else float("nan") for one in made])
    assert some == {name: pytest.approx(every[name], rel=1e-6) for name in sorted(kept)}
    more = weights([1.0 if one.group in kept else float("nan") for one in made], loss_denominator="trained")
    assert more == {name: pytest.approx(every[name] * 4 / len(kept), rel=1e-6) for name in sorted(kept)}


@pytest.mark.parametrize("average", ["agent", "rollout"])
def test_a_constant_denominator_does_not_depend_on_what_is_left_out(average: Any) -> None:
    options = SelectionOptions(loss_aggregation=average, loss_denominator="constant")
    whole = rollout_samples(team(), [1.0] * 3, options, planned=8)
    part = rollout_samples(team(), [1.0, float("nan"), float("nan")], options, planned=8)
    for left, right in zip(part.samples, whole.samples, strict=False):
        np.testing.assert_array_equal(left.columns["weight"], right.columns["weight"])
    first = {"agent": [1 / 8 / 3 / 4, 1 / 8 / 3 / 5, 1 / 8 / 3 / 3], "rollout": [1 / 8 / 12] * 3}[average]
    found = [float(sample.columns["weight"][0]) for sample in whole.samples]
    np.testing.assert_allclose(found, [*first, 1 / 8 / 10, 1 / 8 / 6], rtol=1e-6)
    for samples, trained_rollouts in ((whole, 3), (part, 1)):
        for tokens_per_row in (1, 20, 1000):
            rows = pack(samples.samples, tokens_per_row)
            total = sum(float(row.columns["weight"].sum()) for row in rows)
            assert total == pytest.approx(trained_rollouts / 8, abs=1e-6)


def test_a_constant_denominator_needs_the_planned_number() -> None:
    for average in ("agent", "rollout", "token"):
        options = SelectionOptions(loss_denominator="constant", loss_aggregation=average)  # type: ignore[arg-type]
        for planned in (0, 2):
            with pytest.raises(ConfigError, match="planned number of rollouts, at least 3"):
                rollout_samples(team(), [1.0] * 3, options, planned)


def test_tokens_share_the_part_of_the_rollouts_that_are_trained() -> None:
    options = SelectionOptions(loss_aggregation="token")
    samples = rollout_samples(team(), [1.0, float("nan"), 1.0], options, planned=8).samples
    for sample in samples:
        np.testing.assert_allclose(sample.columns["weight"], 2 / 8 / 18, rtol=1e-6)


def test_the_kl_term_can_be_divided_by_turns() -> None:
    """Eight turns are trained: 2 + 1 + 3 of the first rollout, and one each of the others."""
    for denominator, rollouts in (("trained", 3), ("constant", 8)):
        options = SelectionOptions(loss_denominator=denominator, kl_denominator="turns")  # type: ignore[arg-type]
        samples = rollout_samples(team(), [1.0] * 3, options, planned=8).samples
        for sample in samples:
            np.testing.assert_allclose(
                sample.columns["kl_weight"], sample.columns["weight"] * rollouts / 8, rtol=1e-6
            )
    assert "kl_weight" not in rollout_samples(team(), [1.0] * 3, SelectionOptions()).samples[0].columns


def test_an_agent_in_several_sequences_is_still_one_agent() -> None:
    joined = [rollout([agent("lead", [2, 6]), agent("subagent", [4])])]
    split = [rollout([agent("lead", [2, 6], split=True), agent("subagent", [4])])]
    assert len(rollout_samples(split, [1.0], SelectionOptions()).samples) == 3
    np.testing.assert_allclose(weights_of(joined), [1 / 2 / 8, 1 / 2 / 4])
    np.testing.assert_allclose(weights_of(split), [1 / 2 / 8, 1 / 2 / 8, 1 / 2 / 4])


def test_roles_choose_agents_and_the_average_is_over_those() -> None:
    np.testing.assert_allclose(weights_of(team(), roles=("lead",)), [1 / 4 / 4, 1 / 4 / 10, 1 / 2 / 6])
    # the second and third rollouts have no subagent: nothing of them is trained, and they do not count
    np.testing.assert_allclose(weights_of(team(), roles=("subagent",)), [1 / 2 / 5, 1 / 2 / 3])


def test_the_sampled_ids_are_the_trained_ids() -> None:
    one = rollout([agent("lead", [2, 3])])
    (example,) = rollout_samples([one], [0.5], SelectionOptions()).samples
    (sequence,) = one.agents[0].sequences
    assert example.ids.tolist() == sequence.ids
    assert example.places.tolist() == [at for at, made in enumerate(sequence.mask) if made]
    np.testing.assert_allclose(
        example.columns["engine"], [value for turn in sequence.turns for value in turn.logprobs]
    )
    assert set(example.columns["advantage"].tolist()) == {0.5}


def test_versions_temperatures_and_spans_are_by_token() -> None:
    one = rollout([agent("lead", [2, 3], versions=((4, 1), (5, 2)), temperature=0.7)])
    samples = rollout_samples([one], [1.0], SelectionOptions())
    (example,) = samples.samples
    assert example.columns["version"].tolist() == [0, 0, 4, 5, 5]
    np.testing.assert_allclose(example.columns["temperature"], [1, 1, 0.7, 0.7, 0.7])
    assert spans(example, samples.turns[0]) == {0: (0, 2), 1: (2, 5)}


def test_turns_that_were_not_drawn_from_the_whole_distribution_are_not_trained() -> None:
    one = rollout([agent("lead", [2, 3], trainable=False)])
    samples = rollout_samples([one], [1.0], SelectionOptions())
    assert [len(example.places) for example in samples.samples] == [2]
    assert samples.dropped_turns == 1


def trained(one: Any, failures: Any = "failed_turns") -> dict[str, list[int]]:
    samples = rollout_samples([one], [-1.0], SelectionOptions(failures=failures))
    return {
        one.agents[owner.agent].agent: [turn.turn for turn in turns]
        for owner, turns in zip(samples.owners, samples.turns, strict=True)
    }


def test_a_failed_episode_trains_only_the_turns_that_failed() -> None:
    subagents = [
        agent("subagent", [2, 2], name="fine"),
        agent("subagent", [2, 2, 2], name="lost", ending="out_of_turns"),
        agent("subagent", [2, 9], name="endless", ending="out_of_context", finish_reason="length"),
    ]
    malformed = rollout([agent("lead", [3, 3]), *subagents], score={"item_f1": 0.0, "well_formed": 0.0})
    assert trained(malformed) == {"lead": [1], "lost": [0, 1, 2], "endless": [1]}
    silent = rollout([agent("lead", [3, 3], ending="out_of_turns"), subagents[0]])
    assert trained(silent) == {"lead": [0, 1]}
    good = rollout([agent("lead", [3, 3]), *subagents])
    assert trained(good) == {"lead": [0, 1], "fine": [0, 1]}
    assert trained(malformed, "none") == {}
    assert trained(malformed, "all") == {"lead": [0, 1], "fine": [0, 1], "lost": [0, 1, 2], "endless": [0, 1]}


ENDLESS = {"ending": "out_of_context", "finish_reason": "length"}


def malformed(*agents: Any) -> Any:
    return rollout(agents, score={"item_f1": 0.0, "well_formed": 0.0})


def test_one_endless_turn_decides_for_the_whole_episode() -> None:
    """By hand, from the rule of WideSeek-R1: an endless turn excludes the other turns of agents that ran out."""
    fine = agent("subagent", [2, 2], name="fine")
    lost = agent("subagent", [2, 2, 2], name="lost", ending="out_of_turns")
    full = agent("subagent", [2, 7999], name="full", **ENDLESS)
    endless = agent("subagent", [2, 8000], name="endless", **ENDLESS)
    crammed = agent("subagent", [2, 9000], name="crammed", ending="out_of_context")  # its results did not fit
    lead, cut = agent("lead", [3, 3]), agent("lead", [3, 3], ending="out_of_turns")
    long = agent("lead", [3, 8500], **ENDLESS)
    alone = agent("single", [3, 8500], name="alone", **ENDLESS)
    for members, wanted in (
        ((lead, fine), {"lead": [1]}),
        ((lead, fine, lost), {"lead": [1], "lost": [0, 1, 2]}),
        ((lead, fine, lost, full), {"lead": [1], "lost": [0, 1, 2], "full": [0, 1]}),
        ((lead, fine, lost, crammed), {"lead": [1], "lost": [0, 1, 2], "crammed": [0, 1]}),
        ((lead, fine, lost, full, endless), {"lead": [1], "endless": [1]}),
        ((cut, fine, lost), {"lead": [0, 1], "lost": [0, 1, 2]}),
        ((cut, fine, endless), {"endless": [1]}),
        ((long, lost, fine), {"lead": [1]}),
        ((long, endless), {"lead": [1], "endless": [1]}),
        ((alone,), {"alone": [1]}),
    ):
        assert trained(malformed(*members), "wideseek_r1") == wanted, [one.agent for one in members]
    good = rollout([lead, fine, lost, endless])
    assert trained(good, "wideseek_r1") == {"lead": [0, 1], "fine": [0, 1]}
    assert trained(malformed(lead, lost, endless)) == {"lead": [1], "lost": [0, 1, 2], "endless": [1]}


def test_an_endless_turn_of_a_role_that_is_not_trained_counts_too() -> None:
    one = malformed(
        agent("lead", [3, 3], ending="out_of_turns"), agent("subagent", [8000], name="s", **ENDLESS)
    )
    options = SelectionOptions(failures="wideseek_r1", roles=("lead",))
    assert rollout_samples([one], [1.0], options).samples == []


def test_rollouts_without_an_advantage_or_a_fair_reward_are_left_out() -> None:
    rollouts = [
        rollout([agent("lead", [2])]),
        rollout([agent("lead", [3])], trainable=False),
        rollout([agent("lead", [4])]),
    ]
    samples = rollout_samples(rollouts, [float("nan"), 1.0, 1.0], SelectionOptions())
    assert [len(example.places) for example in samples.samples] == [4]
    assert [float(example.columns["weight"][0]) for example in samples.samples] == [0.25]


def test_a_mini_batch_is_counted_in_tasks() -> None:
    groups = ["a"] * 8 + ["b"] * 2 + ["c"] * 5
    parts = mini_batches(groups, 2, np.random.default_rng(0))
    assert [len({groups[at] for at in part}) for part in parts] == [2, 1]
    assert sorted(at for part in parts for at in part) == list(range(15))
    for part in parts:
        for name in {groups[at] for at in part}:
            assert sum(groups[at] == name for at in part) == groups.count(name), "a task is never split"


def test_records_that_do_not_fit_their_tokens_are_refused() -> None:
    with pytest.raises(TrajectoryError, match="log-probabilities"):
        rollout_samples([rollout([agent("lead", [3], logprobs=[-1.0])])], [1.0], SelectionOptions())
    with pytest.raises(TrajectoryError, match="advantages"):
        rollout_samples(team(), [1.0], SelectionOptions())


def test_agents_are_gathered_in_the_order_of_their_turns() -> None:
    samples = rollout_samples(
        [rollout([agent("lead", [2, 6], split=True), agent("subagent", [4])])], [1.0], SelectionOptions()
    )
    assert list(by_agent(samples).values()) == [[0, 1], [2]]
