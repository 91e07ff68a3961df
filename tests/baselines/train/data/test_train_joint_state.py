"""The joint state that a centralised critic reads: what it contains, what it leaves out, and both drivers."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_parts import VOCAB, rollout, tiny_causal, turn

from wideseek_baselines.engines.base import Generation
from wideseek_baselines.engines.simulated import LogNormal
from wideseek_baselines.engines.toy_tokens import END as CLOSE
from wideseek_baselines.engines.toy_tokens import encode_text
from wideseek_baselines.tokens.record import AgentRecord, Rollout
from wideseek_baselines.tokens.record import Sequence as TokenSequence
from wideseek_baselines.train.config.options import SelectionOptions
from wideseek_baselines.train.data.joint_state import CriticInputs, joint_inputs, own_inputs
from wideseek_baselines.train.data.packing import Sample
from wideseek_baselines.train.data.samples import SampleBatch, rollout_samples
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.critic import Critic
from wideseek_baselines.train.model.forward import values_of
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import TrajectoryError
from wideseek_env.task import Table, Task

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "rollout"))
from rollout_games import game, jobs_of, play_all, team

END = 1
"""The id that ends every message."""
SYSTEM = {"lead": [11, 12, END], "subagent": [13, 14, 15, END]}
ALL = SelectionOptions(failures="all")
WIDE = 4
"""The seed of a random episode with many subagents."""


def talk(
    role: str, clocks: Sequence[int], ids: itertools.count[int], *, split: bool = False, size: int = 2
) -> AgentRecord:
    """An agent whose messages have ids that occur nowhere else. With `split`, each turn is a sequence without the
    first id of earlier turns, like a template that removes earlier thinking.
    """

    def new() -> list[int]:
        return [*itertools.islice(ids, size), END]

    sequences, records = [], []
    so_far = list(SYSTEM[role])
    for number in range(len(clocks)):
        prompt = [*so_far, *new()]
        said = new()
        record = turn(number, len(prompt), len(prompt) + len(said))
        records = [record] if split else [*records, record]
        whole = [*prompt, *said]
        if split or number == len(clocks) - 1:
            sequences.append(TokenSequence(whole, records))
        so_far = [*prompt, *said[1:]] if split else whole
    return AgentRecord(
        role,
        role,  # type: ignore[arg-type]
        0,
        "reported" if role == "subagent" else "answered",
        sequences,
        clocks=tuple(clocks),
    )


def random_episode(seed: int, *, split: bool = False, size: int = 2) -> Rollout:
    """A lead that delegates in some of its turns, to subagents of one to four turns."""
    dice = np.random.default_rng(seed)
    ids = itertools.count(100)
    clock, clocks, team = 0, [], []
    for last in [*[False] * int(dice.integers(1, 4)), True]:
        clock += 1
        clocks.append(clock)
        lengths = [] if last else dice.integers(1, 5, dice.integers(0, 4)).tolist()
        team += [
            talk("subagent", range(clock + 1, clock + 1 + n), ids, split=split, size=size) for n in lengths
        ]
        clock = max([clock, *(clock + n for n in lengths)])
    return rollout([talk("lead", clocks, ids, split=split, size=size), *team])


def known_before(episode: Rollout, clock: int, own: int) -> set[int]:
    """By the definition: ids in messages of other agents with an earlier clock, each at its first occurrence."""
    found: set[int] = set()
    for place, member in enumerate(episode.agents):
        if place == own:
            continue
        for sequence in member.sequences:
            for each in sequence.turns:
                position = member.clocks[each.turn]
                found |= set(sequence.ids[: each.start]) if position - 1 < clock else set()
                found |= set(sequence.ids[each.start : each.stop]) if position < clock else set()
    return found


def inputs(episode: Rollout, context: int = 10**6) -> tuple[SampleBatch, CriticInputs]:
    batch = rollout_samples([episode], [0.0], ALL)
    return batch, joint_inputs(batch, [episode], context)


def turns_of(batch: SampleBatch, found: CriticInputs) -> list[tuple[int, int, Any, Sample, int]]:
    """For each trained turn: its agent, its clock, its record, the critic's sample, and where the turn begins there."""
    result = []
    for sample, (number, first, last) in zip(found.samples, found.parts, strict=True):
        at, begin = 0, 0
        for each in batch.turns[number]:
            if first <= begin < last:
                result.append((batch.owners[number].agent, each, sample, int(sample.places[at])))
                at += each.tokens
            begin += each.tokens
    return result  # type: ignore[return-value]


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_it_contains_all_earlier_messages_and_nothing_else(seed: int, split: bool) -> None:
    episode = random_episode(seed, split=split)
    batch, found = inputs(episode)
    count = 0
    for own, each, sample, begin in turns_of(batch, found):
        member = episode.agents[own]
        before = sample.ids[:begin].tolist()
        source = next(s for s in member.sequences if each in s.turns)
        mine = source.ids[: each.start]
        assert set(before) == known_before(episode, member.clocks[each.turn], own) | set(mine)
        kept = [token for token in before if token in set(mine) - {END, *SYSTEM["lead"], *SYSTEM["subagent"]}]
        assert [token for token in kept if token >= 100] == [token for token in mine if token >= 100]
        assert before.count(13) <= 1, "one system prompt for each role"
        assert before.count(11) == 1
        assert sample.ids[begin : begin + each.tokens].tolist() == source.ids[each.start : each.stop]
        assert before[-1] == mine[-1], "the value is read where the agent's prompt ends"
        count += 1
    assert count == sum(len(member.turns) for member in episode.agents)


