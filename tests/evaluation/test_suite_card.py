"""Cards: their form, tables of several cards, and their page."""

from __future__ import annotations

import copy
import csv
import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.errors import ConfigError, SuiteError
from wideseek_env.evaluation.suite.card import SINGLE, Card, check_comparable, default_name, read_card
from wideseek_env.evaluation.suite.definition import V1
from wideseek_env.evaluation.suite.leaderboard import cards_table, columns, mean_score, row, write_rows
from wideseek_env.evaluation.suite.page import card_page, write_page
from wideseek_env.evaluation.suite.references import (
    ALONE,
    RANDOM,
    TEAM,
    fitting,
    reference_cards,
    split_scripted,
)


@pytest.fixture(scope="module")
def references() -> dict[str, Card]:
    return reference_cards(V1, "small")


@pytest.fixture(scope="module")
def card(references: dict[str, Card]) -> Card:
    """A card of a model, made of the scripted team's and the single agent's."""
    team, alone = references[TEAM], references[ALONE]
    kinds = {
        name: dataclasses.replace(kind, points={**alone.kinds[name].points, **kind.points})
        for name, kind in team.kinds.items()
    }
    return dataclasses.replace(
        team, name="my | model", policy="vllm", policy_options={"model": "models/my-4b"}, kinds=kinds
    )


def without(card: Card, kind: str) -> Card:
    kinds = {name: each for name, each in card.kinds.items() if name != kind}
    return dataclasses.replace(card, kinds=kinds, absent={kind: "the data is absent"})


def with_digest(card: Card, kind: str, part: str, value: str = "0") -> Card:
    one = card.kinds[kind]
    other = dataclasses.replace(one, digests={**one.digests, part: value})
    return dataclasses.replace(card, kinds={**card.kinds, kind: other})


# --- the file ----------------------------------------------------------------------------------------------------


def test_a_card_is_read_as_it_was_written(card: Card, tmp_path: Path) -> None:
    card.write(tmp_path)
    assert read_card(tmp_path) == read_card(tmp_path / "card.json") == card
    data = json.loads((tmp_path / "card.json").read_text())
    assert (data["format"], data["suite"], data["size"], data["model"]) == (1, "v1", "small", "models/my-4b")
    assert data["scoring"] == {"table": "lenient", "judge": "offline"}
    point = data["kinds"]["wide"]["points"]["16"]
    assert {"item_f1", "item_f1_low", "item_f1_high", "success", "critical_path", "tokens", "calls"} <= set(
        point
    )
    assert sum(point["rows"][fate] for fate in (
        "right", "wrong_values", "lost_in_merge", "not_reported", "not_found"
    )) == pytest.approx(1)  # fmt: skip


