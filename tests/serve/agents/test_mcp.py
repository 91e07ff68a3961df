"""Episodes over the Model Context Protocol, with its own client: stdio, HTTP, several at once, and bad input."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from outside_agent import OutsideAgent

from wideseek_env import Game, GameConfig, load_trajectories, run_episode
from wideseek_env.errors import WideSeekError
from wideseek_env.serve.agents import DeskSettings, EpisodeDesk, PolicyPool
from wideseek_env.serve.agents.native import native_game, native_profile

pytest.importorskip("mcp_types", reason='needs the extra: pip install -e ".[mcp]"')

from mcp import Client, MCPError, StdioServerParameters

from wideseek_env.serve.agents import mcp_server, mcp_tools_server
from wideseek_env.serve.agents.mcp_server import _Door

WORLD = "synthetic:seed=3,pages=400"
T = TypeVar("T")


@pytest.fixture(scope="module")
def game() -> Game:
    return GameConfig(tasks=WORLD, split="test", rules="width-benchmark", width=4).open()


def run(main: Callable[[], Awaitable[T]]) -> T:
    async def limited() -> T:
        return await asyncio.wait_for(main(), 120)

    return asyncio.run(limited())


def texts(result: Any) -> str:
    return "\n".join(block.text for block in result.content)


async def play(client: Any, role: str, game: Game) -> Any:
    """Play the session's episode as the scripted policy would; returns the result of handing in the end."""
    listed = (await client.list_tools()).tools
    own = [t for t in listed if t.name not in ("answer", "report", "task")]
    tools = [
        {
            "type": "function",
            "function": {"name": t.name, "description": t.description, "parameters": t.input_schema},
        }
        for t in own
    ]
    prompt = (await client.get_prompt("task")).messages
    messages = [
        {"role": "system", "content": prompt[0].content.text},
        {"role": "user", "content": prompt[1].content.text},
    ]
    agent = OutsideAgent(role, messages, tools)
    left = game.rules.turns(role)  # type: ignore[arg-type]
    while not isinstance(moves := agent.decide(left), str):
        agent.said(moves)
        results = await asyncio.gather(*(client.call_tool(name, arguments) for name, arguments in moves))
        agent.heard([texts(result) for result in results])
        left -= 1
    return await client.call_tool("report" if role == "subagent" else "answer", {"text": moves})


def desk(game: Game, seat: Any, out: Path | None = None, **settings: Any) -> EpisodeDesk:
    policies = PolicyPool("scripted") if seat != "single" else None
    return EpisodeDesk(game, policies=policies, settings=DeskSettings(seat=seat, **settings), out=out)


@pytest.mark.parametrize("seat", ["lead", "single"])
def test_an_episode_scores_as_in_process(game: Game, seat: str, tmp_path: Path) -> None:
    task = game.tasks[2]
    inside = run_episode(native_game(game, team=seat == "lead"), PolicyPool("scripted").one(), task, seed=0)

    async def main() -> Any:
        server = mcp_server(desk(game, seat, tmp_path / "out.jsonl", task_id=task.id), window=0.3)
        async with Client(server) as client:
            return await play(client, seat, game)

    last = run(main)
    assert not last.is_error
    (record,) = load_trajectories(tmp_path / "out.jsonl")
    assert 0 < record.reward == inside.reward == last.meta["wideseek"]["reward"]
    assert record.outcome["answer"] == inside.episode.outcome.answer
    assert (
        record.outcome["turns"] == inside.episode.outcome.turns
    )  # calls that arrived together were one turn
    assert record.outcome["critical_path"] == inside.episode.outcome.critical_path
    assert record.outcome["tool_calls"] == inside.episode.outcome.tool_calls
    record.replay(native_profile(game.profile))


def test_a_subagent_plays_in_a_team_that_a_policy_leads(game: Game, tmp_path: Path) -> None:
    async def main() -> Any:
        server = mcp_server(desk(game, "subagent", tmp_path / "out.jsonl"), window=0.3)
        async with Client(server) as client:
            return await play(client, "subagent", game)

    last = run(main)
    (record,) = load_trajectories(tmp_path / "out.jsonl")
    inside = run_episode(native_game(game, team=True), PolicyPool("scripted").one(), game.tasks[0], seed=0)
    assert record.reward == inside.reward == last.meta["wideseek"]["reward"]
    assert "over" in texts(last)


