"""Figures beside the trajectories: they are used when they belong to them, and made again when they do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_team import ToyTeam, town_setup

from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation import EpisodeRecord, RunFolder, SummaryAccumulator, evaluate_game, read_run
from wideseek_env.evaluation import metrics as metrics_module
from wideseek_env.trajectory import load_trajectories


def play(path: Path, count: int = 3) -> list[EpisodeRecord]:
    game = town_setup(count=count)
    accumulator = SummaryAccumulator()
    with RunFolder.open(path, {}) as folder:
        evaluate_game(game, ToyTeam(), folder=folder, accumulator=accumulator)
    return accumulator.records


def no_trajectories(*arguments: object) -> None:
    raise AssertionError("a trajectory was read")


def test_figures_come_back_without_reading_trajectories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play(tmp_path)
    monkeypatch.setattr(metrics_module.Trajectory, "from_dict", no_trajectories)
    assert read_run(tmp_path).records == played


def cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "none there": lambda file: file.unlink(),
    "empty": lambda file: cut(file, 0),
    "half a line": lambda file: cut(file, -30),
    "one missing": lambda file: cut(file, file.read_bytes().rindex(b"\n", 0, -1) + 1),
    "not JSON": lambda file: file.write_bytes(b"{nonsense}\n" + file.read_bytes()),
    "a wrong place": lambda file: file.write_bytes(file.read_bytes().replace(b'"end":', b'"end":1', 1)),
    "a wrong type": lambda file: file.write_bytes(file.read_bytes().replace(b'"turns":', b'"turns":"', 1)),
    "a field too many": lambda file: file.write_bytes(file.read_bytes().replace(b'"turns":', b'"x":1,"turns":', 1)),
    "twice": lambda file: file.write_bytes(2 * file.read_bytes()),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_figures_are_made_again(tmp_path: Path, name: str) -> None:
    played = play(tmp_path)
    file = tmp_path / "episodes.jsonl"
    good = file.read_bytes()
    DAMAGE[name](file)
    assert read_run(tmp_path).records == played
    accumulator = SummaryAccumulator()
    with RunFolder.open(tmp_path, {}) as folder:
        folder.load(accumulator)
    assert accumulator.records == played
    assert file.read_bytes() == good


def test_reading_writes_nothing(tmp_path: Path) -> None:
    play(tmp_path)
    (tmp_path / "episodes.jsonl").unlink()
    before = sorted(p.name for p in tmp_path.iterdir())
    read_run(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_run_may_be_read_while_it_is_written(tmp_path: Path) -> None:
    game = town_setup(count=2)
    seen: list[int] = []
    with RunFolder.open(tmp_path, {}) as folder:
        evaluate_game(
            game, ToyTeam(), folder=folder, on_episode=lambda _: seen.append(len(read_run(tmp_path).records))
        )
    assert seen == [1, 2]


def test_edited_trajectories_count_instead_of_their_figures(tmp_path: Path) -> None:
    play(tmp_path)
    file = tmp_path / "trajectories.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[2])
    assert [r.task_id for r in read_run(tmp_path).records] == ["towns-0", "towns-2"]
    file.write_bytes(lines[0] + lines[1])
    assert [r.task_id for r in read_run(tmp_path).records] == ["towns-0", "towns-1"]


def test_an_episode_written_before_anything_was_read(tmp_path: Path) -> None:
    play(tmp_path)
    trajectories = load_trajectories(tmp_path / "trajectories.jsonl")
    with RunFolder.open(tmp_path / "copy", {}) as folder:
        for trajectory in trajectories:
            folder.write(trajectory)
    assert read_run(tmp_path / "copy").records == read_run(tmp_path).records
    assert len((tmp_path / "copy" / "episodes.jsonl").read_text().splitlines()) == 3


def test_a_file_of_trajectories_is_a_run(tmp_path: Path) -> None:
    played = play(tmp_path)
    found = read_run(tmp_path / "trajectories.jsonl")
    assert (found.records, found.settings, found.played) == (played, {}, True)


def test_episodes_of_one_task_without_trials_count_each(tmp_path: Path) -> None:
    play(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "trajectories.jsonl").read_text().splitlines()]
    for line in lines:
        del line["meta"]["trial"]
    file = tmp_path / "served.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *lines, lines[0]]))
    records = read_run(file).records
    assert len(records) == 2 * len(lines) + 1
    assert [each.trial for each in records if each.task_id == lines[0]["task"]["id"]] == [0, 1, 2]


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="contains no run"):
        read_run(tmp_path)
    play(tmp_path / "run")
    (tmp_path / "run" / "episodes.jsonl").unlink()
    with open(tmp_path / "run" / "trajectories.jsonl", "a") as file:
        file.write("{}\n")
    with pytest.raises(TrajectoryError, match=r"trajectories\.jsonl:4"):
        read_run(tmp_path / "run")


def test_figures_that_are_none_are_refused() -> None:
    good = EpisodeRecord("a", 0, *[0.0] * 8, 1, 1, {}, 0, True, "answered", 0, False, 0.1).to_dict()
    assert EpisodeRecord.from_dict(json.loads(json.dumps(good))).to_dict() == good
    for change in ({"trial": "0"}, {"labels": 3}, {"usage": 1.0}, {"task_id": None}):
        with pytest.raises(TrajectoryError, match="not the metrics"):
            EpisodeRecord.from_dict({**good, **change})
