"""Admission: who may start, who may ask, and that everybody's turn comes."""

from __future__ import annotations

import asyncio

import pytest
from rollout_games import game, in_virtual_time, jobs_of, play_all, team

from wideseek_baselines.engines.base import EngineInfo
from wideseek_baselines.engines.simulated import LogNormal, Speed
from wideseek_baselines.rollout.admission import EpisodeGate, RequestGate
from wideseek_baselines.rollout.jobs import RolloutJob


def gate(kv: int | None, *, concurrency: int | None = None, expected: int = 100) -> EpisodeGate:
    infos = [EngineInfo("e", "m", "tokens", kv_tokens=kv)]
    return EpisodeGate(infos, concurrency=concurrency, headroom=0.5, expected=expected)


def test_episodes_start_while_the_cache_has_room_for_what_they_are_expected_to_take() -> None:
    episodes = gate(1000)
    for number in range(5):
        assert episodes.fits(1)
        episodes.begin(number)
    assert not episodes.fits(1)
    episodes.end(0)
    assert episodes.fits(1)
    episodes.grown(1, 250)  # more than expected: 250 and three times 100
    assert not episodes.fits(1)


def test_a_group_needs_room_for_all_unless_it_is_alone() -> None:
    episodes = gate(1000, concurrency=8)
    assert episodes.fits(50)
    episodes.begin(0)
    assert episodes.fits(4)
    assert not episodes.fits(5)
    unknown = gate(None)
    for number in range(63):
        unknown.begin(number)
    assert unknown.fits(1)
    assert not unknown.fits(2)


def test_the_expected_peak_is_learnt() -> None:
    episodes = gate(1_000_000, expected=10_000)
    for number in range(200):
        episodes.begin(number)
        episodes.grown(number, 300)
        episodes.grown(number, 20)
        episodes.end(number)
    assert episodes.expected == pytest.approx(300, rel=0.05)


def turns(info: EngineInfo, wanted: list[tuple[int, int]], hold: bool = False) -> tuple[list[int], int]:
    """The order in which requests (priority, tokens) that came at once got their turns, and the most at a time."""
    order: list[int] = []
    most = running = 0

    async def one(requests: RequestGate, at: int, priority: int, tokens: int) -> None:
        nonlocal most, running
        async with requests.turn(priority, tokens):
            order.append(at)
            running += 1
            most = max(most, running)
            await asyncio.sleep(1 + at / 1000)
            running -= 1

    async def main() -> None:
        requests = RequestGate(info)
        if hold:
            requests.hold()
        tasks = [asyncio.ensure_future(one(requests, at, *each)) for at, each in enumerate(wanted)]
        await asyncio.sleep(5 if hold else 0)
        if hold:
            assert order == []
            requests.release()
        await asyncio.gather(*tasks)
        assert (requests.running, requests.waiting) == (0, 0)

    in_virtual_time(main)
    return order, most


def test_older_episodes_go_first_and_no_more_than_the_engine_works_on() -> None:
    info = EngineInfo("e", "m", "tokens", max_requests=2)
    order, most = turns(info, [(9, 1), (9, 1), (9, 1), (5, 1), (7, 1), (1, 1)])
    assert order == [0, 1, 2, 5, 3, 4]  # two at work, one in store for them, then by age
    assert most == 3


def test_requests_fit_into_the_cache_together_and_a_big_one_is_not_passed_by() -> None:
    info = EngineInfo("e", "m", "tokens", kv_tokens=100)
    order, most = turns(info, [(1, 60), (2, 500), (3, 10), (4, 60)])
    assert order == [0, 1, 2, 3]
    assert most == 2
    assert turns(info, [(1, 60), (2, 40), (3, 1)])[1] == 2


def test_nothing_passes_while_held() -> None:
    order, _ = turns(EngineInfo("e", "m", "tokens"), [(2, 1), (1, 1)], hold=True)
    assert order == [1, 0]


def test_a_request_that_gives_up_lets_the_next_one_through() -> None:
    async def main() -> None:
        requests = RequestGate(EngineInfo("e", "m", "tokens", kv_tokens=100))
        done: list[str] = []

        async def one(name: str, priority: int, tokens: int, seconds: float) -> None:
            async with requests.turn(priority, tokens):
                await asyncio.sleep(seconds)
                done.append(name)

        first = asyncio.ensure_future(one("first", 0, 60, 100))
        big = asyncio.ensure_future(one("big", 1, 90, 1))
        small = asyncio.ensure_future(one("small", 2, 10, 1))
        await asyncio.sleep(5)
        assert done == []
        big.cancel()
        await asyncio.sleep(5)
        assert done == ["small"]
        first.cancel()
        await asyncio.gather(first, big, small, return_exceptions=True)
        assert (requests.running, requests.waiting) == (0, 0)

    in_virtual_time(main)


def test_every_episode_of_a_crowded_engine_ends_and_old_ones_first() -> None:
    setup = game(4)
    policy = team(takes="tokens", latency=Speed(decode=200, total=1000), max_requests=4, kv_tokens=400_000)
    jobs = jobs_of(setup, trials=4)
    finished = play_all(policy, setup, jobs, episode_tokens=20_000)
    assert [f.error for f in finished] == [""] * 16
    assert [jobs.index(f.job) for f in finished] == list(range(16))
    queued = [
        sum(turn.queued for agent in f.rollout.agents for turn in agent.turns) for f in finished if f.rollout
    ]
    assert min(queued[8:]) > queued[0]  # they were under way beside older ones, and stood back


def test_a_group_bigger_than_the_cache_is_played() -> None:
    setup = game(1)
    jobs = [RolloutJob(setup.tasks[0], seed=n, group="g") for n in range(6)]
    finished = play_all(team(kv_tokens=5000, latency=LogNormal(1.0, 0.5)), setup, jobs)
    assert [f.error for f in finished] == [""] * 6


def test_the_consumer_holds_back_new_groups() -> None:
    setup = game(2)
    begun: list[int] = []

    async def main() -> None:
        from wideseek_baselines.rollout.driver import Driver
        from wideseek_baselines.rollout.options import DriverOptions

        def jobs():  # type: ignore[no-untyped-def]
            for job in jobs_of(setup, trials=10):
                begun.append(job.seed)
                yield job

        run = Driver(team(), setup, options=DriverOptions(concurrency=2, backlog=3)).run(jobs())
        assert (await anext(run)).error == ""
        await asyncio.sleep(100_000)
        assert len(begun) <= 8  # one handed over, three in store and a few that were under way
        rest = [each async for each in run]
        assert len(rest) == 19

    in_virtual_time(main)
