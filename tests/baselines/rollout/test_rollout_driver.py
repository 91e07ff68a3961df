"""The driver: the same games as in lock step, failures that stay where they are, nothing left behind."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
from rollout_games import collect, game, in_virtual_time, jobs_of, play_all, team, virtual

from wideseek_baselines.engines.base import Engine, EngineError, EngineLostError
from wideseek_baselines.engines.simulated import Faults, LogNormal, SimulatedEngine, Speed, toy_logprob
from wideseek_baselines.engines.toy_tokens import BEGIN, END, decode_text, encode_messages
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.jobs import Finished, RolloutJob
from wideseek_baselines.rollout.local import run_jobs, run_rollout_jobs
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.episode_run import EpisodeRun, run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.game import Game
from wideseek_env.policy import Job
from wideseek_env.rules import Rules
from wideseek_env.task import Task


def assert_same(finished: Finished, play: EpisodeRun) -> None:
    """The asynchronous episode left what the lock-step one did."""
    trajectory = finished.trajectory
    assert trajectory is not None
    assert finished.error == ""
    expected = play.trajectory()
    assert trajectory.conversations == expected.conversations
    assert trajectory.outcome == expected.outcome
    assert trajectory.score == expected.score
    assert trajectory.parts == expected.parts
    assert trajectory.replay().outcome == play.episode.outcome
    assert len(trajectory.timing["events"]) == len(trajectory.events)


# --- the same as in lock step -------------------------------------------------------------------------------------


@pytest.mark.parametrize("takes", ["messages", "tokens"])
@pytest.mark.parametrize("settings", [{}, {"roster": "fixed"}, {"team": False}, {"profile": "wideseek-r1"}])
def test_the_same_episodes_as_in_lock_step(settings: dict[str, object], takes: str) -> None:
    setup = game(4, **settings)
    finished = play_all(team(takes=takes, seed=3), setup)
    assert sorted(f.job.task.id for f in finished) == sorted(task.id for task in setup.tasks)
    for each in finished:
        assert_same(each, run_episode(setup, ScriptedPolicy(), each.job.task, seed=each.job.seed))
    assert max(f.trajectory.reward for f in finished if f.trajectory) > 0.3


@pytest.mark.parametrize("rules", [Rules(lead_turns=1), Rules(context=9000), Rules(context=10)])
def test_hopeless_rules_end_quietly(rules: Rules) -> None:
    setup = game(2, rules=rules)
    for each in play_all(team(), setup):
        assert_same(each, run_episode(setup, ScriptedPolicy(), each.job.task, seed=each.job.seed))


def test_agents_do_not_wait_for_each_other() -> None:
    """In lock step every turn takes as long as the slowest agent's; here an agent starts its next turn before."""
    setup = game(1)
    policy = team(latency=LogNormal(1.0, 1.5))
    (finished,) = play_all(policy, setup)
    assert finished.rollout is not None
    assert finished.trajectory is not None
    turns = [c["turns"] for c in finished.trajectory.conversations]
    acts = [(e["act"], e["message"]) for e in finished.trajectory.events if "act" in e]
    orders = [message for agent, message in acts if agent.startswith("subagent")]
    assert max(turns) > 2
    assert orders != sorted(orders)  # some subagent was turns ahead of another


def test_the_same_engine_gives_the_same_run() -> None:
    setup = game(6)

    def record() -> list[tuple[str, list[dict[str, object]], float]]:
        return [
            (f.job.task.id, f.trajectory.events, f.rollout.seconds)
            for f in play_all(team(seed=5), setup)
            if f.trajectory and f.rollout
        ]

    first = record()
    assert len(first) == 6
    assert record() == first


# --- what is recorded ---------------------------------------------------------------------------------------------


