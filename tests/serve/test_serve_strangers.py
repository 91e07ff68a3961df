"""Who may use a service on this machine: programs, but no web page in a browser; and how much they may send."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.serve.gate import Gate
from wideseek_env.serve.metrics import Metrics
from wideseek_env.serve.parent import end_with_parent
from wideseek_env.serve.settings import ServeSettings, is_loopback
from wideseek_env.temporary import temporary_folder

JSON = "application/json"
LOCAL = ServeSettings().for_address("127.0.0.1")


def ask(
    settings: ServeSettings, headers: dict[str, str], body: bytes = b"{}", method: str = "POST"
) -> tuple[int, bool]:
    """Status of the answer, and whether the application saw the request."""
    seen: list[Any] = []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/v1/episodes", "headers": raw}
    asyncio.run(Gate(app, settings, Metrics(), None)(scope, receive, send))
    return sent[0]["status"], bool(seen)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost:3000",
        "http://127.0.0.1:8000",
        "null",
        "file://",
        "x" * 300,
        "é",
    ],
)
def test_web_pages_are_refused(origin: str) -> None:
    for settings in (LOCAL, ServeSettings()):
        assert ask(settings, {"origin": origin, "content-type": JSON, "host": "localhost"}) == (403, False)


def test_listed_web_pages_are_served() -> None:
    settings = ServeSettings(origins=("https://app.example",)).for_address("localhost")
    for origin, status in (
        ("https://app.example", 200),
        ("https://app.example.evil.example", 403),
        ("http://app.example", 403),
    ):
        assert ask(settings, {"origin": origin, "content-type": JSON, "host": "localhost"})[0] == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(
            (host, 200)
            for host in ("localhost", "LOCALHOST:8000", "localhost.:80", "127.0.0.1:8000", "127.9.9.9")
        ),
        *((host, 200) for host in ("[::1]:8000", "[::1]", "")),
        *(
            (host, 421)
            for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io")
        ),
        *(
            (host, 421)
            for host in ("10.0.0.1", "[2001:db8::1]:80", "0.0.0.0", "169.254.169.254", "x" * 5_000)
        ),
    ],
)
def test_names_of_other_hosts_are_refused_on_a_loopback_address(host: str, status: int) -> None:
    headers = {"content-type": JSON, **({"host": host} if host else {})}
    assert ask(LOCAL, headers) == (status, status == 200)
    assert ask(ServeSettings().for_address("0.0.0.0"), headers) == (200, True)


def test_a_service_for_others_can_name_its_hosts() -> None:
    settings = ServeSettings(hosts=("search.example",)).for_address("0.0.0.0")
    assert ask(settings, {"host": "search.example:8000", "content-type": JSON})[0] == 200
    assert ask(settings, {"host": "other.example", "content-type": JSON})[0] == 421


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *((kind, 200) for kind in (JSON, "Application/JSON; charset=utf-8", "application/vnd.api+json")),
        *(
            (kind, 415)
            for kind in ("text/plain", "text/plain; application/json", "multipart/form-data; boundary=x")
        ),
        *(
            (kind, 415)
            for kind in ("application/x-www-form-urlencoded", "", "application/jsonp", "application/xml")
        ),
    ],
)
def test_bodies_that_are_not_declared_json_are_refused(kind: str, status: int) -> None:
    headers = {"content-type": kind} if kind else {}
    assert ask(LOCAL, headers) == (status, status == 200)
    assert ask(LOCAL, headers, b"", "GET") == (200, True)


def test_loopback_names() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.255.0.9", "::1", "[::1]", "Localhost.")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "local", "", "10.0.0.1", "1270.0.1")))


# --- sizes ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address() -> Any:
    """A server with a small application, in a process of its own."""
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        context = multiprocessing.get_context("spawn")
        server = context.Process(target=serve, args=(listening,))
        server.start()
        try:
            yield listening.getsockname()
        finally:
            server.terminate()
            server.join(30)


def serve(listening: socket.socket) -> None:
    import uvicorn

    from wideseek_env.serve.http import http_options

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        body = json.dumps([len(scope["headers"]), size]).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error", **http_options())).run(
        sockets=[listening]
    )


def talk(address: Any, *parts: bytes) -> bytes:
    """Send the parts until the server closes the connection; what it answered."""
    with socket.create_connection(address, timeout=30) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while block := connection.recv(1 << 16):
                answer += block
        except (ConnectionResetError, BrokenPipeError):
            return b"closed"
    return answer


START = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
CHUNKED = START + b"transfer-encoding: chunked\r\n\r\n"
TOO_LONG = {
    "one long header": [START + b"a: ", *[b"x" * 100_000] * 30],
    "many headers": [START, *[b"abcdefg: %d\r\n" % n * 10_000 for n in range(30)]],
    "a long address": [b"GET /", *[b"x" * 100_000] * 30],
    "long trailers": [CHUNKED + b"1\r\nx\r\n0\r\n", *[b"abcdefg: 1\r\n" * 10_000] * 30],
    "one long trailer": [CHUNKED + b"1\r\nx\r\n0\r\na: ", *[b"x" * 100_000] * 30],
    "a long extension of a chunk": [CHUNKED + b"1;a=", *[b"x" * 100_000] * 30],
}


@pytest.mark.parametrize("kind", TOO_LONG)
def test_what_is_no_body_has_a_limit(address: Any, kind: str) -> None:
    answer = talk(address, *TOO_LONG[kind])
    assert answer == b"closed" or answer.startswith(b"HTTP/1.1 4")


def test_ordinary_requests_are_served(address: Any) -> None:
    body = b"x" * 300_000
    sized = START + b"content-length: 300000\r\n\r\n"
    assert talk(address, sized, body).endswith(b"[3, 300000]")
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(body[n : n + 10]), body[n : n + 10]) for n in range(0, 300_000, 10)
    )
    assert talk(address, CHUNKED, chunks, b"0\r\n\r\n").endswith(b"[3, 300000]")
    kept = (
        b"POST / HTTP/1.1\r\nhost: x\r\na: "
        + b"x" * 2_000
        + b"\r\ncontent-length: 1000\r\n\r\n"
        + body[:1_000]
    )
    with socket.create_connection(address, timeout=30) as connection:
        for _ in range(60):  # all their headers together are longer than the limit
            connection.sendall(kept)
            answer = b""
            while not answer.endswith(b"[3, 1000]"):
                answer += connection.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200")
    assert talk(address, START + b"a: " + b"x" * 30_000 + b"\r\ncontent-length: 1\r\n\r\nx").endswith(
        b"[4, 1]"
    )


# --- what a killed server leaves -----------------------------------------------------------------------------------


def work(ready: Any) -> None:
    end_with_parent(5.0)
    ready.send(os.getpid())
    time.sleep(60)


def parent(ready: Any) -> None:
    multiprocessing.get_context("spawn").Process(target=work, args=(ready,)).start()
    time.sleep(60)


def test_a_worker_ends_when_its_parent_is_killed() -> None:
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    owner = context.Process(target=parent, args=(writer,))
    owner.start()
    writer.close()
    worker = reader.recv()
    assert owner.pid is not None
    os.kill(owner.pid, signal.SIGKILL)
    owner.join()
    with pytest.raises(EOFError):  # the last holder of the other end of the pipe has ended
        reader.recv()
    assert worker != owner.pid


def test_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    def hold(prefix: str) -> str:
        return (
            "import sys; from pathlib import Path; from wideseek_env.temporary import temporary_folder\n"
            f"with temporary_folder({prefix!r}, Path(sys.argv[1])) as folder: print(folder, flush=True); input()"
        )

    import subprocess
    import sys

    def start(prefix: str) -> tuple[Any, Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", hold(prefix), str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    (killed, left), (running, used) = start("mine-"), start("mine-")
    killed.kill()
    killed.communicate()
    (left / "file").write_text("large")
    fresh = tmp_path / "mine-just-made"
    fresh.mkdir()
    old = tmp_path / "mine-old"
    old.mkdir()
    os.utime(old, (0, 0))
    other = tmp_path / "another-old"
    other.mkdir()
    os.utime(other, (0, 0))
    with temporary_folder("mine-", tmp_path) as first, temporary_folder("mine-", tmp_path) as second:
        assert {path.name for path in tmp_path.iterdir()} == {
            used.name, fresh.name, other.name, first.name, second.name
        }  # fmt: skip
    running.communicate("\n")
    assert {path.name for path in tmp_path.iterdir()} == {fresh.name, other.name}
