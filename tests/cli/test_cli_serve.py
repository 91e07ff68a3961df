"""`wideseek serve` answers what `--corpus remote:` asks, and stops when told to."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from wideseek_env.cli.app import app
from wideseek_env.corpus import RemoteCorpus, SourcePage, StoredCorpus

pytest.importorskip("uvicorn", reason='needs the extra: pip install -e ".[serve]"')

PAGES = [SourcePage("https://a.example/tower", "Tower Museum", "<p>The Tower Museum opened in 1874.</p>")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    StoredCorpus.build(tmp_path / "corpus", PAGES, name="small").close()
    return tmp_path / "corpus"


def test_a_served_corpus_is_searched_from_another_process(folder: Path) -> None:
    command = [sys.executable, "-m", "wideseek_env.cli", "serve", str(folder), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert server.stdout is not None
        found = re.search(r"http://\S+?(?=;)", server.stdout.readline())
        assert found
        corpus = RemoteCorpus(found.group())
        ((hit,),) = corpus.search(["tower museum"], 3)
        assert hit.url == PAGES[0].url
        done = CliRunner().invoke(app, ["corpus", "search", f"remote:{found.group()}", "tower"])
        assert "Tower Museum" in done.output
        corpus.close()
        server.send_signal(signal.SIGINT)
        assert server.wait(60) in (0, 130)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_a_key_can_be_required(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIDESEEK_SERVE_KEY", raising=False)
    done = CliRunner().invoke(app, ["serve", str(folder), "--require-key"])
    assert done.exit_code == 2
    assert "WIDESEEK_SERVE_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_of_fused_corpora_are_checked() -> None:
    done = CliRunner().invoke(app, ["corpus", "search", "hybrid:only-one", "x"])
    assert done.exit_code == 2
    assert "hybrid:NAME+FOLDER" in done.stderr


def test_only_corpora_on_disk_are_embedded(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    done = CliRunner().invoke(
        app,
        ["corpus", "embed", "synthetic", "--model", str(tmp_path / "model"), "--out", str(tmp_path / "out")],
    )
    assert done.exit_code == 2
    assert "not a corpus on disk" in done.stderr
