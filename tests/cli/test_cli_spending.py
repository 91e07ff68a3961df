"""What a run says about tokens before and after it, and how `--max-tokens` stops it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from scripted_server import Asked, Raw, ScriptedServer, completion

from wideseek_env.task import ColumnSpec, Table
from wideseek_env.tasks.jsonl import load_tasks, save_tasks
from wideseek_env.trajectory import load_trajectories

pytest.importorskip("httpx", reason="needs httpx: pip install -e 'baselines[openai]'")

Call = Callable[..., Result]
PROMPT, WRITTEN = 10, 5
EPISODE = 2 * (PROMPT + WRITTEN)
"""Tokens of an episode: the agent searches once and answers then."""
SEARCH = '<tool_call>{"name": "search", "arguments": {"query": "Alder"}}</tool_call>'
TABLE = "| Town | Population |\n| --- | --- |\n| Alder | 1000 |"


def agent(asked: Asked) -> Raw:
    """Searches in its first turn and answers in the second."""
    first = sum(message["role"] == "assistant" for message in asked.body["messages"]) == 0
    return Raw(body=completion(SEARCH if first else TABLE, PROMPT, WRITTEN))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(agent) as made:
        yield made


@pytest.fixture
def play(world: Path, server: ScriptedServer) -> list[str]:
    """Options that let the server's model answer the questions about towns alone."""
    return [
        *("--tasks", str(world / "tasks.jsonl"), "--corpus", str(world / "corpus"), "--single"),
        *("--policy", "openai", "--model", "m", "--base-url", server.url),
    ]


def rows(stderr: str) -> dict[str, tuple[int, int, int]]:
    """The least, largest and usual number of requests and tokens that a command expects."""
    found = re.findall(r"^  ([a-z ]+): ([\d,]+) to ([\d,]+), usually about ([\d,]+)$", stderr, re.MULTILINE)
    return {name: tuple(int(each.replace(",", "")) for each in numbers) for name, *numbers in found}  # type: ignore[misc]


def episodes(out: Path) -> list[str]:
    return [trajectory.task.id for trajectory in load_trajectories(out / "trajectories.jsonl")]


def test_eval_says_what_to_expect_before_the_first_request(
    call: Call, play: list[str], server: ScriptedServer
) -> None:
    result = call("eval", *play)
    assert result.exit_code == 0, result.stderr
    lines = result.stderr.split("\n")
    assert lines[0] == f"The policy uses m at {server.url}, on this machine."
    assert lines[1] == "Expected for 4 episodes:"
    assert "Assumptions: " in result.stderr
    found = rows(result.stderr)
    assert found["requests"] == (4, 4 * 50, 4 * 25)
    for least, most, usual in found.values():
        assert least <= usual <= most
    assert found["requests"][0] <= len(server.asked) == 8 <= found["requests"][1]
    measured = sum(len(each["content"]) for each in server.asked[0].body["messages"]) / 4
    assert 0.8 * measured < found["prompt tokens"][0] / 4 < 2.5 * measured
    used = "Used: 8 requests, 120 tokens (80 prompt, 40 completion)."
    assert lines.index(used) > max(at for at, line in enumerate(lines) if "of 4 episodes" in line)


def test_a_refused_setting_sends_nothing(call: Call, play: list[str], server: ScriptedServer) -> None:
    assert call("eval", *play, "--max-tokens", 0).exit_code == 2
    assert server.asked == []


