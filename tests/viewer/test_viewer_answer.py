"""The answer next to the gold: the scorer's verdicts, and the agent and page that each value came from."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from viewer_runs import ANSWER, MUSEUMS, TASK, call, play

from wideseek_env.scoring import score_response
from wideseek_env.task import Table, Task
from wideseek_env.viewer.answer import answer_view
from wideseek_env.viewer.detail import episode_detail
from wideseek_env.viewer.sources import Results
from wideseek_env.viewer.timeline import timeline_of

TOWER, HARBOUR, LIST = "https://web.example/tower", "https://web.example/harbour", "https://web.example/list"


def where(detail: dict[str, Any], source: list[Any] | None) -> tuple[str, int, str, str] | None:
    """A source as agent, turn (from 1), page and kind."""
    if source is None:
        return None
    conversation, turn, _ = detail["results"][source[0]]
    return detail["agents"][conversation]["agent"], turn + 1, source[1], source[2]


def test_every_cell_has_the_scorers_verdict() -> None:
    trajectory = play()
    answer = episode_detail(trajectory)["answer"]
    score = score_response(ANSWER, TASK)
    assert [[tuple(cell[:3]) for cell in row["cells"]] for row in answer["rows"]] == [
        [(cell.verdict, cell.predicted, cell.gold) for cell in row.cells] for row in score.cells
    ]
    verdicts = [[cell[0] for cell in row["cells"]] for row in answer["rows"]]
    assert verdicts == [["right"] * 3, ["right", "wrong", "missing"], ["missing"] * 3]
    assert [[value for value, _ in row] for row in answer["extra"]] == [["Glass Palace", "1999", "5"]]
    assert [column["key"] for column in answer["columns"]] == [True, False, False]
    assert answer["columns"][2] == {
        "name": "Visitors",
        "key": False,
        "metrics": ["number_near"],
        "criterion": 0.01,
    }


def test_every_value_has_its_source() -> None:
    detail = episode_detail(play())
    tower, harbour, salt = [row["cells"] for row in detail["answer"]["rows"]]
    # The list names the museum first; "1874" stands in it on the same line, as far as anybody can tell.
    assert where(detail, tower[0][3]) == ("subagent_0", 1, LIST, "about")
    assert where(detail, tower[1][3]) == ("subagent_0", 1, LIST, "about")
    assert where(detail, tower[2][3]) == ("subagent_0", 2, TOWER, "about")  # 12,000 is 12000 there
    assert where(detail, harbour[1][3]) == ("subagent_1", 1, HARBOUR, "about")  # the wrong 1955
    assert where(detail, harbour[1][4]) == ("subagent_1", 1, HARBOUR, "about")  # the right 1901 beside it
    assert harbour[2][3] is None
    assert where(detail, harbour[2][4]) == ("subagent_1", 1, HARBOUR, "about")  # seen, not reported
    assert where(detail, salt[1][4]) == ("subagent_1", 1, HARBOUR, "alone")  # another museum's 1955
    assert salt[2][4] is None  # nobody saw 77
    (glass,) = detail["answer"]["extra"]
    assert [source for _, source in glass] == [None, None, None]
    assert [agent["found"] for agent in detail["agents"]] == [
        0,
        4,
        0,
    ]  # the harbour's name is in the list too


def results(*texts: str, arguments: dict[str, Any] | None = None) -> Results:
    """The results of an agent that browsed one page after the other (or searched)."""
    left = iter(texts)
    turns = [call("browse", url=f"https://page.example/{at}") for at in range(len(texts))]
    trajectory = play({"agent": (*turns, "done")}, team=False, web=lambda request: next(left))
    return Results(timeline_of(trajectory))


@pytest.mark.parametrize(
    ("texts", "value", "found"),
    [
        (("It has 572 seats.", "Title: Odeon\n\n572 seats"), "572", (1, "about")),
        (("x 572 y", "the Odeon has 572 seats"), "572", (1, "about")),
        (("Odeon\nfar away: 572", "572"), "572", (0, "near")),
        (("572", "in Honholm 572"), "572", (1, "other")),
        (("no", "a 572"), "572", (1, "alone")),
        (("1572 and 5720 and 5.572x",), "572", None),
        (("Odeon 1,234,567",), "1234567", (0, "about")),
        (("Odeon 1234567",), "1,234,567", (0, "about")),
        (("**Odeon** | *Crème   Brûlée*",), "crème brûlée", (0, "about")),
        (("Odeon 河流在北京市区",), "北京", (0, "about")),
        (("Odeon [site](https://odeon.example/a?b=1)",), "https://odeon.example/a?b=1", (0, "near")),
        (("Odeon unknown n/a -",), "n/a", None),
        (("Odeon",), "", None),
    ],
)  # fmt: skip
def test_how_closely_a_value_is_tied_to_its_row(
    texts: tuple[str, ...], value: str, found: tuple[int, str] | None
) -> None:
    hit = results(*texts).find(value, ["Odeon"], ["Odeon", value, "Honholm"])
    assert (None if hit is None else (hit.result, hit.kind)) == found
    if hit is not None:
        assert hit.page == f"https://page.example/{hit.result}"


def test_a_value_inside_the_key_is_not_its_own_source() -> None:
    texts = "List: Winter in Honholm", "Title: Winter in Honholm\n\nfirst shown in Honholm"
    hit = results(*texts).find("Honholm", ["Winter in Honholm"])
    assert hit is not None
    assert (hit.result, hit.kind) == (1, "about")
    alone = results(texts[0]).find("Honholm", ["Winter in Honholm"])
    assert alone is not None
    assert alone.kind == "alone"


def test_failed_requests_are_no_source() -> None:
    trajectory = play()
    for event in trajectory.events:
        if event.get("result", "").startswith("subagent_0"):
            event["ok"] = False
    assert Results(timeline_of(trajectory)).find("12,000", ["Tower Museum"]) is None


def test_a_record_without_verdicts_is_scored_again() -> None:
    whole = play()
    bare = dataclasses.replace(whole, score=dataclasses.replace(whole.score, cells=(), extra_rows=()))
    answer, again = (answer_view(each, timeline_of(each)) for each in (whole, bare))
    assert (answer["anew"], again["anew"]) == (False, True)
    assert again["rows"] == answer["rows"]


def test_a_short_answer_is_a_table_of_one_cell() -> None:
    task = Task(id="depth", question="How many visitors has the Tower Museum?", answers=("12,000", "12 000"))
    script = {"agent": (call("browse", url=TOWER), "\\boxed{12000}")}
    answer = episode_detail(play(script, task, team=False))["answer"]
    assert answer["accepted"] == ["12,000", "12 000"]
    ((cell,),) = [row["cells"] for row in answer["rows"]]
    assert cell[:2] == ["right", "12000"]
    assert cell[3] == [0, TOWER, "about"]


def test_large_tables_are_shown_without_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wideseek_env.viewer.answer.MAX_TRACED", 8)
    answer = episode_detail(play())["answer"]
    assert answer["traced"] is False
    assert {str(cell[3]) for row in answer["rows"] for cell in row["cells"]} == {"None"}


def test_an_episode_without_an_answer_misses_every_cell() -> None:
    detail = episode_detail(play({"lead": ("<tool_call>{}</tool_call>",) * 20}))
    assert {cell[0] for row in detail["answer"]["rows"] for cell in row["cells"]} == {"missing"}
    assert detail["final"] is None
    assert detail["score"]["well_formed"] is False


def test_pages_of_search_hits() -> None:
    hits = "1. [One](https://one.example/)\n   nothing\n2. [Two (b)](https://two.example/x_(y))\n   has 572\n"
    trajectory = play({"agent": (call("search", query="q"), "done")}, team=False, web=lambda _: hits)
    found = Results(timeline_of(trajectory)).find("572", ["Two (b)"])
    assert found is not None
    assert (found.page, found.kind) == ("https://two.example/x_(y)", "about")


def test_an_empty_gold_table_has_no_rows() -> None:
    task = dataclasses.replace(TASK, gold=Table(("Museum", "Opened", "Visitors"), ()))
    answer = episode_detail(play(MUSEUMS, task))["answer"]
    assert (answer["rows"], answer["anew"]) == ([], False)
    assert len(answer["extra"]) == 3


def test_a_row_says_where_it_was_lost() -> None:
    answer = episode_detail(play())["answer"]
    assert [row["trace"] for row in answer["rows"]] == [
        ["right", [1], [1]],
        ["wrong_values", [1, 2], []],
        ["not_reported", [1], []],
    ]
    assert answer["coverage"]["coverage"] == pytest.approx(2 / 3)
    reported = {**MUSEUMS, "subagent_1": [*MUSEUMS["subagent_1"][:2], "The Salt House has 77 visitors."]}
    assert episode_detail(play(reported))["answer"]["rows"][2]["trace"] == ["lost_in_merge", [1, 2], [2]]


def test_a_short_answer_has_no_traces() -> None:
    task = Task("depth", "Who?", answers=("Ada",))
    answer = episode_detail(play({"lead": ["Ada"]}, task))["answer"]
    assert [row["trace"] for row in answer["rows"]] == [None]
    assert answer["coverage"] == {}