def put(*keys: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        for key in keys[:-1]:
            data = data[key]
        if to is ...:
            del data[keys[-1]]
        else:
            data[keys[-1]] = to

    return edit


POINT = ("kinds", "hard", "points", "4")
DAMAGES = {
    "no format": put("format", to=...),
    "a format of text": put("format", to="1"),
    "no suite": put("suite", to=...),
    "a size that is a number": put("size", to=3),
    "no kinds": put("kinds", to=...),
    "kinds that are a list": put("kinds", to=[]),
    "a kind without digests": put("kinds", "hard", "digests", to=...),
    "a digest that is a number": put("kinds", "hard", "digests", "tasks", to=1),
    "a width that is a word": put("kinds", "hard", "points", "wide", to={}),
    "a width of zero": put("kinds", "hard", "points", "0", to={}),
    "a point without item-F1": put(*POINT, "item_f1", to=...),
    "an item-F1 of text": put(*POINT, "item_f1", to="0.5"),
    "an item-F1 above one": put(*POINT, "item_f1", to=50.0),
    "a negative success": put(*POINT, "success", to=-0.1),
    "an infinite number": put(*POINT, "turns", to=float("inf")),
    "tokens without a part": put(*POINT, "tokens", to={"read": 1}),
    "an unknown metric of rows": put(*POINT, "rows", "found", to=1),
    "absent kinds without a reason": put("absent", to={"wide": None}),
    "a name that is nothing": put("name", to=None),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_card_is_refused(what: str, card: Card) -> None:
    data = copy.deepcopy(card.to_dict())
    DAMAGES[what](data)
    with pytest.raises(SuiteError, match=r"x\.json is not a card of `wideseek bench suite`"):
        Card.from_dict(data, "x.json")


@pytest.mark.parametrize("content", ["", "[]", "3", '"card"', "{}", "null", '{"format": 1}'])
def test_another_file_is_no_card(content: str, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(content)
    with pytest.raises(SuiteError, match=r"no card|not a card"):
        read_card(tmp_path)


def test_a_card_of_a_newer_version_and_no_card(card: Card, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="has format 2, and this version reads format 1: install a newer"):
        Card.from_dict({**card.to_dict(), "format": 2})
    with pytest.raises(SuiteError, match="there is no such file"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "vllm"), ({"model": "org/name-4b"}, "name-4b"), ({"model": "models/m/"}, "m"), ({"model": ""}, "vllm"),
        ({"model": None}, "vllm"), ({"temperature": 1}, "vllm"),
    ],
)  # fmt: skip
def test_the_default_name(options: dict[str, Any], name: str) -> None:
    assert default_name("vllm", options) == name


# --- comparing -----------------------------------------------------------------------------------------------------


def test_only_cards_of_the_same_digests_compare(card: Card, references: dict[str, Card]) -> None:
    for other in references.values():
        check_comparable(card, other)
    check_comparable(card, without(card, "wide"))
    for part in ("tasks", "pages", "prompts", "results", "rules"):
        with pytest.raises(SuiteError, match=f"do not compare on HybridQA pages: {part} differ"):
            check_comparable(card, with_digest(card, "pages", part))
    for what, value in (("suite", "v2"), ("size", "full")):
        with pytest.raises(SuiteError, match=f"the {what} of one is"):
            check_comparable(card, dataclasses.replace(card, **{what: value}))


def test_references_of_other_tasks_are_left_out(card: Card, references: dict[str, Card]) -> None:
    kept, told = fitting(with_digest(card, "wide", "tasks"), references)
    assert all(list(each.kinds) == ["synthetic", "hard", "pages", "depth"] for each in kept.values())
    assert told[0] == (
        "scripted team is not shown on HybridQA wide tables, because it was run with other tasks"
    )
    assert len(told) == 3
    assert fitting(dataclasses.replace(card, suite="v2"), references)[0] == {}
    assert fitting(card, references)[1] == []


def test_the_scripted_card_is_split(card: Card, references: dict[str, Card]) -> None:
    parts = split_scripted(card)
    assert list(parts[TEAM].kinds["hard"].points) == ["1", "4", "16"]
    assert list(parts[ALONE].kinds["hard"].points) == [SINGLE]
    assert parts[ALONE].kinds["hard"].curve("x") is None
    assert parts[ALONE].kinds["hard"].width_score is None


# --- tables ----------------------------------------------------------------------------------------------------------


def rows_of(file: Path) -> list[dict[str, str]]:
    with open(file, newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_a_row_is_replaced_and_not_doubled(card: Card, references: dict[str, Card], tmp_path: Path) -> None:
    file = tmp_path / "new" / "board.csv"
    write_rows(V1, [card], file)
    write_rows(V1, [references[RANDOM]], file)
    better = dataclasses.replace(card, policy="openai")
    write_rows(V1, [better], file)
    found = rows_of(file)
    assert [(each["name"], each["policy"]) for each in found] == [
        ("my | model", "openai"),
        ("random", "random"),
    ]
    assert list(found[0]) == columns(V1)
    write_rows(V1, [dataclasses.replace(card, name="other")], file)
    full = dataclasses.replace(reference_cards(V1, "full")[RANDOM], name="my | model")
    write_rows(V1, [full], file)
    assert [(each["size"], each["name"]) for each in rows_of(file)] == [
        ("small", "my | model"), ("small", "random"), ("small", "other"), ("full", "my | model"),
    ]  # fmt: skip
    before = file.read_bytes()
    write_rows(V1, [full], file)
    assert file.read_bytes() == before


def test_what_a_row_has(card: Card) -> None:
    found = row(card)
    assert set(found) <= set(columns(V1))
    hard = card.kinds["hard"]
    assert found["hard_width_16"] == f"{100 * hard.points['16'].item_f1:.1f}"
    assert found["hard_single"] == f"{100 * hard.points[SINGLE].item_f1:.1f}"
    scores = [hard.points[size].item_f1 for size in ("1", "4", "16")]
    assert found["hard_score"] == f"{100 * sum(scores) / 3:.1f}"
    assert found["hard_critical_path"] == f"{hard.points['16'].critical_path:.1f}"
    assert "depth_coverage" not in found
    assert float(found["mean_score"]) == pytest.approx(
        sum(float(found[f"{kind}_score"]) for kind in card.kinds) / 5, abs=0.1
    )
    assert row(without(card, "wide"))["mean_score"] == ""
    assert mean_score(without(card, "wide")) is None


def test_rows_that_do_not_fit_are_refused(card: Card, tmp_path: Path) -> None:
    file = tmp_path / "board.csv"
    with pytest.raises(SuiteError, match="not complete"):
        write_rows(V1, [dataclasses.replace(card, complete=False)], file)
    assert not file.exists()
    write_rows(V1, [card], file)
    before = file.read_bytes()
    kind = card.kinds["wide"]
    for changed, said in (
        ({"suite": "v2"}, "it is of suite v2"),
        ({"size": "huge"}, "no size huge"),
        ({"seed": 9}, "its seed is 9"),
        ({"trials": 5}, "trials is 5"),
        ({"name": ""}, "its name"),
        ({"name": "a\n=cmd()"}, "its name"),
        ({"name": "=cmd()"}, "its name"),
        ({"kinds": {**card.kinds, "extra": kind}}, "its kinds are"),
        ({"kinds": {"wide": kind}}, "its kinds are"),
        ({"kinds": {**card.kinds, "wide": dataclasses.replace(kind, tasks=3)}}, "3 tasks"),
        ({"kinds": {**card.kinds, "wide": dataclasses.replace(kind, points={})}}, "has the points"),
        (
            {
                "kinds": {
                    **card.kinds,
                    "wide": dataclasses.replace(kind, points={**kind.points, "64": kind.points["1"]}),
                }
            },
            "has the points",
        ),
    ):
        fake = dataclasses.replace(dataclasses.replace(card, name="fake"), **changed)
        with pytest.raises(SuiteError, match=said):
            write_rows(V1, [dataclasses.replace(card, name="good"), fake], file)
        assert file.read_bytes() == before
    other = with_digest(dataclasses.replace(card, name="other"), "wide", "tasks")
    with pytest.raises(
        SuiteError,
        match=r"'other' gets no row .*the kind wide was run on other tasks or pages \(tasks differ\)",
    ):
        write_rows(V1, [other], file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "", "name\n", '"', "\x00\n"])
def test_another_file_is_no_leaderboard(content: str, card: Card, tmp_path: Path) -> None:
    file = tmp_path / "board.csv"
    file.write_text(content)
    with pytest.raises(SuiteError, match="leaderboard"):
        write_rows(V1, [card], file)
    assert file.read_text() == content


def test_a_leaderboard_with_a_torn_row_is_refused(card: Card, tmp_path: Path) -> None:
    file = tmp_path / "board.csv"
    write_rows(V1, [card], file)
    file.write_text(file.read_text() + "v1,small\n")
    with pytest.raises(SuiteError, match="not a leaderboard"):
        write_rows(V1, [card], file)


def test_the_markdown_table(card: Card, references: dict[str, Card]) -> None:
    lines = cards_table([references[RANDOM], card]).splitlines()
    assert lines[0].split(" | ")[1:3] == ["mean", "Synthetic world"]
    assert lines[2].startswith("| my \\| model | ")
    assert lines[3].startswith("| random | 0.0 | **0.0** 0.0 → 0.0 (0.0) |")
    hard = card.kinds["hard"].points
    assert f"{100 * hard['1'].item_f1:.1f} → {100 * hard['16'].item_f1:.1f} " in lines[2]
    assert {line.replace("\\|", "").count("|") for line in lines[:4]} == {8}
    assert "Suite v1, size small" in lines[-1]
    assert "| – |" in cards_table([without(card, "wide"), references[RANDOM]])


def test_tables_of_cards_that_do_not_compare(card: Card) -> None:
    with pytest.raises(SuiteError, match="at least one"):
        cards_table([])
    with pytest.raises(ConfigError, match=r"two cards are called my \| model: .*another name"):
        cards_table([card, card])
    other = with_digest(dataclasses.replace(card, name="b"), "wide", "tasks")
    with pytest.raises(SuiteError, match="do not compare on HybridQA wide tables"):
        cards_table([card, other])


# --- the page ------------------------------------------------------------------------------------------------------


def test_the_page_has_everything_in_one_file(card: Card, references: dict[str, Card], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    part = dataclasses.replace(card, kinds={kind: card.kinds[kind] for kind in ("hard", "depth")})
    page = write_page(V1, part, references, tmp_path).read_text()
    for kind in part.kinds.values():
        assert kind.title in page
        assert all(digest in page for digest in kind.digests.values())
    assert page.count("<svg ") == 4 + 3  # depth questions have no gold rows
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert 'name="viewport"' in page
    assert "light-dark(" in page
    assert "scripted team" in page
    assert "random actions" in page
    assert "≈" in page
    assert "Read this first" not in page
    assert f">{100 * card.kinds['hard'].points['16'].item_f1:.1f}<" in page


def test_the_page_says_what_is_missing(
    card: Card, references: dict[str, Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wideseek_env.evaluation.suite.page.plot_available", lambda: False)
    kind = card.kinds["hard"]
    short = dataclasses.replace(kind.points["4"], episodes=3, failed=1)
    part = dataclasses.replace(kind, points={SINGLE: kind.points[SINGLE], "4": short})
    partial = dataclasses.replace(without(card, "wide"), complete=False)
    partial = dataclasses.replace(partial, kinds={**partial.kinds, "hard": part})
    page = card_page(V1, with_digest(partial, "pages", "prompts"), references)
    assert "HybridQA wide tables was not run: the data is absent" in page
    assert "the run is not complete" in page
    assert (
        "Hard synthetic world, width 4: 3 of 8 episodes, episodes that failed and count with score 0: 1"
        in page
    )
    assert "is not shown on HybridQA pages, because it was run with other prompts" in page


NAMES = ("<script>alert(1)</script>", "a\x1b[31mb", "模型", 'x" onload="y', "$x_1$", "&amp;", "x" * 500)


def test_names_are_never_markup(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(name: str) -> None:
        one = {"depth": card.kinds["depth"]}
        page = card_page(V1, dataclasses.replace(card, name=name, command=f"wideseek {name}", kinds=one), {})
        assert "<script" not in page
        assert "\x1b" not in page
        assert 'onload="' not in page

    check(" ".join(NAMES))
    monkeypatch.setattr("wideseek_env.evaluation.suite.page.plot_available", lambda: False)
    for name in NAMES:
        check(name)


def test_a_page_without_figures(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wideseek_env.evaluation.suite.page.plot_available", lambda: False)
    page = card_page(V1, card, {})
    assert "<svg" not in page
    assert "matplotlib is not installed" in page


def test_the_same_card_gives_the_same_page(card: Card, references: dict[str, Card]) -> None:
    one = dataclasses.replace(card, kinds={"depth": card.kinds["depth"]})
    assert card_page(V1, one, references) == card_page(V1, one, references)


def test_a_card_of_the_single_agent_alone_has_a_page(references: dict[str, Card]) -> None:
    page = card_page(V1, references[ALONE], references)
    assert "<svg" not in page
    assert "Overview" in page


def test_cards_of_other_digests_are_never_in_one_table(card: Card, references: dict[str, Card]) -> None:
    absent = dataclasses.replace(without(card, "wide"), name="absent")
    other = with_digest(dataclasses.replace(card, name="other"), "wide", "tasks")
    for cards in ([absent, card, other], [other, absent, card], [card, absent, other]):
        with pytest.raises(SuiteError, match="do not compare on HybridQA wide"):
            cards_table(cards)
    assert cards_table([absent, card]).count("\n") > 2
