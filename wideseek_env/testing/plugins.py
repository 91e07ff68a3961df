"""Checks for one's own corpus or policy."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from wideseek_env.corpus.base import Corpus, Page, SearchHit
from wideseek_env.messages import Action, Message
from wideseek_env.policy import EpisodePlayer, Job, Policy, Turn
from wideseek_env.runner import play_episode
from wideseek_env.setup import Setup

AWKWARD_QUERIES = (
    "",
    " \n\t",
    "\"unbalanced 'quotes",
    "title:x AND (y OR -z)",
    "a/b*c?d~e^2 [1 TO 5] {x} +y && || !",
    "\x00\x01",
    "河流的长度",
    "🗺" * 50,
    "word " * 5000,
)
"""Queries that are ordinary text to a searcher and syntax, or nothing, to a query parser."""


def check_corpus(corpus: Corpus, queries: Sequence[str]) -> None:
    """Check a corpus with `queries` that should find something.

    Batched and single searches agree, at most k results come, best first; every result can be fetched; any
    string is a legal query; an unknown address gives None; closing twice is harmless (the corpus is closed at
    the end).
    """
    assert isinstance(corpus, Corpus), "the object lacks name, blocking, search, fetch or close"
    assert corpus.name, "a corpus needs a name"
    batch = corpus.search(list(queries), 5)
    assert len(batch) == len(queries), f"{len(queries)} queries gave {len(batch)} lists of results"
    for query, hits in zip(queries, batch, strict=True):
        assert hits, f"nothing was found for {query!r}"
        assert len(hits) <= 5, f"{len(hits)} results for k=5"
        assert all(isinstance(hit, SearchHit) for hit in hits), "results must be SearchHit"
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True), f"results of {query!r} are not best first: {scores}"
        assert len({hit.url for hit in hits}) == len(hits), (
            f"a page occurs twice among the results of {query!r}"
        )
        assert corpus.search([query], 5) == [hits], f"{query!r} alone gives other results than in a batch"
        assert corpus.search([query], 1) == [hits[:1]], f"{query!r} with k=1 is not the first of k=5"
        for hit in hits:
            page = corpus.fetch(hit.url)
            assert isinstance(page, Page), f"the result {hit.url} cannot be fetched"
    assert corpus.search([], 3) == [], "no queries must give no results"
    for query, hits in zip(AWKWARD_QUERIES, corpus.search(list(AWKWARD_QUERIES), 3), strict=True):
        assert len(hits) <= 3, f"too many results for {query[:40]!r}"
    assert corpus.search([""], 3) == [[]], "a query without words must find nothing"
    assert corpus.fetch("https://nowhere.invalid/no/such/page") is None, "an unknown address must give None"
    assert corpus.fetch("") is None, "an empty address must give None"
    corpus.close()
    corpus.close()


class _Recorder:
    """Passes turns on to a policy and checks what comes back."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self._policy = policy
        self.log: list[tuple[str, Action]] = []
        self._conversations: dict[str, list[Message]] = {}

    def reset(self, seed: int) -> None:
        self._policy.reset(seed)

    def act(self, turns: Sequence[Turn]) -> Sequence[Action]:
        before = json.dumps([list(turn.messages) for turn in turns])
        actions = self._policy.act(turns)
        assert before == json.dumps([list(turn.messages) for turn in turns]), (
            "the policy changed a conversation"
        )
        assert len(actions) == len(turns), f"{len(turns)} turns got {len(actions)} actions"
        self.log += zip((turn.agent for turn in turns), actions, strict=True)
        return actions


def check_policy(make: Callable[[], Policy], setup: Setup, *, episodes: int = 3) -> None:
    """Check a policy on the first tasks of `setup`: one action for each turn, and the same ones for the same seed.

    A policy that is an `EpisodePlayer` must also hand back every job exactly once, with an ended episode of its task.
    """
    for number in range(min(episodes, len(setup.tasks))):
        logs = []
        for _ in range(2):
            recorder = _Recorder(make())
            play = play_episode(setup, recorder, setup.tasks[number], seed=number)
            assert play.done
            logs.append(recorder.log)
        assert logs[0] == logs[1], f"task {setup.tasks[number].id}: two plays with the same seed differ"
    player = make()
    if isinstance(player, EpisodePlayer):
        jobs = [Job(task, seed=number) for number, task in enumerate(setup.tasks[:episodes])]
        back: list[Job] = []
        for played in player.play(setup, jobs):
            assert played.trajectory is not None, f"{played.job.task.id}: no trajectory ({played.error})"
            assert played.trajectory.task.id == played.job.task.id, (
                "a job came back with another task's episode"
            )
            back.append(played.job)
        for job in jobs:
            assert back.count(job) == 1, f"the job {job.task.id} came back {back.count(job)} times"
