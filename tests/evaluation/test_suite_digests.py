"""The tasks of the suite: which are chosen, and that nobody changes them unnoticed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_suite import KINDS, change, commit, tiny

from wideseek_env.catalog import SPLITS
from wideseek_env.corpus.memory import MemoryCorpus
from wideseek_env.corpus.sources import SourcePage
from wideseek_env.errors import ConfigError, SuiteError
from wideseek_env.evaluation.suite.card import SINGLE
from wideseek_env.evaluation.suite.definition import CURRENT, V1, Suite
from wideseek_env.evaluation.suite.digests import PARTS, changed, check_digests, committed, digests_of
from wideseek_env.evaluation.suite.references import ALONE, RANDOM, TEAM, reference_cards
from wideseek_env.evaluation.suite.run import open_suite
from wideseek_env.game import Game
from wideseek_env.prompts.loading import checked_texts
from wideseek_env.protocol import PUBLISHED
from wideseek_env.scoring.judging import judge_from_spec
from wideseek_env.task import ColumnSpec, Table, Task
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tools.executor import CorpusTools

NEW_VERSION = "this makes v2: give the changed suite a new version, and keep v1 as it is"
KIND = KINDS[0]


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIDESEEK_DATA", raising=False)


# --- version 1 -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_data")
def test_the_synthetic_kinds_of_v1_are_unchanged() -> None:
    opened = open_suite(V1, "full", check=False)
    assert [each.kind.name for each in opened.kinds] == ["synthetic", "hard"]
    for each in opened.kinds:
        different = changed(committed(V1)[each.kind.name], each.digests)
        assert not different, f"{each.kind.title}: {', '.join(different)} differ. {NEW_VERSION}"
        assert len(each.tasks) == 50


def test_all_kinds_of_v1_have_the_same_prompts_and_rules() -> None:
    found = committed(V1)
    assert list(found) == [kind.name for kind in V1.kinds] == ["synthetic", "hard", "pages", "wide", "depth"]
    for part in ("prompts", "rules"):
        assert len({digests[part] for digests in found.values()}) == 1, NEW_VERSION
    assert all(set(digests) == set(PARTS) for digests in found.values())


@pytest.mark.long
def test_the_kinds_of_v1_from_real_data_are_unchanged(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path))
    opened = open_suite(V1, "full", data_dir / "hybridqa", check=False)
    assert not opened.absent
    for each in opened.kinds:
        different = changed(committed(V1)[each.kind.name], each.digests)
        assert not different, f"{each.kind.title}: {', '.join(different)} differ. {NEW_VERSION}"
        assert len(each.tasks) == 50


@pytest.mark.parametrize("size", list(V1.sizes))
def test_the_reference_cards_of_v1_are_of_these_tasks(size: str) -> None:
    cards = reference_cards(CURRENT, size)
    assert list(cards) == [TEAM, ALONE, RANDOM]
    widths = [str(width) for width in V1.sizes[size].widths]
    points = {TEAM: widths, ALONE: [SINGLE], RANDOM: [SINGLE, *widths]}
    for name, card in cards.items():
        assert (card.suite, card.size, card.complete, card.absent) == ("v1", size, True, {})
        assert {kind: dict(each.digests) for kind, each in card.kinds.items()} == committed(V1), (
            f"{name}: run benchmarks/suite_references.py"
        )
        assert all(list(kind.points) == points[name] for kind in card.kinds.values())
        counts = {point.episodes for kind in card.kinds.values() for point in kind.points.values()}
        assert counts == {V1.sizes[size].tasks}


def test_the_hard_kind_leaves_room_at_small_widths() -> None:
    hard = reference_cards(V1, "full")[TEAM].kinds["hard"].points
    assert [hard[width].item_f1 < 0.9 for width in ("1", "2", "4", "8")] == [True] * 4
    assert hard["16"].item_f1 > hard["4"].item_f1 + 0.1


HAND_MADE = {"mode=pages,min_rows=1": "6054b5b1a0", "mode=depth": "b1bc60f549"}
"""Worlds, and a hash of the digests of all splits."""


@pytest.mark.parametrize("settings", HAND_MADE)
def test_the_generators_make_the_same_tasks_of_hand_made_data(
    settings: str, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real data takes minutes, so a change of the generators is noticed here."""
    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path))
    kind = dataclasses.replace(KIND, tasks=f"hybridqa:{{data}},{settings}", prefer="")
    found: list[object] = []
    for split in SPLITS:
        suite = dataclasses.replace(tiny(tmp_path, (kind,)), split=split)
        try:
            opened = suite.game(kind, small).open()
        except ConfigError:  # this split has no tasks
            continue
        digests = digests_of(suite, kind, opened)
        found.append([split, *(digests[part] for part in ("tasks", "pages", "results"))])
    assert found
    assert hashlib.sha256(str(found).encode()).hexdigest()[:10] == HAND_MADE[settings], NEW_VERSION


