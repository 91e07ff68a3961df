"""WideSeek behind the real OpenEnv server on loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.episode_run import run_episode
from wideseek_env.game import Game, GameConfig
from wideseek_env.policy import Turn

pytest.importorskip(
    "openenv",
    reason="needs openenv: pip install -e 'baselines[openenv]' (in an environment of its own)",
)
uvicorn = pytest.importorskip("uvicorn")

from wideseek_baselines.adapters.openenv_client import (  # noqa: E402
    Transcripts,
    WideSeekClient,
    remote_action,
    run_remote_episode,
)
from wideseek_baselines.adapters.openenv_models import AgentMessage, Call, WideSeekAction  # noqa: E402
from wideseek_baselines.adapters.openenv_server import create_app  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # FastAPI's and uvicorn's own

GAME = {"tasks": "synthetic:seed=3,pages=900,rows=6-9", "width": 3}
SESSIONS = 3


@pytest.fixture(scope="module")
def setup() -> Game:
    return GameConfig(**GAME).open()


@pytest.fixture(scope="module")
def url(setup: Game) -> Iterator[str]:
    config = uvicorn.Config(create_app(setup, sessions=SESSIONS), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < until
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def test_two_sessions_at_a_time_play_as_in_process(url: str, setup: Game) -> None:
    """Each on a task of its own; their steps interleave, and every number is that of the same game played here."""
    both_in = threading.Barrier(2, timeout=60)

    class InStep(ScriptedPolicy):
        """Waits before its second step until the other session has taken its first."""

        def __init__(self) -> None:
            super().__init__()
            self.steps = 0

        def act(self, turns: Any) -> Any:
            self.steps += 1
            if self.steps == 2:
                both_in.wait()
            return super().act(turns)

    def play(number: int) -> Any:
        with WideSeekClient(base_url=url).sync() as client:
            last = run_remote_episode(client, InStep(), seed=number, index=number)
            return last, client.state()

    with ThreadPoolExecutor(2) as pool:
        played = list(pool.map(play, range(2)))
    for number, (last, state) in enumerate(played):
        here = run_episode(setup, ScriptedPolicy(), setup.tasks[number], seed=number)
        assert here.score is not None
        assert last.task_id == state.task_id == setup.tasks[number].id
        assert last.reward == here.reward == last.metrics["item_f1"] == here.score.f1_by_item
        assert last.reward_parts == here.parts
        assert (last.answer, last.ending) == (here.episode.outcome.answer, "answered")  # type: ignore[union-attr]
        assert state.done
        assert state.agents == dict.fromkeys(here.episode.agents, "done")
    assert played[0][0].metrics["item_f1"] > 0.5
    assert played[0][0].metrics["subagents"] >= 2


def test_conversations_are_put_together_as_they_are(url: str, setup: Game) -> None:
    """What a policy sees through the server is what it would see here, turn by turn."""

    def seen_by(turns: list[Turn]) -> list[Any]:
        return [
            (t.agent, t.role, t.observation, list(t.messages), list(t.tools), t.turns_left, t.conversation)
            for t in turns
        ]

    class Watching(ScriptedPolicy):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[Any] = []

        def act(self, turns: Any) -> Any:
            self.seen.append(seen_by(turns))
            return super().act(turns)

    remote, local = Watching(), Watching()
    task = setup.tasks[1]
    with WideSeekClient(base_url=url).sync() as client:
        run_remote_episode(client, remote, task_id=task.id)
    run_episode(setup, local, task)
    assert remote.seen == local.seen
    assert len(remote.seen) > 3


def test_agents_move_one_by_one_with_structured_calls(url: str) -> None:
    with WideSeekClient(base_url=url).sync() as client:
        result = client.reset(index=0)
        (lead,) = result.observation.acting
        assert (lead.agent, lead.role, result.done, result.reward) == ("lead", "lead", False, None)
        delegate = Call(name="delegate", arguments={"subtasks": ["one half", "the other"]}, id="mine")
        result = client.step(WideSeekAction(turns=[AgentMessage(agent="lead", calls=[delegate])]))
        first, second = result.observation.acting
        assert [first.agent, second.agent] == ["subagent_0", "subagent_1"]
        assert "one half" in first.messages[-1]["content"]
        assert first.tools
        assert not first.messages[-1].get("tool_calls")
        search = Call(name="search", arguments={"query": "list"})
        result = client.step(
            WideSeekAction(turns=[AgentMessage(agent="subagent_1", content="I look.", calls=[search])])
        )
        still, moved = result.observation.acting
        assert (still.agent, still.messages) == ("subagent_0", []), (
            "nothing is new to it, and it keeps its turn"
        )
        assert [message["role"] for message in moved.messages] == ["assistant", "tool"]
        assert moved.messages[1]["content"].startswith("# Search: list")
        assert moved.messages[1]["tool_call_id"] == "call_0"
        assert not moved.tools, "schemas come once"
        broken = Call(name="search", arguments='{"query": ')
        result = client.step(WideSeekAction(turns=[AgentMessage(agent="subagent_1", calls=[broken])]))
        told = result.observation.acting[1].messages[-1]["content"]
        assert "JSON" in told, "a malformed call is told to the agent"
        reports = [AgentMessage(agent=f"subagent_{number}", content="Nothing.") for number in range(2)]
        result = client.step(WideSeekAction(turns=reports))
        (lead,) = result.observation.acting
        assert lead.messages[0]["tool_calls"][0]["id"] == lead.messages[1]["tool_call_id"] == "mine"
        result = client.step(WideSeekAction(turns=[AgentMessage(agent="lead", content="I do not know.")]))
        assert (result.done, result.reward, result.observation.metrics["well_formed"]) == (True, 0.0, 0.0)


def test_what_cannot_be_played_is_refused_and_changes_nothing(url: str) -> None:
    def say(agent: str, content: str = "x") -> AgentMessage:
        return AgentMessage(agent=agent, content=content)

    with WideSeekClient(base_url=url).sync() as client:
        with pytest.raises(RuntimeError, match="call reset first"):
            client.step(WideSeekAction(turns=[say("lead")]))
        with pytest.raises(RuntimeError, match="nowhere"):
            client.reset(task_id="nowhere")
        with pytest.raises(RuntimeError, match=r"index must be from 0 to \d+, not 100000"):
            client.reset(index=100_000)
        with pytest.raises(RuntimeError, match="serves the split 'train', not 'test'"):
            client.reset(index=0, split="test")
        client.reset(index=0)
        for turns in ([say("subagent_0")], [say("lead"), say("subagent_0")], [say("lead"), say("lead")]):
            with pytest.raises(
                RuntimeError,
                match=r"not the turn of 'subagent_0'; acting agents: lead|send one message for each agent",
            ):
                client.step(WideSeekAction(turns=turns))
        assert client.state().step_count == 0
        assert client.state().acting == ["lead"]
        assert client.step(WideSeekAction(turns=[say("lead")])).done
        with pytest.raises(RuntimeError, match="the episode is over: call reset"):
            client.step(WideSeekAction(turns=[say("lead")]))
        assert not client.reset(seed=5).done
    with pytest.raises(ValueError, match="turns"):
        WideSeekAction(turns=[])


def test_the_same_seed_takes_the_same_task(url: str) -> None:
    with WideSeekClient(base_url=url).sync() as client:
        tasks = [client.reset(seed=seed).observation.task_id for seed in (1, 2, 1, 2)]
        assert tasks[:2] == tasks[2:]
        assert tasks[0] != tasks[1]
        client.reset(seed=1, episode_id="mine")
        assert client.state().episode_id == "mine"


def test_no_more_sessions_than_allowed(url: str) -> None:
    clients = [WideSeekClient(base_url=url).sync() for _ in range(SESSIONS)]
    try:
        for number, client in enumerate(clients):
            client.connect()
            client.reset(index=number)
        with pytest.raises((RuntimeError, ConnectionError)), WideSeekClient(base_url=url).sync() as late:
            late.reset(index=0)
    finally:
        for client in clients:
            client.close()


def test_plain_routes_describe_the_environment_without_its_answers(url: str, setup: Game) -> None:
    schema = requests.get(f"{url}/schema", timeout=60).json()
    assert "turns" in schema["action"]["properties"]
    assert "acting" in schema["observation"]["properties"]
    assert requests.get(f"{url}/health", timeout=60).json()["status"] == "healthy"
    asked = requests.post(f"{url}/wideseek/task", json={"split": "train", "index": 1}, timeout=60).json()
    assert setup.tasks[1].id in str(asked)
    gold = setup.tasks[1].gold.rows[0]
    assert not all(cell in str(asked) for cell in gold), "the gold table stays on the server"
    count = requests.post(f"{url}/wideseek/num_tasks", json={"split": "train"}, timeout=60).json()
    assert str(len(setup.tasks)) in str(count)


def test_a_single_agent_and_bad_settings(setup: Game) -> None:
    from wideseek_baselines.adapters.openenv_server import ServedGame, WideSeekEnvironment
    from wideseek_env.errors import ConfigError

    single = GameConfig(tasks=setup.tasks, executor=setup.executor, team=False).open()
    environment = WideSeekEnvironment(ServedGame(single))
    observation = environment.reset(index=0)
    transcripts, policy = Transcripts(), ScriptedPolicy()
    while not observation.done:
        turns = transcripts.turns(observation)
        observation = environment.step(remote_action(turns, policy.act(turns)))
    here = run_episode(single, ScriptedPolicy(), single.tasks[0])
    assert observation.reward == here.reward
    assert observation.reward is not None
    assert observation.reward > 0.3
    with pytest.raises(ConfigError, match="sessions must be at least 1"):
        create_app(setup, sessions=0)
    with pytest.raises(ConfigError, match="synthetik"):
        create_app(GameConfig(tasks="synthetik"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--tasks", "nowhere"], 2, "nowhere"),
        (["--width", "0"], 2, "width"),
        (["--tasks", "missing.jsonl"], 1, "missing.jsonl"),
        (["--corpus", "/nowhere"], 1, "no corpus folder /nowhere"),
    ],
)
def test_the_command_tells_errors_in_one_line(words: list[str], code: int, message: str) -> None:
    from click.testing import CliRunner

    from wideseek_baselines.adapters.openenv_server import main

    result = CliRunner().invoke(main, words)
    assert result.exit_code == code
    assert isinstance(result.exception, SystemExit)
    assert message in result.output.splitlines()[-1]


def test_the_command_takes_every_field_of_the_game() -> None:
    from wideseek_baselines.adapters.openenv_server import main
    from wideseek_env.entry_points import ENTRY_POINTS

    assert {*ENTRY_POINTS["wideseek-openenv"].names} <= {parameter.name for parameter in main.params}