def test_a_given_subtask_is_delegated_first(game: Game, tmp_path: Path) -> None:
    async def main() -> str:
        made = desk(game, "subagent", tmp_path / "out.jsonl", subtask="Find the opening year of the tower.")
        async with Client(mcp_server(made, window=0)) as client:
            prompt = (await client.get_prompt("task")).messages
            await client.call_tool("report", {"text": "It opened in 1874."})
            return prompt[1].content.text

    assert "Find the opening year of the tower." in run(main)
    (record,) = load_trajectories(tmp_path / "out.jsonl")
    first = next(c for c in record.conversations if c["agent"] == "subagent_0")
    assert first["final"] == "It opened in 1874."
    assert "It opened in 1874." in record.conversations[0]["messages"][3]["content"]


def test_names_schemas_and_texts_are_the_environments_own(game: Game) -> None:
    async def main() -> tuple[Any, Any, str, str]:
        made = desk(game, "lead")
        async with Client(mcp_server(made)) as client:
            tools = (await client.list_tools()).tools
            prompt = (await client.get_prompt("task")).messages
            asked = texts(await client.call_tool("task", {}))
            read = (await client.read_resource("wideseek://question")).contents[0].text
            return tools, prompt, asked, read

    tools, prompt, asked, question = run(main)
    episode = native_game(game, team=True).episode(game.tasks[0])
    (schema,) = episode.tools("lead")
    assert [tool.name for tool in tools] == ["delegate", "answer", "task"]
    assert tools[0].description == schema["function"]["description"]
    assert tools[0].input_schema == schema["function"]["parameters"]
    system, user = (str(message["content"]) for message in episode.messages("lead"))
    assert prompt[0].content.text.startswith(system)
    assert "<tool_call>" not in prompt[0].content.text
    assert prompt[1].content.text == user == question == game.tasks[0].question
    assert asked == f"{prompt[0].content.text}\n\n{user}"


def test_what_cannot_be_run_is_a_tool_error_and_costs_a_turn(game: Game) -> None:
    async def main() -> list[Any]:
        made = desk(game, "single")
        async with Client(mcp_server(made, window=0)) as client:
            return [
                await client.call_tool("search", {"query": ""}),
                await client.call_tool("delegate", {"subtasks": ["x"]}),
                await client.call_tool("search", {"query": {"no": ["text"]}}),
                await client.call_tool("browse", {"url": "file:///etc/passwd"}),
                await client.call_tool("answer", {"text": "   "}),
                await client.call_tool("search", {"query": "tower", "count": 10**30}),
                await client.call_tool("search", {"query": "the last turn"}),
                await client.call_tool("search", {"query": "one more"}),
                await client.call_tool("answer", {"text": "| Name |"}),
            ]

    results = run(main)
    assert [r.is_error for r in results] == [True, True, True, True, True, False, True, True, True]
    assert 'Error: "query" is required' in texts(results[0])
    assert "not among your tools" in texts(results[1])
    assert "turn 4 of 6" in texts(results[2])
    assert "there is no page" in texts(results[3])
    assert "turn 6 of 6, your last" in texts(results[5])
    assert "out_of_turns" in texts(results[6])
    assert results[8].meta["wideseek"] == {"reward": 0.0, "item_f1": 0.0}


def test_calls_that_arrive_together_share_a_turn(game: Game) -> None:
    """A full turn does not wait for the window, which is far longer here than the test may take."""

    async def main() -> list[str]:
        made = desk(game, "single")
        async with Client(mcp_server(made, window=100)) as client:
            calls = [client.call_tool("search", {"query": f"museum {n}"}) for n in range(4)]
            return [texts(result) for result in await asyncio.gather(*calls)]

    told = run(main)
    assert [f"# Search: museum {n}" in text for n, text in enumerate(told)] == [True] * 4
    assert ["turn" in text.rpartition("[")[2] for text in told] == [False, True, False, True]


