"""A folder with results refuses every changed input by name, and takes what only sets speed."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from toy_team import town_task, write_pages

from wideseek_env.cli.app import app
from wideseek_env.errors import ChangedRunError, ProvenanceWarning
from wideseek_env.evaluation import width_sweep
from wideseek_env.evaluation.folder import check_run, read_settings, run_settings
from wideseek_env.game import GameConfig
from wideseek_env.provenance.comparing import check_same, differences
from wideseek_env.tasks.jsonl import save_tasks

PART = """
from dataclasses import dataclass
import {helper}

@dataclass(frozen=True)
class Half:
    share: float = 0.5
    name: str = "half"
    def __call__(self, episode, score):
        return {{"half": self.share * {helper}.of(score)}}

class Always:
    name = "always"
    def __init__(self, right: bool = True):
        self.right = right
    def judge(self, column, criterion, pairs):
        return [self.right for _ in pairs]

def look(query: str) -> str:
    '''Look something up.

    Args:
        query: What to look up.
    '''
    return query

class Fair:
    name = "fair"
    def __call__(self, episode, score, reward):
        return {{}}
"""
HELPER = "def of(score):\n    return score.f1_by_item\n"
POLICY = """
from toy_team import ToyTeam
class Mine(ToyTeam):
    speed_options = ("parallel", "engine.memory")
    def __init__(self, model: str = "", parallel: int = 1, engine: object = None, temperature: float = 1.0,
                 api_key: str = "") -> None:
        super().__init__()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a part in two files, a policy, tasks, a corpus and a model. Modules of it are importable."""
    part, helper, policy = "prov_part", "prov_helper", "prov_policy"
    (tmp_path / f"{part}.py").write_text(PART.format(helper=helper))
    (tmp_path / f"{helper}.py").write_text(HELPER)
    (tmp_path / f"{policy}.py").write_text(POLICY)
    (tmp_path / "unrelated.py").write_text("x = 1\n")
    save_tasks([town_task(number) for number in range(3)], tmp_path / "tasks.jsonl")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"w" * 1000)
    (tmp_path / "model" / "tokenizer.json").write_text("{}")
    (tmp_path / "verdicts.jsonl").write_text('{"format": "wideseek judge recording 1", "judge": "j"}\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in (part, helper, policy):
        sys.modules.pop(name, None)


def settings_of(place: Path, options: dict[str, Any] | None = None, **game: Any) -> dict[str, Any]:
    """The settings of a run on the three tasks, with an executor and so without a corpus."""
    given = {"tasks": "tasks.jsonl", "executor": "toy_team:TownTools", "reward": "prov_part:Half", **game}
    policy = {"model": "model", "parallel": 1, "engine": {"memory": 1}, **(options or {})}
    settings = run_settings(GameConfig(**given).open(), "prov_policy:Mine", policy_options=policy)
    return dict(json.loads(json.dumps(settings)))


def append(name: str, text: str = "\n# changed\n") -> Callable[[Path], None]:
    def change(place: Path) -> None:
        with open(place / name, "a") as file:
            file.write(text)

    return change


def other_tasks(place: Path) -> None:
    save_tasks([town_task(number, 7) for number in range(3)], place / "tasks.jsonl")


CHANGES: Sequence[tuple[str, Callable[[Path], None] | None, dict[str, Any], dict[str, Any], str]] = [
    ("the code of the reward", append("prov_part.py"), {}, {}, "code.reward prov_part.py: "),
    ("code that it imports", append("prov_helper.py"), {}, {}, "code.reward prov_helper.py: "),
    ("the code of the policy", append("prov_policy.py"), {}, {}, "code.policy prov_policy.py: "),
    ("the weights", append("model/model.safetensors"), {}, {}, "files.policy.model model.safetensors: "),
    ("the tokenizer", append("model/tokenizer.json"), {}, {}, "files.policy.model tokenizer.json: "),
    ("a template", append("model/chat.jinja"), {}, {}, "files.policy.model chat.jinja: None → "),
    ("tasks in the file", other_tasks, {}, {}, "tasks_digest: "),
    ("an argument of the reward", None, {}, {"reward": "prov_part:Half,share=0.25"},
     "game.reward: prov_part:Half → prov_part:Half,share=0.25"),
    ("the judge", None, {}, {"judge": "prov_part:Always"}, "judge: None → always"),
    ("the credit", None, {}, {"credit": "prov_part:Fair"}, "credit: None → fair"),
    ("the conditions", None, {}, {"where": ("columns>=2",)}, "game.where: None → ['columns>=2']"),
    ("the split", None, {}, {"split": "test"}, "game.split: train → test"),
    ("a limit of the rules", None, {}, {"limits": {"lead_turns": 5}}, "rules.lead_turns: 10 → 5"),
    ("the width", None, {}, {"width": 3}, "rules.width: 10 → 3"),
    ("the profile", None, {}, {"profile": "terse"}, "profile: default → terse"),
    ("the language", None, {}, {"language": "zh"}, "language: None → zh"),
    ("the roster", None, {}, {"roster": "fixed"}, "roster: dynamic → fixed"),
    ("an option of the policy", None, {"temperature": 0.5}, {}, "policy_options.temperature: None → 0.5"),
    ("a nested option", None, {"engine": {"memory": 1, "dtype": "half"}}, {},
     "policy_options.engine.dtype: None → half"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "options", "game", "told"),
    [each[1:] for each in CHANGES],
    ids=[each[0] for each in CHANGES],
)
def test_a_changed_input_is_refused_by_name(
    place: Path,
    change: Callable[[Path], None] | None,
    options: dict[str, Any],
    game: dict[str, Any],
    told: str,
) -> None:
    before = settings_of(place)
    check_same(place, before, settings_of(place))
    if change is not None:
        change(place)
    with pytest.raises(ChangedRunError, match="contains a run with other settings") as refused:
        check_same(place, before, settings_of(place, options, **game))
    assert told in str(refused.value)
    assert refused.value.differences
    assert "set them back to resume it, give another folder, or overwrite=True" in str(refused.value)


@pytest.mark.parametrize(
    ("spec", "other", "told"),
    [
        ("prov_part:Always", "prov_part:Always,right=false", "game.judge: prov_part:Always → "),
        ("recorded:verdicts.jsonl", "recorded:verdicts.jsonl", "files.judge verdicts.jsonl: "),
    ],
)
def test_a_judge_with_other_arguments_or_another_recording(
    place: Path, spec: str, other: str, told: str
) -> None:
    before = settings_of(place, judge=spec)
    line = {"column": "c", "criterion": "", "predicted": "a", "gold": "b", "right": True}
    append("verdicts.jsonl", json.dumps(line) + "\n")(place)
    with pytest.raises(ChangedRunError) as refused:
        check_same(place, before, settings_of(place, judge=other))
    assert told in str(refused.value)


def test_what_only_sets_speed_may_differ_and_so_may_unrelated_code(place: Path) -> None:
    before = settings_of(place, {"api_key": "a-first-secret"})
    append("unrelated.py")(place)
    now = settings_of(place, {"api_key": "another-secret", "parallel": 64, "engine": {"memory": 9}})
    check_same(place, before, now)
    assert now["policy_options"]["parallel"] == 64
    assert "secret" not in json.dumps([before, now])


def test_moved_files_are_the_same(place: Path) -> None:
    before = settings_of(place)
    (place / "model").rename(place / "model-2")
    now = settings_of(place, {"model": "model-2"})
    assert [name for name, _, _ in differences(before, now)] == ["policy_options.model"]


def test_an_earlier_record_resumes_with_one_warning(place: Path) -> None:
    now = settings_of(place)
    before = {name: value for name, value in now.items() if name not in ("inputs", "speed_options")}
    with pytest.warns(ProvenanceWarning) as told:
        check_same(place, before, now)
    assert len(told) == 1
    for name in ("prompts", "code.reward", "code.policy", "files.policy.model", "where", "split"):
        assert name in str(told[0].message)
    with pytest.raises(ChangedRunError, match="seed: 0 → 1"):
        check_same(place, before, {**now, "seed": 1})


def test_weights_are_hashed_once_and_verify_hashes_again(place: Path) -> None:
    weights = place / "model" / "model.safetensors"
    weights.write_bytes(b"a" * (1 << 20))
    os.utime(weights, ns=(10**18, 10**18))
    before = settings_of(place)
    weights.write_bytes(b"b" * (1 << 20))
    os.utime(weights, ns=(10**18, 10**18))  # the same size and time: only reading it shows the change
    check_same(place, before, settings_of(place))
    game = GameConfig(tasks="tasks.jsonl", executor="toy_team:TownTools", reward="prov_part:Half").open()
    options = {"model": "model", "parallel": 1, "engine": {"memory": 1}}
    verified = run_settings(game, "prov_policy:Mine", policy_options=options, verify=True)
    with pytest.raises(ChangedRunError, match=r"files.policy.model model.safetensors"):
        check_same(place, before, verified)
    os.utime(weights, ns=(10**18, 2 * 10**18))
    with pytest.raises(ChangedRunError, match=r"files.policy.model model.safetensors"):
        check_same(place, before, settings_of(place))


# --- commands --------------------------------------------------------------------------------------------------------


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def common(place: Path) -> list[object]:
    return ["--tasks", "tasks.jsonl", "--policy", "prov_policy:Mine", "--reward", "prov_part:Half"]


def test_a_complete_folder_plays_nothing_and_keeps_its_command(place: Path) -> None:
    write_pages(place / "pages")
    assert call("corpus", "build", "pages", "--out", "corpus").exit_code == 0
    played = [*common(place), "--corpus", "corpus", "--out", "run"]
    assert "Complete" not in call("eval", *played, "--policy-arg", "api_key=sk-a-long-secret").stderr
    record = (place / "run" / "run.json").read_bytes()
    about = json.loads(record)
    assert "sk-a-long-secret" not in record.decode()
    assert about["command"].startswith("wideseek eval --tasks tasks.jsonl")
    assert {"wideseek-env", "python", "numpy"} <= about["versions"].keys()
    assert {"code.reward", "code.policy", "files.corpus", "prompts"} <= about["settings"]["inputs"].keys()
    again = call("eval", *played, "--policy-arg", "parallel=7")
    assert "Complete, nothing played" in again.stderr
    assert (place / "run" / "run.json").read_bytes() == record
    # more trials play, and then the record has the new command, and the earlier one
    assert "Complete" not in call("eval", *played, "--trials", 2).stderr
    grown = json.loads((place / "run" / "run.json").read_text())
    assert "--trials 2" in grown["command"]
    assert grown["earlier"][0]["command"] == about["command"]
    # the pages of the corpus
    (place / "pages" / "alder.md").write_text("# Alder\n\nAnother text.\n")
    call("corpus", "build", "pages", "--out", "corpus", "--overwrite")
    refused = call("eval", *played, "--trials", 2)
    assert refused.exit_code != 0
    assert "files.corpus" in refused.stderr


def test_a_sweep_refuses_before_it_writes_and_keeps_its_command(place: Path) -> None:
    def sweep(share: str = "") -> Any:
        config = GameConfig(
            tasks="tasks.jsonl",
            executor="toy_team:TownTools",
            reward=f"prov_part:Half{share}",
            rules="width-benchmark",
        )
        from toy_team import ToyTeam

        return width_sweep(
            config.open(), ToyTeam, (1, 2), policy_name="toy", folder=place / "w", command=f"first{share}"
        )

    assert sweep().played == 6
    files = {path: path.read_bytes() for path in (place / "w").rglob("*.json")}
    again = sweep()
    assert (again.played, again.command) == (0, "first")
    assert {path: path.read_bytes() for path in files if path.name != "progress.json"} == {
        path: data for path, data in files.items() if path.name != "progress.json"
    }
    with pytest.raises(ChangedRunError, match=r"share=0.25"):
        sweep(",share=0.25")
    assert (place / "w" / "width.json").read_bytes() == files[place / "w" / "width.json"]
    append("prov_helper.py")(place)
    with pytest.raises(ChangedRunError, match=r"code.reward prov_helper.py"):
        sweep()
    # folders of an earlier version: one warning for the whole sweep
    for path in (place / "w").glob("*/run.json"):
        about = json.loads(path.read_text())
        del about["settings"]["inputs"]
        path.write_text(json.dumps(about))
    with pytest.warns(ProvenanceWarning) as told:
        sweep()
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ProvenanceWarning)
        check_run(place / "w" / "width-1", read_settings(place / "w" / "width-1"))
