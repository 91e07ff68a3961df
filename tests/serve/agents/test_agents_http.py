"""Episodes over HTTP as another program plays them, and the team as a chat model for OpenAI's own client."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from outside_agent import OutsideAgent

from wideseek_env import Game, GameConfig, load_trajectories, run_episode
from wideseek_env.errors import ConfigError, ServiceError
from wideseek_env.serve import ServeSettings
from wideseek_env.serve.agents import DeskSettings, EpisodeDesk, OutsideEpisode, PolicyPool
from wideseek_env.serve.agents.desk import DeskError
from wideseek_env.serve.agents.native import native_game

pytest.importorskip("fastapi", reason='needs the extra: pip install -e ".[serve]"')
httpx = pytest.importorskip("httpx", reason="needs httpx")

from fastapi.testclient import TestClient  # noqa: E402

from wideseek_env.serve.agents import create_agents_app  # noqa: E402

WORLD = "synthetic:seed=3,pages=400"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def game() -> Game:
    return GameConfig(tasks=WORLD, split="test", rules="width-benchmark", width=4).open()


@contextmanager
def service(
    game: Game, out: Path | None = None, *, policy: str = "scripted", **settings: Any
) -> Iterator[Any]:
    desk = EpisodeDesk(
        game,
        policies=PolicyPool(policy) if policy else None,
        settings=DeskSettings(**{"seat": "team" if policy else "single", **settings}),
        out=out,
    )
    with TestClient(create_agents_app(desk), raise_server_exceptions=False) as client:
        yield client


def play(client: Any, seat: str, **more: Any) -> dict[str, Any]:
    """Play an episode over HTTP as the scripted team would; returns its last state."""
    state = client.post("/v1/episodes", json={"seat": seat, **more}).json()
    where = f"/v1/episodes/{state['id']}"
    agents: dict[str, OutsideAgent] = {}
    while state["status"] == "open":
        for turn in state["turns"]:
            if turn["agent"] not in agents:
                agents[turn["agent"]] = OutsideAgent(turn["role"], turn["messages"], turn["tools"])
            agent = agents[turn["agent"]]
            agent.messages = turn["messages"]
            moves = agent.decide(turn["turns_left"])
            message = {"role": "assistant", "content": moves} if isinstance(moves, str) else agent.said(moves)
            answer = client.post(f"{where}/messages", json={"agent": turn["agent"], "message": message})
            assert answer.status_code == 200, answer.text
            if not isinstance(moves, str) and answer.json()["messages"]:
                heard = [m["tool_call_id"] for m in answer.json()["messages"]]
                assert heard == [call["id"] for call in message["tool_calls"]]
        state = client.get(where).json()
    return state


@pytest.mark.parametrize("seat", ["lead", "subagent", "single", "team"])
def test_an_episode_scores_as_in_process(game: Game, seat: str, tmp_path: Path) -> None:
    task = game.tasks[1]
    inside = run_episode(native_game(game, team=seat != "single"), PolicyPool("scripted").one(), task, seed=0)
    with service(game, tmp_path / "out.jsonl") as client:
        state = play(client, seat, task=task.id)
    assert 0 < inside.reward == state["outcome"]["reward"]
    assert state["outcome"]["turns"] == inside.episode.outcome.turns
    assert state["outcome"]["answer"] == inside.episode.outcome.answer
    (record,) = load_trajectories(tmp_path / "out.jsonl")
    assert record.reward == inside.reward
    assert record.meta["seat"] == seat


def test_many_play_at_once_and_do_not_meet(game: Game, tmp_path: Path) -> None:
    tasks = list(game.tasks[:4])
    states: dict[int, Any] = {}
    with service(game, tmp_path / "out.jsonl") as client:

        def one(n: int) -> None:
            states[n] = play(client, ("team", "lead")[n % 2], task=tasks[n // 2].id)

        threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    for n, state in states.items():
        inside = run_episode(
            native_game(game, team=True), PolicyPool("scripted").one(), tasks[n // 2], seed=0
        )
        assert state["outcome"]["reward"] == inside.reward
    assert len(states) == 8 == len(load_trajectories(tmp_path / "out.jsonl"))


def test_what_is_wrong_with_a_request_is_said_in_openais_form(game: Game) -> None:
    with service(game, max_open=2) as client:
        state = client.post("/v1/episodes", json={"seat": "team"}).json()
        where = f"/v1/episodes/{state['id']}/messages"
        chat = {"model": "scripted", "messages": [{"role": "user", "content": "?"}]}
        said = {"role": "assistant", "content": "x"}
        cases = [
            (400, client.post("/v1/episodes", content=b"{", headers=JSON)),
            (400, client.post("/v1/episodes", json={"out": "/etc/passwd"})),
            (400, client.post("/v1/episodes", json={"seat": "boss"})),
            (400, client.post("/v1/episodes", json={"seat": "lead", "subtask": "x"})),
            (404, client.post("/v1/episodes", json={"task": "../../etc/passwd"})),
            (404, client.get("/v1/episodes/../../etc/passwd")),
            (404, client.get("/v1/episodes/ep-0")),
            (404, client.delete("/v1/episodes/ep-0")),
            (404, client.get("/nothing")),
            (405, client.put("/v1/episodes")),
            (400, client.post(where, json={"message": "text"})),
            (409, client.post(where, json={"agent": "subagent_7", "message": said})),
            (413, client.post(where, content=b" " * (2 << 20), headers=JSON)),
            (404, client.post("/v1/chat/completions", json={**chat, "model": "os:system"})),
            (400, client.post("/v1/chat/completions", json={**chat, "n": 2})),
            (400, client.post("/v1/chat/completions", json={**chat, "tools": []})),
            (400, client.post("/v1/chat/completions", json={**chat, "messages": []})),
            (
                400,
                client.post(
                    "/v1/chat/completions", json={**chat, "messages": [{"role": "user", "content": " "}]}
                ),
            ),
            (400, client.post("/v1/chat/completions", json={**chat, "messages": [said]})),
            (400, client.post("/v1/chat/completions", json={**chat, "wideseek": {"width": 5}})),
        ]
        assert client.post("/v1/episodes", json={}).status_code == 201
        cases.append((429, client.post("/v1/episodes", json={})))
    for status, answer in cases:
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert error["code"] == status
        assert error["message"]
        assert "Traceback" not in error["message"]


def test_what_an_agent_writes_is_never_an_error_of_the_service(game: Game) -> None:
    hostile: list[dict[str, Any]] = [
        {"content": None, "tool_calls": "no list"},
        {"content": {"deep": [1]}, "tool_calls": [7]},
        {"content": "\ud800<tool_call>{", "tool_calls": None},
        {"tool_calls": [{"function": {"name": "search", "arguments": '{"query": "' + "x" * 9000}}] * 90},
        {
            "role": "system",
            "content": "",
            "tool_calls": [{"id": "1", "function": {"name": "rm", "arguments": "{}"}}],
        },
    ]
    with service(game, policy="") as client:
        for message in hostile:
            number = client.post("/v1/episodes", json={}).json()["id"]
            body = json.dumps({"message": message})
            answer = client.post(f"/v1/episodes/{number}/messages", content=body, headers=JSON)
            assert answer.status_code == 200, answer.text
        assert client.get("/health").json() == {"status": "ok"}


def test_seats_that_need_a_policy_are_refused_without_one(game: Game) -> None:
    with service(game, policy="") as client:
        answer = client.post("/v1/episodes", json={"seat": "lead"})
        assert (answer.status_code, client.get("/v1/models").json()["data"]) == (400, [])
    with pytest.raises(ConfigError, match="the seat lead needs a policy"):
        EpisodeDesk(game, settings=DeskSettings(seat="lead"))
    with pytest.raises(ConfigError, match="no seat 'boss'"):
        OutsideEpisode(game, game.tasks[0], seat="boss")  # type: ignore[arg-type]


def test_leaving_ends_an_episode_and_standing_idle_does(game: Game, tmp_path: Path) -> None:
    desk = EpisodeDesk(game, settings=DeskSettings(seat="single", idle=1e-6), out=tmp_path / "out.jsonl")
    with TestClient(create_agents_app(desk)) as client:
        left, idle = (client.post("/v1/episodes", json={}).json()["id"] for _ in range(2))
        assert client.delete(f"/v1/episodes/{left}").status_code == 204
        desk.sweep()
        assert client.get(f"/v1/episodes/{idle}").status_code == 404
    details = [record.outcome["detail"] for record in load_trajectories(tmp_path / "out.jsonl")]
    assert details == ["the agent left", "nobody moved for 1e-06 seconds"]


def test_absent_clients_make_room_for_others(game: Game, tmp_path: Path) -> None:
    settings = DeskSettings(seat="single", max_open=2, idle_full=3_600)
    desk = EpisodeDesk(game, settings=settings, out=tmp_path / "out.jsonl")
    desk.open("moved").act("agent", "<tool_call>{}</tool_call>")
    desk.open("new")
    with pytest.raises(DeskError, match="2 episodes are under way"):
        desk.open("third")
    for key, seconds in (("moved", 3_000), ("new", 400)):  # a tenth of the time for one that never moved
        desk.get(key)._used -= seconds
    desk.open("third")
    assert (desk.holds("moved"), desk.holds("new"), desk.holds("third")) == (True, False, True)
    with pytest.raises(DeskError):
        desk.open("fourth")
    desk.get("moved")._used -= 601
    desk.open("fourth")
    assert not desk.holds("moved")
    desk.shut()
    details = [record.outcome["detail"] for record in load_trajectories(tmp_path / "out.jsonl")]
    assert details[:2] == ["the client was absent, and another one needed its place"] * 2


def test_a_key_opens_everything_but_health(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIDESEEK_SERVE_KEY", "sesame")
    desk = EpisodeDesk(game, settings=DeskSettings(seat="single"))
    with TestClient(create_agents_app(desk, ServeSettings(require_key=True))) as client:
        refused = client.get("/v1/tasks")
        assert refused.status_code == 401
        assert refused.json()["error"]["type"] == "authentication_error"
        assert client.get("/health").status_code == 200
        told = client.get("/v1/tasks?limit=2", headers={"Authorization": "Bearer sesame"}).json()
    assert [task["id"] for task in told["data"]] == [task.id for task in game.tasks[:2]]
    assert set(told["data"][0]) == {"id", "question", "columns"}  # and no gold


# --- the team as a chat model ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "wideseek_env.cli", "serve", "agents", "--tasks", WORLD, "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        found = re.search(r"http://\S+?(?=;)", server.stdout.readline())
        assert found, server.communicate(timeout=30)[1]
        yield found.group()
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=60)
        assert "Traceback" not in errors
        assert server.returncode in (0, 130)
    finally:
        if server.poll() is None:
            server.kill()
        server.communicate()


def inside_answer(task: Any) -> str:
    whole = GameConfig(tasks=WORLD, split="test").open()
    answer = run_episode(whole, PolicyPool("scripted").one(), task, seed=0).episode.outcome.answer
    assert answer
    return answer


def test_openais_client_asks_the_team(game: Game, address: str) -> None:
    openai = pytest.importorskip("openai", reason="needs openai's client")
    task = game.tasks[1]
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["scripted"]
        asked = [{"role": "user", "content": task.question}]
        whole = client.chat.completions.create(model="scripted", messages=asked, temperature=0.2, seed=4)
        assert whole.choices[0].message.content == inside_answer(task)
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage.total_tokens == 0  # the scripted team uses no tokens
        assert whole.wideseek["subagents"] > 1

        stream = client.chat.completions.create(
            model="scripted", messages=asked, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == whole.choices[0].message.content
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert chunks[-1].usage.total_tokens == 0

        with pytest.raises(openai.NotFoundError, match="there is: scripted"):
            client.chat.completions.create(model="gpt", messages=asked)
        with pytest.raises(openai.BadRequestError, match="tools"):
            client.chat.completions.create(model="scripted", messages=asked, tools=[])


class Metered:
    """A team of one message that counts tokens: 30 read and 12 written by every agent."""

    name = "metered"

    def __init__(self) -> None:
        self.usage = {"prompt_tokens": 0, "completion_tokens": 0}

    def reset(self, seed: int) -> None:
        pass

    def act(self, turns: Any) -> Any:
        self.usage["prompt_tokens"] += 30 * len(turns)
        self.usage["completion_tokens"] += 12 * len(turns)
        if turns[0].role == "lead" and len(turns[0].messages) == 2:
            asked = turns[0].messages[1]["content"]
            parts = ["one", "two", asked.splitlines()[-1]]
            return [{"content": "", "tool_calls": [{"id": "1", "function": {
                "name": "delegate", "arguments": json.dumps({"subtasks": parts})}}]}]  # fmt: skip
        return [turn.messages[-1]["content"][:2000] for turn in turns]


def test_usage_is_summed_over_all_agents(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    ask = {
        "model": "metered",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Which museums?"},
        ],
        "wideseek": {"columns": ["Name", "A|B"], "width": 3},
    }
    with service(game, policy="test_agents_http:Metered") as client:
        answers = [client.post("/v1/chat/completions", json=ask).json() for _ in range(2)]
        refused = client.post("/v1/chat/completions", json={**ask, "wideseek": {"width": 2}}).json()
    for answer in answers:
        assert answer["usage"] == {"prompt_tokens": 150, "completion_tokens": 60, "total_tokens": 210}
        assert "| Name | A\\|B |" in answer["choices"][0]["message"]["content"]
        assert answer["wideseek"]["subagents"] == 3
    assert refused["wideseek"]["subagents"] == 0  # three are too wide then


class Broken(Metered):
    """A team whose engine is gone."""

    def act(self, turns: Any) -> Any:
        raise RuntimeError("no engine at /secret/path")


def test_a_team_that_breaks_is_a_server_error(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    ask = {"model": "metered", "messages": [{"role": "user", "content": "Which?"}]}
    with service(game, policy="test_agents_http:Broken") as client:
        answer = client.post("/v1/chat/completions", json=ask)
        stream = client.post("/v1/chat/completions", json={**ask, "stream": True})
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert "secret" not in answer.text + stream.text
    assert '"server_error"' in stream.text


class Slow(Metered):
    """A team that takes its time."""

    gate = threading.Event()

    def act(self, turns: Any) -> Any:
        Slow.gate.wait(60)
        return ["| Name |\n| --- |\n| late |" for _ in turns]


def test_a_slow_team_shows_signs_of_life_and_is_given_up(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import test_agents_http as imported  # the module that the policy is loaded from

    imported.Slow.gate.clear()
    desk = EpisodeDesk(
        game, policies=PolicyPool("test_agents_http:Slow"), settings=DeskSettings(seat="team", max_open=1)
    )
    app = create_agents_app(desk, ServeSettings(timeout=0.3), keep_alive=0.05)
    ask = {"model": "metered", "messages": [{"role": "user", "content": "Which?"}]}
    with TestClient(app) as client:
        streamed = client.post("/v1/chat/completions", json={**ask, "stream": True}).text
        busy = client.post("/v1/chat/completions", json=ask)
        imported.Slow.gate.set()
    assert ": the team is at work" in streamed
    assert "no answer within 0.3 seconds" in streamed
    assert busy.status_code == 429  # the team still works
    assert busy.headers["retry-after"] == "5"


def test_a_judge_that_cannot_be_asked_fails_one_move_and_no_more(game: Game, tmp_path: Path) -> None:
    class Unreachable:
        """A reward that cannot be had."""

        name = "unreachable"

        def __call__(self, episode: Any, score: Any) -> dict[str, float]:
            raise ServiceError("the judge is gone")

    faulty = replace(game, reward=Unreachable())
    desk = EpisodeDesk(faulty, settings=DeskSettings(seat="single"), out=tmp_path / "out.jsonl")
    with TestClient(create_agents_app(desk)) as client:
        number = client.post("/v1/episodes", json={}).json()["id"]
        said = {"message": {"role": "assistant", "content": "| Name |"}}
        answer = client.post(f"/v1/episodes/{number}/messages", json=said)
        assert answer.status_code == 502
        assert "the judge is gone" in answer.json()["error"]["message"]
        assert client.delete(f"/v1/episodes/{number}").status_code == 204
        assert client.post("/v1/episodes", json={}).status_code == 201
    assert (
        load_trajectories(tmp_path / "out.jsonl") == []
    )  # the second is given up as well, and cannot be scored
