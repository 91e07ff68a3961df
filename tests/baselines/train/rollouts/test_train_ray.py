"""Training whose episodes are played by the workers of a local Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_game import toy_config, toy_game
from training_parts import saved_model

from wideseek_baselines.train.grpo import GrpoConfig, run_grpo
from wideseek_baselines.train.reporting.log import read_log

# Ray and what it brings warn of their own deprecations.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("ray")]


@pytest.fixture
def cluster() -> Iterator[None]:
    """Ray on this machine."""
    ray = pytest.importorskip("ray", reason="needs ray: pip install -e 'baselines[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # where workers find `toy_game`
        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, configure_logging=False)
        try:
            yield
        finally:
            ray.shutdown()


def test_two_workers_play_with_the_weights_of_every_step(cluster: None, tmp_path: Path) -> None:
    model = saved_model(tmp_path / "tiny")
    workers = ("engine.workers=2", "engine.worker_cpus=0.5")
    for ahead in (0, 1):
        out = tmp_path / f"run-{ahead}"
        config = toy_config(GrpoConfig, model, out, "steps=2", *workers, f"max_off_policy_steps={ahead}")
        assert run_grpo(config, game=toy_game()).steps == 2
        first, second = read_log(out / "metrics.jsonl")
        for record in (first, second):
            assert record["groups"] == 2
            assert record["failed_episodes"] == 0
        assert first["mismatch_max"] < 1e-4
        assert first["gradient_norm"] > 0
        # The second step's episodes were made by the weights after the first step, unless they were played ahead.
        assert second["stale_share"] == ahead
        assert (second["mismatch_max"] < 1e-4) is (not ahead)
        assert second["kl_reference"] > 1e-6, (
            "the weights did not change, so it says nothing that they arrived"
        )