@pytest.mark.parametrize("context", [1, 15, 30, 45, 60, 90, 10**6])
def test_a_long_state_keeps_the_newest_reports_first(context: int) -> None:
    episode = random_episode(WIDE, size=3)
    assert len(episode.agents) > 4
    batch, found = inputs(episode, context)
    reports = {
        member.sequences[-1].ids[member.turns[-1].start]: member.clocks[-1] for member in episode.agents[1:]
    }
    others_seen = 0
    for own, each, sample, begin in turns_of(batch, found):
        member = episode.agents[own]
        mine = set(member.sequences[0].ids[: each.start])
        clock = member.clocks[each.turn]
        before = set(sample.ids[:begin].tolist())
        assert mine <= before <= known_before(episode, clock, own) | mine, "its conversation is never cut"
        length = begin + each.tokens
        assert length <= max(context, each.stop)
        others_seen += length > each.stop
        known = {first: at for first, at in reports.items() if at < clock and first not in mine}
        lost = [at for first, at in known.items() if first not in before]
        kept = [at for first, at in known.items() if first in before]
        if lost:
            assert max(lost) <= min(kept, default=clock), "an older report replaced a newer one"
            assert context - length < 4, "there was room for a report"
    assert others_seen or context < 30
    assert (len(found.samples) == len(batch.samples)) == (context == 10**6)


def test_a_cut_state_by_hand() -> None:
    ids = itertools.count(100)
    lead = talk("lead", [1, 4], ids, size=1)  # 100 | 101 ... 102 | 103
    one = talk("subagent", [2, 3], ids, size=1)  # 104 | 105 ... 106 | 107, the report
    two = talk("subagent", [2], ids, size=3)  # 108-110 | 111-113, the report
    episode = rollout([lead, one, two])
    batch, found = inputs(episode, 23)
    states = {
        (own, each.turn): sample.ids[:begin].tolist() for own, each, sample, begin in turns_of(batch, found)
    }
    start = [11, 12, END, 100, END]
    assert states[0, 0] == start
    delegation = [101, END]
    assert states[2, 0] == [*start, *delegation, 104, END, 13, 14, 15, END, 108, 109, 110, END]
    assert states[1, 0] == [*start, *delegation, 108, 109, 110, END, 13, 14, 15, END, 104, END]
    # The lead's 11 ids leave room for 12 of the others: both reports (2 and 4 ids), then the newest others that fit.
    report, older = [107, END], [111, 112, 113, END]
    assert states[0, 1] == [105, END, 106, END, *older, *report, *start, *delegation, 102, END]
    own = [13, 14, 15, END, 104, END, 105, END, 106, END]
    assert states[1, 1] == [*delegation, 108, 109, 110, END, *older, *own], "the question has no room"
    assert [part for part in found.parts if part[0] == 0] == [(0, 0, 2), (0, 2, 4)]