def test_each_call_is_a_turn_where_only_the_first_call_counts() -> None:
    settings = {"split": "test", "rules": "width-benchmark", "profile": "wideseek-r1"}
    published = GameConfig(tasks=WORLD, **settings).open()

    async def main() -> tuple[list[str], Any]:
        made = desk(published, "single")
        async with Client(mcp_server(made, window=100)) as client:
            calls = [client.call_tool("search", {"query": f"museum {n}"}) for n in range(3)]
            found = [texts(result) for result in await asyncio.gather(*calls)]
            return found, await client.call_tool("search", {"query": ""})

    told, ended = run(main)
    assert [f"# Search: museum {n}" in text for n, text in enumerate(told)] == [True] * 3
    assert [f"turn {n} of 6" in text for n, text in enumerate(told, 2)] == [True] * 3
    assert ended.is_error
    assert "answered" in texts(ended), "a call that cannot be run is the last message"


def test_parallel_first_calls_open_their_sessions_once(game: Game) -> None:
    desk = EpisodeDesk(game, settings=DeskSettings(seat="single", max_open=400))
    door = _Door(desk, 0.0)
    opened: list[str] = []
    begin = desk.open

    def slowly(key: str, **more: Any) -> Any:
        time.sleep(0.001 * (len(opened) % 3))
        opened.append(key)
        return begin(key, **more)

    desk.open = slowly  # type: ignore[method-assign]

    class Session:
        def __init__(self, number: int) -> None:
            self.number = number

    async def main() -> list[Any]:
        return await asyncio.gather(*(door.seat(Session(n % 40)) for n in range(200)))  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        module = sys.modules[_Door.__module__]
        patch.setattr(module, "_address", lambda session: (f"session:{session.number}", "", ""))
        seats = asyncio.run(main())
    assert sorted(opened) == sorted({f"session:{n}" for n in range(40)})
    assert all(seats[n] is seats[n % 40] for n in range(200))
    desk.shut()


def test_tools_alone_have_no_episode(game: Game) -> None:
    async def main() -> list[Any]:
        async with Client(mcp_tools_server(game)) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            found = await client.call_tool("search", {"query": game.tasks[0].question, "count": 2})
            url = re.search(r"\((https?://[^)]+)\)", texts(found)).group(1)  # type: ignore[union-attr]
            page = await client.call_tool("browse", {"url": url})
            wrong = [await client.call_tool("browse", {}), await client.call_tool("delegate", {})]
            return [names, found, page, *wrong]

    names, found, page, empty, unknown = run(main)
    assert names == ["search", "browse"]
    assert texts(page).startswith("Title: ")
    assert "Your next message" not in texts(page)
    assert (found.is_error, page.is_error, empty.is_error, unknown.is_error) == (False, False, True, True)


def test_unknown_prompts_and_tasks_are_errors_of_the_protocol(game: Game) -> None:
    async def main() -> None:
        async with Client(mcp_server(desk(game, "lead"))) as client:
            with pytest.raises(MCPError, match="no prompt 'else'"):
                await client.get_prompt("else")
            with pytest.raises(MCPError, match="no resource"):
                await client.read_resource("file:///etc/passwd")

    run(main)
    with pytest.raises(WideSeekError, match="no task 'nope'"):
        desk(game, "lead", task_id="nope")
    with pytest.raises(WideSeekError, match="one agent"):
        mcp_server(desk(game, "team"))


class Faulty:
    """A policy that breaks when a subagent is to move."""

    name = "faulty"

    def reset(self, seed: int) -> None:
        pass

    def act(self, turns: Any) -> Any:
        raise RuntimeError("the engine is gone: secret/path")


