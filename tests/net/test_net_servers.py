"""Servers that are slow, endless, broken or hostile: each costs one clear error and no more than the limits."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback_web import Seen, Web, reply

from wideseek_env.errors import ConfigError
from wideseek_env.net import Fetcher, FetchError, Limits, Pace, Request, Retries, Secret
from wideseek_env.net.errors import Kind
from wideseek_env.net.limits import retry_after

Make = Callable[..., Fetcher]
ONCE = Retries(attempts=1)
SHORT = Limits(connect=0.2, read=0.2, total=0.4)


def kind_of_failure(fetcher: Fetcher, request: Request) -> tuple[Kind, int]:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(request)
    return caught.value.kind, caught.value.status


def test_a_plain_page_arrives_with_a_plain_request(web: Web, fetcher_for: Make) -> None:
    web.sites["/a%20b?q=%C3%A4"] = reply("<p>hello", "text/html; charset=utf-8", Set_Cookie="id=1")
    fetcher = fetcher_for(web)
    for _ in range(2):
        response = fetcher.fetch(Request(web.url("/a b?q=ä#part")))
    assert (response.status, response.body) == (200, b"<p>hello")
    assert response.url == web.url("/a%20b?q=%C3%A4")
    headers = web.seen[1].headers
    assert headers["host"] == f"site.example:{web.port}"
    assert headers["connection"] == "close"
    assert headers["accept-encoding"] == "gzip, deflate"
    assert not {"cookie", "authorization", "referer"} & set(headers)


def endless(head: bytes, piece: bytes, sent: list[int]) -> Callable[[socket.socket, Seen], None]:
    def answer(connection: socket.socket, seen: Seen) -> None:
        connection.sendall(head)
        for _ in range(1_000_000_000 // len(piece)):
            connection.sendall(piece)
            sent[0] += len(piece)

    return answer


CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (HEAD + b"\r\n", b"x" * 65536),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
        (HEAD + b"Content-Length: 1000000000\r\n\r\n", b"x" * 65536),
        (HEAD + b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK),
    ],
    ids=["until closed", "chunked", "announced", "both"],
)
def test_a_gigabyte_is_never_read(web: Web, fetcher_for: Make, head: bytes, piece: bytes) -> None:
    sent = [0]
    web.sites["/"] = endless(head, piece, sent)
    fetcher = fetcher_for(web, limits=Limits(body=1_000_000))
    assert kind_of_failure(fetcher, Request(web.url())) == ("too_large", 413)
    web.close()
    assert sent[0] < 50_000_000  # what fits into the buffers on the way
    assert len(web.seen) == 1  # and it is not tried again


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\n", b"X-Y: " + b"x" * 1000 + b"\r\n"),
        (
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 9000) for n in range(9)) + b"\r\n",
            b"x",
        ),
        (b"HTTP/1.1 ", b"200 " * 9999),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;", b"x" * 65536),
    ],
    ids=["one header", "many headers", "large headers", "status line", "chunk size", "chunk extension"],
)
def test_endless_heads_end(web: Web, fetcher_for: Make, head: bytes, piece: bytes) -> None:
    sent = [0]
    web.sites["/"] = endless(head, piece, sent)
    kind, _ = kind_of_failure(fetcher_for(web, retries=ONCE), Request(web.url()))
    assert kind in ("protocol", "too_large", "truncated")
    web.close()
    assert sent[0] < 50_000_000


def test_a_server_that_only_says_continue_runs_out_of_time(web: Web, fetcher_for: Make) -> None:
    sent = [0]
    web.sites["/"] = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10, sent)
    assert kind_of_failure(fetcher_for(web, limits=SHORT), Request(web.url())) == ("timeout", 504)


def dawdling(head: bytes, piece: bytes, web: Web, pause: float) -> Callable[[socket.socket, Seen], None]:
    def answer(connection: socket.socket, seen: Seen) -> None:
        connection.sendall(head)
        while not web.done.wait(pause):
            connection.sendall(piece)

    return answer


@pytest.mark.parametrize(
    ("head", "piece", "pause"),
    [
        (b"", b"", 60.0),
        (b"", b"H", 0.05),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05),
        (HEAD + b"\r\n", b"x", 0.05),
        (HEAD + b"Content-Length: 1000\r\n\r\n", b"x", 0.05),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05),
    ],
    ids=["silent", "slow status", "slow header", "slow body", "slow counted body", "slow chunks"],
)
def test_slow_servers_run_out_of_time(
    web: Web, fetcher_for: Make, head: bytes, piece: bytes, pause: float
) -> None:
    web.sites["/"] = dawdling(head, piece, web, pause)
    fetcher = fetcher_for(web, limits=SHORT, retries=ONCE)
    assert kind_of_failure(fetcher, Request(web.url())) == ("timeout", 504)


def test_a_name_server_that_never_answers_runs_out_of_time(web: Web, fetcher_for: Make) -> None:
    def resolver(host: str, port: int) -> list[str]:
        web.done.wait(20)
        return ["127.0.0.1"]

    fetcher = fetcher_for(web, resolver=resolver, limits=SHORT, retries=ONCE)
    assert kind_of_failure(fetcher, Request(web.url())) == ("timeout", 504)


def reset(connection: socket.socket, seen: Seen) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (reset, {"connect"}),
        (b"", {"connect"}),
        (b"SSH-2.0-OpenSSH_9.6\r\n", {"protocol", "connect"}),
        (b"\x15\x03\x01\x00\x02\x02\x16", {"protocol", "connect"}),
        (b"HTTP/1.1 OK\r\n\r\n", {"protocol"}),
        (b"HTTP/9.9 200 OK\r\n\r\nx", {"protocol"}),
        (HEAD + b"Content-Length: 100\r\n\r\nshort", {"truncated"}),
        (HEAD + b"Content-Length: -5\r\n\r\n", {"protocol"}),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello", {"protocol"}),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", {"protocol", "truncated"}),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", {"protocol", "truncated"}),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello", {"truncated", "protocol"}),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", {"truncated"}),
        (
            HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello" * 99, mtime=0)[:-12],
            {"truncated"},
        ),
        (HEAD + b"Content-Encoding: gzip\r\n\r\nthis is not gzip", {"protocol"}),
        (HEAD + b"Content-Encoding: br\r\n\r\n\x0b\x02\x80hello\x03", {"content"}),
        (
            HEAD
            + b"Content-Encoding: gzip, gzip\r\n\r\n"
            + gzip.compress(gzip.compress(b"x", mtime=0), mtime=0),
            {"content"},
        ),
    ],
)
def test_broken_answers_are_errors(web: Web, fetcher_for: Make, answer: bytes, kinds: set[str]) -> None:
    web.sites["/"] = answer
    kind, _ = kind_of_failure(fetcher_for(web, retries=ONCE), Request(web.url()))
    assert kind in kinds


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", b"hello"),
        ("identity", b"hello"),
        ("gzip", gzip.compress(b"hello", mtime=0)),
        ("GZip", gzip.compress(b"he", mtime=0) + gzip.compress(b"llo", mtime=0)),
        ("gzip", gzip.compress(b"hello", mtime=0) + b"\0\0\0\0"),
        ("gzip", gzip.compress(b"hello", mtime=0) + b"rubbish after the end"),
        ("x-gzip", gzip.compress(b"hello", mtime=0)),
        ("deflate", zlib.compress(b"hello")),
        ("deflate", zlib.compressobj(wbits=-15).compress(b"") + b"\xcbH\xcd\xc9\xc9\x07\x00"),
    ],
)
def test_compressed_bodies_are_unpacked(web: Web, fetcher_for: Make, encoding: str, body: bytes) -> None:
    web.sites["/"] = reply(body, Content_Encoding=encoding)
    assert fetcher_for(web).fetch(Request(web.url())).body == b"hello"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_not_unpacked(web: Web, fetcher_for: Make, encoding: str) -> None:
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(60)) + packer.flush()
    assert len(bomb) < 100_000
    web.sites["/"] = reply(bomb, Content_Encoding=encoding)
    fetcher = fetcher_for(web, limits=Limits(unpacked=2_000_000))
    assert kind_of_failure(fetcher, Request(web.url())) == ("too_large", 413)


def test_a_limit_that_is_met_exactly_is_not_passed(web: Web, fetcher_for: Make) -> None:
    web.sites["/"] = reply(gzip.compress(bytes(1000), mtime=0), Content_Encoding="gzip")
    size = len(gzip.compress(bytes(1000), mtime=0))
    good = fetcher_for(web, limits=Limits(body=size, unpacked=1000))
    assert len(good.fetch(Request(web.url())).body) == 1000
    for limits in (Limits(body=size - 1, unpacked=1000), Limits(body=size, unpacked=999)):
        assert kind_of_failure(fetcher_for(web, limits=limits), Request(web.url()))[0] == "too_large"


def test_what_is_sent_too_much_answers_no_other_request(web: Web, fetcher_for: Make) -> None:
    web.sites["/first"] = reply("first") + reply("forged")
    web.sites["/second"] = reply("second")
    fetcher = fetcher_for(web)
    assert fetcher.fetch(Request(web.url("/first"))).body == b"first"
    assert fetcher.fetch(Request(web.url("/second"))).body == b"second"


# --- redirects -------------------------------------------------------------------------------------------------------


def test_redirects_are_followed_within_reason(web: Web, fetcher_for: Make) -> None:
    web.sites |= {f"/{n}": reply(status=301 + n % 2, Location=f"/{n + 1}") for n in range(9)}
    web.sites["/4"] = reply("there")
    response = fetcher_for(web).fetch(Request(web.url("/0")))
    assert (response.body, response.url) == (b"there", web.url("/4"))
    web.sites["/4"] = reply(status=307, Location="5")
    assert kind_of_failure(fetcher_for(web), Request(web.url("/0"))) == ("redirects", 508)
    strict = fetcher_for(web, limits=Limits(redirects=0))
    assert kind_of_failure(strict, Request(web.url("/8")))[0] == "redirects"


def test_circles_are_noticed(web: Web, fetcher_for: Make) -> None:
    web.sites |= {
        "/a": reply(status=302, Location="/b"),
        "/b": reply(status=302, Location="a"),
        "/self": reply(status=302, Location="/self#again"),
    }
    assert kind_of_failure(fetcher_for(web), Request(web.url("/a"))) == ("redirects", 508)
    assert len(web.seen) == 2
    assert kind_of_failure(fetcher_for(web), Request(web.url("/self"))) == ("redirects", 508)


def test_a_redirect_may_be_written_in_utf8(web: Web, fetcher_for: Make) -> None:
    web.sites["/"] = reply(status=302, Location="/straße".encode().decode("latin-1"))
    web.sites["/"] = b"HTTP/1.1 302 Found\r\nLocation: /stra\xc3\x9fe\r\nContent-Length: 0\r\n\r\n"
    web.sites["/stra%C3%9Fe"] = reply("there")
    assert fetcher_for(web).fetch(Request(web.url())).body == b"there"


def test_secrets_stay_with_their_origin(web: Web, fetcher_for: Make) -> None:
    other = Web()
    try:
        other.sites["/"] = reply("other")
        web.sites["/here"] = reply(status=302, Location="/near")
        web.sites["/near"] = reply(status=302, Location=other.url())
        web.sites["/name"] = reply(status=302, Location=web.url("/end", host="elsewhere.example"))
        web.sites["/end"] = reply("end")
        headers = {"Authorization": Secret("Bearer abc123", "TEST"), "X-Plain": "yes"}
        for path in ("/here", "/name"):
            fetcher_for(web, other).fetch(Request(web.url(path), headers=headers))
        sent = {seen.target: seen.headers.get("authorization") for seen in web.seen + other.seen}
        assert sent == {
            "/here": "Bearer abc123",
            "/near": "Bearer abc123",
            "/name": "Bearer abc123",
            "/end": None,
            "/": None,
        }
        assert other.seen[0].headers["x-plain"] == "yes"
    finally:
        other.close()


def test_a_post_is_not_redirected(web: Web, fetcher_for: Make) -> None:
    web.sites["/"] = reply(status=307, Location="/other")
    assert kind_of_failure(fetcher_for(web), Request(web.url(), body=b"{}"))[0] == "redirects"
    assert [seen.target for seen in web.seen] == ["/"]


# --- retries ---------------------------------------------------------------------------------------------------------


def in_turn(*answers: bytes) -> Callable[[socket.socket, Seen], None]:
    queue = list(answers)

    def answer(connection: socket.socket, seen: Seen) -> None:
        connection.sendall(queue.pop(0))

    return answer


def test_retry_after_is_honoured_and_failures_back_off(web: Web, fetcher_for: Make, time) -> None:  # type: ignore[no-untyped-def]
    web.sites["/"] = in_turn(reply(status=429, Retry_After="3"), reply(status=503), reply("at last"))
    assert fetcher_for(web).fetch(Request(web.url())).body == b"at last"
    assert time.slept[0] == 3.0
    assert 0.5 <= time.slept[1] <= 1.0  # the second step, with jitter
    assert len(time.slept) == 2


@pytest.mark.parametrize(
    ("answer", "attempts", "kind"),
    [
        (reply(status=429, Retry_After="10"), 1, "http"),  # asks for more than is waited
        (reply(status=503, Retry_After="soon"), 3, "http"),
        (reply(status=500), 3, "http"),
        (reply(status=404), 1, "http"),
        (reply(status=403), 1, "http"),
        (reply(status=410), 1, "http"),
        (reply(status=501), 1, "http"),
        (reply("%PDF-1.7", status=200)[:-4], 3, "truncated"),
    ],
)
def test_only_what_may_pass_is_tried_again(
    web: Web, fetcher_for: Make, answer: bytes, attempts: int, kind: str
) -> None:
    web.sites["/"] = answer
    found, status = kind_of_failure(fetcher_for(web), Request(web.url()))
    assert found == kind
    assert len(web.seen) == attempts
    if kind == "http":
        assert f" {status} ".encode() in answer


def test_no_retry_beyond_the_total_time(web: Web, fetcher_for: Make, time) -> None:  # type: ignore[no-untyped-def]
    web.sites["/"] = reply(status=503, Retry_After="6")
    fetcher = fetcher_for(web, limits=Limits(total=13.0), retries=Retries(attempts=9, longest=8.0))
    assert kind_of_failure(fetcher, Request(web.url())) == ("http", 503)
    assert time.slept == [6.0, 6.0]


def test_retry_after_in_all_its_forms() -> None:
    now = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT
    assert retry_after("120", now) == 120
    assert retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now) == 60
    assert retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now) == 0
    for nonsense in (None, "", "soon", "-5", "1.5e9", "٣", "9" * 400 + "x"):
        assert retry_after(nonsense, now) is None


@pytest.mark.parametrize("options", [{"attempts": 0}, {"base": -1.0}, {"longest": float("nan")}])
def test_retries_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Retries(**options)  # type: ignore[arg-type]


# --- turns -----------------------------------------------------------------------------------------------------------


def test_requests_to_a_host_are_spaced(time) -> None:  # type: ignore[no-untyped-def]
    pace = Pace(4, per_second=2.0, clock=time, sleep=time.sleep)
    for host in ("a", "a", "b", "a"):
        with pace.turn(host, 100):
            pass
    assert time.slept == [0.5, 0.5]
    with pace.turn("a", 100), pytest.raises(FetchError) as caught, pace.turn("a", 0.1):
        pass
    assert caught.value.kind == "busy"


def test_only_so_many_requests_to_a_host_at_once(web: Web, fetcher_for: Make) -> None:
    under_way, most, lock = [0], [0], threading.Lock()
    together = threading.Barrier(2, timeout=10)

    def answer(connection: socket.socket, seen: Seen) -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        together.wait()  # two are let in at once, and never a third
        with lock:
            under_way[0] -= 1
        connection.sendall(reply("ok"))

    web.sites["/"] = answer
    fetcher = fetcher_for(web, pace=Pace(per_host=2))
    threads = [threading.Thread(target=fetcher.fetch, args=(Request(web.url()),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(web.seen) == 6
    assert most[0] == 2


def test_a_place_that_does_not_come_free_is_given_up(time) -> None:  # type: ignore[no-untyped-def]
    pace = Pace(1, clock=time, sleep=time.sleep)
    with pace.turn("a", 1):
        with pytest.raises(FetchError) as caught, pace.turn("a", 0):
            pass
        assert caught.value.kind == "busy"
        with pace.turn("b", 1):
            pass
    with pace.turn("a", 1):
        pass


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_shows_itself_nowhere(web: Web, fetcher_for: Make, caplog: pytest.LogCaptureFixture) -> None:
    key = Secret("s3cr3t-key", "SOME_KEY")
    web.sites["/echo"] = reply("you sent s3cr3t-key")
    web.sites["/wrong"] = reply("s3cr3t-key is wrong", status=401)
    web.sites["/broken"] = b"HTTP/1.1 s3cr3t-key\r\n\r\n"
    fetcher = fetcher_for(web, retries=ONCE)
    with caplog.at_level("DEBUG"):
        body = fetcher.fetch(Request(web.url("/echo"), headers={"X-API-KEY": key})).body
        errors = []
        for path in ("/wrong", "/broken"):
            request = Request(web.url(path), headers={"X-API-KEY": key})
            with pytest.raises(FetchError) as caught:
                fetcher.fetch(request)
            errors += [str(caught.value), repr(caught.value), repr(request), str(caught.value.__cause__)]
    assert web.seen[0].headers["x-api-key"] == "s3cr3t-key"
    assert body == b"you sent [key]"
    assert "s3cr3t" not in " ".join([*errors, caplog.text, repr(key), str(key), f"{key}", f"{key!s:>5}"])
    with pytest.raises(TypeError, match="SOME_KEY"):
        key.__reduce__()
    with pytest.raises(ConfigError):
        Secret("two\r\nlines", "SOME_KEY")


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own authority, for right.example only, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=right.example"
    )
    subprocess.run(
        [
            *command.split(),
            "-addext",
            "subjectAltName=DNS:right.example",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def secure(certificate: Path) -> Iterator[tuple[Web, list[str | None]]]:
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    context.sni_callback = lambda sock, name, context: names.append(name)
    server = Web(context)
    server.sites["/"] = reply("safe")
    yield server, names
    server.close()


def test_certificates_are_checked_against_the_name_in_the_url(
    secure: tuple[Web, list[str | None]], certificate: Path, fetcher_for: Make
) -> None:
    server, names = secure
    trusting = fetcher_for(server, ca_file=certificate / "cert.pem")
    assert trusting.fetch(Request(server.url(host="right.example"))).body == b"safe"
    assert names == ["right.example"]  # although the connection was made to an address
    assert kind_of_failure(trusting, Request(server.url(host="wrong.example"))) == ("tls", 502)
    assert kind_of_failure(trusting, Request(server.url(host="127.0.0.1")))[0] == "tls"
    assert kind_of_failure(fetcher_for(server), Request(server.url(host="right.example")))[0] == "tls"
    assert len(server.seen) == 1
    with pytest.raises(ConfigError, match="no file"):
        fetcher_for(server, ca_file="nowhere.pem")
    with pytest.raises(ConfigError, match="no certificate authorities"):
        fetcher_for(server, ca_file=__file__)


def test_a_handshake_that_takes_for_ever_runs_out_of_time(fetcher_for: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]

        class Mute:
            pass

        Mute.port = port  # type: ignore[attr-defined]
        fetcher = fetcher_for(Mute, limits=Limits(connect=5, read=5, total=0.3), retries=ONCE)
        assert kind_of_failure(fetcher, Request(f"https://site.example:{port}/")) == ("timeout", 504)
