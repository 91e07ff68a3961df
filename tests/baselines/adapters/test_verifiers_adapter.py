"""WideSeek in the real verifiers, against model servers on loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from model_server import SPELLED, TokenModel, chat_answer, logprob_of, scripted_text
from scripted_server import Asked, Raw, ScriptedServer

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.episode_run import run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.scoring import score_response

vf = pytest.importorskip(
    "verifiers.v1",
    reason="needs verifiers: pip install -e 'baselines[verifiers]' (in an environment of its own)",
)

from wideseek_verifiers import WideSeekEnv, load_environment  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries behind verifiers

GAME: dict[str, Any] = {"tasks": "synthetic:seed=3,pages=900,rows=6-9", "width": 3}


@pytest.fixture(scope="module")
def env() -> WideSeekEnv:
    return load_environment(**GAME)


def play(
    env: WideSeekEnv,
    script: Callable[[Asked], Raw],
    *,
    client: str = "eval",
    numbers: tuple[int, ...] = (0,),
    **fields: Any,
) -> list[Any]:
    """The episodes of these tasks, played at the same time through verifiers."""

    async def playing(url: str) -> list[Any]:
        configs = {"eval": vf.EvalClientConfig, "train": vf.TrainClientConfig}
        config = configs[client](base_url=url, api_key_var="NO_SUCH_KEY", **fields)
        context = vf.ModelContext(model="m", client=config, sampling=vf.SamplingConfig(temperature=1.0))
        tasks = list(env.taskset)
        async with env.serving():
            return list(await asyncio.gather(*(env.run_episode(tasks[n], context) for n in numbers)))

    with ScriptedServer(script) as server:
        return asyncio.run(playing(server.url))


def scripted(env: WideSeekEnv) -> Callable[[Asked], Raw]:
    say = scripted_text(ScriptedPolicy(), env.taskset.game)
    return lambda asked: chat_answer(say(asked.body["messages"]))


def test_teams_play_as_they_do_here_and_every_agent_is_paid(env: WideSeekEnv) -> None:
    """Two episodes at a time; each agent has its own trace, and all traces of a team have its item-F1."""
    game = env.taskset.game
    for number, episode in enumerate(play(env, scripted(env), numbers=(0, 1))):
        here = run_episode(game, ScriptedPolicy(), game.tasks[number])
        assert (episode.ok, episode.errors) == (True, [])
        assert episode.task.key == game.tasks[number].id
        traces = {trace.task.data.conversation: trace for trace in episode.traces}
        conversations = here.episode.conversations
        assert sorted(traces) == list(range(len(conversations)))
        assert len(traces) >= 3
        for place, conversation in enumerate(conversations):
            trace = traces[place]
            assert trace.agent.name == conversation.role
            assert trace.agent.trainable
            assert trace.ok
            assert trace.task.data.agent == conversation.agent
            assert trace.reward == here.reward
            assert here.reward > 0.5
            assert {name: reward.score for name, reward in trace.rewards.items()} == here.parts
            assert trace.metrics["agent_turns"] == trace.num_turns == conversation.turns
            assert trace.metrics["item_recall"] == here.score.recall_by_item  # type: ignore[union-attr]
            assert trace.num_branches == 1
            told = [(m.role, m.content) for m in trace.messages]
            lived = [
                ("user" if m["role"] == "tool" else m["role"], m["content"]) for m in conversation.messages
            ]
            assert told == lived
        record = episode.model_dump_json()
        assert game.tasks[number].gold is not None
        assert '"gold"' not in record


def two_subagents(env: WideSeekEnv, number: int = 0) -> Callable[[list[dict[str, Any]]], str]:
    """A team that delegates once to two, who search once and report; the answer is half of the gold table."""
    task = env.taskset.game.tasks[number]
    assert task.gold is not None
    rows = [task.gold.header, ["---"] * len(task.gold.header), *task.gold.rows[: len(task.gold.rows) // 2]]
    answer = "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def say(messages: list[dict[str, Any]]) -> str:
        lead = '"delegate"' in messages[0]["content"]
        if any(message["role"] == "assistant" for message in messages):
            return answer if lead else "Nothing."
        name, arguments = ("delegate", {"subtasks": ["a", "b"]}) if lead else ("search", {"query": "list"})
        return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"

    return say


def half(env: WideSeekEnv) -> float:
    """What that answer is worth."""
    task = env.taskset.game.tasks[0]
    said = [{"role": "system", "content": '"delegate"'}, {"role": "assistant", "content": ""}]
    return score_response(two_subagents(env)(said), task).f1_by_item


def test_subagents_generate_at_the_same_time(env: WideSeekEnv) -> None:
    """The answers of two subagents wait for each other, so that they would never come one after the other."""
    together, say = threading.Barrier(2, timeout=30), two_subagents(env)

    def script(asked: Asked) -> Raw:
        messages = asked.body["messages"]
        if '"delegate"' not in messages[0]["content"]:
            together.wait()
        return chat_answer(say(messages))

    (episode,) = play(env, script)
    assert episode.ok
    assert not together.broken
    assert [trace.reward for trace in episode.traces] == [half(env)] * 3
    assert 0.3 < half(env) < 1


def test_ids_masks_and_logprobs_are_those_that_were_sampled(env: WideSeekEnv, tmp_path: Path) -> None:
    """Under a training client: one branch for each agent, in which only what the model generated is trained."""
    from renderers.configs import Qwen3RendererConfig
    from tiny_chat import tiny_tokenizer

    tokenizer = tiny_tokenizer("qwen3")
    tokenizer.save_pretrained(tmp_path)
    model = TokenModel(tokenizer, two_subagents(env))
    (episode,) = play(
        env, model, client="train", renderer=Qwen3RendererConfig(), renderer_model_name=str(tmp_path)
    )
    assert (episode.ok, episode.errors) == (True, [])
    assert [trace.reward for trace in episode.traces] == [half(env)] * 3
    generations = {tuple(prompt): ids for prompt, ids in model.asked}
    assert len(generations) == len(model.asked)
    for trace in episode.traces:
        (branch,) = trace.branches
        ids, mask, logprobs = branch.token_ids, branch.sampled_mask, branch.logprobs
        assert len(ids) == len(mask) == len(logprobs)
        assert trace.num_turns >= 2
        sampled = [False] * len(ids)
        for start in range(len(ids)):
            generated = generations.get(tuple(ids[:start]))
            if generated is None:
                continue
            stop = start + len(generated)
            assert ids[start:stop] == generated
            assert logprobs[start:stop] == [logprob_of(place) for place in range(len(generated))]
            sampled[start:stop] = [True] * len(generated)
            encoded = tokenizer.encode(tokenizer.decode(generated), add_special_tokens=False)
            assert encoded != generated, f"{SPELLED!r} is spelled oddly"
        assert mask == sampled
        assert sum(sampled) == sum(len(g) for p, g in generations.items() if list(p) == ids[: len(p)])
        assert {logprob for logprob, on in zip(logprobs, mask, strict=True) if not on} == {0.0}


def test_a_malformed_call_costs_a_turn_and_a_length_is_told(env: WideSeekEnv) -> None:
    say = scripted_text(ScriptedPolicy(), env.taskset.game)

    def script(asked: Asked) -> Raw:
        messages = asked.body["messages"]
        if '"delegate"' in messages[0]["content"] and len(messages) < 8:
            return [chat_answer("<tool_call>{"), chat_answer("half an ans", "length"), chat_answer("")][
                (len(messages) - 2) // 2
            ]
        return chat_answer(say(messages))

    (episode,) = play(env, script)
    (lead,) = (trace for trace in episode.traces if trace.agent.name == "lead")
    assert episode.ok
    told = [m.content for m in lead.messages if m.role == "user"][1:4]
    assert 'no "name"' in told[0]
    assert "cut off" in told[1]
    assert "nothing between the tool-call tags" in told[2], "an empty message is no answer"
    assert lead.metrics["call_errors"] >= 3


def test_limits_of_a_seat_end_an_agent_and_the_team_goes_on(env: WideSeekEnv) -> None:
    short = load_environment(**GAME, subagent={"max_turns": 1})
    (episode,) = play(short, scripted(short))
    subagents = [trace for trace in episode.traces if trace.agent.name == "subagent"]
    assert episode.ok
    assert subagents
    assert {trace.stop_condition for trace in subagents} == {"max_turns"}
    assert {trace.metrics["agent_ended"] for trace in subagents} == {0.0}
    (lead,) = (trace for trace in episode.traces if trace.agent.name == "lead")
    assert lead.num_turns >= 2, "it was told and answered"


def test_a_server_that_fails_fails_the_episode(env: WideSeekEnv) -> None:
    (episode,) = play(env, lambda asked: Raw(400, b'{"error": {"message": "no such model"}}'))
    assert not episode.ok
    assert "lead could not continue" in episode.errors[0].message
    assert "no such model" in episode.errors[0].message
    assert all(not trace.rewards for trace in episode.traces)


def test_a_single_agent_and_frozen_subagents() -> None:
    single = load_environment(**GAME, team=False)
    (episode,) = play(single, scripted(single))
    (trace,) = episode.traces
    here = run_episode(single.taskset.game, ScriptedPolicy(), single.taskset.game.tasks[0])
    assert episode.ok
    assert trace.reward == here.reward > 0.3
    frozen = load_environment(**GAME, train_subagents=False)
    (episode,) = play(frozen, scripted(frozen))
    assert {(t.agent.name, t.agent.trainable) for t in episode.traces} == {
        ("lead", True),
        ("subagent", False),
    }


def test_native_tools_go_through_the_template(env: WideSeekEnv) -> None:
    """The published profile: schemas travel as `tools`, calls and results in OpenAI's own form."""
    native = load_environment(**GAME, profile="wideseek-r1")
    seen: list[Any] = []

    def script(asked: Asked) -> Raw:
        messages, names = asked.body["messages"], [t["function"]["name"] for t in asked.body["tools"]]
        seen.append((names, [m["role"] for m in messages], messages[-1].get("tool_call_id")))
        if messages[-1]["role"] == "tool":
            return chat_answer("| A |\n| --- |\n| b |")
        arguments = (
            {"sub_agents": [{"prompt": "Look"}]}
            if names == ["create_sub_agents"]
            else {"queries": [{"query": "list", "count": 1}]}
        )
        raw = chat_answer("", "tool_calls")
        document = json.loads(raw.body)
        call = {
            "id": "c7",
            "type": "function",
            "function": {"name": names[0], "arguments": json.dumps(arguments)},
        }
        document["choices"][0]["message"]["tool_calls"] = [call]
        return Raw(body=json.dumps(document).encode())

    (episode,) = play(native, script)
    assert episode.ok
    assert len(episode.traces) == 2
    assert seen == [
        (["create_sub_agents"], ["system", "user"], None),
        (["search", "access"], ["system", "user"], None),
        (["search", "access"], ["system", "user", "assistant", "tool"], "c7"),
        (["create_sub_agents"], ["system", "user", "assistant", "tool"], "c7"),
    ]


def test_verifiers_finds_the_plugin_by_its_id() -> None:
    from verifiers.v1.utils import loaders

    config = {"taskset": {"id": "wideseek-verifiers", **GAME, "split": "test"}}
    cls = loaders.environment_class("wideseek-verifiers")
    assert cls is WideSeekEnv
    env = loaders.load_environment(loaders.env_config_type("wideseek-verifiers").model_validate(config))
    assert isinstance(env, WideSeekEnv)
    assert env.taskset.config.split == "test"
    first = next(iter(env.taskset.take(1)))
    assert first.data.prompt == env.taskset.game.tasks[0].question
    assert env.config.max_concurrent_agents is None


def test_wrong_settings_are_said_at_once() -> None:
    with pytest.raises(ConfigError, match="rowss"):
        load_environment(rowss=3)
    with pytest.raises(ConfigError, match="no profile 'loud'"):
        load_environment(**GAME, profile="loud")
    with pytest.raises(ConfigError, match="max_turnz"):
        load_environment(**GAME, lead={"max_turnz": 3})