# --- which tasks ---------------------------------------------------------------------------------------------------


def numbered(count: int, hard: Callable[[int], bool]) -> TaskSet:
    table = Table(("Name", "Year"), (("A", "1900"),))
    return TaskSet(
        Task(
            id=f"t{n}", question=f"Question {n}?", columns=table.header, key_columns=("Name",), gold=table,
            meta={"difficulty": "hard" if hard(n) else "easy"},
        )
        for n in range(count)
    )  # fmt: skip


def test_the_choice_does_not_depend_on_the_order_of_the_tasks() -> None:
    suite, tasks = tiny(Path(), ()), numbered(20, lambda n: n % 2 == 0)
    other = TaskSet(reversed(list(tasks)))
    assert suite.chosen(KIND, tasks, 7).ids == suite.chosen(KIND, other, 7).ids


def test_a_smaller_size_has_the_first_tasks_of_a_larger_one() -> None:
    suite, tasks = tiny(Path(), ()), numbered(20, lambda n: n < 6)
    assert suite.chosen(KIND, tasks, 4).ids == suite.chosen(KIND, tasks, 12).ids[:4]


@pytest.mark.parametrize(
    ("hard", "count", "expected"), [(10, 8, 4), (2, 8, 2), (20, 8, 8), (1, 20, 1), (10, 7, 4), (19, 6, 5)]
)
def test_half_of_the_tasks_are_preferred_ones(hard: int, count: int, expected: int) -> None:
    chosen = tiny(Path(), ()).chosen(KIND, numbered(20, lambda n: n < hard), count)
    assert len(chosen) == count
    assert sum(task.meta["difficulty"] == "hard" for task in chosen) == expected


def test_another_version_has_other_tasks() -> None:
    tasks = numbered(20, lambda n: n % 2 == 0)
    first, second = (tiny(Path(), (), version).chosen(KIND, tasks, 8).ids for version in ("v1", "v2"))
    assert first != second


# --- what changes a digest -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def game() -> Game:
    suite = tiny(Path(), (KIND,))
    return suite.game(KIND, None).open()


def digests(game: Game, suite: Suite | None = None) -> dict[str, str]:
    return digests_of(suite or tiny(Path(), (KIND,)), KIND, game)


def with_task(game: Game, **changes: object) -> Game:
    """The game with a change of the first chosen task."""
    first = tiny(Path(), ()).chosen(KIND, game.tasks, 1)[0]
    tasks = [dataclasses.replace(t, **changes) if t.id == first.id else t for t in game.tasks]  # type: ignore[arg-type]
    return game.replace(tasks=TaskSet(tasks, game.tasks.name))


def first_task(game: Game) -> Task:
    return tiny(Path(), ()).chosen(KIND, game.tasks, 1)[0]


def with_pages(game: Game, edit: Callable[[SourcePage], SourcePage]) -> Game:
    """The game on a corpus with one page changed."""
    assert isinstance(game.executor, CorpusTools)
    corpus = game.executor.corpus
    assert isinstance(corpus, MemoryCorpus)
    pages = []
    for number, url in enumerate(sorted(corpus.urls())):
        page = corpus.fetch(url)
        assert page is not None
        source = SourcePage(page.url, page.title, page.html)
        pages.append(edit(source) if number == 3 else source)
    return game.replace(executor=CorpusTools(MemoryCorpus(pages, corpus.name), texts=game.profile.results))


def changed_texts(game: Game, **english: object) -> Game:
    return game.replace(profile=game.profile.with_texts(checked_texts({"en": english})))  # type: ignore[arg-type]


def changed_gold(game: Game) -> Game:
    gold = first_task(game).gold
    assert gold is not None
    rows = ((*gold.rows[0][:-1], "another value"), *gold.rows[1:])
    return with_task(game, gold=Table(gold.header, rows))


