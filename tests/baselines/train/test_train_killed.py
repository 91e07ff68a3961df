"""What is left of a run whose processes are killed with SIGKILL: nothing, also under torchrun and Ray."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ENGINES = Path(__file__).resolve().parents[1] / "engines"
sys.path.insert(0, str(ENGINES))

from process_tree import alive, gone  # noqa: E402

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the guard needs /proc")

RANK = """
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
from process_tree import start_tree
from wideseek_baselines.engines.process_guard import ProcessGuard
from wideseek_baselines.train.distributed import processes

if __name__ == "__main__":
    with processes("cpu"):
        guard = ProcessGuard()
        with guard.marking():
            tree = start_tree()
        line = json.dumps({"parent": os.getppid(), "pids": [os.getpid(), guard.pid, *tree]})
        os.write(1, line.encode() + b"\\n")  # at once, so that the lines of two processes do not mix
        time.sleep(600)
"""


@pytest.mark.parametrize("killed", ["torchrun", pytest.param("one process", marks=pytest.mark.long)])
def test_nothing_outlives_torchrun_or_one_of_its_processes(tmp_path: Path, killed: str) -> None:
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with subprocess.Popen(
        [*command, str(script), str(ENGINES)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as launcher:
        assert launcher.stdout is not None
        told = [json.loads(launcher.stdout.readline()) for _ in range(2)]
        pids = [pid for each in told for pid in each["pids"]]
        assert all(map(alive, pids))
        assert {each["parent"] for each in told} == {launcher.pid}
        os.kill(launcher.pid if killed == "torchrun" else told[1]["pids"][0], signal.SIGKILL)
        ended = gone(pids, 60.0)
        launcher.kill()
    assert ended


DRIVER = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import ray

@ray.remote(num_cpus=0)
class Worker:
    def start(self):
        import os
        from process_tree import start_tree
        from wideseek_baselines.engines.process_guard import ProcessGuard
        self.guard = ProcessGuard()
        with self.guard.marking():
            tree = start_tree()
        return os.getpid(), [self.guard.pid, *tree]

if __name__ == "__main__":
    ray.init(
        num_cpus=1, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": sys.argv[2]}}
    )
    first, second = Worker.remote(), Worker.remote()
    told = ray.get([first.start.remote(), second.start.remote()])
    print(json.dumps(told), flush=True)
    sys.stdin.readline()
    ray.kill(first)
    time.sleep(600)
"""


@pytest.mark.long
@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install -e 'baselines[ray]'")
def test_nothing_outlives_ray_workers_or_their_driver(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    paths = os.pathsep.join([str(ENGINES), os.environ.get("PYTHONPATH", "")])
    errors = tmp_path / "errors"
    with (
        errors.open("w") as file,
        subprocess.Popen(
            [sys.executable, str(script), str(ENGINES), paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        ) as driver,
    ):
        assert driver.stdin is not None
        assert driver.stdout is not None
        line = driver.stdout.readline()
        assert line, errors.read_text()[-3000:]
        (_, first), (worker, second) = json.loads(line)
        assert all(map(alive, [*first, *second]))
        driver.stdin.write("\n")
        driver.stdin.flush()
        killed = gone(first, 60.0)
        assert all(map(alive, second))
        driver.kill()
        ended = gone([worker, *second], 120.0)
    assert killed
    assert ended