def test_every_token_of_every_turn_is_recorded() -> None:
    setup = game(2)
    for finished in play_all(team(takes="tokens"), setup):
        rollout, trajectory = finished.rollout, finished.trajectory
        assert rollout is not None
        assert trajectory is not None
        assert rollout.trainable
        assert rollout.reward == trajectory.reward
        assert rollout.score["item_f1"] == trajectory.score.f1_by_item
        assert rollout.ending == "answered"
        assert len(rollout.agents) == len(trajectory.conversations)
        for agent, conversation in zip(rollout.agents, trajectory.conversations, strict=True):
            (sequence,) = agent.sequences
            assert (agent.agent, agent.ending) == (conversation["agent"], conversation["ending"])
            assert sequence.ids == encode_messages(conversation["messages"])
            assert [turn.turn for turn in agent.turns] == list(range(conversation["turns"]))
            written = [m["content"] for m in conversation["messages"] if m["role"] == "assistant"]
            for turn, text in zip(sequence.turns, written, strict=True):
                span = sequence.ids[turn.start : turn.stop]
                assert decode_text(span) == text
                assert span[-1] == END
                assert sequence.ids[turn.start - 1] == BEGIN["assistant"]
                assert turn.logprobs == [toy_logprob(token, at) for at, token in enumerate(span)]
                assert turn.versions == ((0, turn.tokens),)


def test_times_and_tokens_are_recorded() -> None:
    setup = game(1)
    (finished,) = play_all(team(takes="tokens", latency=Speed(), max_requests=2), setup)
    rollout, trajectory = finished.rollout, finished.trajectory
    assert rollout is not None
    assert trajectory is not None
    lead = rollout.agents[0]
    assert lead.role == "lead"
    first = lead.turns[0]
    helpers = [agent for agent in rollout.agents if agent.role == "subagent"]
    assert first.generating > 0
    assert first.tools >= max(turn.generating for agent in helpers for turn in agent.turns)
    assert lead.turns[-1].tools == 0
    assert any(turn.queued > 0 for agent in helpers for turn in agent.turns)  # two at a time, four agents
    assert lead.turns[0].generating + lead.turns[0].tools < rollout.seconds
    usage = trajectory.meta["usage"]
    assert usage["requests"] == sum(c["turns"] for c in trajectory.conversations)
    assert usage["completion_tokens"] == rollout.tokens
    prompts = [turn.start for agent in rollout.agents for turn in agent.turns]
    assert usage["prompt_tokens"] == sum(prompts)
    assert usage["cached_tokens"] == sum(turn.cached_tokens for a in rollout.agents for turn in a.turns) > 0
    assert trajectory.meta["policy"] == "simulated-scripted"


def test_engines_without_ids_give_rollouts_that_are_not_trained_on() -> None:
    (finished,) = play_all(team(), game(1))
    assert finished.rollout is not None
    assert not finished.rollout.trainable
    assert [agent.sequences for agent in finished.rollout.agents] == [[]] * len(finished.rollout.agents)


class Clumsy(ScriptedPolicy):
    """Adds a call that no agent may make."""

    def _message(self, turn: object) -> str:
        text = super()._message(turn)  # type: ignore[arg-type]
        call = '<tool_call>{"name": "fly", "arguments": {}}</tool_call>'
        return text + call if "<tool_call>" in text else text


def test_errors_of_a_turn_are_counted() -> None:
    from wideseek_baselines.rollout.simulation import SimulatedTeam

    (finished,) = play_all(SimulatedTeam(Clumsy(), takes="tokens"), game(1))
    assert finished.rollout is not None
    assert finished.trajectory is not None
    assert [sum(turn.errors for turn in agent.turns) for agent in finished.rollout.agents] == [
        c["errors"] for c in finished.trajectory.conversations
    ]
    assert finished.rollout.agents[0].turns[0].errors == 1


# --- failures -----------------------------------------------------------------------------------------------------


class Failing(SimulatedEngine):
    """Fails the first `times` requests of the episodes numbered `episodes`."""

    episodes: frozenset[int] = frozenset()
    times = 10**9

    async def generate(self, request):  # type: ignore[no-untyped-def]
        if request.priority in self.episodes and self.times:
            self.times -= 1
            raise EngineError("no luck")
        return await super().generate(request)


def failing_team(episodes: Sequence[int], times: int = 10**9):  # type: ignore[no-untyped-def]
    policy = team(takes="tokens")
    engine = Failing(policy.answer, takes="tokens")
    engine.episodes, engine.times = frozenset(episodes), times
    policy.engine = engine
    return policy