CHANGES: dict[str, tuple[Callable[[Game], Game], set[str]]] = {
    "a question": (lambda g: with_task(g, question=first_task(g).question + " Please."), {"tasks"}),
    "a gold cell": (changed_gold, {"tasks"}),
    "how a column is compared": (
        lambda g: with_task(g, specs={first_task(g).columns[-1]: ColumnSpec(("url_match",))}), {"tasks"}
    ),
    "another accepted name": (
        lambda g: with_task(
            g, aliases={first_task(g).columns[0]: {first_task(g).gold.rows[0][0]: ("Another",)}}  # type: ignore[union-attr]
        ),
        {"tasks"},
    ),
    "a task less": (
        lambda g: g.replace(tasks=TaskSet([t for t in g.tasks if t.id != first_task(g).id])), {"tasks", "results"}
    ),
    "the id of a task": (lambda g: with_task(g, id="another"), {"tasks", "results"}),
    "the text of a page": (
        lambda g: with_pages(g, lambda p: SourcePage(p.url, p.title, p.html.replace("</body>", "<p>New.</p></body>"))),
        {"pages"},
    ),
    "the title of a page": (lambda g: with_pages(g, lambda p: SourcePage(p.url, "Another", p.html)), {"pages"}),
    "the address of a page": (
        lambda g: with_pages(g, lambda p: SourcePage("https://new.example/", p.title, p.html)), {"pages"}
    ),
    "a system prompt": (
        lambda g: changed_texts(g, system={"lead": "Answer. {answer} {width} {turns} {calls}"}), {"prompts"}
    ),
    "a notice": (lambda g: changed_texts(g, turns_left="{turn} of {turns}"), {"prompts"}),
    "the description of a tool": (
        lambda g: changed_texts(g, tools={"lead": {"delegate": {"description": "Delegate."}}}), {"prompts"}
    ),
    "the protocol": (
        lambda g: g.replace(profile=dataclasses.replace(g.profile, protocol=PUBLISHED)), {"prompts"}
    ),
    "the language of prompts": (
        lambda g: g.replace(profile=dataclasses.replace(g.profile, language="zh")), {"prompts"}
    ),
    "the length of pages": (
        lambda g: g.replace(executor=CorpusTools(g.executor.corpus, chunk_chars=300)), {"results"}  # type: ignore[attr-defined]
    ),
    "the limits": (lambda g: g.replace(rules=g.rules.replace(subagent_turns=7)), {"rules"}),
    "the judge": (lambda g: g.replace(judge=judge_from_spec("openai:m@http://127.0.0.1:1")), {"rules"}),
    "the roster": (lambda g: g.replace(roster="fixed"), {"rules"}),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_each_change_changes_its_digest(what: str, game: Game) -> None:
    edit, parts = CHANGES[what]
    found = set(changed(digests(game), digests(edit(game))))
    assert found - {"results"} == parts - {"results"}
    assert parts <= found, what


def test_the_seed_changes_a_digest(game: Game) -> None:
    suite = dataclasses.replace(tiny(Path(), (KIND,)), seed=1)
    assert changed(digests(game), digests(game, suite)) == ["rules"]


def test_a_note_about_a_task_changes_nothing(game: Game) -> None:
    first = first_task(game)
    assert digests(with_task(game, meta={**first.meta, "note": "checked"}, source="other")) == digests(game)


@pytest.mark.parametrize("part", PARTS)
def test_a_changed_suite_is_refused_and_what_changed_is_named(part: str, tmp_path: Path) -> None:
    suite = tiny(tmp_path, (KIND,))
    found = dict(commit(suite).kinds[0].digests)
    check_digests(suite, KIND, found)
    with pytest.raises(SuiteError, match=rf"(?s)Different: {part} \(.*makes v2"):
        check_digests(suite, KIND, {**found, part: "0"})
    change(tmp_path / "digests.json", "kinds", "synthetic", part, to="0")
    with pytest.raises(SuiteError, match=f"not the tasks of suite v1. Different: {part} "):
        open_suite(suite, "small")


def test_a_kind_without_digests_and_a_damaged_file(tmp_path: Path) -> None:
    suite = tiny(tmp_path, (KIND,))
    with pytest.raises(SuiteError, match="cannot be read"):
        open_suite(suite, "small")
    (tmp_path / "digests.json").write_text('{"kinds": {}}')
    with pytest.raises(SuiteError, match="no digests of the kind synthetic"):
        open_suite(suite, "small")
    (tmp_path / "digests.json").write_text("[]")
    with pytest.raises(SuiteError, match="cannot be read"):
        open_suite(suite, "small")


def test_a_corpus_without_a_list_of_its_pages_has_no_digest(game: Game) -> None:
    class Unlisted:
        name, blocking = "unlisted", False

        def search(self, queries: list[str], k: int) -> list[list[object]]:
            return [[] for _ in queries]

        def fetch(self, url: str) -> None:
            return None

        def close(self) -> None:
            return None

    with pytest.raises(SuiteError, match="cannot list its pages"):
        digests(game.replace(executor=CorpusTools(Unlisted())))  # type: ignore[arg-type]
    with pytest.raises(SuiteError, match="not with an executor"):
        digests(game.replace(executor=object()))
