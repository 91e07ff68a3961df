"""`wideseek eval` and `wideseek bench width` with a language model: one engine for the whole command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from wideseek_env.cli.app import app
from wideseek_env.trajectory import load_trajectories

pytest.importorskip("torch", reason="needs torch: pip install -e 'baselines[transformers]'")
pytest.importorskip("transformers", reason="needs transformers: pip install -e 'baselines[transformers]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries

GAME = ["--profile", "terse", "--rule", "lead_turns=2", "--rule", "subagent_turns=2", "--limit", "2"]
POLICY = ["--policy", "transformers", "--policy-arg", "turn_tokens=8"]


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nano model, untrained."""
    from wideseek_baselines.nano.build import make_nano

    return make_nano(tmp_path_factory.mktemp("models") / "nano", vocab=2048, worlds=2).folder


def test_eval_plays_and_goes_on(nano: Path, tmp_path: Path) -> None:
    command = ["eval", *POLICY, "--model", str(nano), *GAME, "--out", str(tmp_path / "run")]
    for trials in ("1", "2"):
        result = CliRunner().invoke(app, [*command, "--trials", trials])
        assert result.exit_code == 0, result.output
    played = load_trajectories(tmp_path / "run" / "trajectories.jsonl")
    assert len({(t.task.id, t.meta["trial"]) for t in played}) == len(played) == 4
    assert all(t.meta["usage"]["completion_tokens"] <= 8 * t.outcome["turns"] for t in played)


def test_a_width_sweep_keeps_one_engine(nano: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wideseek_baselines.engines.transformers import TransformersEngine

    made: list[TransformersEngine] = []
    closed: list[TransformersEngine] = []
    usual_init, usual_close = TransformersEngine.__init__, TransformersEngine.close

    def init(self: TransformersEngine, *args: object, **kwargs: object) -> None:
        made.append(self)
        usual_init(self, *args, **kwargs)  # type: ignore[arg-type]

    async def close(self: TransformersEngine) -> None:
        closed.append(self)
        await usual_close(self)

    monkeypatch.setattr(TransformersEngine, "__init__", init)
    monkeypatch.setattr(TransformersEngine, "close", close)
    out = tmp_path / "width"
    command = ["bench", "width", *POLICY, "--model", str(nano), *GAME, "--widths", "1,2", "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    points = json.loads((out / "width.json").read_text())["points"]
    assert [(point["width"], point["episodes"]) for point in points] == [(1, 2), (2, 2)]
    assert len(made) == 1
    assert closed == made


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    command = ["eval", *POLICY, "--model", str(tmp_path / "nowhere"), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert [line for line in result.stderr.split("\n") if line.startswith("Error: ")]
    assert "nowhere" in result.stderr
    assert not (tmp_path / "run").exists()
