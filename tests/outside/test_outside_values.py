"""Every reader of outside data, with every kind of bad value at every place.

A file that a user gives is read, or refused with an error of this package that names the file and the line. What a
model, a service or a page sends is read, or becomes a message about a failed tool. No other error is raised, and every
episode that ends can be recorded and read again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_values import BAD, contents, records

from wideseek_env.clean import outside_json
from wideseek_env.corpus import remote_shapes
from wideseek_env.corpus.live.engines import Fields, JsonSearch, SearXNG, Serper
from wideseek_env.corpus.live.readers import DirectReader, JinaReader
from wideseek_env.corpus.rows import LineBatch
from wideseek_env.corpus.sources import Skipped
from wideseek_env.episode import Episode
from wideseek_env.errors import ActionError, UnknownVerdictError, WideSeekError
from wideseek_env.evaluation.lines import EpisodeLines
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.responses import read_responses
from wideseek_env.evaluation.suite.card import read_card
from wideseek_env.evaluation.suite.leaderboard import cards_table, row
from wideseek_env.files import json_line
from wideseek_env.llm.exchange import UNREADABLE
from wideseek_env.llm.wire import reply_of
from wideseek_env.net.errors import FetchError
from wideseek_env.net.fetch import Response
from wideseek_env.scoring import score_response
from wideseek_env.scoring.judging.reading import answers, as_choice, as_verdict
from wideseek_env.scoring.judging.recorded import RecordedJudge
from wideseek_env.task import Table, Task
from wideseek_env.tasks.benchmarks import load_benchmark
from wideseek_env.tasks.jsonl import load_tasks, save_tasks
from wideseek_env.trajectory import Trajectory, load_trajectories
from wideseek_env.viewer.runs import RunReader

SAMPLE = frozenset(
    (
        "null",
        "true",
        "400 digits",
        "1e400",
        "NaN",
        "lone surrogate",
        "NUL",
        "list of lists",
        "object",
        "deep, 70",
    )
)
"""Values of each kind. All others are tried in the long tests."""

amount = pytest.mark.parametrize(
    "names",
    [pytest.param(SAMPLE, id="sample"), pytest.param(frozenset(BAD), id="all", marks=pytest.mark.long)],
)

TABLE = "| Name | Size |\n|---|---|\n| Ada | 1 |\n| Bob | 2 |"
BROAD = {
    "format": 1, "id": "a", "question": "Q?", "columns": ["Name", "Size"], "key_columns": ["Name"],
    "gold": {"header": ["Name", "Size"], "rows": [["Ada", "1"], ["Bob", "2"]]},
    "specs": {"Size": {"metrics": ["number_near"], "preprocess": ["norm_str"], "criterion": 0.1}},
    "aliases": {"Name": {"Ada": ["A."]}}, "language": "en", "source": "s", "meta": {"x": [1]},
}  # fmt: skip
DEPTH = {
    "format": 1,
    "id": "a",
    "question": "Q?",
    "answers": ["Ada"],
    "language": "en",
    "meta": {"entity": "x"},
}
EVALUATION = {
    "unique_columns": ["name"],
    "required": ["name", "size"],
    "eval_pipeline": {"size": {"preprocess": ["norm_str"], "metric": ["number_near"], "criterion": 0.1}},
    "aliases": {"name": {"Ada": ["A"]}},
}
ROWS: dict[str, dict[str, Any]] = {
    "wideseek-r1": {
        "instance_id": "a", "question": "Which?", "answer": TABLE, "unique_columns": ["Name"], "language": "en",
        "required": ["Name", "Size"], "is_markdown": True, "evaluation": {"required": ["Name"]},
    },
    "widesearch": {
        "instance_id": "a", "question": "Which?", "entity": "Ada", "evaluation": EVALUATION, "language": "en",
    },
    "gisa": {"id": 7, "question": "Which?", "answer_type": "set", "question_type": "live", "topic": "Art"},
    "browsecomp-plus": {
        "query_id": "9", "query": "Who?", "answer": ["Ada"], "gold_docs": [{"docid": "1"}], "evidence_docs": ["2"],
    },
    "qa": {"id": "a", "question": "Who?", "golden_answers": ["Ada"], "aug_answer": ["B"], "data_source": "nq"},
}  # fmt: skip


class Wrong:
    """Collects what was wrong, so that a test names all cases at once."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.cases = 0

    def check(self, what: str, work: Callable[[], object], *named: str) -> None:
        """Do `work`. It may raise a `WideSeekError` whose message has all of `named`."""
        self.cases += 1
        try:
            work()
        except WideSeekError as error:
            said = str(error)
            if not all(name in said for name in named) or len(said) > 1500:
                self.found.append(f"{what}: {type(error).__name__} {said[:200]}")
        except Exception as error:
            self.found.append(f"{what}: {type(error).__name__} {str(error)[:200]}")

    def done(self, least: int) -> None:
        assert self.cases >= least
        assert not self.found, f"{len(self.found)} of {self.cases}:\n" + "\n".join(self.found[:40])


