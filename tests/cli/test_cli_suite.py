"""`bench suite` and `bench cards` on the command line, with a tiny suite."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import Result
from tiny_suite import Engine, Quick, change, commit, tiny

from wideseek_env.errors import SuiteError
from wideseek_env.evaluation.suite import definition
from wideseek_env.llm.budget import Endpoint, TokenBudget
from wideseek_env.policy import Turn

Call = Callable[..., Result]
QUICK = ("--policy", "tiny_suite:Quick")
pytestmark = pytest.mark.usefixtures("wide_terminal")


@pytest.fixture(autouse=True)
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> definition.Suite:
    """The command runs a tiny suite, without data. To draw figures takes long, so pages have none."""
    monkeypatch.delenv("WIDESEEK_DATA", raising=False)
    monkeypatch.setattr(Quick, "episodes", 0)
    found = tiny(tmp_path / "suite")
    commit(found)
    monkeypatch.setattr(definition, "CURRENT", found)
    monkeypatch.setattr("wideseek_env.evaluation.suite.page.plot_available", lambda: False)
    return found


def refused(call: Call, *arguments: object) -> str:
    result = call("bench", *arguments)
    assert result.exit_code in (1, 2), result.output
    return result.stderr


def test_a_dry_run_says_what_to_expect_and_writes_nothing(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = call("bench", "suite", *QUICK, "--out", out, "--dry-run")
    assert result.exit_code == 0, result.output
    assert (
        "Suite v1, size small: a single agent, and teams of the widths 1, 2. 6 of 6 episodes" in result.stdout
    )
    line = next(line.split() for line in result.stdout.splitlines() if "Tiny world" in line)
    # 2 tasks at 3 points. The rules allow 6, 15 and 27 turns, and the measured episode at width 2 has one turn.
    assert line[:4] == ["Tiny", "world", "6", "4"]
    assert line[-3:] == ["96", "3.1", "M"] or "96" in line
    assert "Not run: Tiny pages. The HybridQA data is absent: --data was not given." in result.stderr
    assert Quick.episodes == 1
    assert not out.exists()


def test_a_suite_writes_card_page_and_row(call: Call, tmp_path: Path) -> None:
    out, board = tmp_path / "out", tmp_path / "board.csv"
    arguments = ("bench", "suite", *QUICK, "--out", out, "--leaderboard", board, "--name", "mine")
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    line = next(line.split() for line in result.stdout.splitlines()[-8:] if "Tiny world" in line)
    assert line == ["Tiny", "world", "0.0", "0.0", "0.0", "0.0", "1.0", "0.0"]
    assert "Tiny pages was not run: the HybridQA data is absent" in result.stdout
    card = json.loads((out / "card.json").read_text())
    assert (card["name"], card["complete"], card["policy"]) == ("mine", True, "tiny_suite:Quick")
    assert card["command"].startswith("wideseek bench suite --policy tiny_suite:Quick --name mine --out ")
    assert "Tiny pages was not run" in (out / "card.html").read_text()
    played = Quick.episodes
    again = call(*arguments)
    assert "0 of 6 episodes are still to be run" in again.stdout
    assert Quick.episodes == played
    with open(board, newline="") as lines:
        assert [row["name"] for row in csv.DictReader(lines)] == ["mine"]
    table = call("bench", "cards", out, "--leaderboard", board)
    assert table.stdout.splitlines()[2] == "| mine | – | **0.0** 0.0 → 0.0 (0.0) |"
    with open(board, newline="") as lines:
        assert len(list(csv.DictReader(lines))) == 1


def test_ctrl_c_keeps_what_is_finished(call: Call, tmp_path: Path) -> None:
    out, board = tmp_path / "out", tmp_path / "board.csv"
    arguments = ("bench", "suite", "--policy", "tiny_suite:Quick", "--out", out, "--leaderboard", board)
    stopped = call(*arguments, "--policy-arg", "interrupt_after=4")
    assert stopped.exit_code == 130
    assert "The same command resumes the run" in stopped.stderr
    assert not json.loads((out / "card.json").read_text())["complete"]
    assert "the run is not complete" in (out / "card.html").read_text()
    assert not board.exists()
    Quick.episodes = 100
    resumed = call(*arguments, "--policy-arg", "interrupt_after=4")
    assert resumed.exit_code == 0, resumed.output
    assert "3 of 6 episodes are still to be run" in resumed.stdout
    assert Quick.episodes == 103
    assert board.exists()


def test_an_engine_is_started_once_and_its_tokens_are_counted(
    call: Call, suite: definition.Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "made", 0)
    other = dataclasses.replace(suite.kinds[0], name="second")
    two = dataclasses.replace(suite, kinds=(suite.kinds[0], other))
    commit(two)
    monkeypatch.setattr(definition, "CURRENT", two)
    out, board = tmp_path / "out", tmp_path / "board.csv"
    result = call("bench", "suite", "--policy", "tiny_suite:Engine", "--out", out, "--leaderboard", board)
    assert result.exit_code == 0, result.output
    assert Engine.made == 1
    assert "≈" not in result.stdout
    line = next(line.split() for line in result.stdout.splitlines() if line.startswith(" all"))
    # 12 episodes. Measured: 1 turn and 100 and 20 tokens at width 2, where the rules allow 27 turns.
    factor = 2 * 2 * (6 + 15 + 27) / 27
    assert line[:5] == ["all", "12", f"{factor:.0f}", f"{100 * factor:.0f}", f"{20 * factor:.0f}"]
    points = json.loads((out / "card.json").read_text())["kinds"]["second"]["points"]
    assert points["2"]["tokens"] == {"read": 100.0, "written": 20.0}
    with open(board, newline="") as lines:
        header = next(csv.reader(lines))
    assert "second_tokens_written" in header


def test_the_scripted_team_gets_better_with_its_width(
    call: Call, suite: definition.Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wideseek_baselines")
    longer = dataclasses.replace(suite.kinds[0], tasks="synthetic:pages=400,rows=20-24,columns=2")
    large = dataclasses.replace(suite, kinds=(longer,))
    commit(large)
    monkeypatch.setattr(definition, "CURRENT", large)
    out = tmp_path / "out"
    result = call("bench", "suite", "--policy", "scripted", "--size", "full", "--out", out)
    assert result.exit_code == 0, result.output
    points = json.loads((out / "card.json").read_text())["kinds"]["synthetic"]["points"]
    assert list(points) == ["single", "1", "2", "4"]
    assert points["4"]["item_f1"] > points["1"]["item_f1"] > 0


def test_wrong_use_is_explained_before_anything_is_written(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "no policy 'nobody'" in refused(call, "suite", "--policy", "nobody", "--out", out)
    assert "there is no folder" in refused(
        call, "suite", *QUICK, "--out", out, "--data", tmp_path / "nothing"
    )
    board = tmp_path / "board.csv"
    board.write_text("a,b\n")
    assert "not a leaderboard" in refused(call, "suite", *QUICK, "--out", out, "--leaderboard", board)
    assert "has no option" in refused(call, "suite", *QUICK, "--policy-arg", "a=1", "--out", out)
    assert "the quick policy broke" in refused(
        call, "suite", *QUICK, "--policy-arg", "fail=true", "--out", out
    )
    assert "'--out'" in refused(call, "suite", *QUICK)
    assert "'huge'" in refused(call, "suite", *QUICK, "--size", "huge", "--out", out)
    assert not out.exists()


def test_folders_of_other_runs_are_refused(call: Call, tmp_path: Path) -> None:
    played = tmp_path / "eval"
    world = "synthetic:pages=150,rows=5-6,columns=2"
    assert call("eval", *QUICK, "--tasks", world, "--limit", 1, "--out", played).exit_code == 0
    assert "contains a run of `wideseek eval`" in refused(call, "suite", *QUICK, "--out", played)
    out = tmp_path / "out"
    assert call("bench", "suite", *QUICK, "--out", out).exit_code == 0
    assert "size: 'small' → 'full'" in refused(call, "suite", *QUICK, "--size", "full", "--out", out)
    change(out / "suite.json", "suite", to="v0")
    assert "suite: 'v0' → 'v1'" in refused(call, "suite", *QUICK, "--out", out)
    assert call("bench", "suite", *QUICK, "--size", "full", "--overwrite", "--out", out).exit_code == 0
    assert json.loads((out / "card.json").read_text())["size"] == "full"


class Metered(Quick):
    """Uses a service: ten tokens a turn."""

    endpoints = (Endpoint("https://api.example.org/v1", "m"),)
    token_budget: TokenBudget | None = None

    def limit_tokens(self, budget: TokenBudget) -> None:
        self.token_budget = budget

    def act(self, turns: Sequence[Turn]) -> list[str]:
        if self.token_budget is not None:
            self.token_budget.check()
            for _ in turns:
                self.token_budget.add(8, 2)
        return super().act(turns)


def test_a_suite_says_the_tokens_and_stops_at_the_budget(call: Call, tmp_path: Path) -> None:
    command = ("bench", "suite", "--policy", "test_cli_suite:Metered", "--out", tmp_path / "out")
    stopped = call(*command, "--max-tokens", 40)
    assert stopped.exit_code == 3, stopped.stderr
    assert "The policy uses m at https://api.example.org/v1." in stopped.stderr
    assert "Expected for 6 episodes:" in stopped.stderr
    assert "Used: 4 requests, 40 tokens (32 prompt, 8 completion)." in stopped.stderr
    assert "3 of 6 episodes are done." in stopped.stderr, "one more was played to measure"
    resumed = call(*command, "--max-tokens", 200, "--json")
    assert resumed.exit_code == 0, resumed.stderr
    card = json.loads(resumed.stdout)
    assert (card["complete"], card["tokens"]["prompt_tokens"]) == (True, 7 * 8)
    table = call("bench", "cards", tmp_path / "out", "--json")
    assert [each["complete"] for each in json.loads(table.stdout)] == [True]
    dry = call("bench", "suite", *QUICK, "--out", tmp_path / "other", "--dry-run", "--json")
    assert json.loads(dry.stdout).popitem()[1]["episodes"] == 6


def test_changed_tasks_are_refused(call: Call, suite: definition.Suite, tmp_path: Path) -> None:
    change(suite.folder / "digests.json", "kinds", "synthetic", "tasks", to="0")
    told = refused(call, "suite", *QUICK, "--out", tmp_path / "out")
    assert "these are not the tasks of suite v1. Different: tasks" in told
    assert "makes v2" in told


def test_cards_that_do_not_compare_are_refused(call: Call, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for out in (first, second):
        assert call("bench", "suite", *QUICK, "--name", out.name, "--out", out).exit_code == 0
    assert call("bench", "cards", first, second).exit_code == 0
    change(second / "card.json", "kinds", "synthetic", "digests", "pages", to="0")
    assert "do not compare on Tiny world: pages differ" in refused(call, "cards", first, second / "card.json")
    assert "is no card" in refused(call, "cards", first, tmp_path)


def test_the_error_is_a_setting_error() -> None:
    assert issubclass(SuiteError, ValueError)
