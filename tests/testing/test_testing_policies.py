"""`check_policy` and `check_corpus` find what is broken, one rule at a time, and let what is right pass."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest
from toy_team import ToyTeam, town_setup

from wideseek_env.corpus.base import Page, SearchHit
from wideseek_env.episode_run import run_episode
from wideseek_env.game import Game
from wideseek_env.policy import EpisodeResult, Job, Turn
from wideseek_env.testing import ConformanceError, check_corpus, check_policy

SETUP = town_setup(count=2)


class Base(ToyTeam):
    """The toy team, of which each test breaks one thing."""


class Nameless(Base):
    def __init__(self) -> None:
        super().__init__()
        self.name = ""


class OneLine(Base):
    def act(self, turns: Sequence[Turn]) -> Any:
        return super().act(turns)[0]


class Generator(Base):
    def act(self, turns: Sequence[Turn]) -> Any:
        return (action for action in super().act(turns))


class TooFew(Base):
    def act(self, turns: Sequence[Turn]) -> Any:
        return super().act(turns)[1:]


class NoText(Base):
    def act(self, turns: Sequence[Turn]) -> Any:
        return [None for _ in turns]


class NoJson(Base):
    def act(self, turns: Sequence[Turn]) -> Any:
        return [{"content": {1, 2}} for _ in turns]


class Meddler(Base):
    def act(self, turns: Sequence[Turn]) -> Any:
        actions = super().act(turns)
        turns[0].messages[0]["content"] += " "
        return actions


class Schemer(Base):
    def act(self, turns: Sequence[Turn]) -> Any:
        actions = super().act(turns)
        turns[0].tools[0]["function"]["seen"] = True
        return actions


class GlobalChance(Base):
    def act(self, turns: Sequence[Turn]) -> Any:
        return [f"{random.random()}" for _ in turns]


class Count(Base):
    count = 0

    def act(self, turns: Sequence[Turn]) -> Any:
        Count.count += 1
        return [f"{Count.count}" for _ in turns]


class Remembers(Base):
    """Knows in later episodes what it saw in earlier ones."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def act(self, turns: Sequence[Turn]) -> Any:
        self.seen += [turn.agent for turn in turns]
        return [f"{len(self.seen)}" for _ in turns]


class Raises(Base):
    def act(self, turns: Sequence[Turn]) -> Any:
        raise KeyError("x")


class BadReset(Base):
    def reset(self, seed: int) -> None:
        raise ValueError("no seed")


class NeedsResults(Base):
    def _one(self, turn: Turn) -> str:
        for message in turn.messages:
            if "Error: the tool did not answer" in message["content"]:
                raise RuntimeError("no results")
        return super()._one(turn)


class NeedsAll(Base):
    def act(self, turns: Sequence[Turn]) -> Any:
        if turns[0].role == "subagent" and len(turns) == 1:
            raise RuntimeError("where are the others?")
        return super().act(turns)


class Player(Base):
    def run_jobs(self, setup: Game, jobs: Iterable[Job]) -> Iterator[EpisodeResult]:
        for job in jobs:
            play = run_episode(setup, ToyTeam(), job.task, seed=job.seed)
            yield from self.hand_back(EpisodeResult(job, play.trajectory()))

    def hand_back(self, played: EpisodeResult) -> list[EpisodeResult]:
        return [played]


class Loses(Player):
    def hand_back(self, played: EpisodeResult) -> list[EpisodeResult]:
        return [] if played.job.seed else [played]


class Doubles(Player):
    def hand_back(self, played: EpisodeResult) -> list[EpisodeResult]:
        return [played, played]


class Fails(Player):
    def hand_back(self, played: EpisodeResult) -> list[EpisodeResult]:
        return [EpisodeResult(played.job, None, "lost")]


