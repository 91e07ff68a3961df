"""`.ci/imports` finds circles of modules and of folders, and nothing in a tree without any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci" / "imports"

CLEAN = {
    "wideseek_env/__init__.py": """
        from typing import TYPE_CHECKING
        from wideseek_env.lazy import lazy_exports
        if TYPE_CHECKING:
            from wideseek_env.tasks.task import Task
        __getattr__, __dir__ = lazy_exports(__name__, {"Task": "tasks.task"})
    """,
    "wideseek_env/lazy.py": "def lazy_exports(package, homes): ...",
    "wideseek_env/errors.py": "",
    "wideseek_env/tasks/__init__.py": "from wideseek_env.tasks import task",
    "wideseek_env/tasks/task.py": "from wideseek_env.errors import WideSeekError",
    "wideseek_env/scoring/__init__.py": "",
    "wideseek_env/scoring/score.py": "from wideseek_env import Task\nimport numpy",
    "baselines/wideseek_baselines/__init__.py": "",
    "baselines/wideseek_baselines/random.py": "from ..wideseek_baselines import other\nfrom . import other",
    "baselines/wideseek_baselines/other.py": "from wideseek_env import Task",
}
"""A small tree in which every import goes one way."""


def check(root: Path, files: dict[str, str]) -> tuple[int, str]:
    """The exit code and the output for the clean tree with other or more files."""
    for name, text in {**CLEAN, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        path.write_text("\n".join(line[indent:] for line in lines))
    done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True)
    assert not done.stderr
    return done.returncode, done.stdout


def test_a_tree_without_circles_passes(tmp_path: Path) -> None:
    code, output = check(tmp_path, {})
    assert code == 0, output
    assert "no circle" in output


@pytest.mark.parametrize(
    "statement",
    [
        "from wideseek_env.tasks.jsonl import read",
        "import wideseek_env.tasks.jsonl",
        "from wideseek_env.tasks import jsonl",
        "from .jsonl import read",
        "from . import jsonl",
        "def f():\n    from wideseek_env.tasks.jsonl import read",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from wideseek_env.tasks.jsonl import read",
    ],
)
def test_a_circle_of_modules_fails(tmp_path: Path, statement: str) -> None:
    files = {
        "wideseek_env/tasks/task.py": statement,
        "wideseek_env/tasks/jsonl.py": "from wideseek_env.tasks.task import Task",
    }
    code, output = check(tmp_path, files)
    assert code == 1
    assert "circle of 2 modules: wideseek_env.tasks.jsonl, wideseek_env.tasks.task" in output
    line = len(statement.splitlines())
    assert f"wideseek_env/tasks/task.py:{line} imports" in output
    assert "wideseek_env/tasks/jsonl.py:1 imports wideseek_env.tasks.task:Task" in output


def test_a_lazy_export_is_an_import_of_its_home(tmp_path: Path) -> None:
    code, output = check(tmp_path, {"wideseek_env/errors.py": "from wideseek_env import Task"})
    assert code == 1
    assert "circle of 2 modules: wideseek_env.errors, wideseek_env.tasks.task" in output


def test_an_eager_export_is_an_import_of_the_package(tmp_path: Path) -> None:
    files = {
        "wideseek_env/tasks/__init__.py": "from wideseek_env.tasks.task import Task",
        "wideseek_env/tasks/jsonl.py": "from wideseek_env.tasks import Task",
        "wideseek_env/tasks/task.py": "from wideseek_env.tasks import jsonl",
    }
    code, output = check(tmp_path, files)
    assert code == 1
    assert (
        "circle of 3 modules: wideseek_env.tasks, wideseek_env.tasks.jsonl, wideseek_env.tasks.task" in output
    )


def test_folders_that_import_each_other_fail_without_a_circle_of_modules(tmp_path: Path) -> None:
    files = {"wideseek_env/tasks/reading.py": "from wideseek_env.scoring.score import score"}
    code, output = check(tmp_path, files)
    assert code == 1
    assert "modules:" not in output
    assert "wideseek_env.scoring → wideseek_env.tasks (1)" in output
    assert "wideseek_env/tasks/reading.py:1 imports wideseek_env.scoring.score:score" in output


def test_nested_folders_are_compared_with_those_next_to_them(tmp_path: Path) -> None:
    files = {
        "wideseek_env/corpus/__init__.py": "",
        "wideseek_env/corpus/base.py": "def late():\n    from wideseek_env.corpus.live import corpus",
        "wideseek_env/corpus/live/__init__.py": "",
        "wideseek_env/corpus/live/corpus.py": "import wideseek_env.corpus.urls",
        "wideseek_env/corpus/urls.py": "",
        "wideseek_env/corpus/dense/__init__.py": "",
        "wideseek_env/corpus/dense/index.py": "from wideseek_env.corpus.live.corpus import Corpus",
    }
    code, output = check(tmp_path, files)
    assert code == 0, output
    (tmp_path / "wideseek_env/corpus/live/engines.py").write_text("from ..dense import index")
    code, output = check(tmp_path, {})
    assert code == 1
    assert "wideseek_env.corpus.dense → wideseek_env.corpus.live (1)" in output


def test_three_folders_in_a_circle_fail(tmp_path: Path) -> None:
    files = {
        "wideseek_env/tasks/reading.py": "import wideseek_env.tools.spec",
        "wideseek_env/tools/__init__.py": "",
        "wideseek_env/tools/spec.py": "",
        "wideseek_env/tools/default.py": "import wideseek_env.scoring.score",
    }
    code, output = check(tmp_path, files)
    assert code == 1
    assert "circle of 3 folders" in output


@pytest.mark.parametrize("statement", ["import wideseek_baselines", "from wideseek_baselines.other import x"])
def test_the_environment_must_not_import_the_baselines(tmp_path: Path, statement: str) -> None:
    code, output = check(tmp_path, {"wideseek_env/errors.py": f"def f():\n    {statement}"})
    assert code == 1
    assert "the environment imports the baselines:\n  wideseek_env/errors.py:2" in output
