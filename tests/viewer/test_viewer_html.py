"""What notebooks show: tasks, scores and episodes as HTML, with every text escaped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

from viewer_runs import TASK, play

from wideseek_env import GameConfig
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.scoring import score_response
from wideseek_env.task import Table, Task

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">"\'&'


class Elements(HTMLParser):
    """The names of all elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)


def test_a_task_and_a_table() -> None:
    html = TASK._repr_html_()
    assert html is not None
    assert TASK.gold is not None
    names = Elements(html).names
    assert names.count("tr") == 1 + len(TASK.gold.rows)
    assert names.count("td") == len(TASK.gold.rows) * len(TASK.gold.header)
    short = Task(id="s", question="Who?", answers=("Ada", "A. Lovelace"))._repr_html_()
    assert short == "<p><b>Who?</b></p><p>Accepted answers: Ada; A. Lovelace</p>"
    many = Table(("N",), tuple((str(n),) for n in range(200)))._repr_html_()
    assert many is not None
    assert "The first 50 of 200 rows." in many


def test_a_score_shows_every_kind_of_cell() -> None:
    assert TASK.gold is not None
    first, second, *_ = TASK.gold.rows
    answer = Table(
        TASK.columns, (first, (second[0], *["nonsense"] * (len(second) - 1)), ("nobody",) * len(first))
    )
    html = score_response(answer.to_markdown(), TASK)._repr_html_()
    assert html is not None
    assert f"nonsense (not {second[1]})" in html
    assert Elements(html).names.count("tr") == 1 + len(TASK.gold.rows) + 1, "one row more than the gold table"
    none = score_response("no table", TASK)._repr_html_()
    assert none is not None
    assert "item-F1 <b>0.0</b>" in none


def test_texts_are_escaped() -> None:
    assert TASK.gold is not None
    gold = Table(TASK.gold.header, tuple((HOSTILE, *row[1:]) for row in TASK.gold.rows[:1]))
    task = dataclasses.replace(TASK, id=HOSTILE, question=HOSTILE, gold=gold, aliases={})
    trajectory = play(task=task)
    for value in (task, gold, score_response(gold.to_markdown(), task), trajectory, trajectory.score):
        html = value._repr_html_()
        assert html is not None
        assert not {"script", "img"} & set(Elements(html).names)


def test_an_episode_is_a_sandboxed_page_and_a_running_one_is_its_repr() -> None:
    html = play()._repr_html_()
    assert html is not None
    assert html.startswith('<iframe sandbox="allow-scripts" ')
    assert "<!-- made by wideseek view -->" in unescape(html)
    game = GameConfig(tasks="synthetic:pages=300,rows=4").open()
    assert EpisodeRun(game, game.tasks[0], seed=0)._repr_html_() is None


def test_the_page_in_a_notebook_opens_its_episode(open_page: Callable[..., Page], tmp_path: Path) -> None:
    place = tmp_path / "notebook.html"
    place.write_text(f'<!doctype html><p id="count">notebook</p>{play()._repr_html_()}', encoding="utf-8")
    page = open_page(place, blocked=True)
    frame = page.frame_locator("iframe")
    frame.locator("#episode [role=tablist]").wait_for()
    frame.locator("[data-tab=conversations]").click()
    assert frame.locator("#tab").inner_text()
    assert page.locator("#count").inner_text() == "notebook"