def test_eval_stops_at_the_budget_and_resumes_with_a_larger_one(
    call: Call, play: list[str], server: ScriptedServer, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    stopped = call("eval", *play, "--out", out, "--max-tokens", 2 * EPISODE + 5)
    assert stopped.exit_code == 3
    assert episodes(out) == ["towns-0", "towns-1"]
    assert "2 of 4 episodes are done. The same command with a larger --max-tokens" in stopped.stderr
    assert (
        "60 of 65 tokens (--max-tokens) are used, and the 5 left are not expected to be enough"
        in stopped.stderr
    )
    assert "item-F1" in stopped.stdout
    assert json.loads((out / "progress.json").read_text())["state"] == "interrupted"
    assert json.loads((out / "tokens.json").read_text())["prompt_tokens"] == 2 * 2 * PROMPT
    again = call("eval", *play, "--out", out, "--max-tokens", 2 * EPISODE + 5)
    assert (again.exit_code, len(server.asked)) == (3, 4), "the same budget allows nothing more"
    resumed = call("eval", *play, "--out", out, "--max-tokens", 4 * EPISODE)
    assert resumed.exit_code == 0, resumed.stderr
    assert "Expected for 2 episodes:" in resumed.stderr
    assert "Earlier sessions of this run used 60 tokens. That is 30 for each ended episode." in resumed.stderr
    assert "All sessions of this run: 120 tokens." in resumed.stderr
    assert sorted(episodes(out)) == [f"towns-{number}" for number in range(4)]
    assert len(server.asked) == 8, "nothing was paid twice"


@pytest.mark.parametrize("budget", [1, PROMPT + WRITTEN])
def test_a_budget_below_one_episode_sends_few_requests(
    call: Call, play: list[str], server: ScriptedServer, tmp_path: Path, budget: int
) -> None:
    out = tmp_path / "run"
    result = call("eval", *play, "--out", out, "--max-tokens", budget)
    assert result.exit_code == 3, result.stderr
    assert "0 of 4 episodes are done." in result.stderr
    assert len(server.asked) == 1
    assert "Traceback" not in result.output
    assert "Error" not in result.stderr
    assert not (out / "trajectories.jsonl").exists() or episodes(out) == []


def test_a_budget_that_is_large_enough_changes_nothing(call: Call, play: list[str], tmp_path: Path) -> None:
    result = call("eval", *play, "--max-tokens", 10**9, "--trials", 2, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["episodes"], found["tokens"]["budget"]) == (8, 10**9)
    assert found["tokens"]["requests"] == 16
    assert found["tokens"]["expected"]["least"]["requests"] == 8


def test_many_episodes_at_once_do_not_waste_the_budget(
    call: Call, play: list[str], server: ScriptedServer, tmp_path: Path
) -> None:
    """All 32 would begin at once without a budget, and reach the limit together."""
    result = call("eval", *play, "--trials", 8, "--out", tmp_path / "run", "--max-tokens", 10 * EPISODE)
    assert result.exit_code == 3, result.stderr
    assert "10 of 32 episodes are done." in result.stderr
    assert len(server.asked) == 20


@pytest.mark.parametrize("keep_going", [False, True])
def test_episodes_that_cost_more_than_expected_are_stopped_and_not_recorded(
    call: Call, play: list[str], tmp_path: Path, keep_going: bool
) -> None:
    def dearer(asked: Asked) -> Raw:
        prompt = PROMPT if len(server.asked) <= 2 else 1_000
        return Raw(body=completion(agent(asked).body.decode() and TABLE, prompt, WRITTEN))

    with ScriptedServer(dearer) as server:
        command = ["eval", *play, "--base-url", server.url, "--trials", 8, "--out", tmp_path / "run"]
        command += (
            ["--policy-arg", "concurrency=4", "--keep-going"]
            if keep_going
            else ["--policy-arg", "concurrency=4"]
        )
        result = call(*command, "--max-tokens", 500)
    assert result.exit_code == 3, result.stderr
    played = load_trajectories(tmp_path / "run" / "trajectories.jsonl")
    assert not any(each.meta.get("failed") for each in played)
    assert f"{len(played)} of 32 episodes are done." in result.stderr
    assert 3 <= len(server.asked) <= 2 + 4, "only those in flight go beyond the budget"
    assert len(played) == len(server.asked), "what was paid for and ended is kept"


def test_a_service_that_fails_is_another_matter(call: Call, play: list[str], tmp_path: Path) -> None:
    with ScriptedServer([Raw(status=400, body=b"{}")]) as server:
        result = call(
            "eval", *play, "--base-url", server.url, "--out", tmp_path / "run", "--max-tokens", 10**6
        )
    assert result.exit_code == 1
    assert "Error: " in result.stderr
    assert "Stopped" not in result.stderr


def test_overwrite_starts_the_count_again(call: Call, play: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert call("eval", *play, "--out", out, "--max-tokens", EPISODE).exit_code == 3
    result = call("eval", *play, "--out", out, "--max-tokens", EPISODE, "--overwrite")
    assert result.exit_code == 3
    assert "Used: 2 requests, 30 tokens" in result.stderr
    assert "All sessions" not in result.stderr


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": None}]
)
def test_replies_without_a_count_are_estimated(call: Call, play: list[str], usage: Any) -> None:
    def uncounted(asked: Asked) -> Raw:
        data = json.loads(agent(asked).body)
        data["usage"] = usage
        return Raw(body=json.dumps(data).encode())

    with ScriptedServer(uncounted) as server:
        result = call("eval", *play, "--base-url", server.url, "--limit", 1, "--json", "--max-tokens", 10**6)
    assert result.exit_code == 0, result.stderr
    tokens = json.loads(result.stdout)["tokens"]
    written = sum(len(each["content"]) for asked in server.asked for each in asked.body["messages"]) / 4
    assert written < tokens["prompt_tokens"] < 3 * written
    assert tokens["estimated"] == tokens["requests"] == 2
    assert "2 of the replies had no token count." in result.stderr


def test_estimates_count_for_the_budget(call: Call, play: list[str], tmp_path: Path) -> None:
    def uncounted(asked: Asked) -> Raw:
        return Raw(body=json.dumps({**json.loads(agent(asked).body), "usage": None}).encode())

    with ScriptedServer(uncounted) as server:
        result = call("eval", *play, "--base-url", server.url, "--out", tmp_path / "run", "--max-tokens", 20)
    assert (result.exit_code, len(server.asked)) == (3, 1)


def test_max_tokens_without_a_service_is_refused(call: Call, towns: list[str], tmp_path: Path) -> None:
    for command in ("eval", "bench width"):
        out = tmp_path / command.replace(" ", "-")
        result = call(*command.split(), *towns, "--max-tokens", 5, "--out", out)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "this run uses none" in result.stderr
        assert not out.exists()


def test_a_sweep_has_one_budget(
    call: Call, play: list[str], server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wideseek_env.evaluation.drawing.plot_available", lambda: False)
    out = tmp_path / "depth"
    options = [each for each in play if each != "--single"]
    command = ["bench", "depth", *options, "--turns", "2,3", "--limit", 2, "--out", out]
    stopped = call(*command, "--max-tokens", 3 * EPISODE)
    assert stopped.exit_code == 3, stopped.stderr
    assert "Expected for 4 episodes:" in stopped.stderr
    assert "1 of 2 points are finished. The same command with a larger" in stopped.stderr
    assert [point["depth"] for point in json.loads((out / "depth.json").read_text())["points"]] == [2]
    assert len(episodes(out / "depth-3")) == 1
    resumed = call(*command, "--max-tokens", 4 * EPISODE)
    assert resumed.exit_code == 0, resumed.stderr
    assert "Expected for 1 episodes:" in resumed.stderr
    assert len(server.asked) == 8


def test_rollouts_stop_and_resume(
    call: Call, play: list[str], server: ScriptedServer, tmp_path: Path
) -> None:
    from wideseek_baselines.rollout.store import load_rollouts

    out = tmp_path / "rollouts.jsonl"
    command = ["rollout", *play, "--group", 2, "--limit", 2, "--out", out]
    stopped = call(*command, "--max-tokens", 3 * EPISODE)
    assert stopped.exit_code == 3, stopped.stderr
    assert "3 of 4 episodes are done." in stopped.stderr
    assert [each.error for each in load_rollouts(out)] == [""] * 3
    assert call(*command, "--max-tokens", 4 * EPISODE).exit_code == 0
    assert len({(each.task_id, each.trial) for each in load_rollouts(out)}) == 4
    assert len(server.asked) == 8


def test_a_judge_is_counted_and_stops_a_policy_that_plays_in_lock_step(
    call: Call, towns: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path / "cache"))
    judged = [
        replace(task, specs={"Population": ColumnSpec(("llm_judge",))}) for task in load_tasks(towns[1])
    ]
    save_tasks(judged, tmp_path / "judged.jsonl")
    # The toy writes right numbers, so the judge is asked about none of them, unless they are written in words.
    words = replace(judged[0], gold=Table(("Town", "Population"), (("Alder", "a thousand"),)))
    save_tasks([replace(words, id=f"words-{number}") for number in range(3)], tmp_path / "judged.jsonl")
    verdict = Raw(body=completion('{"%d": true}', 40, 10))
    with ScriptedServer([verdict]) as server:
        options = ["eval", *towns, "--tasks", tmp_path / "judged.jsonl", "--out", tmp_path / "run"]
        result = call(*options, "--judge", f"openai:m@{server.url}", "--max-tokens", 60)
    assert result.exit_code == 3, result.stderr
    assert f"The judge uses m at {server.url}" in result.stderr
    assert rows(result.stderr)["requests"][0] == 0
    assert len(server.asked) == 2, "the second request goes beyond the budget, and no third is sent"
    assert "Traceback" not in result.output


def test_score_says_the_tokens_of_its_judge_and_stops(
    call: Call, towns: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path / "cache"))
    gold = Table(("Town", "Population"), (("Alder", "a thousand"),))
    spec = {"Population": ColumnSpec(("llm_judge",))}
    first = load_tasks(towns[1])[0]
    save_tasks(
        [replace(first, id=f"t{number}", gold=gold, specs=spec) for number in range(3)], tmp_path / "t.jsonl"
    )
    answers = [
        {"task_id": f"t{number}", "response": f"| Town | Population |\n|---|---|\n| Alder | {number} k |"}
        for number in range(3)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in answers))

    def judge(asked: Asked) -> Raw:
        (pair,) = asked.document["pairs"]
        return Raw(body=completion(json.dumps({str(pair["id"]): True}), 40, 10))

    with ScriptedServer(judge) as server:
        command = ["score", "--tasks", tmp_path / "t.jsonl", "--responses", tmp_path / "a.jsonl"]
        command += ["--judge", f"openai:m@{server.url}"]
        stopped = call(*command, "--max-tokens", 100, "--json")
        assert stopped.exit_code == 3, stopped.stderr
        assert json.loads(stopped.stdout)["scored"] == 2
        assert "Expected for 3 responses:" in stopped.stderr
        assert "2 of 3 responses are scored." in stopped.stderr
        resumed = call(*command, "--max-tokens", 150)
        assert resumed.exit_code == 0, resumed.stderr
        assert len(server.asked) == 3, "the cache has the first two verdicts"
        assert "Used: 1 request, 50 tokens (40 prompt, 10 completion)." in resumed.stderr
