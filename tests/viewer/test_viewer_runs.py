"""Reading runs: folders, files, runs that grow, and what cannot be read; the page made of them."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from viewer_runs import TASK, play, write_file, write_run

from wideseek_env.errors import ConfigError, TrajectoryError, WideSeekError
from wideseek_env.trajectory import Trajectory
from wideseek_env.viewer import RunReader, page, write_page
from wideseek_env.viewer.detail import episode_detail
from wideseek_env.viewer.runs import Shown, pack, to_json


def read(path: Path) -> list[Shown]:
    run = RunReader(path)
    run.refresh()
    return run.episodes


def unpack(packed: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_a_folder_and_its_file_hold_the_same_episodes(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [play(), play(trial=1)])
    packed = tmp_path / "copy.jsonl.gz"
    packed.write_bytes(gzip.compress((folder / "trajectories.jsonl").read_bytes()))
    shown = read(folder)
    assert [each.line["trial"] for each in shown] == [0, 1]
    assert read(folder / "trajectories.jsonl") == shown == read(packed)
    assert unpack(shown[0].packed) == json.loads(json.dumps(episode_detail(play())))


def test_a_line_has_the_figures(tmp_path: Path) -> None:
    (shown,) = read(write_file(tmp_path / "x.jsonl", [play()]))
    line = shown.line
    assert line["cells"] == [4, 1, 4, 3]
    assert line["f1"] == pytest.approx(2 * 4 / 18)
    assert (line["ending"], line["turns"], line["critical_path"], line["subagents"]) == ("answered", 8, 5, 2)
    assert (line["calls"], line["errors"], line["seconds"]) == (7, 1, 10.5)
    assert line["labels"]["difficulty"] == "easy"
    assert line["question"] == TASK.question


def test_a_long_question_is_cut_in_the_list(tmp_path: Path) -> None:
    task = dataclasses.replace(TASK, question="word " * 500)
    (shown,) = read(write_file(tmp_path / "x.jsonl", [play(task=task)]))
    assert len(shown.line["question"]) == 300
    assert unpack(shown.packed)["question"] == task.question


def test_in_a_folder_a_later_line_counts_in_a_file_every_line(tmp_path: Path) -> None:
    twice = [play(), play({"lead": ("nothing",)})]
    assert [each.line["turns"] for each in read(write_run(tmp_path / "run", twice))] == [1]
    assert [each.line["turns"] for each in read(write_file(tmp_path / "x.jsonl", twice))] == [8, 1]


def test_a_run_that_grows_is_read_on(tmp_path: Path) -> None:
    path = write_file(tmp_path / "x.jsonl", [play()])
    run = RunReader(path)
    assert run.refresh()
    assert not run.refresh()
    first = run.episodes[0]
    line = json.dumps(play(trial=1).to_dict())
    with open(path, "a") as file:
        file.write(line[:1000])
        file.flush()
        assert not run.refresh()  # half a line is not there yet
        file.write(line[1000:] + "\n")
    assert run.refresh()
    assert [each.line["trial"] for each in run.episodes] == [0, 1]
    assert run.episodes[0] is first  # not read again
    write_file(tmp_path / "new.jsonl", [play(trial=7)])
    os.replace(tmp_path / "new.jsonl", path)
    assert run.refresh()
    assert [each.line["trial"] for each in run.episodes] == [7]


def test_a_run_may_be_waited_for(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [])
    (folder / "trajectories.jsonl").unlink()
    run = RunReader(folder)
    assert not run.refresh()
    assert run.episodes == []
    write_file(folder / "trajectories.jsonl", [play()])
    assert run.refresh()
    assert len(run.episodes) == 1


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda p: p / "nowhere", ConfigError, "nowhere does not exist; give a folder of `wideseek eval`"),
        (lambda p: p, ConfigError, "contains no run .it has no trajectories.jsonl."),
        (lambda p: write_run(p / "width-4", []).parent, ConfigError, "it has runs inside: width-4"),
        (lambda p: _scores(p), TrajectoryError, "scores.jsonl:1: these are not the metrics"),
        (lambda p: _file(p, "{}\n"), TrajectoryError, "x.jsonl:1: .*format None cannot be read"),
        (lambda p: _file(p, "[]\n"), TrajectoryError, "x.jsonl:1: not a trajectory"),
        (lambda p: _file(p, '{"format": 1, "ta\n'), TrajectoryError, "x.jsonl:1: not a trajectory"),
        (lambda p: _file(p, "[" * 200_000 + "\n"), TrajectoryError, "x.jsonl:1: not a trajectory"),
        (lambda p: _file(p, b"\xff\xfe\n"), TrajectoryError, "x.jsonl:1: not a trajectory"),
        (lambda p: _changed(p, events=[{"act": "lead"}]), TrajectoryError, "x.jsonl:2: not a trajectory: events.0"),
        (lambda p: _changed(p, conversations=5), TrajectoryError, "x.jsonl:2: not a trajectory"),
        (lambda p: _changed(p, outcome={}), TrajectoryError, "x.jsonl:2: not a trajectory"),
        (lambda p: _changed(p, parts=3), TrajectoryError, "x.jsonl:2: not a trajectory"),
        (lambda p: _packed(p), TrajectoryError, "x.jsonl.gz cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(
    tmp_path: Path, make: Callable[[Path], Path], error: type[WideSeekError], told: str
) -> None:
    with pytest.raises(error, match=told) as raised:
        read(make(tmp_path))
    assert "\n" not in str(raised.value)


def _file(folder: Path, text: str | bytes) -> Path:
    path = folder / "x.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _changed(folder: Path, **values: Any) -> Path:
    good = play().to_dict()
    return _file(folder, f"{json.dumps(good)}\n{json.dumps({**good, **values})}\n")


def _scores(folder: Path) -> Path:
    (folder / "scores.jsonl").write_text('{"figures": {}, "score": {}}\n')
    (folder / "run.json").write_text('{"format": 1, "settings": {}}')
    return folder


def _packed(folder: Path) -> Path:
    path = folder / "x.jsonl.gz"
    path.write_bytes(gzip.compress(f"{play().to_json()}\n".encode())[:500])
    return path


@pytest.mark.parametrize(
    "text", ["</script>", "<!--", "]]>", "\u2028", "\ud800", "\x00", "&lt;", "a\\u003cb", '"']
)
def test_nothing_in_the_json_ends_a_script(text: str) -> None:
    written = to_json({text: [text, float("nan"), float("inf"), 1.5]})
    assert written.isascii()
    assert not set("<>&\n") & set(written)
    assert json.loads(written) == {text: [text, None, None, 1.5]}
    assert unpack(pack([text])) == [text]


def _page(tmp_path: Path, *runs: list[Trajectory]) -> str:
    paths = [write_run(tmp_path / f"run{at}", run) for at, run in enumerate(runs)]
    readers = [RunReader(path) for path in paths]
    for reader in readers:
        reader.refresh()
    write_page(readers, tmp_path / "page.html")
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_allows_its_own_script_and_style_and_nothing_else(tmp_path: Path) -> None:
    html = _page(tmp_path, [play()], [play()])
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    policy = policy.replace("&#x27;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(scripts) == len(styles) == 1
    for kind, text in (("script", scripts[0]), ("style", styles[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy
    assert html.index("Content-Security-Policy") < html.index("<style") < html.index("<script")
    assert html.count("<script") == html.count("</script>") == 1 + 1 + 2  # itself, the list, two episodes
    assert not re.search(r"\b(src|href|action)=\"(?!data:,)", html.split("<script")[0])


def test_texts_are_packed_until_they_are_opened(tmp_path: Path) -> None:
    html = _page(tmp_path, [play()])
    assert "Split it." not in html
    assert TASK.question in html
    (block,) = re.findall(r'<script type="text/plain" id="episode-0">([A-Za-z0-9+/=]*)</script>', html)
    assert unpack(block)["agents"][0]["turns"][0]["thinking"].startswith("Split it.")


def test_only_pages_of_its_own_are_replaced(tmp_path: Path) -> None:
    _page(tmp_path, [play()])
    run = RunReader(tmp_path / "run0")
    run.refresh()
    write_page([run], tmp_path / "page.html")
    other = tmp_path / "thesis.html"
    other.write_text("<!doctype html>\nyears of work")
    for place in (other, tmp_path / "run0"):
        with pytest.raises(ConfigError, match="give another file"):
            write_page([run], place)
    assert other.read_text().endswith("years of work")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["page.html", "run0", "thesis.html"]


def test_runs_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / name / "run", [play()]) for name in "ab"]
    readers = [RunReader(path) for path in paths]
    assert page.names(readers) == [str(path) for path in paths]
    assert page.names(readers[:1]) == ["run"]
