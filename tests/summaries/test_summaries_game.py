"""Summaries in a game: settings, records, replay, summaries of runs, and the engine of a policy."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from scripted_server import Raw, ScriptedServer

import wideseek_env
from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env import GameConfig, Rules, evaluate, run_episode
from wideseek_env.cli.app import app
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.messages import ToolResult
from wideseek_env.rewards import approximate_tokens
from wideseek_env.summaries.base import Summary, SummaryRequest
from wideseek_env.summaries.policy_engine import PolicyEngine
from wideseek_env.summaries.prompts import SummaryTexts
from wideseek_env.trajectory import Trajectory, load_trajectories

SMALL: dict[str, Any] = {
    "tasks": "synthetic:seed=1,pages=400,rows=6-8,hops=1", "split": "test", "limit": 1, "width": 2,
    "rules": "width-benchmark", "profile": "wideseek-r1",
}  # fmt: skip
"""The scripted team reads pages with a question under this profile, because its tools have no chunks."""


class Echo:
    """A summariser that returns the page, so that the scripted team can answer."""

    name = "echo"

    def __init__(self) -> None:
        self.asked = 0

    def summarise(self, requests: Sequence[SummaryRequest]) -> list[Summary]:
        self.asked += len(requests)
        return [Summary(request.page, 100, 10, 4) for request in requests]

    def close(self) -> None:
        pass


ECHO = Echo()


def played(summariser: Any = None, **settings: Any) -> EpisodeRun:
    game = GameConfig(**{**SMALL, **settings}, summariser=summariser).open()
    return run_episode(game, ScriptedPolicy(), game.tasks[0], seed=0)


def test_an_episode_with_summaries_is_recorded_and_replayed() -> None:
    run = played(Echo())
    record = json.loads(run.trajectory().to_json())
    used = [event["usage"] for event in record["events"] if "usage" in event]
    assert len(used) == record["outcome"]["tool_calls"]["browse"] > 0
    assert used[0]["prompt_tokens"] == 100
    assert record["meta"]["summariser"] == "echo"
    loaded = Trajectory.from_dict(record)
    assert loaded.replay().events == run.episode.events
    metrics = EpisodeRecord.of(loaded)
    assert metrics.summary_usage == {
        "summaries": len(used), "prompt_tokens": 100 * len(used), "completion_tokens": 10 * len(used),
        "cached_tokens": 4 * len(used), "cached": 0, "failed": 0,
    }  # fmt: skip
    assert metrics.usage is None
    assert EpisodeRecord.from_dict(json.loads(json.dumps(metrics.to_dict()))) == metrics


def test_an_episode_without_a_summariser_has_the_same_bytes_as_before() -> None:
    record = played().trajectory().to_dict(timing=False)
    assert all(
        event.keys() <= {"act", "conversation", "message", "result", "text", "ok"}
        for event in record["events"]
    )
    assert "summariser" not in record["meta"]
    assert "counter" not in record["meta"]
    assert EpisodeRecord.of(Trajectory.from_dict(record)).summary_usage is None
    assert "passage_chars" not in record["rules"]


def test_copies_and_pickles_of_an_episode_keep_its_usage() -> None:
    run = played("test_summaries_game:ECHO")
    for again in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        assert again.episode.events == run.episode.events


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": "5"}, {"x": None}, {}]
)
def test_usage_that_is_no_count_is_not_recorded(usage: dict[str, Any]) -> None:
    game = GameConfig(**SMALL).open()
    run = EpisodeRun(game.replace(team=False), game.tasks[0])
    call = '<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>'
    (request,) = run.act("agent", call)
    run.deliver(request, ToolResult("nothing", usage=usage))
    assert run.episode.events[-1] == ("result", request.id, "nothing", True)


def test_a_run_counts_the_summariser_apart(tmp_path: Path) -> None:
    summary = evaluate("scripted", **SMALL, summariser="test_summaries_game:ECHO", out=tmp_path / "run")
    assert summary.summary_usage_total["summaries"] > 0
    assert summary.summary_usage_total["prompt_tokens"] == 100 * summary.summary_usage_total["summaries"]
    assert summary.usage == {}
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert settings["summariser"] == "echo"
    assert settings["game"]["summariser"] == "test_summaries_game:ECHO"
    (trajectory,) = load_trajectories(tmp_path / "run" / "trajectories.jsonl")
    assert trajectory.meta["summariser"] == "echo"
    asked = ECHO.asked
    evaluate("scripted", **SMALL, summariser="test_summaries_game:ECHO", out=tmp_path / "run")
    assert asked == ECHO.asked  # resumed, and nothing was run again
    for other in (None, "openai:m@http://127.0.0.1:9/v1"):
        with pytest.raises(ConfigError, match="summariser"):
            evaluate("scripted", **SMALL, summariser=other, out=tmp_path / "run")


def test_a_run_of_an_earlier_version_can_be_resumed(tmp_path: Path) -> None:
    evaluate("scripted", **SMALL, out=tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    about = json.loads(path.read_text())
    assert about["settings"]["rules"].pop("page_chars") == 25_000
    path.write_text(json.dumps(about))
    evaluate("scripted", **SMALL, out=tmp_path / "run")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(["The page says nothing.", Raw(500, b""), Raw(400, b"no")]) as server:
        yield server


def test_the_command_prints_what_summaries_cost(server: ScriptedServer, tmp_path: Path) -> None:
    words = GameConfig(**SMALL).to_args()
    done = CliRunner().invoke(
        app,
        [
            "eval",
            *words,
            "--policy",
            "scripted",
            f"--summariser=openai:m@{server.url}",
            "--out",
            str(tmp_path / "r"),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "summariser's tokens" in done.output
    assert "failed" in done.output
    assert len(server.asked) >= 3


def test_the_rules_reach_search_and_pages(server: ScriptedServer) -> None:
    config = GameConfig(
        **{**SMALL, "limits": {"passage_chars": 900, "page_chars": 333}}, summariser=f"openai:m@{server.url}"
    )
    game = config.open()
    run_episode(game, ScriptedPolicy(), game.tasks[0], seed=0)
    asked = server.asked[0].body["messages"][1]["content"]
    page = asked.partition("-----\n")[2].rpartition("\n----- end")[0]
    assert len(page) <= 333
    call = wideseek_env.ToolCall("a/1/0", "a", "search", {"query": "list of castles", "count": 1})
    usual = GameConfig(**SMALL).open().executor.run([call])[0].text
    assert len(game.executor.run([call])[0].text) > len(usual) + 50


# --- rules ---------------------------------------------------------------------------------------------------------


def test_the_published_rules() -> None:
    rules = Rules.preset("wideseek-r1")
    assert rules.to_dict() == {
        "width": 10, "lead_turns": 10, "subagent_turns": 20, "single_turns": 50, "calls_per_turn": 5,
        "results_per_query": 3, "max_results_per_query": 10, "context": 32_000, "action_chars": 65_536,
        "result_chars": 60_000, "page_chars": 25_000, "passage_chars": 5_000,
    }  # fmt: skip
    assert rules.result_chars > rules.max_results_per_query * rules.passage_chars
    assert Rules(**rules.to_dict()) == rules
    assert GameConfig(rules=rules).rules == "wideseek-r1"


@pytest.mark.parametrize("value", [0, -1, 2.5, "5", True])
@pytest.mark.parametrize("name", ["passage_chars", "page_chars"])
def test_lengths_must_be_whole_numbers(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        Rules(**{name: value})


def test_tokens_are_counted_under_the_published_rules() -> None:
    assert GameConfig(**SMALL | {"rules": "wideseek-r1"}).open_counter() is approximate_tokens
    own = GameConfig(
        **SMALL | {"rules": "wideseek-r1", "counter": "test_summaries_game:length"}
    ).open_counter()
    assert own is length
    limits = {"context": 131_072}
    assert (
        GameConfig(**SMALL | {"rules": "wideseek-r1", "limits": limits}).open_counter()
        is not approximate_tokens
    )
    assert GameConfig(**SMALL).open_counter() is not approximate_tokens


def length(message: dict[str, Any]) -> int:
    return len(message["content"])


def test_a_record_with_another_counter_can_be_replayed() -> None:
    run = played(rules="wideseek-r1", limits={"lead_turns": 4, "subagent_turns": 5})
    trajectory = run.trajectory()
    assert trajectory.meta["counter"] == "wideseek_env.rewards:approximate_tokens"
    assert trajectory.replay().events == run.episode.events
    broken = Trajectory.from_dict({**trajectory.to_dict(), "meta": {"counter": "no_such_module:count"}})
    with pytest.raises(TrajectoryError, match="the context counter cannot be loaded"):
        broken.replay()


# --- the engine of the policy --------------------------------------------------------------------------------------


class WithEngine(ScriptedPolicy):
    """A policy with an engine that summarises."""

    def __init__(self, summariser: Any) -> None:
        super().__init__()
        self.summariser = summariser


def test_the_engine_of_the_policy_summarises() -> None:
    game = GameConfig(**SMALL, summariser="engine").open()
    echo = Echo()
    run = run_episode(game, WithEngine(echo), game.tasks[0])
    assert echo.asked > 0
    assert EpisodeRecord.of(run.trajectory()).summary_usage is not None
    assert run.trajectory().meta["summariser"] == "engine"
    with pytest.raises(ConfigError, match="name a summariser with a model"):
        EpisodeRun(game, game.tasks[0])  # the policy has gone


def test_a_policy_without_an_engine_is_refused() -> None:
    game = GameConfig(**SMALL, summariser="engine").open()
    with pytest.raises(ConfigError, match="the policy 'scripted' has no engine that can summarise"):
        run_episode(game, ScriptedPolicy(), game.tasks[0])
    with pytest.raises(ConfigError, match="no engine that can summarise"):
        evaluate("scripted", **SMALL, summariser="engine")
    done = CliRunner().invoke(
        app, ["run", "--policy", "scripted", *GameConfig(**SMALL, summariser="engine").to_args()]
    )
    assert done.exit_code != 0


def test_environments_have_no_policy() -> None:
    env = wideseek_env.parallel_env(tasks=SMALL["tasks"], summariser="engine")
    with pytest.raises(ConfigError, match="name a summariser with a model, such as openai:MODEL@URL"):
        env.reset(seed=1)


def test_two_policies_cannot_share_a_game() -> None:
    game = GameConfig(**SMALL, summariser="engine").open()
    slot = game.summariser
    assert isinstance(slot, PolicyEngine)
    first = WithEngine(Echo())
    with slot.attached(first), slot.attached(first):
        with (
            pytest.raises(ConfigError, match="two policies play one game"),
            slot.attached(WithEngine(Echo())),
        ):
            pass
        slot.check()
    with slot.attached(WithEngine(Echo())):
        slot.check()


def test_a_game_with_an_engine_is_pickled_without_it() -> None:
    game = GameConfig(**SMALL, summariser="engine").open()
    again = pickle.loads(pickle.dumps(game))
    assert isinstance(again.summariser, PolicyEngine)
    assert again.summariser is again.executor.summariser
    assert again.record() == game.record()
    echo = Echo()
    run_episode(again, WithEngine(echo), again.tasks[0])
    assert echo.asked > 0


# --- loaded texts --------------------------------------------------------------------------------------------------

LOADED = {
    "summariser": {"system": "", "user": "Own prompt: {question} / {page}"},
    "results": {
        "summary": "[{title}] {focus} -> {text}",
        "summary_of_beginning": "[{title}] {focus} ({chars}) -> {text}",
        "summary_failed": "No summary.\n{text}",
    },
}


def test_loaded_texts_reach_the_summariser_and_its_results(server: ScriptedServer) -> None:
    game = GameConfig(**SMALL, texts=LOADED, summariser=f"openai:m@{server.url}").open()
    run = run_episode(game, ScriptedPolicy(), game.tasks[0])
    (message,) = server.asked[0].body["messages"]
    assert message["content"].startswith("Own prompt: ")
    texts = [event[2] for event in run.episode.events if event[0] == "result" and len(event) == 5]
    assert " -> The page says nothing." in texts[0]
    assert any(text.startswith("No summary.\n") for text in texts)
    assert Trajectory.from_dict(run.trajectory().to_dict()).replay().events == run.episode.events


def test_loaded_texts_reach_the_engine_while_it_is_attached() -> None:
    class Prompted(Echo):
        texts = usual = SummaryTexts()

    policy = WithEngine(Prompted())
    game = pickle.loads(pickle.dumps(GameConfig(**SMALL, texts=LOADED, summariser="engine").open()))
    with game.summariser.attached(policy):
        assert policy.summariser.texts.user == LOADED["summariser"]["user"]
    assert policy.summariser.texts is Prompted.usual


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ({"user": "no field"}, r"must contain \{page\}"),
        ({"user": "{page} {answer}"}, r"no field \{answer\}"),
        ({"user": "{page} {"}, "braces"),
        ({"system": "{role}"}, r"no field \{role\}"),
    ],
)
def test_wrong_texts_are_named(texts: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        SummaryTexts(**texts)
    with pytest.raises(ConfigError):
        GameConfig(texts={"summariser": texts})