def test_an_engine_error_ends_only_its_episode() -> None:
    setup = game(5)
    finished = play_all(failing_team([1, 3]), setup)
    ids = [task.id for task in setup.tasks]
    failed = [f for f in finished if f.error]
    assert sorted(f.job.task.id for f in failed) == sorted([ids[1], ids[3]])
    for each in failed:
        assert each.error == "EngineError: no luck"
        assert each.trajectory is not None
        assert each.trajectory.outcome["ending"] == "failed"
        assert each.trajectory.meta["failed"] is True
        assert each.rollout is not None
        assert not each.rollout.trainable
        assert each.rollout.error == each.error
    for each in finished:
        if not each.error:
            assert_same(each, run_episode(setup, ScriptedPolicy(), each.job.task, seed=each.job.seed))


def test_a_failed_episode_is_played_again_from_its_beginning() -> None:
    setup = game(2)
    finished = play_all(failing_team([0], times=2), setup, retries=2)
    for each in finished:
        assert_same(each, run_episode(setup, ScriptedPolicy(), each.job.task, seed=each.job.seed))
    again = next(f for f in finished if f.job.task.id == setup.tasks[0].id)
    assert again.trajectory is not None
    assert again.trajectory.meta["retries"] == ["EngineError: no luck"] * 2
    assert again.rollout is not None
    assert again.rollout.trainable
    assert again.rollout.tokens == again.trajectory.meta["usage"]["completion_tokens"]
    (given_up,) = play_all(failing_team([0], times=2), game(1), retries=1)
    assert given_up.error == "EngineError: no luck"


def test_a_generation_that_never_ends_is_given_up() -> None:
    policy = team(faults=Faults(hang=1.0))
    (finished,) = play_all(policy, game(1), request_timeout=7.0)
    assert finished.error == "EngineError: simulated did not answer within 7 seconds"
    assert policy.engine.under_way == []


def test_a_lost_engine_ends_everything() -> None:
    setup = game(6)
    policy = team()
    given: list[Finished] = []

    async def main() -> None:
        driver = Driver(policy, setup, options=DriverOptions(concurrency=3))
        async for finished in driver.run(jobs_of(setup)):
            given.append(finished)
            await policy.engine.close()

    with pytest.raises(EngineLostError):
        in_virtual_time(main)
    lost = [f for f in given if f.error]
    assert len(lost) == 3  # two beside the first, and the one that took its place
    assert len(given) == 4
    for each in lost:
        assert each.error.startswith("EngineLostError")
        assert each.trajectory is not None
        assert each.trajectory.outcome["ending"] == "failed"


def test_a_lost_engine_is_replaced_and_nothing_is_lost() -> None:
    setup = game(6)
    policy = team(takes="tokens", faults=Faults(loss=0.02), seed=1)
    lost: list[Engine] = []

    async def replace(engine: Engine) -> Engine:
        lost.append(engine)
        await asyncio.sleep(60)
        return SimulatedEngine(policy.answer, takes="tokens", faults=Faults(loss=0.02), seed=100 + len(lost))

    async def main() -> list[Finished]:
        return await collect(Driver(policy, setup, on_lost=replace), jobs_of(setup))

    finished = in_virtual_time(main)
    assert len(lost) == len(set(map(id, lost))) > 1  # each was replaced once, however many noticed
    for each in finished:
        assert_same(each, run_episode(setup, ScriptedPolicy(), each.job.task, seed=each.job.seed))


def test_a_lost_engine_that_cannot_be_replaced_is_said_once() -> None:
    asked: list[Engine] = []

    async def fail(engine: Engine) -> Engine:
        asked.append(engine)
        raise ConfigError("no such device")

    async def main() -> None:
        policy = team(faults=Faults(loss=1.0))
        async for finished in Driver(policy, game(3), on_lost=fail).run(jobs_of(game(3))):
            assert "no such device" in finished.error

    with pytest.raises(EngineLostError, match="could not be replaced: ConfigError: no such device"):
        in_virtual_time(main)
    assert len(asked) == 1


def test_a_broken_reward_or_judge_fails_its_episode_alone() -> None:
    class Broken:
        name = "broken"

        def __init__(self, times: int) -> None:
            self.times = times

        def __call__(self, episode, score):  # type: ignore[no-untyped-def]
            if episode.task.id == bad and self.times:
                self.times -= 1
                raise RuntimeError("no reward today")
            return {"item_f1": score.f1_by_item}

    bad = game(3).tasks[1].id
    finished = play_all(team(), game(3, reward=Broken(10**9)))
    assert Counter(f.error for f in finished) == {"": 2, "RuntimeError: no reward today": 1}
    (failed,) = (f for f in finished if f.error)
    assert (failed.job.task.id, failed.trajectory, failed.rollout) == (bad, None, None)
    policy = team()
    asked = play_all(policy, game(3, reward=Broken(1)), retries=1)
    assert all(not f.error for f in asked)
    (again,) = (f for f in asked if f.job.task.id == bad)
    assert again.trajectory is not None
    # It was scored again and not played again.
    assert again.trajectory.meta["usage"]["requests"] == again.trajectory.outcome["turns"]


