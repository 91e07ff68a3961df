"""Budgets, seeds, failures and ends of language-model policies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_chat import tiny_tokenizer
from told_engine import PlainEngine, ToldEngine, call, team_says
from toy_team import town_setup

from wideseek_baselines.agents.base import FixedReply, GenerationRequest
from wideseek_baselines.agents.episode_policy import LLMEpisodePolicy, request_seed
from wideseek_baselines.agents.model import AgentModel
from wideseek_baselines.engines.base import EngineError, EngineLostError, Generation, Request
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_env.episode_run import EpisodeRun, run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.run import EpisodeError, evaluate_game
from wideseek_env.game import Game
from wideseek_env.policy import Job, Turn

pytest.importorskip("transformers")


class FunctionEngine(PlainEngine):
    """Answers with a function."""

    def __init__(self, answer: Callable[[Request], Any], takes: str = "tokens", **facts: Any) -> None:
        super().__init__(takes, **facts)
        self._answer = answer

    async def generate(self, request: Request) -> Generation:
        self.requests.append(request)
        await asyncio.sleep(0)
        answer = self._answer(request)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


TOKENIZER = tiny_tokenizer("qwen2")


def tokens(text: str, *, end: bool = True, **changes: Any) -> Generation:
    """A generation with this text."""
    ids = [*TOKENIZER.encode(text, add_special_tokens=False), *([TOKENIZER.eos_token_id] if end else [])]
    made = Generation(
        "stop" if end else "length",
        ids=ids,
        logprobs=[-1.0] * len(ids),
        versions=((0, len(ids)),),
        completion_tokens=len(ids),
    )
    return replace(made, **changes)


def policy(answer: Callable[[Request], Any], **options: Any) -> tuple[LLMPolicy, FunctionEngine]:
    facts = {key: options.pop(key) for key in ("context", "takes") if key in options}
    engine = FunctionEngine(answer, **facts)
    if engine.info.takes == "tokens":
        options.setdefault("tokenizer", TOKENIZER)
    return LLMPolicy(engine, **options), engine


def single(**rules: int) -> Game:
    return town_setup(1, team=False, profile="terse", rules={"single_turns": 4, **rules})


SEARCH = call("search", query="Alder")


def test_every_request_has_its_own_seed_and_the_same_one_again() -> None:
    seeds = {request_seed(s, c, t) for s in range(8) for c in range(8) for t in range(8)}
    assert len(seeds) == 512
    assert all(0 <= seed < 2**31 for seed in seeds)
    setup = single()
    asked = []
    for seed in (1, 1, 2):
        chosen, engine = policy(lambda _: tokens(SEARCH))
        run_episode(setup, chosen, setup.tasks[0], seed=seed)
        asked.append([request.sampling.seed for request in engine.requests])
        assert len({request.id for request in engine.requests}) == len(engine.requests)
    assert asked[0] == asked[1]
    assert not set(asked[0]) & set(asked[2])
    chosen, engine = policy(lambda _: tokens(SEARCH), seeded=False)
    run_episode(setup, chosen, setup.tasks[0], seed=1)
    assert {request.sampling.seed for request in engine.requests} == {None}


def test_sampling_is_explicit_and_stops_at_the_templates_end() -> None:
    chosen, engine = policy(lambda _: tokens("Done."), temperature=0.5, top_p=0.9, top_k=7, turn_tokens=33)
    setup = single()
    run_episode(setup, chosen, setup.tasks[0])
    sampling = engine.requests[0].sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.max_tokens) == (0.5, 0.9, 7, 33)
    assert TOKENIZER.eos_token_id in sampling.stop_ids
    assert not records(chosen)[0].turns[0].trainable
    plain, engine = policy(lambda _: tokens("Done."))
    run_episode(setup, plain, setup.tasks[0])
    assert engine.requests[0].sampling.unbiased
    assert records(plain)[0].turns[0].trainable


def records(chosen: LLMPolicy, role: str = "single") -> list[Any]:
    assert chosen.current_episode is not None
    return chosen.current_episode.records([("agent", role, "answered")])


def test_preparing_twice_asks_the_same(tiny_folder: Path) -> None:
    setup = single()
    play = EpisodeRun(setup, setup.tasks[0])
    chosen, _ = policy(lambda _: tokens("Done."))
    episode_policy = chosen.episode_policy(5)
    turn = play.turn("agent")
    first = episode_policy.prepare(turn)
    assert isinstance(first, GenerationRequest)
    assert episode_policy.prepare(turn) == first
    episode_policy.accept(turn, tokens("Done."))
    with pytest.raises(ConfigError, match="prepare"):
        episode_policy.accept(turn, tokens("Done."))
    with pytest.raises(ConfigError, match="prepare"):
        episode_policy.accept(replace(turn, conversation=3), tokens("Done."))


def test_a_turn_that_was_cut_off_is_told_and_goes_on() -> None:
    setup = single()
    answers = iter([tokens("| Town |", end=False), tokens("Done.")])
    chosen, _ = policy(lambda _: next(answers), turn_tokens=50)
    play = run_episode(setup, chosen, setup.tasks[0])
    cut, told, _ = play.episode.root.messages[2:]
    assert cut["finish_reason"] == "length"
    assert "length limit" in told["content"]
    assert [turn.finish_reason for turn in records(chosen)[0].turns] == ["length", "stop"]


def test_an_engine_that_says_too_much_is_cut() -> None:
    setup = single(single_turns=1)
    chosen, _ = policy(
        lambda _: tokens("one two three four five six", versions=((0, 2), (1, 99))), turn_tokens=4
    )
    play = run_episode(setup, chosen, setup.tasks[0])
    (turn,) = records(chosen)[0].turns
    assert (turn.tokens, len(turn.logprobs), turn.versions) == (4, 4, ((0, 2), (1, 2)))
    assert turn.finish_reason == "length"
    assert play.episode.root.messages[2]["finish_reason"] == "length"


@pytest.mark.parametrize("where", ["engine", "policy"])
def test_a_full_context_ends_the_agent(where: str) -> None:
    setup = single()
    first = len(_first_prompt(setup))
    limit = {"context": first + 40} if where == "engine" else {}
    model = AgentModel(
        FunctionEngine(lambda r: tokens("word " * r.sampling.max_tokens), **limit),
        tokenizer=TOKENIZER,
        context=first + 40 if where == "policy" else None,
    )
    chosen = LLMPolicy(model)
    play = run_episode(setup, chosen, setup.tasks[0])
    assert play.episode.root.ending == "out_of_context"
    assert play.episode.root.messages[-1]["finish_reason"] == "context"
    (sequence,) = records(chosen)[0].sequences
    assert len(sequence.ids) == first + 40


def test_a_result_that_fills_the_context_ends_the_agent_without_a_request() -> None:
    setup = single()
    first = len(_first_prompt(setup))
    chosen, engine = policy(lambda _: tokens(SEARCH), context=first + len(tokens(SEARCH).ids or ()) + 10)
    play = run_episode(setup, chosen, setup.tasks[0])
    assert len(engine.requests) == 1
    assert play.episode.root.ending == "out_of_context"
    assert play.episode.root.messages[-1] == {"role": "assistant", "content": "", "finish_reason": "context"}


def _first_prompt(setup: Game) -> list[int]:
    episode_policy = LLMEpisodePolicy({"single": (AgentModel(PlainEngine(), tokenizer=TOKENIZER), "")}, 0)  # type: ignore[dict-item]
    step = episode_policy.prepare(EpisodeRun(setup, setup.tasks[0]).turn("agent"))
    assert isinstance(step, GenerationRequest)
    return list(step.request.ids)


def test_an_episode_ends_with_its_budget() -> None:
    setup = single(single_turns=10)
    each = len(tokens(SEARCH).ids or ())
    chosen, engine = policy(lambda _: tokens(SEARCH), episode_tokens=2 * each + 5)
    play = run_episode(setup, chosen, setup.tasks[0])
    assert [request.sampling.max_tokens for request in engine.requests] == [2 * each + 5, each + 5, 5]
    assert play.episode.root.ending == "out_of_context"
    assert sum(turn.tokens for turn in records(chosen)[0].turns) == 2 * each + 5
    run_episode(setup, chosen, setup.tasks[0])
    assert len(engine.requests) == 6, "every episode has a budget of its own"


def test_tools_go_to_the_template_only_where_the_prompt_has_none() -> None:
    def prompt(profile: str) -> str:
        setup = town_setup(1, team=False, profile=profile)
        chosen, engine = policy(lambda _: tokens("Done."))
        run_episode(setup, chosen, setup.tasks[0])
        return str(TOKENIZER.decode(engine.requests[0].ids))

    assert prompt("wideseek-r1").count("<tools>") == 1
    assert prompt("wideseek-r1").count('"access"') == 1
    assert "<tools>" not in prompt("default")
    assert prompt("default").count('"browse"') == 1


@pytest.mark.parametrize(
    ("failure", "what"),
    [
        (EngineError("too hot"), "too hot"),
        (EngineLostError("gone"), "gone"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_failing_engines_raise_typed_errors(failure: Exception, what: str) -> None:
    setup = single()
    chosen, _ = policy(lambda _: failure)
    with pytest.raises(EngineError, match=what) as caught:
        run_episode(setup, chosen, setup.tasks[0])
    assert isinstance(caught.value, EngineLostError) is isinstance(failure, EngineLostError)


@pytest.mark.parametrize(
    "odd", [{"ids": None}, {"logprobs": None}, {"logprobs": [-1.0]}], ids=["ids", "logprobs", "few"]
)
def test_an_engine_that_breaks_its_promise_is_found_out(odd: dict[str, Any]) -> None:
    setup = single()
    chosen, _ = policy(lambda _: tokens("Done.", **odd))
    with pytest.raises(EngineError, match="log-probabilities"):
        run_episode(setup, chosen, setup.tasks[0])


def test_when_one_fails_the_others_are_cancelled() -> None:
    cancelled: list[str] = []

    class Hanging(PlainEngine):
        async def generate(self, request: Request) -> Generation:
            text = TOKENIZER.decode(request.ids)
            if '"delegate"' in text:
                return tokens(team_says(text))
            if "Birch" in text:
                await asyncio.sleep(0)
                raise EngineError("no more")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(request.id)
                raise
            raise AssertionError

    setup = town_setup(1, profile="terse")
    chosen = LLMPolicy(Hanging(), tokenizer=TOKENIZER)
    with pytest.raises(EngineError, match="no more"):
        run_episode(setup, chosen, setup.tasks[0])
    assert len(cancelled) == 1


def test_an_episode_that_fails_is_one_episode(tiny_folder: Path) -> None:
    """Under the driver as well: the others are played, and the failure is recorded."""

    def answer(request: Request) -> Any:
        return EngineError("no more") if _question(request).startswith("towns: Birch") else tokens("| Town |")

    setup = town_setup(3, team=False, profile="terse")
    chosen, _ = policy(answer)
    played = {p.job.task.id: p for p in chosen.run_jobs(setup, [Job(task) for task in setup.tasks])}
    assert [bool(p.error) for _, p in sorted(played.items())] == [False, True, False]
    assert "no more" in played["towns-1"].error
    assert evaluate_game(setup, chosen, keep_going=True).to_dict()["failed"] == 1
    with pytest.raises(EpisodeError, match="no more"):
        evaluate_game(setup, chosen)


def _question(request: Request) -> str:
    text = str(TOKENIZER.decode(request.ids))
    return text[text.index("towns: ") :][:30]


def test_engines_that_take_messages_need_no_tokenizer() -> None:
    native = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"query": "Elm"}'}}
    answers = iter(
        [
            {"role": "assistant", "content": "I look.", "tool_calls": [native], "refusal": None},
            {"role": "assistant", "content": "| Town |\n| --- |\n| Elm |"},
        ]
    )

    def answer(_: Request) -> Generation:
        return Generation("stop", message=next(answers), prompt_tokens=50, completion_tokens=7)

    chosen, engine = policy(answer, takes="messages")
    setup = town_setup(1, team=False, profile="wideseek-r1", rules={"single_turns": 3})
    play = run_episode(setup, chosen, setup.tasks[0])
    assert play.episode.root.ending == "answered"
    first, second = engine.requests
    assert not first.ids
    assert [tool["function"]["name"] for tool in first.tools] == ["search", "access"]
    assert [message["role"] for message in second.messages] == ["system", "user", "assistant", "tool"]
    assert second.messages[2] == {"role": "assistant", "content": "I look.", "tool_calls": [native]}
    assert second.messages[3]["tool_call_id"] == "c1"
    assert not chosen.records_tokens
    assert records(chosen)[0].sequences == []
    assert (chosen.usage.prompt_tokens, chosen.usage.completion_tokens) == (100, 14)
    described, engine = policy(lambda _: Generation("stop", message={"content": "x"}), takes="messages")
    run_episode(single(), described, setup.tasks[0])
    assert not engine.requests[0].tools
    broken, _ = policy(lambda _: Generation("stop"), takes="messages")
    with pytest.raises(EngineError, match="no message"):
        run_episode(single(), broken, setup.tasks[0])


def test_a_chat_servers_context_ends_the_agent_before_the_server_refuses() -> None:
    def answer(request: Request) -> Generation:
        said = {"role": "assistant", "content": SEARCH}
        return Generation("stop", message=said, prompt_tokens=900, completion_tokens=20)

    chosen, engine = policy(answer, takes="messages", context=950)
    setup = single()
    play = run_episode(setup, chosen, setup.tasks[0])
    assert play.episode.root.ending == "out_of_context"
    assert len(engine.requests) == 1
    assert engine.requests[0].sampling.max_tokens < 950


def test_a_chat_message_that_was_cut_off_is_told() -> None:
    def answer(request: Request) -> Generation:
        return Generation("length", message={"content": "| To"}, prompt_tokens=90, completion_tokens=20)

    chosen, _ = policy(answer, takes="messages", context=None)
    setup = single(single_turns=1)
    play = run_episode(setup, chosen, setup.tasks[0])
    assert play.episode.root.messages[2]["finish_reason"] == "length"


def test_two_models_keep_their_own_settings() -> None:
    strict = tiny_tokenizer("strict")
    lead = AgentModel(FunctionEngine(lambda _: tokens("Done.")), tokenizer=TOKENIZER, turn_tokens=5)
    sub = AgentModel(FunctionEngine(lambda _: tokens("Done.")), tokenizer=strict, turn_tokens=9)
    chosen = LLMPolicy(lead=lead, subagent=sub)
    assert chosen.engines == [lead.engine, sub.engine]
    setup = town_setup(1, profile="terse")
    turn = EpisodeRun(setup, setup.tasks[0]).turn("lead")
    for role, model, label in (
        ("lead", lead, "lead"),
        ("subagent", sub, "subagent"),
        ("single", lead, "lead"),
    ):
        step = chosen.episode_policy(0).prepare(replace(turn, role=role))  # type: ignore[arg-type]
        assert isinstance(step, GenerationRequest)
        assert (step.engine, step.model) == (model.engine, label)
        assert step.request.sampling.max_tokens == model.turn_tokens
    same = LLMPolicy(lead=lead, subagent=AgentModel(lead.engine, tokenizer=TOKENIZER, thinking=False))
    assert same.engines == [lead.engine]


def test_wrong_settings_are_refused() -> None:
    engine = FunctionEngine(lambda _: tokens("x"))
    for wrong in ({"episode_tokens": 0}, {"turn_tokens": 0}, {"context": 1}, {"temperature": -1.0}):
        with pytest.raises(ConfigError):
            LLMPolicy(engine, tokenizer=TOKENIZER, **wrong)
    with pytest.raises(ConfigError, match="subagent"):
        LLMPolicy(lead=AgentModel(engine, tokenizer=TOKENIZER))
    with pytest.raises(ConfigError, match="takes messages"):
        LLMPolicy(PlainEngine("messages"), thinking=True)
    with pytest.raises(ConfigError, match="reset"):
        LLMPolicy(engine, tokenizer=TOKENIZER).act([])
    with pytest.raises(ConfigError, match="driver"):
        list(LLMPolicy(engine, tokenizer=TOKENIZER, driver={"sped": 1}).run_jobs(single(), []))


def test_engines_start_once_and_end_with_the_policy() -> None:
    setup = single()
    chosen, engine = policy(lambda _: tokens("Done."))
    chosen.close()
    assert (engine.started, engine.closed) == (0, 0)
    with chosen:
        run_episode(setup, chosen, setup.tasks[0])
        assert engine.started
    chosen.close()
    assert engine.closed == 1


PROGRAM = """
import sys
sys.path += {paths!r}
from toy_team import town_setup
from wideseek_baselines.policies.factories import transformers_policy
from wideseek_baselines.background import run
from wideseek_env.episode_run import run_episode

