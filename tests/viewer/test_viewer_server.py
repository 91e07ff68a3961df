"""`wideseek view`: the file it writes, its errors, and the page it serves to this machine."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from viewer_runs import play, write_file, write_run

from wideseek_env.cli.app import app
from wideseek_env.errors import ConfigError
from wideseek_env.viewer import RunReader, ViewServer


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", [play()])


@pytest.fixture
def server(run: Path) -> Iterator[ViewServer]:
    server = ViewServer([RunReader(run)])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.close()


def get(server: ViewServer, path: str, host: str = "") -> tuple[HTTPResponse, str]:
    connection = HTTPConnection("127.0.0.1", server.port)
    try:
        connection.request("GET", path, headers={"Host": host} if host else {})
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


def test_the_page_is_served_and_follows_the_run(server: ViewServer, run: Path) -> None:
    response, html = get(server, "/")
    assert response.status == 200
    policy = response.headers["Content-Security-Policy"]
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert policy.split(";")[1] in html.replace("&#x27;", "'")
    state = json.loads(get(server, "/state")[1])
    assert state["problem"] == ""
    assert f'"live":"{state["state"]}"' in html
    assert json.loads(get(server, "/state")[1]) == state
    with open(run / "trajectories.jsonl", "a") as file:
        file.write(json.dumps(play(trial=1).to_dict()) + "\n")
    assert json.loads(get(server, "/state")[1])["state"] != state["state"]
    assert get(server, "/")[1].count('id="episode-') == 2


def test_a_line_that_breaks_leaves_what_was_read(server: ViewServer, run: Path) -> None:
    with open(run / "trajectories.jsonl", "a") as file:
        file.write("{broken\n")
    for _ in range(2):
        assert "trajectories.jsonl:2: not a trajectory" in json.loads(get(server, "/state")[1])["problem"]
    assert get(server, "/")[1].count('id="episode-') == 1


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1:1"])
@pytest.mark.parametrize("path", ["/", "/state"])
def test_other_names_are_refused(server: ViewServer, host: str, path: str) -> None:
    response, text = get(server, path, host)
    assert response.status == 403
    assert "episode" not in text


@pytest.mark.parametrize("path", ["/../run/run.json", "/run.json", "/trajectories.jsonl", "/index.html"])
def test_there_is_nothing_else(server: ViewServer, path: str) -> None:
    assert get(server, path)[0].status == 404


def test_it_listens_on_this_machine_only(server: ViewServer) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}/"
    assert get(server, "/", f"localhost:{server.port}")[0].status == 200


def test_a_port_that_is_taken(server: ViewServer, run: Path) -> None:
    with pytest.raises(ConfigError, match=f"port {server.port} cannot be used"):
        ViewServer([RunReader(run)], server.port)


def view(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["view", *map(str, arguments)])


def test_the_command_writes_a_file(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = view(run)
    assert done.exit_code == 0, done.output
    assert re.fullmatch(r"run\.html: 1 episode, \d\.\d MB\n", done.output)
    other = write_file(tmp_path / "other.jsonl", [play(), play()])
    assert view(run, other).output.startswith("run-other.html: 3 episodes")
    assert view(run, other, "--out", "new/both.html").exit_code == 0
    assert (tmp_path / "new" / "both.html").read_bytes() == (tmp_path / "run-other.html").read_bytes()


def test_the_command_opens_the_browser(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert view(run, "--out", tmp_path / "a b.html", "--open").exit_code == 0
    assert opened == [(tmp_path / "a b.html").as_uri()]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nowhere"], 2, "nowhere does not exist"),
        (["run", "--serve", "--out", "x.html"], 2, "--serve writes no file"),
        (["empty"], 2, "empty has no finished episode yet; use --serve to wait for the first"),
        (["broken.jsonl"], 1, "broken.jsonl:1: not a trajectory"),
        (["run", "--serve", "broken.jsonl"], 1, "broken.jsonl:1: not a trajectory"),
        (["run", "--out", "thesis.html"], 2, "was not made by `wideseek view`"),
        (["run", "--out", "thesis.html/page.html"], 1, "thesis.html: File exists"),
        ([], 2, "Missing argument"),
    ],
)
def test_mistakes_give_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "empty", [])
    (tmp_path / "broken.jsonl").write_text("{\n")
    (tmp_path / "thesis.html").write_text("years of work")
    done = view(*arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.output
    assert len([line for line in done.stderr.split("\n") if line.startswith("Error: ")]) == 1


def test_serving_ends_with_ctrl_c(run: Path) -> None:
    command = [sys.executable, "-m", "wideseek_env.cli", "view", str(run), "--serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        assert found
        connection = HTTPConnection("127.0.0.1", int(found[1]))
        connection.request("GET", "/state")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