# --- cancelling, pausing, consuming -------------------------------------------------------------------------------


def test_cancelling_an_episode_frees_what_it_held() -> None:
    setup = game(3)
    policy = team(latency=LogNormal(10.0, 0.1))
    jobs = jobs_of(setup)

    async def main() -> list[Finished]:
        driver = Driver(policy, setup)
        run = driver.run(jobs)
        first = asyncio.ensure_future(anext(run))
        await asyncio.sleep(15)
        assert any(name.startswith("1.") for name in policy.engine.under_way)
        assert driver.cancel(jobs[1])
        assert not driver.cancel(jobs[1])
        assert not driver.cancel(dataclasses.replace(jobs[0]))
        finished = [await first]
        assert not any(name.startswith("1.") for name in policy.engine.under_way)
        finished += [each async for each in run]
        assert not driver.cancel(jobs[2])
        return finished

    finished = in_virtual_time(main)
    assert [(f.job is jobs[1], f.error) for f in finished] == [(True, "cancelled"), (False, ""), (False, "")]
    assert finished[0].trajectory is not None
    assert finished[0].trajectory.outcome["detail"] == "cancelled"


def test_a_consumer_that_leaves_cancels_everything() -> None:
    setup = game(8)
    policy = team()
    taken: list[int] = []

    def jobs() -> Iterator[Job]:
        for job in jobs_of(setup):
            taken.append(job.seed)
            yield job

    before = set(threading.enumerate())
    with virtual() as loop:
        finished = run_rollout_jobs(policy, setup, jobs(), options=DriverOptions(concurrency=2), loop=loop)
        assert next(finished).error == ""
        finished.close()
        assert policy.engine.under_way == []
        assert len(taken) < 8
        assert loop.run(count_tasks()) == 1
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("wideseek-loop")]


async def count_tasks() -> int:
    """Tasks of the running loop, this one included."""
    for _ in range(3):
        await asyncio.sleep(0)
    return len(asyncio.all_tasks())


def test_new_weights_in_the_middle_of_a_run() -> None:
    setup = game(4)
    policy = team(takes="tokens", latency=Speed())

    async def main() -> list[Finished]:
        driver = Driver(policy, setup)
        finished: list[Finished] = []
        version = 0
        async for each in driver.run(jobs_of(setup)):
            version += 1
            await driver.update_weights([], version)
            finished.append(each)
        assert policy.engine.version == version == 4
        return finished

    finished = in_virtual_time(main)
    versions = [
        {version for agent in f.rollout.agents for turn in agent.turns for version, _ in turn.versions}
        for f in finished
        if f.rollout
    ]
    assert versions[0] == {0}
    assert any(len(found) > 1 for found in versions)
    for each in finished:
        for agent in each.rollout.agents if each.rollout else ():
            for turn in agent.turns:
                assert sum(count for _, count in turn.versions) == turn.tokens
        assert_same(each, run_episode(setup, ScriptedPolicy(), each.job.task, seed=each.job.seed))


def test_no_request_goes_out_while_it_pauses() -> None:
    setup = game(2)
    policy = team(latency=LogNormal(1.0, 0.5))

    async def main() -> None:
        driver = Driver(policy, setup)
        run = driver.run(jobs_of(setup))
        first = asyncio.ensure_future(anext(run))
        await asyncio.sleep(2)
        async with driver.paused():
            await asyncio.sleep(500)
            held = policy.engine.under_way
            await asyncio.sleep(500)
            assert policy.engine.under_way == held
            assert not first.done()
        finished = [await first, *[each async for each in run]]
        assert [f.error for f in finished] == ["", ""]

    in_virtual_time(main)