def test_a_policy_that_breaks_ends_the_episode(
    game: Game, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    async def main() -> list[Any]:
        made = EpisodeDesk(game, policies=PolicyPool("test_mcp:Faulty"), out=tmp_path / "out.jsonl")
        async with Client(mcp_server(made, window=0)) as client:
            first = await client.call_tool("delegate", {"subtasks": ["a"]})
            return [first, await client.call_tool("answer", {"text": "late"})]

    first, late = run(main)
    assert first.is_error
    assert late.is_error
    assert "failed" in texts(first)
    (record,) = load_trajectories(tmp_path / "out.jsonl")
    assert record.outcome["ending"] == "failed"
    assert record.reward == 0


def command(*more: str) -> list[str]:
    return ["-m", "wideseek_env.cli", "serve", "mcp", "--tasks", WORLD, "--rules", "width-benchmark", *more]


def test_over_stdio(game: Game, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    async def main() -> Any:
        arguments = command("--role", "lead", "--width", "4", "--out", str(out))
        server = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))
        async with Client(server) as client:
            return await play(client, "lead", game)

    last = run(main)
    inside = run_episode(native_game(game, team=True), PolicyPool("scripted").one(), game.tasks[0], seed=0)
    (record,) = load_trajectories(out)
    assert record.reward == inside.reward == last.meta["wideseek"]["reward"] > 0


@contextmanager
def served(*more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    server = subprocess.Popen(
        [sys.executable, *command("--port", "0", *more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        found = re.search(r"http://\S+?(?=;)", server.stdout.readline())
        assert found, server.communicate(timeout=30)[1]
        yield found.group(), server
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        try:
            server.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.communicate()


def test_over_http_sessions_are_episodes_of_their_own(game: Game, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    inside = [
        run_episode(native_game(game, team=False), PolicyPool("scripted").one(), task, seed=0)
        for task in game.tasks[:3]
    ]

    async def main(url: str) -> list[Any]:
        async def one(address: str, mode: str) -> Any:
            async with Client(address, mode=mode) as client:
                return await play(client, "single", game)

        addresses = [f"{url}?task={task.id}" for task in game.tasks[:3]]
        sessions = [
            one(address, mode) for address, mode in zip(addresses, ("auto", "legacy", "auto"), strict=True)
        ]
        # In the protocol without sessions the client names its episode.
        named = [one(f"{addresses[n]}&episode=mine-{n}", "2026-07-28") for n in (0, 1)]
        results = await asyncio.gather(*sessions, *named)
        async with Client(f"{url}?episode=left", mode="2026-07-28") as client:
            await client.call_tool("task", {})
        async with Client(url) as client:  # leaves in the middle: its session ends, and with it its episode
            await client.call_tool("search", {"query": "museum"})
        return results

    with served("--role", "single", "--gather", "0.3", "--out", str(out)) as (url, server):
        results = run(lambda: main(url))
    assert [r.meta["wideseek"]["reward"] for r in results] == [inside[n].reward for n in (0, 1, 2, 0, 1)]
    records = load_trajectories(out)
    assert sorted(r.task.id for r in records[:5]) == sorted(game.tasks[n].id for n in (0, 1, 2, 0, 1))
    assert [r.outcome["ending"] for r in records[5:]] == ["failed", "failed"]
    assert {r.outcome["detail"] for r in records[5:]} == {"the agent left", "the service was stopped"}
    assert server.returncode == 128 + signal.SIGTERM


def test_http_refuses_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    monkeypatch.setenv("WIDESEEK_SERVE_KEY", "sesame")
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        },
    }
    accept = {"accept": "application/json, text/event-stream"}
    with (
        served("--role", "single", "--max-episodes", "1") as (url, _),
        httpx.Client(headers=accept) as client,
    ):
        assert client.post(url, json=hello).status_code == 401
        assert client.get(url.replace("/mcp", "/health")).status_code == 200
        client.headers["authorization"] = "Bearer sesame"
        client.headers["content-type"] = "application/json"
        assert client.post(url, content=b"{" * 10_000).status_code == 400
        assert client.post(url, content=b"x" * (2 << 20)).status_code == 413
        assert client.post(url, json=hello, headers={"host": "evil.example"}).status_code == 421
        assert client.post(url, json=hello, headers={"mcp-session-id": "0" * 32}).status_code == 404
        assert client.post(url, json=hello).status_code == 200
        assert client.post(url, json=hello).status_code == 503  # the one session is open
