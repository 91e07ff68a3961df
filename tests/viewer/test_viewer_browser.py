"""The page in a real browser: list, filters, keys, time line, cells, two runs, and a run that grows."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from viewer_runs import MUSEUMS, TASK, play, write_file, write_run

from wideseek_env.task import Task
from wideseek_env.trajectory import Trajectory
from wideseek_env.viewer import RunReader, ViewServer, write_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]

WRONG = {**MUSEUMS, "lead": (MUSEUMS["lead"][0], "| Museum | Opened |\n|---|---|\n| Tower Museum | 1875 |")}
NOBODY = {"lead": ("<tool_call>{}</tool_call>",) * 20}


def named(name: str, **meta: object) -> Task:
    return dataclasses.replace(TASK, id=name, meta={**TASK.meta, **meta})


def made(tmp_path: Path, *runs: list[Trajectory]) -> Path:
    readers = [RunReader(write_run(tmp_path / f"run{at}", run)) for at, run in enumerate(runs)]
    for reader in readers:
        reader.refresh()
    write_page(readers, tmp_path / "page.html")
    return tmp_path / "page.html"


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A run of three: F1 44.4 (easy), 20 or so (hard), 0 without an answer."""
    failed = dataclasses.replace(play(NOBODY, named("t-nobody", difficulty="hard")), meta={"failed": True})
    return made(
        tmp_path,
        [play(task=named("t-museums")), play(WRONG, named("t-wrong", difficulty="hard")), failed],
    )


def tasks(page: Page) -> list[str]:
    """The tasks in the list, in their order."""
    return page.locator("tbody .task div:first-child").all_inner_texts()


def test_the_list_filters_and_sorts(open_page: Open, three: Path) -> None:
    page = open_page(three)
    everything = ["t-museums", "t-wrong", "t-nobody"]
    assert tasks(page) == everything
    assert page.locator("#count").inner_text() == "3 of 3 episodes"
    page.fill("#filter-text", "nobody honholm")
    assert tasks(page) == ["t-nobody"]
    page.fill("#filter-text", "")
    page.fill("#filter-low", "1")
    assert tasks(page) == ["t-museums", "t-wrong"]
    page.fill("#filter-high", "40")
    assert tasks(page) == ["t-wrong"]
    page.click("#reset")
    page.select_option("#filter-ending", "out_of_turns")
    assert tasks(page) == ["t-nobody"]
    page.click("#reset")
    page.check("#filter-failed")
    assert tasks(page) == ["t-nobody"]
    page.click("#reset")
    page.select_option("#filter-label", '["difficulty","hard"]')
    assert tasks(page) == ["t-wrong", "t-nobody"]
    page.select_option("#sort", "task")
    assert tasks(page) == ["t-nobody", "t-wrong"]
    page.click("#direction")
    assert tasks(page) == ["t-wrong", "t-nobody"]
    page.click(".chip")
    assert tasks(page) == ["t-wrong", "t-nobody", "t-museums"]
    page.click("th:has-text('item-F1')")
    assert tasks(page) == ["t-museums", "t-wrong", "t-nobody"]
    page.click("th:has-text('item-F1')")
    assert tasks(page) == ["t-nobody", "t-wrong", "t-museums"]
    page.click("#reset")
    page.fill("#filter-text", "no such task")
    assert "No episode matches" in page.inner_text("#list")
    page.reload()
    assert page.input_value("#filter-text") == "no such task"  # the wishes outlive a reload