@pytest.fixture
def wrong() -> Iterator[Wrong]:
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Wrong()
    logging.disable(logging.NOTSET)


def recorded(episode: Episode) -> None:
    """Write an ended episode as a record and read it again."""
    score = score_response(str(episode.outcome.answer) if episode.outcome else "", episode.task)
    trajectory = Trajectory.of_episode(
        episode, score=score, parts={"a": 1.0}, reward_name="r", corpus="c", seed=0
    )
    Trajectory.from_dict(json.loads(json_line(trajectory.to_dict()))).replay()


def used(tasks: Any, path: Path) -> None:
    """What a run does with tasks: play, score, record and save them."""
    for task in tasks:
        episode = Episode(task, team=False)
        episode.act(episode.ready()[0], TABLE)
        recorded(episode)
    save_tasks(tasks, path)
    assert list(load_tasks(path)) == list(tasks)


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    for name in ("rows_tables", "answer"):
        (tmp_path / name).mkdir()
    (tmp_path / "rows_tables" / "a.csv").write_text("Name,Size\nAda,1\nBob,2\n")
    (tmp_path / "answer" / "7.csv").write_text("Ada\nBob")
    return tmp_path


@amount
@pytest.mark.parametrize("kind", ["broad", "depth", *ROWS])
def test_files_of_tasks(kind: str, names: set[str], gold: Path, wrong: Wrong) -> None:
    good = {"broad": BROAD, "depth": DEPTH}.get(kind) or ROWS[kind]

    def load(path: Path) -> None:
        used(
            load_tasks(path) if kind in ("broad", "depth") else load_benchmark(kind, str(path)),
            gold / "copy.jsonl",
        )

    path = gold / "rows.jsonl"
    for what, text in records(good, names):
        path.write_bytes(b"\n" + text.encode("utf-8", "surrogatepass") + b"\n")
        wrong.check(what, lambda: load(path), f"{path}:2: ")
    endings = (".jsonl", ".json", ".jsonl.gz", ".json.gz")
    for ending in endings if kind in ("broad", "qa") or len(names) > len(SAMPLE) else ():
        for what, data in contents(json.dumps(good)):
            path = gold / f"rows{ending}"
            path.write_bytes(data)
            wrong.check(f"{what}{ending}", lambda: load(path), str(path))  # noqa: B023
    wrong.done(40)


@pytest.mark.parametrize("kind", ["html", "markdown", "text", "contents"])
@amount
def test_rows_of_a_corpus(kind: str, names: set[str], wrong: Wrong) -> None:
    good = {"url": "https://a.example/", "title": "T", kind: "text", "id": "1_2", "docid": 3, "_id": "x"}
    for what, text in [*records(good, names), *((w, d) for w, d in contents(json.dumps(good)))]:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        batch = LineBatch("pages.jsonl", 7, data.splitlines(keepends=True)[:3])
        wrong.check(what, lambda: [repr(page).encode() for page in batch.pages(Skipped())], "pages.jsonl:")  # noqa: B023
    wrong.done(40)


