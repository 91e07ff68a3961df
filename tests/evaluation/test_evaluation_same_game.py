"""Runs of different games: figures refuse them, and reports mark them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_team import ToyTeam, town_setup

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation import Sweep, depth_sweep, read_entries, run_names, speedup_of, width_sweep
from wideseek_env.evaluation.report import report_page
from wideseek_env.evaluation.same_game import check_same_game, game_differences
from wideseek_env.evaluation.speedup import fixed_path

SETTINGS: dict[str, Any] = {
    "policy": "toy", "policy_options": {}, "tasks": "towns", "tasks_digest": "d1", "limit": 4, "corpus": "c",
    "team": True, "rules": {"width": 4, "single_turns": 16, "lead_turns": 8}, "profile": "default",
    "reward": "item_f1", "roster": "dynamic", "judge": None, "seed": 0, "trials": 1, "widths": [1, 2],
    "single": False, "game": {"profile": "default"},
}  # fmt: skip


def sweep(kind: Any = "width", **changes: Any) -> Sweep:
    return Sweep((), {**SETTINGS, **changes}, kind)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rules": {**SETTINGS["rules"], "lead_turns": 9}}, "rules.lead_turns: 8 and 9"),
        ({"rules": {**SETTINGS["rules"], "episode_path": 8}}, "rules.episode_path: none and 8"),
        ({"tasks": "other", "tasks_digest": "d2"}, "tasks: towns and other"),
        ({"tasks_digest": "d2"}, "tasks_digest: d1 and d2"),
        ({"limit": 40}, "limit: 4 and 40"),
        ({"corpus": "live"}, "corpus: c and live"),
        ({"profile": "terse"}, "profile: default and terse"),
        ({"game": {"profile": "my@1234"}}, "game.profile: default and my@1234"),
        ({"judge": "openai:m@v2"}, "judge: none and openai:m@v2"),
        ({"roster": "fixed"}, "roster: dynamic and fixed"),
        ({"tools": ["my:tool"]}, "tools: none and "),
        ({"executor": "my:Executor"}, "executor: none and my:Executor"),
        ({"counter": "my:tokens"}, "counter: none and my:tokens"),
        ({"equal": {"kind": "calls", "amount": 16, "from": "given"}}, "budget: none and 16 calls"),
    ],
)
def test_another_game_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    for kind in ("width", "depth"):
        with pytest.raises(ConfigError, match="a and b were run under different conditions") as refused:
            check_same_game([sweep(), sweep(kind, **changes)], ["a", "b"])
        assert named in str(refused.value)
    check_same_game([sweep(**changes), sweep("depth", **changes)], ["a", "b"])


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": "trained", "policy_options": {"model": "x"}},
        {"seed": 7, "trials": 4},
        {"reward": "wideseek_r1"},
        {"widths": [4, 8]},
        {"rules": {**SETTINGS["rules"], "width": 9}},
        {"rules": {**SETTINGS["rules"], "single_turns": 50}},  # no single agent in one of the sweeps
        {"team": False, "depths": [1]},
        {"judging": {"by_rules": 0.5}},
    ],
)
def test_what_may_differ(changes: dict[str, Any]) -> None:
    check_same_game([sweep(), sweep(**changes), sweep("depth", **changes)], ["a", "b", "c"])


def test_two_single_agents_need_the_same_turns() -> None:
    rules = {**SETTINGS["rules"], "single_turns": 50}
    with pytest.raises(ConfigError, match="single_turns: 16 and 50"):
        check_same_game([sweep(single=True), sweep(single=True, rules=rules)], ["a", "b"])
    check_same_game([sweep(single=True), sweep("depth", rules=rules)], ["a", "b"])


def test_the_same_budget_from_another_source_is_the_same() -> None:
    given, mean = (
        {"kind": "calls", "amount": 9, "from": source} for source in ("given", "the mean of width 1")
    )
    check_same_game([sweep(equal=given), sweep(equal=mean)], ["a", "b"])
    with pytest.raises(ConfigError, match="budget: 9 calls and 9 critical-path"):
        check_same_game([sweep(equal=given), sweep(equal={**given, "kind": "critical-path"})], ["a", "b"])
    assert game_differences({}, {}) == []


def play(folder: Path, **settings: object) -> Path:
    width_sweep(town_setup(count=3, **settings), ToyTeam, (1, 2, 4), policy_name="toy", folder=folder)
    return folder


def page(*paths: Path) -> str:
    return report_page(read_entries(paths, run_names(paths)))


def test_a_report_marks_other_games_and_draws_them_apart(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rules = {"subagent_turns": 2, "single_turns": 3, "calls_per_turn": 1}
    one, other, third = play(tmp_path / "a"), play(tmp_path / "b", rules=rules), play(tmp_path / "c")
    text = page(one, other, third)
    assert 'id="conditions"' in text
    assert "a and b: rules.calls_per_turn: 2 and 1" in text
    assert "a and c" not in text.partition("</ul>")[0]
    assert "All width sweeps (a, c)" in text
    assert "All width sweeps (b" not in text  # one run is no comparison
    for group in ("(a, c)", "(b)"):
        assert f"Item-F1 against critical path (turns) {group}" in text
    assert (
        "b, width 2 against a, width 2: run under different conditions (rules.calls_per_turn: 2 and 1)"
        in text
    )
    same = page(one, third)
    assert 'id="conditions"' not in same
    assert "run under different conditions" not in same
    assert ">All width sweeps</figcaption>" in same


def test_a_fixed_path_has_no_speed_up(tmp_path: Path) -> None:
    game = town_setup(count=3)
    made = width_sweep(game, ToyTeam, (1, 2, 4), folder=tmp_path / "equal", equal="critical-path", amount=4)
    ruled = width_sweep(town_setup(count=3, limits={"episode_path": 5}), ToyTeam, (1, 2, 4))
    for found, turns in ((made, 4), (ruled, 5)):
        assert fixed_path(found) == turns
        for clock in ("critical_path", "seconds"):
            with pytest.raises(ConfigError, match=f"same critical path of at most {turns} turns"):
                speedup_of(found, clock=clock)  # type: ignore[arg-type]
    text = page(tmp_path / "equal")
    assert "equal has no speed-up: every width has the same critical path of at most 4 turns" in text
    assert "Amdahl" not in text
    plain = width_sweep(game, ToyTeam, (1, 2, 4))
    assert fixed_path(plain) is None
    assert speedup_of(plain).points
    calls = width_sweep(game, ToyTeam, (1, 2, 4), equal="calls", amount=4)
    assert fixed_path(calls) is None
    assert speedup_of(calls).points


def test_sweeps_of_other_tasks_are_another_game() -> None:
    games = [town_setup(count=3), town_setup(count=4)]
    wide, deep = width_sweep(games[0], ToyTeam, (1, 2)), depth_sweep(games[1], ToyTeam, (1, 2))
    with pytest.raises(ConfigError, match="limit: 3 and 4"):
        check_same_game([wide, deep], ["a", "b"])
    check_same_game([wide, depth_sweep(games[0], ToyTeam, (1, 2))], ["a", "b"])