setup = town_setup(1, team=False, profile="terse", rules={{"single_turns": 50, "context": 10**7}})
policy = transformers_policy({folder!r}, device="cpu", turn_tokens={tokens})
run(policy.engines[0].start())
print("playing", flush=True)
run_episode(setup, policy, setup.tasks[0])
print("played", flush=True)
"""


def program(folder: Path, tokens: int) -> subprocess.Popen[str]:
    tests = Path(__file__).resolve().parent.parent.parent
    text = PROGRAM.format(paths=[str(tests)], folder=str(folder), tokens=tokens)
    return subprocess.Popen(
        [sys.executable, "-c", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )


def test_a_program_that_forgets_to_close_ends(tiny_folder: Path) -> None:
    output, errors = (process := program(tiny_folder, 2)).communicate(timeout=240)
    assert process.returncode == 0, errors
    assert output.split() == ["playing", "played"]
    assert "Error" not in errors
    assert "Exception" not in errors


def test_ctrl_c_cancels_the_turns_under_way() -> None:
    cancelled: list[str] = []

    class Interrupted(PlainEngine):
        async def generate(self, request: Request) -> Generation:
            os.kill(os.getpid(), signal.SIGINT)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(request.id)
                raise
            raise AssertionError

    setup = single()
    engine = Interrupted()
    with pytest.raises(KeyboardInterrupt), LLMPolicy(engine, tokenizer=TOKENIZER) as chosen:
        run_episode(setup, chosen, setup.tasks[0])
    assert len(cancelled) == 1
    assert engine.closed == 1


def test_say_is_played_without_an_engine() -> None:
    setup = single()
    chosen, engine = policy(lambda _: tokens("x"), context=3)
    step = chosen.episode_policy(0).prepare(EpisodeRun(setup, setup.tasks[0]).turn("agent"))
    assert isinstance(step, FixedReply)
    play = run_episode(setup, chosen, setup.tasks[0])
    assert not engine.requests
    assert play.episode.root.ending == "out_of_context"


def test_a_told_engine_is_cut_at_its_limit(tiny_folder: Path) -> None:
    setup = single(single_turns=1)
    chosen = LLMPolicy(ToldEngine(tiny_folder, lambda _: "a b c d e f g h i j k l"), turn_tokens=3)
    turn: Turn = EpisodeRun(setup, setup.tasks[0]).turn("agent")
    assert turn.turns_left == 1
    play = run_episode(setup, chosen, setup.tasks[0])
    assert play.episode.root.messages[2]["finish_reason"] == "length"