def line_of(task: Task) -> dict[str, Any]:
    """The record of a short episode of a team, with a delegation, a search and a failure."""
    episode = Episode(task)
    call = '<tool_call>{"name": "%s", "arguments": %s}</tool_call>'
    episode.act("lead", call % ("delegate", '{"subtasks": ["s"]}'))
    (request,) = episode.act("subagent_0", call % ("search", '{"query": "q"}'))
    episode.deliver(request, "found Ada 1")
    episode.act("subagent_0", "Ada 1")
    episode.act("lead", TABLE)
    trajectory = Trajectory.of_episode(
        episode, score=score_response(TABLE, task), parts={"a": 1.0}, reward_name="r", corpus="c", seed=0,
        times=[0.5] * len(episode.events), started=1.0,
        meta={"trial": 0, "policy": "p", "usage": {"prompt_tokens": 1}},
    )  # fmt: skip
    return json.loads(trajectory.to_json())  # type: ignore[no-any-return]


TASK = Task("a", "Q?", ("Name", "Size"), ("Name",), Table(("Name", "Size"), (("Ada", "1"), ("Bob", "2"))))


@pytest.mark.parametrize("part", ["conversations", "events", "score", "outcome", "rest"])
@amount
def test_files_of_trajectories(part: str, names: set[str], tmp_path: Path, wrong: Wrong) -> None:
    good = line_of(TASK)
    path = tmp_path / "trajectories.jsonl"
    first = json.dumps(good).encode() + b"\n"

    def read() -> None:
        for trajectory in load_trajectories(path):
            assert trajectory.credits
            trajectory.to_json().encode()
            EpisodeRecord.of(trajectory)
            with_errors(trajectory.replay)
            with_errors(trajectory.new_episode)

    parts = ("conversations", "events", "score", "outcome")
    for what, text in records(good, names):
        inside = what.partition(".")[0].partition(" ")[0]
        if inside != part and (part != "rest" or inside in parts):
            continue
        if len(names) == len(SAMPLE) and re.search(r"\.[1-9]", what):  # another item of the same list
            continue
        path.write_bytes(first + text.encode("utf-8", "surrogatepass") + b"\n")
        wrong.check(what, read, f"{path}:2: ")
        if what.endswith(("null", "400 digits", "lone surrogate", "object", "missing")):
            wrong.check(f"view, {what}", lambda: RunReader(path).refresh(), f"{path}:2: ")
            wrong.check(f"responses, {what}", lambda: read_responses(path), f"{path}:")
            wrong.check(f"watch, {what}", lambda: EpisodeLines(path).read())
    if part == "rest":
        for what, data in contents(json.dumps(good)):
            path.write_bytes(data)
            wrong.check(what, read, str(path))
    wrong.done(40)


def with_errors(work: Callable[[], object]) -> None:
    with contextlib.suppress(WideSeekError):
        work()


POINT = {
    **dict.fromkeys(("item_f1", "item_f1_low", "item_f1_high", "row_f1", "success", "answered"), 0.5),
    **dict.fromkeys(("episodes", "tasks", "failed", "critical_path", "turns", "subagents", "calls", "seconds"), 1),
    "tokens": {"read": 1.0, "written": 2.0}, "characters": {"read": 1.0}, "rows": {"coverage": 0.5},
}  # fmt: skip
CARD = {
    "format": 1, "suite": "v1", "size": "small", "name": "m", "policy": "p", "policy_options": {"model": "x"},
    "seed": 0, "trials": 1, "complete": True, "absent": {"depth": "why"}, "command": "c", "versions": {"a": "1"},
    "scoring": {"table": "lenient"}, "model": "x",
    "kinds": {
        "wide": {"title": "W", "digests": {"tasks": "ab"}, "tasks": 5, "rules": {"a": 1}, "points": {"4": POINT}}
    },
}  # fmt: skip