def test_all_of_it_can_be_reached_by_keys(open_page: Open, three: Path) -> None:
    page = open_page(three)
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    assert page.locator("tbody tr[aria-selected=true] .task div").first.inner_text() == "t-wrong"
    assert page.is_hidden("#episode")
    page.keyboard.press("Enter")
    page.wait_for_selector("#episode h2")
    assert page.inner_text("#episode h2") == "t-wrong"
    page.keyboard.press("k")
    page.wait_for_selector("h2:has-text('t-museums')")
    page.keyboard.press("2")
    assert page.locator(".agents [aria-pressed=true]").inner_text() == "lead"
    page.keyboard.press("]")
    assert "subagent_0" in page.locator(".agents [aria-pressed=true]").inner_text()
    page.keyboard.press("[")
    assert page.locator(".agents [aria-pressed=true]").inner_text() == "lead"
    page.keyboard.press("3")
    assert page.locator("[role=tab][aria-selected=true]").inner_text() == "3 About"
    assert "rules.subagent turns" in page.inner_text("#tab")
    page.keyboard.press("m")
    assert page.locator("[data-scale=turns]").get_attribute("aria-pressed") == "true"
    page.keyboard.press("?")
    assert page.is_visible("#help")
    assert "open the chosen episode" in page.inner_text("#help dl")
    page.keyboard.press("Escape")
    assert page.is_hidden("#help")
    assert page.is_visible("#episode")
    page.keyboard.press("Escape")
    assert page.is_hidden("#episode")
    page.keyboard.press("/")
    page.keyboard.type("jk?")  # letters in a field are letters
    assert page.input_value("#filter-text") == "jk?"
    assert page.is_hidden("#help")


def test_the_theme_follows_the_system_until_it_is_set(open_page: Open, three: Path) -> None:
    def background(page: Page) -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = (open_page(three, color_scheme=scheme) for scheme in ("light", "dark"))
    colours = background(light), background(dark)
    assert colours[0] != colours[1]
    light.keyboard.press("t")
    light.keyboard.press("t")
    assert background(light) == colours[1]
    light.reload()
    assert background(light) == colours[1]
    light.click("#theme")
    assert background(light) == colours[0]


def opened(open_page: Open, path: Path) -> Page:
    page = open_page(path)
    page.click("tbody tr")
    page.wait_for_selector("#episode h2")
    return page


def test_cells_show_their_verdicts_and_sources(open_page: Open, three: Path) -> None:
    page = opened(open_page, three)
    cells = page.locator("table.cells td.cell")
    looks = [cell.get_attribute("class") for cell in cells.all()]
    assert looks == [f"cell {v}" for v in ["right"] * 4 + ["wrong"] + ["missing"] * 4 + ["extra"] * 3]
    assert cells.nth(4).inner_text().split() == ["s1", "✗", "1955", "gold:", "1901"]
    assert cells.nth(2).inner_text().split() == ["s0", "✓", "12,000"]
    assert cells.nth(9).inner_text().split() == ["?", "+", "Glass", "Palace"]
    cells.nth(4).click()
    told = page.inner_text(".inspector")
    assert "subagent_1, turn 1" in told
    assert "https://web.example/harbour" in told
    assert "An agent saw the gold value" in told
    cells.nth(8).press("Enter")
    assert "no agent saw it" in page.inner_text(".inspector")
    page.check("#only-faults")
    assert page.locator("table.cells tbody tr").count() == 3
    assert "4 of 9 cells" in page.inner_text("#tab")


def test_a_source_is_shown_where_it_was_read(open_page: Open, three: Path) -> None:
    page = opened(open_page, three)
    page.locator("table.cells td.cell").nth(2).click()
    page.click("button.go >> nth=0")
    assert "subagent_0" in page.locator(".agents [aria-pressed=true]").inner_text()
    assert page.locator(".turn.target header b").inner_text() == "Turn 2"
    page.locator("table.cells").wait_for(state="detached")
    page.keyboard.press("1")
    page.locator("table.cells td.cell").nth(1).click()
    page.click("button.go >> nth=0")
    assert page.locator(".turn.target mark").all_inner_texts() == ["1874"]