def test_columns_and_values_find_their_tokens() -> None:
    episode = random_episode(WIDE, size=3)
    batch, found = inputs(episode, 45)
    assert len(found.samples) > len(batch.samples)
    numbers = [np.arange(len(s.places), dtype=np.float32) + 1000 * at for at, s in enumerate(batch.samples)]
    seen = found.with_columns([{"n": each} for each in numbers])
    for sample, wanted in zip(seen, found.parts, strict=True):
        tokens = sample.ids[sample.places].tolist()
        own = batch.samples[wanted[0]]
        assert tokens == own.ids[own.places][wanted[1] : wanted[2]].tolist()
    back = found.collected([sample.columns["n"] for sample in seen], len(batch.samples))
    for one, other in zip(back, numbers, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_critic_of_the_own_conversation_reads_what_the_policy_reads() -> None:
    batch = rollout_samples([random_episode(1, split=True)], [0.0], ALL)
    for one, other in zip(own_inputs(batch).samples, batch.samples, strict=True):
        assert one.ids is other.ids
        assert one.places is other.places


def test_a_single_agent_has_no_others() -> None:
    lead = talk("lead", [1, 2, 3], itertools.count(100))
    batch, found = inputs(rollout([dataclasses.replace(lead, role="single")]), 5)
    assert [sample.ids.tolist() for sample in found.samples] == [batch.samples[0].ids.tolist()]


@pytest.mark.parametrize("missing", ["all", "last"])
def test_a_rollout_without_clocks_is_refused(missing: str) -> None:
    episode = random_episode(1)
    first = dataclasses.replace(
        episode.agents[0], clocks=() if missing == "all" else episode.agents[0].clocks[:-1]
    )
    old = dataclasses.replace(episode, agents=[first, *episode.agents[1:]])
    with pytest.raises(TrajectoryError, match=r"value\.view=own"):
        inputs(old)


SECRET = "Zyxomma"


def secret_task(task: Task) -> Task:
    """The task with a gold table whose cells no page has."""
    return dataclasses.replace(
        task, gold=Table(task.gold.header, tuple((SECRET,) * len(row) for row in task.gold.rows))
    )


def lock_step(setup: Any, task: Task, seed: int) -> tuple[Rollout, list[str]]:
    """The episode of the same episode policy under the lock-step driver, and who acted, in order."""
    simulated = team(takes="tokens")
    policy = simulated.episode_policy(seed)
    run = EpisodeRun(setup, task, seed)
    while not run.done:
        actions = {}
        for name in run.episode.ready():
            seen = run.turn(name)
            ids = [*encode_text(simulated.answer(policy.prepare(seen).request)), CLOSE]  # type: ignore[union-attr]
            generation = Generation("stop", ids=ids, logprobs=[0.0] * len(ids), versions=((0, len(ids)),))
            actions[name] = policy.accept(seen, generation)
        run.step(actions)
    members = run.episode.conversations
    records = policy.records([(c.agent, c.role, c.ending) for c in members])
    agents = [dataclasses.replace(r, clocks=tuple(c.clocks)) for r, c in zip(records, members, strict=True)]
    return rollout(agents), [event[1] for event in run.episode.events if event[0] == "act"]


@pytest.mark.parametrize("context", [3_000, 10**6])
def test_both_drivers_lead_to_the_same_inputs_and_values_without_gold(context: int) -> None:
    setup = game(1, profile="terse", width=3)
    jobs = [dataclasses.replace(job, task=secret_task(job.task)) for job in jobs_of(setup)]
    (done,) = play_all(team(takes="tokens", latency=LogNormal(5.0, 2.0), seed=3), setup, jobs)
    assert done.rollout is not None
    assert done.trajectory is not None
    assert len(done.rollout.agents) > 3
    other, acts = lock_step(setup, done.job.task, done.job.seed)
    events = done.trajectory.to_dict()["events"]
    assert [event["act"] for event in events if "act" in event] != acts, "both took turns in the same order"
    (asynchronous, in_step) = (inputs(episode, context)[1] for episode in (done.rollout, other))
    assert asynchronous.parts == in_step.parts
    for one, two in zip(asynchronous.samples, in_step.samples, strict=True):
        np.testing.assert_array_equal(one.ids, two.ids)
        np.testing.assert_array_equal(one.places, two.places)
        text = bytes(token for token in one.ids.tolist() if token < 256).decode("utf-8", "replace")
        assert SECRET not in text
        assert done.job.task.question in text or context < 10**6
    if context < 10**6:  # values of the shortest states, because a toy token is a byte
        causal = tiny_causal(1)
        use_attention(causal, "packed")
        critic = Critic(causal)
        torch.nn.init.normal_(critic.head.linear.weight, generator=torch.Generator().manual_seed(0))
        chosen = sorted(range(len(in_step.samples)), key=lambda at: len(in_step.samples[at]))[:5]
        found = [
            values_of(
                critic, [Sample(made.samples[at].ids % VOCAB, made.samples[at].places) for at in chosen], 9000
            )
            for made in (asynchronous, in_step)
        ]
        assert len({float(each[0]) for each in found[0]}) > 1
        for one_value, two_value in zip(*found, strict=True):
            np.testing.assert_array_equal(one_value, two_value)