@amount
def test_cards_of_a_suite(names: set[str], tmp_path: Path, wrong: Wrong) -> None:
    path = tmp_path / "card.json"

    def read() -> None:
        card = read_card(path)
        row(card)
        cards_table([card]).encode()
        card.write(tmp_path / "copy")
        assert read_card(tmp_path / "copy") == card

    (tmp_path / "copy").mkdir()
    for what, text in [*records(CARD, names), *contents(json.dumps(CARD))]:
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        wrong.check(what, read, str(path))
    wrong.done(100)


@amount
def test_recorded_verdicts(names: set[str], tmp_path: Path, wrong: Wrong) -> None:
    good: list[dict[str, Any]] = [
        {"format": "wideseek judge recording 1", "judge": "x"},
        {"column": "a", "criterion": "c", "predicted": "p", "gold": "g", "right": True},
        {"column": "a", "key": "k", "among": ["a"], "match": "a"},
    ]
    path = tmp_path / "verdicts.jsonl"

    def read() -> None:
        judge = RecordedJudge(path)
        for ask in (lambda: judge.judge("a", "c", [("p", "g")]), lambda: judge.align_keys("a", ["k"], ["a"])):
            with contextlib.suppress(UnknownVerdictError):
                ask()

    for at in range(3):
        for what, text in records(good[at], names):
            lines = [json.dumps(each).encode() for each in good]
            lines[at] = text.encode("utf-8", "surrogatepass")
            path.write_bytes(b"\n".join(lines) + b"\n")
            wrong.check(what, read, str(path))
    wrong.done(100)


class Service:
    """Answers every request with the same bytes."""

    def __init__(self, body: bytes, kind: str = "application/json") -> None:
        self._answer = Response("https://a.example/x", 200, kind, body)

    def fetch(self, request: Any, before: Any = None) -> Response:
        return self._answer


ENGINES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "serper": (
        lambda s: Serper(fetcher=s),
        {"organic": [{"title": "T", "link": "https://b.example/", "snippet": "S"}]},
    ),
    "searxng": (
        lambda s: SearXNG("http://127.0.0.1:1", fetcher=s),
        {"results": [{"url": "https://a.example/", "title": "A", "content": "x", "score": 4.0}], "answers": []},
    ),
    "json": (
        lambda s: JsonSearch(
            "http://127.0.0.1:1/?q={query}", results="a", fields=Fields("u.x", "t.0", "s", "z"), fetcher=s
        ),
        {"a": [{"u": {"x": "https://a.example/"}, "t": ["A"], "s": "x", "z": 1.0}]},
    ),
}  # fmt: skip


@amount
@pytest.mark.parametrize("name", ENGINES)
def test_search_engines(name: str, names: set[str], monkeypatch: pytest.MonkeyPatch, wrong: Wrong) -> None:
    monkeypatch.setenv("SERPER_API_KEY", "serper-key-123")
    make, good = ENGINES[name]

    def search(body: bytes) -> None:
        try:
            hits = make(Service(body)).search("q", 3)
        except FetchError:
            return
        for hit in hits:
            assert isinstance(hit.score, float)
            json.dumps(hit, ensure_ascii=False, allow_nan=False).encode()

    for what, text in [*records(good, names), *contents(json.dumps(good))]:
        body = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        wrong.check(what, lambda: search(body))  # noqa: B023
    wrong.done(40)


KINDS = (
    "text/html", "application/json", "text/markdown", "text/plain", "", "text/html; charset=utf-16", "x" * 9999,
    "text/html; charset=\ud83d", "text/html; charset='", "text/html;charset=rot13", "text/html; charset=idna",
    "text/html; charset=undefined", "application/json; charset=utf-7", "a/b/c;;;=;",
    "text/html; charset=unicode_escape",
)  # fmt: skip