def test_the_time_line_has_lanes_arrows_and_the_critical_path(open_page: Open, three: Path) -> None:
    page = opened(open_page, three)
    assert [lane.get_attribute("data-agent") for lane in page.locator(".lane").all()] == [
        "lead",
        "subagent_0",
        "subagent_1",
    ]
    assert page.locator(".lanes .span.generation").count() == 8
    assert page.locator(".lanes .span.search").count() == 1
    assert page.locator(".lanes .span.browse").count() == 3
    assert page.locator(".lanes .span.failed").count() == 1
    assert page.locator(".lanes .arrow:not(.report)").count() == 2
    assert page.locator(".lanes .arrow.report").count() == 2
    # By the clock the end waited for subagent_1, by turns for subagent_0 (both took as many).
    lanes = page.evaluate(
        "[...document.querySelectorAll('.lane')].map((lane) => Number(lane.getAttribute('y')))"
    )
    height = lanes[1] - lanes[0]

    def on_path() -> set[int]:
        points = page.locator("polyline.critical").get_attribute("points")
        assert points
        return {int((float(point.split(",")[1]) - lanes[0]) // height) for point in points.split()}

    assert on_path() == {0, 2}
    page.click("[data-scale=turns]")
    assert on_path() == {0, 1}
    page.locator(".lane[data-agent=subagent_1]").click(position={"x": 20, "y": 8})
    assert "subagent_1" in page.locator(".agents [aria-pressed=true]").inner_text()


def test_without_times_the_lanes_count_turns(open_page: Open, tmp_path: Path) -> None:
    page = opened(open_page, made(tmp_path, [play(timed=False)]))
    assert "the record has no times" in page.inner_text("#episode")
    assert page.locator("[data-scale]").count() == 0
    assert page.locator(".lanes .span.generation").count() == 8


def test_conversations_fold_what_is_long(open_page: Open, tmp_path: Path) -> None:
    script = {
        "agent": (
            '<tool_call>{"name": "browse", "arguments": {"url": "https://a.example/"}}</tool_call>',
            "x",
        )
    }
    text = "Title: Long\n\n" + "word " * 400 + "the end, see https://b.example/(c)."
    page = opened(open_page, made(tmp_path, [play(script, team=False, web=lambda _: text)]))
    page.keyboard.press("2")
    assert "the end" not in page.inner_text(".turns")
    page.click("text=Show all")
    assert "the end" in page.inner_text(".turns")
    link = page.locator(".box a")
    assert link.get_attribute("href") == "https://b.example/(c)"
    assert link.get_attribute("rel") == "noopener noreferrer"
    page.click("button:has-text('raw')")
    assert '"arguments": {"url"' in page.inner_text(".box.raw")


def test_thinking_is_folded(open_page: Open, three: Path) -> None:
    page = opened(open_page, three)
    page.keyboard.press("2")
    assert "Two should do." not in (page.text_content(".turns") or "")
    page.click("details.thinking summary")
    page.get_by_text("Two should do.").wait_for(state="visible")  # the browser shows it with the next frame
    assert "Two should do." in page.inner_text(".turns")
    page.click("button:has-text('→ subagent_1')")
    assert "subagent_1" in page.locator(".agents [aria-pressed=true]").inner_text()


def test_two_runs_side_by_side(open_page: Open, tmp_path: Path) -> None:
    first = [play(WRONG, named("t-a")), play(task=named("t-b"))]
    second = [play(task=named("t-a")), play(task=named("t-b")), play(task=named("t-c"))]
    page = open_page(made(tmp_path, first, second))
    assert page.locator("tbody .tag.run").all_inner_texts() == ["run0", "run1", "run0", "run1", "run1"]
    page.select_option("#filter-run", "1")
    assert len(tasks(page)) == 3
    page.click("#reset")
    page.click("tbody tr")
    page.wait_for_selector("#episode h2")
    page.keyboard.press("c")
    page.wait_for_selector(".figures.two")
    assert page.locator(".lanes svg").count() == 2
    assert page.locator(".figures .tag.run").all_inner_texts() == ["run0", "run1"]
    both = page.locator("td.cell.both").first
    assert both.inner_text().split() == ["A", "✗", "1875", "B", "✓", "1874", "gold:", "1874"]
    assert page.locator("td.cell").first.get_attribute("class") == "cell right"
    both.locator(".side").nth(1).click()
    assert "1874" in page.inner_text(".inspector")
    page.click("button.go >> nth=0")
    assert page.locator(".agents [aria-pressed=true]").first.inner_text() == "B run1"
    page.reload()  # the address has both
    page.wait_for_selector(".figures.two")
    page.keyboard.press("c")
    page.locator(".figures.two").first.wait_for(state="detached")


def test_tasks_of_one_name_that_ask_for_different_things_are_no_pair(open_page: Open, tmp_path: Path) -> None:
    other = dataclasses.replace(named("t-a"), question="Something else?")
    page = opened(open_page, made(tmp_path, [play(task=named("t-a"))], [play(task=other)]))
    assert page.locator("#beside").count() == 0


def test_a_hundred_teams_are_opened_one_by_one(open_page: Open, tmp_path: Path) -> None:
    report = "| Museum | Opened |\n|---|---|\n| Tower Museum | 1874 |"
    subtasks = [f"subtask number {at}" for at in range(10)]
    script = {"lead": (json.dumps({"name": "delegate", "arguments": {"subtasks": subtasks}}), report)}
    for at in range(10):
        script[f"subagent_{at}"] = (*MUSEUMS["subagent_0"][:2], report)
    one = play(script)
    assert one.outcome["subagents"] == 10
    path = write_file(
        tmp_path / "x.jsonl", [dataclasses.replace(one, task=named(f"t-{at:03}")) for at in range(100)]
    )
    run = RunReader(path)
    run.refresh()
    write_page([run], tmp_path / "page.html")
    count = "class Counted extends DecompressionStream { constructor(...all) { super(...all); window.unpacked += 1; } }"
    page = open_page(
        tmp_path / "page.html", init=f"window.unpacked = 0; {count} window.DecompressionStream = Counted;"
    )
    elements = "document.querySelectorAll('*').length"
    before = page.evaluate(elements)
    rows = page.locator("tbody tr").count()
    assert rows == 100
    assert before < 100 * 35 + 400
    assert page.evaluate("window.unpacked") == 0
    assert "subtask number 7" not in page.content()
    page.click("tbody tr >> nth=41")
    page.wait_for_selector("h2:has-text('t-041')")
    assert page.evaluate("window.unpacked") == 1
    assert page.locator(".lane").count() == 11
    for _ in range(30):
        page.keyboard.press("j")
    page.wait_for_selector("h2:has-text('t-071')")
    # What is open is one episode, however many were.
    after = page.evaluate(elements)
    page.keyboard.press("j")
    page.wait_for_selector("h2:has-text('t-072')")
    assert page.evaluate(elements) == after
    page.keyboard.press("Escape")
    assert page.evaluate(elements) <= before + 5


def test_a_served_page_follows_its_run(open_page: Open, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [])
    server = ViewServer([RunReader(run)])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        page = open_page(server.url)
        assert "No episode has finished yet" in page.inner_text("#list")
        write_file(run / "trajectories.jsonl", [play()])
        page.wait_for_selector("tbody tr")
        page.click("tbody tr")
        page.wait_for_selector("#episode h2")
        with open(run / "trajectories.jsonl", "a") as file:
            file.write(json.dumps(play(task=named("another")).to_dict()) + "\n")
        page.wait_for_selector("tbody tr:nth-child(2)")
        page.wait_for_selector("#episode h2")  # the open episode is open again
        assert page.inner_text("#episode h2") == "museums"
        with open(run / "trajectories.jsonl", "a") as file:
            file.write("{broken\n")
        page.wait_for_selector("#notice:visible")
        assert "trajectories.jsonl:3" in page.inner_text("#notice")
    finally:
        server.shutdown()
        thread.join()
        server.close()
