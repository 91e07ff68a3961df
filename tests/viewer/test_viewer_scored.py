"""Answers of other programs in the viewer: verdicts, matched rows, and what a record of an earlier version lacks."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewer_runs import ANSWER, TASK, play, write_run

from wideseek_env.evaluation import Response, score_answers
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.viewer import RunReader, write_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

TURNED = (
    "| Museum | Opened | Visitors |\n|---|---|---|\n| Salt House | 1955 | 78 |\n| Glass Palace | 1999 | 5 |\n"
    "| Tower Museum | 1874 | 12,000 |"
)


def scored(folder: Path, *texts: str) -> Path:
    responses = [Response(TASK.id, trial, text, "here") for trial, text in enumerate(texts)]
    score_answers(TaskSet([TASK], "towns"), responses, folder=folder, source="other.jsonl", trials=len(texts))
    return folder


def read(path: Path) -> tuple[RunReader, list[dict[str, Any]]]:
    reader = RunReader(path)
    assert reader.refresh()
    details = [json.loads(zlib.decompress(base64.b64decode(shown.packed))) for shown in reader.episodes]
    return reader, details


def test_the_cells_are_those_of_the_score(tmp_path: Path) -> None:
    reader, (first, turned, empty) = read(scored(tmp_path / "s", ANSWER, TURNED, ""))
    verdicts = [[cell[0] for cell in row["cells"]] for row in first["answer"]["rows"]]
    assert verdicts == [["right"] * 3, ["right", "wrong", "missing"], ["missing"] * 3]
    assert [[cell[0] for cell in row] for row in first["answer"]["extra"]] == [["Glass Palace", "1999", "5"]]
    assert first["answer"]["rows"][1]["cells"][1][1:3] == ["1955", "1901"]
    assert [row["predicted"] for row in turned["answer"]["rows"]] == [2, None, 0]
    assert (first["question"], first["final"]) == (TASK.question, ANSWER)
    assert first["answer"]["columns"][2] == {
        "name": "Visitors", "key": False, "metrics": ["number_near"], "criterion": 0.01,
    }  # fmt: skip
    assert [row["predicted"] for row in empty["answer"]["rows"]] == [None] * 3
    lines = [shown.line for shown in reader.episodes]
    assert [line["cells"] for line in lines] == [[4, 1, 4, 3], [5, 1, 3, 3], [0, 0, 9, 0]]
    assert all(line["played"] is False for line in lines)
    assert reader.settings["responses"] == "other.jsonl"


def test_scores_of_an_earlier_version_have_no_question(tmp_path: Path) -> None:
    path = scored(tmp_path / "s", ANSWER) / "scores.jsonl"
    line = json.loads(path.read_text())
    path.write_text(json.dumps({"figures": line["figures"], "score": line["score"]}) + "\n")
    for place in (path.parent, path):
        _, (detail,) = read(place)
        assert (detail["question"], detail["final"]) == ("", None)
        assert [column["metrics"] for column in detail["answer"]["columns"]] == [[], [], []]
        assert detail["answer"]["rows"][0]["cells"][0][0] == "right"


def test_the_page_shows_answers_alone_and_next_to_episodes(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    readers = [
        RunReader(path) for path in (write_run(tmp_path / "run", [play()]), scored(tmp_path / "s", TURNED))
    ]
    for reader in readers:
        reader.refresh()
    write_page(readers[1:], tmp_path / "one.html")
    page = open_page(tmp_path / "one.html")
    assert page.locator("#count").inner_text() == "1 of 1 answer"
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".sheet td.cell")
    assert page.locator("[role=tab]").all_inner_texts() == ["1 Answer", "2 About"]
    rows = page.locator(".sheet tbody td.row").all_inner_texts()
    assert [row.replace("\u00a0", " ") for row in rows] == ["1 ↔ 3", "2", "3 ↔ 1", "+"]
    page.locator("td.cell.wrong").click()
    told = page.locator(".inspector").inner_text()
    assert "number_near (0.01)" in told
    assert "row 1 of the answer" in told
    assert "tool result" not in told
    page.keyboard.press("2")
    assert "other.jsonl" in page.locator("#tab").inner_text()
    write_page(readers, tmp_path / "two.html")
    page = open_page(tmp_path / "two.html")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lanes")
    page.keyboard.press("c")
    page.wait_for_selector(".figures.two")
    page.keyboard.press("2")
    page.get_by_role("button", name="B s").click()
    assert "Another program made this answer" in page.locator("#tab").inner_text()
    page.keyboard.press("]")