@amount
def test_pages_and_their_headers(names: set[str], wrong: Wrong) -> None:
    good = {
        "data": {"content": "# A", "title": "t", "url": "https://a.example/", "warning": "returned error 404"}
    }
    bodies = [*contents(json.dumps(good)), *((name, BAD[name].encode()) for name in names)]

    def read(reader: Any) -> None:
        try:
            page = reader.read("https://93.184.216.34/")
        except FetchError:
            return
        json.dumps([page.url, page.title, page.html], ensure_ascii=False).encode()

    for kind in KINDS:
        for what, body in bodies:
            if len(body) < 300_000:
                wrong.check(f"{kind[:30]}, {what}", lambda: read(DirectReader(Service(body, kind))))  # type: ignore[arg-type]  # noqa: B023
    for what, text in records(good, names):
        body = text.encode("utf-8", "surrogatepass")
        wrong.check(what, lambda: read(JinaReader(fetcher=Service(body))))  # type: ignore[arg-type]  # noqa: B023
    wrong.done(100)


RETRIEVED: list[Any] = [
    {"result": [[{"document": {"contents": '"T"\nx', "url": "u", "id": "1", "title": "T"}, "score": 1.0}]]},
    {"result": [{"documents": ["a"], "urls": ["u"], "titles": ["x"], "scores": [0.5]}]},
    {"results": [[["text", 0.5]]]},
    {"documents": [["a"]], "urls": [["u"]], "scores": [[1]]},
    [{"contents": "a"}],
]
ACCESSED: list[Any] = [
    {"result": [{"contents": "x", "url": "u", "title": "t", "status": 404, "error": "e", "html": ""}]},
    {"pages": [{"page": "# a\nb", "name": "n"}]},
    [["x"]],
]


@amount
def test_retrieval_services(names: set[str], wrong: Wrong) -> None:
    def retrieve(body: bytes) -> None:
        try:
            lists = remote_shapes.read_retrieved(outside_json(body), 1)
        except ValueError:  # the corpus makes an error of it
            return
        json.dumps(lists, ensure_ascii=False, allow_nan=False).encode()

    def access(body: bytes) -> None:
        try:
            pages = remote_shapes.read_accessed(outside_json(body), ["https://a.example/"])
        except ValueError:
            return
        for page in filter(None, pages):
            json.dumps([page.url, page.title, page.html, page.error], ensure_ascii=False).encode()
            assert page.status < 1000

    for forms, read in ((RETRIEVED, retrieve), (ACCESSED, access)):
        for good in forms:
            for what, text in records(good, names):
                wrong.check(what, lambda: read(text.encode("utf-8", "surrogatepass")))  # noqa: B023
    wrong.done(300)