def test_jobs_may_come_from_an_endless_asynchronous_source() -> None:
    setup = game(3)
    asked: list[int] = []

    async def endless() -> AsyncIterator[Job]:
        number = 0
        while True:
            asked.append(number)
            yield Job(setup.tasks[number % 3], seed=number)
            await asyncio.sleep(1)
            number += 1

    async def main() -> list[int]:
        driver = Driver(team(), setup, options=DriverOptions(concurrency=2))
        run = driver.run(endless())
        seeds = [(await anext(run)).job.seed for _ in range(7)]
        await run.aclose()  # type: ignore[attr-defined]
        return seeds

    seeds = in_virtual_time(main)
    assert len(set(seeds)) == 7
    assert len(asked) <= 12  # nothing is taken long before it can start


def test_an_iterable_of_jobs_that_raises() -> None:
    setup = game(2)

    def jobs() -> Iterator[Job]:
        yield from jobs_of(setup)
        raise LookupError("no more tasks")

    finished: list[Finished] = []

    async def main() -> None:
        async for each in Driver(team(), setup).run(jobs()):
            finished.append(each)

    with pytest.raises(LookupError, match="no more tasks"):
        in_virtual_time(main)
    assert [f.error for f in finished] == ["", ""]


def test_a_driver_runs_once_at_a_time_and_again_afterwards() -> None:
    setup = game(1)

    async def main() -> None:
        driver = Driver(team(), setup)
        run = driver.run(jobs_of(setup))
        first = asyncio.ensure_future(anext(run))
        await asyncio.sleep(0)
        assert not first.done()
        with pytest.raises(RuntimeError, match="already running"):
            await anext(driver.run([]))
        await first
        assert [each async for each in run] == []
        assert await collect(driver, []) == []
        assert len(await collect(driver, jobs_of(setup))) == 1

    in_virtual_time(main)


def test_groups_start_together_and_in_order() -> None:
    setup = game(2)
    task: Task = setup.tasks[0]
    jobs = [RolloutJob(task, seed=g * 10 + n, trial=n, group=f"g{g}") for g in range(4) for n in range(3)]
    started: list[tuple[float, int]] = []
    policy = team()
    episode_policy = policy.episode_policy

    def noted(seed: int):  # type: ignore[no-untyped-def]
        started.append((asyncio.get_running_loop().time(), seed))
        return episode_policy(seed)

    policy.episode_policy = noted  # type: ignore[method-assign]
    finished = play_all(policy, setup, jobs, concurrency=4)
    assert [seed for _, seed in started] == [job.seed for job in jobs]
    times = [sorted({time for time, seed in started if seed // 10 == g}) for g in range(4)]
    assert [len(each) for each in times] == [1, 1, 1, 1]
    assert [each[0] for each in times] == sorted({each[0] for each in times})
    assert {f.rollout.group for f in finished if f.rollout} == {"g0", "g1", "g2", "g3"}
    assert {f.trajectory.meta["group"] for f in finished if f.trajectory} == {"g0", "g1", "g2", "g3"}


def test_a_group_of_known_size_does_not_wait_for_the_next_job() -> None:
    setup = game(1)

    async def main() -> list[str]:
        async def jobs() -> AsyncIterator[Job]:
            for number in range(2):
                yield RolloutJob(setup.tasks[0], seed=number, group="pair", size=2)
            await asyncio.Event().wait()

        run = Driver(team(), setup).run(jobs())
        names = [(await anext(run)).error for _ in range(2)]
        await run.aclose()  # type: ignore[attr-defined]
        return names

    assert in_virtual_time(main) == ["", ""]


def test_ordinary_code_plays_through_the_background_loop() -> None:
    setup = game(3)
    played = list(run_jobs(team(latency=LogNormal(0.001, 0.1)), setup, jobs_of(setup)))
    assert sorted(p.job.seed for p in played) == sorted(job.seed for job in jobs_of(setup))
    assert all(p.error == "" and p.trajectory is not None for p in played)


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"headroom": 0},
        {"retries": -1},
        {"request_timeout": 0},
        {"search_batch": 0},
        {"backlog": 0},
    ],
)
def test_wrong_options_are_named(wrong: dict[str, int]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        DriverOptions(**wrong)  # type: ignore[arg-type]


def test_setup_is_left_open() -> None:
    opened: Game = game(1)
    play_all(team(), opened)
    assert opened.executor.run([]) == []
