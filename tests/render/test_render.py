"""Renderers show what happens, fit into the terminal, and let no text of pages or models reach it unfiltered."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from toy_team import TownTools, ToyTeam, town_setup, town_task

import wideseek_env
from wideseek_env.episode_run import EpisodeRun, run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.render import renderer_for
from wideseek_env.render.ansi import AnsiRenderer
from wideseek_env.render.answer import scored_answer
from wideseek_env.render.human import LiveRenderer, PlainRenderer, human_renderer
from wideseek_env.render.lanes import live_frame
from wideseek_env.render.printable import one_line, printable
from wideseek_env.render.view import Lane, View, view_of
from wideseek_env.task import Task

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m[red]bold[/red] :smile: \u202edrow\u2066 \x00\x08\r\nnext\ud800"
MODES = ["human", "ansi"]


def console(width: int = 100, height: int = 30) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, legacy_windows=False, _environ={}
    )


def written(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


def control_characters(text: str) -> set[str]:
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n"}


# --- modes ---------------------------------------------------------------------------------------------------------


def test_modes() -> None:
    assert renderer_for(None, MODES) is None
    assert isinstance(renderer_for("ansi", MODES), AnsiRenderer)
    assert isinstance(renderer_for("human", MODES), (LiveRenderer, PlainRenderer))
    with pytest.raises(ConfigError, match=r"unknown render mode 'rgb_array'; use one of human, ansi"):
        renderer_for("rgb_array", MODES)
    with pytest.raises(ConfigError, match="unknown render mode 'human'"):
        renderer_for("human", ["ansi"])


def test_the_environment_renders_text_at_every_step() -> None:
    game = town_setup(width=2)
    env = wideseek_env.parallel_env(tasks=game.tasks, executor=TownTools(), width=2, render_mode="ansi")
    assert env.render() == ""
    env.reset(seed=1)
    text = env.render()
    assert text is not None
    assert "lead" in text
    assert "turn 0/10 acting" in text
    env.step({"lead": "| Town | Population |\n|---|---|\n| Alder | 1000 |"})
    ended = env.render()
    assert ended is not None
    assert "answer: a table of 1 row: Town, Population" in ended
    assert "item-F1" in ended
    env.close()
    assert env.render() == ""


# --- ansi ----------------------------------------------------------------------------------------------------------


def test_ansi_tells_the_story() -> None:
    game = town_setup(width=3)
    texts: list[str] = []
    renderer = AnsiRenderer()

    def watch(play: EpisodeRun) -> None:
        renderer.update(play)
        texts.append(renderer.render())

    play = run_episode(game, ToyTeam(), game.tasks[0], on_step=watch)
    assert "[towns-0] How many inhabitants" in texts[0]
    assert "delegate 3 subtasks" in texts[1]
    assert "0 of 3 reports are in" in texts[1]
    assert "search “Alder” · search “Dogwood”" in texts[2]
    assert "→ The town of Alder has 1000 inhabitants." in texts[2]
    assert "Your next message" not in texts[2]
    assert "2 turns elapsed · 3 delegate, 6 search" in texts[2]
    assert "subagent_1  turn 2/2 done" in texts[3]
    assert "report: a table of 2 rows: Town, Population" in texts[3]
    assert play.score is not None
    assert f"item-F1 {100 * play.score.f1_by_item:.1f}" in texts[-1]
    assert all(len(line) <= 240 for text in texts for line in text.split("\n"))


def test_ansi_shows_agents_that_end_without_a_report_and_bad_calls() -> None:
    game = town_setup(width=2, rules={"subagent_turns": 2})
    play = EpisodeRun(game, game.tasks[0])
    play.step({"lead": '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["a", "b"]}}</tool_call>'})
    search = '<tool_call>{"name": "search", "arguments": {"query": "Elm"}}</tool_call>'
    wrong = "".join(f"<tool_call>{c}</tool_call>" for c in ('{"name": "launch"}', '{"name": "search"}', "{{"))
    play.step({"subagent_0": search, "subagent_1": wrong})
    renderer = AnsiRenderer()
    renderer.begin(play)
    assert "(bad call of launch) · (bad call of search) · (unreadable call)" in renderer.render()
    play.step({"subagent_0": search, "subagent_1": "nothing found"})
    text = renderer.render()
    assert "ended without a report: out of turns" in text
    assert "report: nothing found" in text


class HostileTools(TownTools):
    def run(self, calls: list[ToolCall]) -> list[ToolResult]:  # type: ignore[override]
        return [ToolResult(HOSTILE) for _ in calls]


def hostile_play() -> EpisodeRun:
    """An ended episode with hostile text wherever text can come from."""
    game = wideseek_env.GameConfig(
        tasks=[Task(id="t", question=f"Which? {HOSTILE}", answers=(HOSTILE,), language="en")],
        executor=HostileTools(),
    ).open()
    play = EpisodeRun(game, game.tasks[0])
    subtask = (
        '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["\\u001b[31m\\u202e x"]}}</tool_call>'
    )
    play.step({"lead": subtask})
    call = {"name": "search", "arguments": '{"query": "\\u001b]8;;http://x\\u0007 [link]"}'}
    play.step({"subagent_0": {"content": HOSTILE, "tool_calls": [{"id": "1", "function": call}]}})
    play.step({"subagent_0": HOSTILE})
    play.step({"lead": HOSTILE})
    assert play.done
    return play


def test_ansi_has_no_control_characters() -> None:
    renderer = AnsiRenderer()
    renderer.begin(hostile_play())
    text = renderer.render()
    assert control_characters(text) == set()
    assert "[red]bold[/red] :smile:" in text
    text.encode()


@pytest.mark.parametrize("make", [PlainRenderer, lambda c: LiveRenderer(c, fps=0)], ids=["plain", "live"])
def test_human_views_take_text_literally(make: type[PlainRenderer]) -> None:
    target = Console(
        file=io.StringIO(), force_terminal=make is not PlainRenderer, width=120, height=40, _environ={}
    )
    renderer = make(target)
    play = hostile_play()
    renderer.begin(play)
    renderer.update(play)
    renderer.close()
    text = written(target)
    assert "[red]bold[/red] :smile:" in text
    assert "\x1b[2J" not in text
    assert "owned" not in text
    assert control_characters(text) <= {"\x1b", "\r"}  # rich's own


# --- printable -----------------------------------------------------------------------------------------------------


@given(st.text(alphabet=st.characters(), max_size=80))
def test_printable_keeps_what_can_be_printed_and_nothing_else(text: str) -> None:
    shown = printable(text)
    assert control_characters(shown) <= {"\u200c", "\u200d"}
    shown.encode()
    assert printable(shown) == shown
    assert printable("".join(c for c in text if c.isprintable())) == "".join(
        c for c in text if c.isprintable()
    )


def test_printable_removes_whole_sequences() -> None:
    assert printable("a\x1b[1;31mb\x1b[0mc\x1b]0;title\x07d\x1b(Be\x9b2Jf") == "abcdef"
    assert printable("tab\tand\u2028line") == "tab and line"
    assert printable("两\n行") == "两\n行"


def test_one_line_is_cut_with_an_ellipsis() -> None:
    assert one_line("a  b\nc", 10) == "a b c"
    assert one_line("abcdef", 4) == "abc…"
    assert len(one_line("word " * 100_000, 50)) <= 50


# --- the live frame ------------------------------------------------------------------------------------------------


def lanes(count: int) -> View:
    return View(
        task_id="t",
        question="Which 城市 are there, and how many people live in each of them? " * 4,
        lanes=tuple(
            Lane(f"agent_{n}", "done" if n % 2 else "acting", 3, 20, f"browse {n} 页面 " * 9, "Title: X " * 30)
            for n in range(count)
        ),
        elapsed=7,
        tool_calls={"search": 3},
        done=False,
        verdict="",
    )  # fmt: skip


@pytest.mark.parametrize("width", [24, 80, 200])
@pytest.mark.parametrize("height", [5, 24, 60])
@pytest.mark.parametrize("count", [1, 3, 11, 41])
def test_frames_fit_the_screen(count: int, width: int, height: int) -> None:
    target = Console(file=io.StringIO(), width=width, height=height, legacy_windows=False, _environ={})
    target.print(live_frame(lanes(count), width, height))
    lines = written(target).rstrip("\n").split("\n")
    assert len(lines) <= height - 1
    assert max(map(cell_len, lines)) <= width
    assert any("7 turns elapsed" in line for line in lines)


def test_every_one_of_forty_lanes_is_seen_on_a_common_terminal() -> None:
    target = Console(file=io.StringIO(), width=80, height=24, legacy_windows=False, _environ={})
    target.print(live_frame(lanes(41), 80, 24))
    text = written(target)
    assert all(f" agent_{n} " in text for n in range(41))


def test_when_not_all_fit_those_at_work_are_shown_and_the_rest_counted() -> None:
    target = Console(file=io.StringIO(), width=40, height=12, legacy_windows=False, _environ={})
    target.print(live_frame(lanes(20), 40, 12))
    text = written(target)
    assert "agent_0 " in text
    assert "agent_1 " not in text
    assert "more," in text


# --- human ---------------------------------------------------------------------------------------------------------


def test_the_live_view_restores_the_cursor_and_ends_with_the_score() -> None:
    target = console()
    renderer = human_renderer(target, fps=0)
    assert isinstance(renderer, LiveRenderer)
    game = town_setup(width=3)
    begun: list[EpisodeRun] = []
    run_episode(game, ToyTeam(), game.tasks[0], on_step=lambda p: _follow(renderer, begun, p))
    text = written(target)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    after = text.rpartition("\x1b[?25h")[2]
    assert "✓ Alder" in after
    assert "∅ (Gorse)" in after
    assert "item-F1 85.7" in after
    renderer.close()
    assert written(target) == text


def _follow(renderer: LiveRenderer | PlainRenderer, begun: list[EpisodeRun], play: EpisodeRun) -> None:
    (renderer.update if begun else renderer.begin)(play)
    begun.append(play)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_live_view_restores_the_terminal_when_drawing_fails(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = console()
    renderer = LiveRenderer(target, fps=0)
    game = town_setup(width=2)
    play = EpisodeRun(game, game.tasks[0])
    renderer.begin(play)

    def broken(play: EpisodeRun) -> View:
        raise error

    monkeypatch.setattr("wideseek_env.render.human.view_of", broken)
    with pytest.raises(error):
        renderer.update(play)
    text = written(target)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_close_restores_the_terminal_in_the_middle_of_an_episode() -> None:
    target = console()
    renderer = LiveRenderer(target, fps=0)
    game = town_setup(width=2)
    renderer.begin(EpisodeRun(game, game.tasks[0]))
    renderer.close()
    renderer.close()
    assert written(target).count("\x1b[?25h") == 1


def test_a_second_episode_gets_a_view_of_its_own() -> None:
    target = console()
    renderer = LiveRenderer(target, fps=0)
    game = town_setup(width=2)
    for number in (0, 1):
        renderer.begin(EpisodeRun(game, game.tasks[number]))
    renderer.close()
    text = written(target)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 2


def test_without_a_terminal_there_are_plain_lines() -> None:
    target = Console(file=io.StringIO(), width=120, _environ={})
    renderer = human_renderer(target)
    assert isinstance(renderer, PlainRenderer)
    game = town_setup(width=3)
    begun: list[EpisodeRun] = []
    run_episode(game, ToyTeam(), game.tasks[0], on_step=lambda p: _follow(renderer, begun, p))
    text = written(target)
    assert control_characters(text) == set()
    assert "lead 1/10: delegate 3 subtasks\n" in text
    assert "subagent_2 1/2: search “Cedar” · search “Fir”\n" in text
    assert text.count("lead 1/10:") == 1
    assert "item-F1 85.7" in text


@pytest.mark.parametrize("settings", [{"TERM": "dumb"}, {"TERM": "unknown"}])
def test_a_dumb_terminal_gets_plain_lines(settings: dict[str, str]) -> None:
    target = Console(file=io.StringIO(), force_terminal=True, _environ=settings)
    assert isinstance(human_renderer(target), PlainRenderer)


# --- the scored answer ---------------------------------------------------------------------------------------------


def shown_answer(answer: str) -> str:
    game = town_setup()
    play = EpisodeRun(game, town_task(0, size=3))
    play.step({"lead": answer})
    target = Console(file=io.StringIO(), width=160, _environ={})
    target.print(scored_answer(play))
    return written(target)


def test_the_answer_is_set_against_the_gold() -> None:
    text = shown_answer("| Town | Population |\n|---|---|\n| Alder | 1000 |\n| Birch | 9 |\n| Zzz | 1 |")
    assert "Town (key)" in text
    assert "✓ 1000" in text
    assert "✗ 9 ≠ 1037" in text
    assert "∅ (Cedar)" in text
    assert "+ Zzz" in text


def test_an_answer_without_a_table() -> None:
    text = shown_answer("I do not know.")
    assert "∅ (Alder)" in text
    assert "item-F1 0.0" in text


def test_a_short_answer() -> None:
    game = wideseek_env.GameConfig(
        tasks=[Task(id="d", question="Where?", answers=("Here", "hier"))], executor=TownTools()
    ).open()
    play = EpisodeRun(game, game.tasks[0])
    play.step({"lead": "\\boxed{Here}"})
    target = Console(file=io.StringIO(), width=160, _environ={})
    target.print(scored_answer(play))
    text = written(target)
    assert "Accepted: Here / hier" in text
    assert "success" in text


def test_the_view_is_plain_data() -> None:
    game = town_setup(width=2)
    play = EpisodeRun(game, game.tasks[0])
    view = view_of(play)
    assert view.lanes == (Lane("lead", "acting", 0, 10, "", ""),)
    assert (view.elapsed, view.tool_calls, view.done, view.verdict) == (0, {}, False, "")