class Confuses(Player):
    def run_jobs(self, setup: Game, jobs: Iterable[Job]) -> Iterator[EpisodeResult]:
        found = list(super().run_jobs(setup, jobs))
        for one, other in zip(found, reversed(found), strict=True):
            yield EpisodeResult(one.job, other.trajectory)


@pytest.mark.parametrize(
    ("make", "rule", "told"),
    [
        (object, "protocol", "lacks name, reset or act"),
        (lambda: 1 / 0, "exceptions", "making it raised ZeroDivisionError"),
        (Nameless, "name", "its name is ''"),
        (OneLine, "actions", "act gave str"),
        (Generator, "actions", "act gave generator"),
        (TooFew, "actions", "1 turns got 0 actions"),
        (NoText, "actions", "lead got NoneType None"),
        (NoJson, "actions", "lead got dict"),
        (Meddler, "untouched", "changed a conversation"),
        (Schemer, "untouched", "tool's schema"),
        (GlobalChance, "determinism", "two episodes of towns-0 with seed 0 differ"),
        (Count, "determinism", "two episodes of towns-0"),
        (Remembers, "state", "differ after other episodes"),
        (Raises, "exceptions", "act for lead raised KeyError"),
        (BadReset, "exceptions", "reset(0) raised ValueError"),
        (NeedsResults, "exceptions", "when every tool fails raised RuntimeError"),
        (NeedsAll, "exceptions", "asked one at a time raised RuntimeError"),
        (Loses, "runner", "came back 0 times"),
        (Doubles, "runner", "came back 2 times"),
        (Fails, "runner", "has no trajectory (lost)"),
        (Confuses, "runner", "came back with towns-1"),
    ],
)
def test_a_broken_policy_is_found(make: Callable[[], Any], rule: str, told: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_policy(make, SETUP)
    assert isinstance(caught.value, AssertionError)
    assert (caught.value.part, caught.value.rule) == ("the policy", rule)
    assert told in str(caught.value)


@pytest.mark.parametrize("make", [ToyTeam, Player])
def test_a_right_policy_passes(make: Callable[[], Any]) -> None:
    before = random.getstate()
    check_policy(make, SETUP)
    assert random.getstate() == before


# --- corpora -------------------------------------------------------------------------------------------------------

PAGES = {f"https://a.example/{name}": f"{name} is a town" for name in ("elm", "fir", "oak")}


class Towns:
    """A corpus of three pages, of which each test breaks one thing."""

    def __init__(self) -> None:
        self.name = "towns"
        self.blocking = False
        self.closed = 0
        self.searches = 0

    def search(self, queries: Sequence[str], k: int) -> Any:
        self.searches += 1
        return [self.one(query, k) for query in queries]

    def one(self, query: str, k: int) -> Any:
        words = set(query.lower().split())
        found = [url for url, text in PAGES.items() if words & set(text.split())]
        return [self.hit(url, 1.0) for url in found[:k]]

    def hit(self, url: str, score: float) -> Any:
        return SearchHit(url, url[-3:], PAGES.get(url, ""), score)

    def fetch(self, url: str) -> Any:
        return Page(url, url[-3:], f"<p>{PAGES[url]}</p>") if url in PAGES else None

    def close(self) -> None:
        self.closed += 1


def towns(**methods: Any) -> Towns:
    """A corpus with other methods or attributes."""
    corpus = type("Broken", (Towns,), {n: m for n, m in methods.items() if callable(m)})()
    for name, value in methods.items():
        if not callable(value):
            setattr(corpus, name, value)
    return corpus


def raising(error: Exception) -> Callable[..., Any]:
    def function(*_: Any) -> Any:
        raise error

    return function


def worst_first(self: Towns, query: str, k: int) -> Any:
    hits = Towns.one(self, query, 9)
    return [hit._replace(score=float(n)) for n, hit in enumerate(hits)][:k]


def fetch_once(self: Towns, url: str) -> Any:
    self.searches += 1
    page = Towns.fetch(self, url)
    return page and Page(page.url, page.title, f"{page.html}<p>{self.searches}</p>")


@pytest.mark.parametrize(
    ("corpus", "rule", "told"),
    [
        (object(), "protocol", "lacks name"),
        (towns(name=""), "name", "its name is ''"),
        (towns(blocking="no"), "blocking", "blocking is 'no'"),
        (towns(search=lambda self, q, k: None), "results", "search gave NoneType"),
        (towns(search=lambda self, q, k: [[]]), "results", "2 queries gave 1 lists"),
        (towns(search=lambda self, q, k: [None for _ in q]), "results", "results are NoneType"),
        (towns(search=lambda self, q, k: (q.clear(), [])[1]), "untouched", "changed the list of queries"),
        (towns(one=lambda self, q, k: []), "results", "nothing was found for 'elm town'"),
        (towns(one=lambda self, q, k: Towns.one(self, q, 9) * 2), "results", "6 results for k=5"),
        (towns(one=lambda self, q, k: ["https://a.example/elm"]), "results", "gave str"),
        (towns(hit=lambda self, u, s: SearchHit("", "t", "s", s)), "address", "has the address ''"),
        (towns(hit=lambda self, u, s: SearchHit("a b", "t", "s", s)), "address", "has the address 'a b'"),
        (towns(hit=lambda self, u, s: SearchHit(u, None, "s", s)), "results", "title and snippet"),
        (towns(hit=lambda self, u, s: SearchHit(u, "t", "s", float("nan"))), "results", "score"),
        (towns(one=worst_first), "results", "not best first"),
        (towns(one=lambda self, q, k: [self.hit("https://a.example/elm", 1.0)] * 2), "results", "occurs twice"),
        (towns(search=lambda self, q, k: Towns.search(self, q, k if len(q) > 1 else 1)), "determinism", "alone"),
        (towns(one=lambda self, q, k: Towns.one(self, q, 9)[::-1][:k] if k == 1 else Towns.one(self, q, k)),
         "results", "with k=1 is not the first"),
        (towns(fetch=lambda self, u: None), "page", "cannot be opened"),
        (towns(fetch=lambda self, u: {"html": "x"}), "page", "cannot be opened"),
        (towns(fetch=lambda self, u: Page(u, "t", b"x")), "page", "html of type bytes"),  # type: ignore[arg-type]
        (towns(fetch=lambda self, u: Page(u, "t", "<script>1</script>")), "page", "reads"),
        (towns(fetch=fetch_once), "determinism", "another page the second time"),
        (towns(fetch=raising(KeyError("x"))), "exceptions", "raised KeyError"),
        (towns(fetch=lambda self, u: PAGES[u] and Towns.fetch(self, u)), "exceptions", "nowhere.invalid"),
        (towns(fetch=lambda self, u: Towns.fetch(self, u) or Page(u, "", "not found")), "unknown page", "gave Page"),
        (towns(one=lambda self, q, k: 1 / 0 if "(" in q else Towns.one(self, q, k)), "exceptions", "ZeroDivision"),
        (towns(one=lambda self, q, k: Towns.one(self, q or "town", k)), "results", "without words found something"),
        (towns(close=lambda self: 1 / self.closed if self.closed else setattr(self, "closed", 0) or 1 / 0),
         "exceptions", "close raised"),
    ],
)  # fmt: skip
def test_a_broken_corpus_is_found(corpus: Any, rule: str, told: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_corpus(corpus, ["elm town", "fir"])
    assert (caught.value.part, caught.value.rule) == ("the corpus", rule)
    assert told in str(caught.value)


def test_a_right_corpus_passes_and_is_closed() -> None:
    corpus = Towns()
    check_corpus(corpus, ["elm town", "fir"])
    assert corpus.closed == 2


def test_a_check_without_queries_checks_nothing_and_says_so() -> None:
    with pytest.raises(ConformanceError, match="no queries were given"):
        check_corpus(Towns(), [])