REPLY = {
    "choices": [
        {"finish_reason": "stop", "message": {"role": "assistant", "content": [{"type": "text", "text": "a"}]}}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
}  # fmt: skip


@amount
def test_replies_of_models_and_judges(names: set[str], wrong: Wrong) -> None:
    def read(body: bytes) -> None:
        try:
            reply = reply_of(outside_json(body))
        except UNREADABLE:  # the client asks again
            return
        json.dumps([reply.text, reply.finish_reason, reply.message], ensure_ascii=False).encode()
        assert 0 <= reply.prompt_tokens < 10**12
        assert 0 <= reply.completion_tokens < 10**12

    def judged(text: str) -> None:
        for value in answers(text, range(1, 3)).values():
            as_verdict(value)
            as_choice(value, 3)

    for what, text in records(REPLY, names):
        wrong.check(what, lambda: read(text.encode("utf-8", "surrogatepass")))  # noqa: B023
    for good in ({"1": True, "2": False}, [{"id": 1, "right": True}]):
        for what, text in records(good, names):
            for form in (text, f"x ```json\n{text}\n```", text[:-2], f"<think>{text}"):
                wrong.check(what, lambda: judged(form))  # noqa: B023
    wrong.done(100)


CALLS: dict[str, dict[str, Any]] = {
    "search": {"query": "q", "count": 3},
    "browse": {"url": "https://a.example/", "chunk": 1, "focus": "f"},
    "delegate": {"subtasks": ["a", "b"]},
}


@amount
@pytest.mark.parametrize("form", ["text", "native", "message"])
def test_messages_of_models(form: str, names: set[str], wrong: Wrong) -> None:
    def play(team: bool, action: Any) -> None:
        episode = Episode(TASK, team=team)
        agent = episode.ready()[0]
        try:
            calls = episode.act(agent, action)
        except ActionError:  # not a message
            assert not isinstance(action, dict | str)
            return
        for call in calls:
            json.dumps(call.arguments, ensure_ascii=False).encode()
            episode.deliver(call, "found")
        if episode.outcome is None:
            episode.abort("stop")
        recorded(episode)

    function = {"name": "search", "arguments": '{"query": "q"}'}
    message = {
        "role": "assistant", "content": "x", "completion_tokens": 3,
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }  # fmt: skip
    if form == "message":
        for what, text in records(message, names):
            try:
                action = json.loads(text)
            except (ValueError, RecursionError):
                continue
            wrong.check(what, lambda: play(False, action))  # noqa: B023
    for name, arguments in CALLS.items() if form != "message" else ():
        for what, text in records({"name": name, "arguments": arguments}, names):
            said: Any = f"<tool_call>{text}</tool_call>"
            if form == "native":
                function = {"name": name, "arguments": text.partition('"arguments": ')[2][:-1] or text}
                call = {"id": "c1", "type": "function", "function": function}
                said = {"role": "assistant", "content": "", "tool_calls": [call]}
            wrong.check(f"{name}, {what}", lambda: play(name == "delegate", said))  # noqa: B023
    wrong.done(40)


@amount
def test_requests_of_clients(names: set[str], wrong: Wrong) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    from fastapi.testclient import TestClient

    from wideseek_env.game import GameConfig
    from wideseek_env.serve.agents import DeskSettings, EpisodeDesk, PolicyPool, create_agents_app
    from wideseek_env.testing.doubles import NoOpTools

    game = GameConfig(tasks=[TASK], executor=NoOpTools(), rules={"single_turns": 3, "lead_turns": 2}).open()
    desk = EpisodeDesk(
        game, policies=PolicyPool("scripted"), settings=DeskSettings(seat="single", max_open=10**6)
    )
    message = {"role": "assistant", "content": "x", "tool_calls": [
        {"id": "c", "function": {"name": "search", "arguments": "{}"}}
    ]}  # fmt: skip
    chat = {"model": "scripted", "messages": [{"role": "user", "content": [{"type": "text", "text": "Q?"}]}], "n": 1,
            "stream": False, "max_tokens": 9}  # fmt: skip
    headers = {"content-type": "application/json"}
    with TestClient(create_agents_app(desk), raise_server_exceptions=False) as client:
        where = f"/v1/episodes/{client.post('/v1/episodes', json={}).json()['id']}"

        def send(path: str, text: str) -> None:
            answer = client.post(path, content=text.encode("utf-8", "surrogatepass"), headers=headers)
            assert answer.status_code < 500, (answer.status_code, answer.text[:200])
            if "json" in answer.headers["content-type"]:
                answer.json()

        for path, good in (
            ("/v1/episodes", {"seat": "single", "task": "a", "subtask": "", "seed": 1}),
            (f"{where}/messages", {"agent": "agent", "message": message}),
            ("/v1/chat/completions", chat),
        ):
            for what, text in records(good, names):
                wrong.check(f"{path}, {what}", lambda: send(path, text))  # noqa: B023
    wrong.done(100)
