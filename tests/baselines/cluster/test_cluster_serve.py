"""Two replicas on this machine behind Ray's proxy; one is killed under load and no request fails."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from serve_pages import pages

from wideseek_env.corpus.remote import RemoteCorpus
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.errors import ConfigError, MissingDependencyError

pytest.importorskip("fastapi", reason="needs the extra serve")
# Ray and what it brings warn of their own deprecations.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("ray")]


def test_what_is_missing_is_named() -> None:
    from wideseek_baselines.cluster.serve import retrieval

    try:
        import ray.serve  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependencyError, match=r"baselines\[ray\]"):
            retrieval("corpus/")
    else:
        with pytest.raises(ConfigError, match="replicas must be at least 1"):
            retrieval("corpus/", replicas=0)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of two replicas over a stored corpus."""
    ray = pytest.importorskip("ray", reason="needs ray[serve]")
    serve = pytest.importorskip("ray.serve", reason="needs ray[serve]")
    from wideseek_baselines.cluster.serve import retrieval

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # The proxy may start slowly next to other tests. Ray would give it up after five seconds.
    monkeypatch.setenv("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "90")
    monkeypatch.setenv("RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S", "90")
    StoredCorpus.build(tmp_path / "museums", pages(), name="museums").close()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(
            retrieval(str(tmp_path / "museums"), replicas=2, cpus=0.5), name="museums", route_prefix="/"
        )
        yield f"http://127.0.0.1:{port}"
    finally:
        serve.shutdown()
        ray.shutdown()


def replicas(url: str, wanted: int) -> set[int]:
    """The processes that answer."""
    found: set[int] = set()
    end = time.monotonic() + 40
    while len(found) < wanted and time.monotonic() < end:
        try:
            answer = requests.get(f"{url}/health", timeout=10)
        except requests.RequestException:
            continue
        if answer.status_code == 200:
            found.add(answer.json()["worker"])
    return found


def test_one_of_two_replicas_is_killed_under_load(service: str) -> None:
    first = replicas(service, 2)
    assert len(first) == 2
    failed: list[Exception] = []
    done = [0] * 4
    killed = threading.Event()

    def client(number: int) -> None:
        corpus = RemoteCorpus(service, retries=10, backoff=0.05)
        after = 0
        while after < 30 and not failed:
            try:
                (hits,) = corpus.search(["Museum 3"], 3)
                assert hits[0].title == "Museum 3"
            except Exception as error:
                failed.append(error)
            done[number] += 1
            after += killed.is_set()
        corpus.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while sum(done) < 20 and not failed:
        time.sleep(0.01)
    victim = min(first)
    os.kill(victim, signal.SIGKILL)
    killed.set()
    for thread in threads:
        thread.join(60)
    assert not failed, failed
    assert sum(done) >= 140
    # The dead one is replaced.
    again = replicas(service, 2)
    assert len(again) == 2
    assert victim not in again
