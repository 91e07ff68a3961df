"""Language models play whole episodes, and what is recorded is what they read and wrote."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from told_engine import ToldEngine, logprobs_of, team_says
from toy_team import town_setup

from wideseek_baselines.agents.model import AgentModel
from wideseek_baselines.engines.transformers import TransformersEngine
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.tokens.record import AgentRecord
from wideseek_env.episode_run import EpisodeRun, run_episode
from wideseek_env.policy import EpisodeRunner, Job, Policy
from wideseek_env.testing import check_policy

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

RULES = {"subagent_turns": 3, "lead_turns": 4, "single_turns": 4, "calls_per_turn": 2}


@functools.cache
def model_in(folder: str) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()


def records_of(policy: LLMPolicy, play: EpisodeRun) -> list[AgentRecord]:
    episode_policy = policy.current_episode
    assert episode_policy is not None
    return episode_policy.records([(c.agent, c.role, c.ending) for c in play.episode.conversations])


def check_records(policy: LLMPolicy, play: EpisodeRun, records: list[AgentRecord]) -> None:
    """Every turn is recorded once; ids tell the conversation; log-probabilities are the model's."""
    conversations = play.episode.conversations
    assert len(records) == len(conversations)
    for number, (record, conversation) in enumerate(zip(records, conversations, strict=True)):
        model, label = policy.models[conversation.role]
        template = model.template
        assert template is not None
        assert (record.agent, record.role, record.conversation, record.model) == (
            conversation.agent, conversation.role, number, label,
        )  # fmt: skip
        assert [turn.turn for turn in record.turns] == list(range(conversation.turns))
        said = [at for at, message in enumerate(conversation.messages) if message["role"] == "assistant"]
        tools = [] if play.game.profile.embed_tools else play.episode.tools(conversation.role)
        for sequence in record.sequences:
            last = sequence.turns[-1]
            messages = conversation.messages[: said[last.turn]]
            prompt, sampled = sequence.ids[: last.start], sequence.ids[last.start :]
            assert template.encoder.decode(prompt) == template.renderer.render(messages, tools).text
            assert template.text(sampled) == conversation.messages[said[last.turn]]["content"]
            for turn in sequence.turns:
                assert (
                    template.text(sequence.ids[turn.start : turn.stop])
                    == (conversation.messages[said[turn.turn]]["content"])
                )
                assert sum(count for _, count in turn.versions) == turn.tokens == len(turn.logprobs)
                ids = sequence.ids[: turn.stop]
                weights = model_in(model.engine.info.model)
                assert turn.logprobs == pytest.approx(logprobs_of(weights, ids, turn.start), abs=1e-4)
                assert turn.trainable


@pytest.mark.parametrize("thinking", [True, False])
@pytest.mark.parametrize("profile", ["default", "terse", "wideseek-r1"])
def test_a_team_of_a_told_lead_and_random_subagents(
    tiny_folder: Path, other_folder: Path, profile: str, thinking: bool
) -> None:
    """The lead delegates, so that two models play, each with its own weights and template."""
    says = functools.partial(team_says, thinking=thinking)
    lead = ToldEngine(other_folder, says)
    random = TransformersEngine(tiny_folder, device="cpu")
    game = town_setup(1, profile=profile, rules=RULES)
    with LLMPolicy(lead=lead, subagent=random, thinking=thinking, turn_tokens=100) as policy:
        assert policy.records_tokens
        play = run_episode(game, policy, game.tasks[0], seed=3)
        records = records_of(policy, play)
        check_records(policy, play, records)
    assert play.episode.root.ending == "answered"
    assert len(records) == 3
    assert [record.model for record in records] == ["lead", "subagent", "subagent"]
    # The lead's template drops earlier thinking: then there is one sequence a turn.
    assert len(records[0].sequences) == (2 if thinking else 1)
    assert records[1].turns[0].logprobs != records[2].turns[0].logprobs
    assert policy.usage.requests == sum(len(record.turns) for record in records)
    assert policy.usage.completion_tokens == sum(record.tokens for record in records)


@pytest.mark.parametrize("thinking", [True, False])
@pytest.mark.parametrize("history", ["template", "keep"])
def test_a_told_team_in_one_model(tiny_folder: Path, thinking: bool, history: Any) -> None:
    engine = ToldEngine(tiny_folder, functools.partial(team_says, thinking=thinking))
    game = town_setup(1, profile="wideseek-r1", rules=RULES)
    with LLMPolicy(engine, thinking=thinking, history=history) as policy:
        play = run_episode(game, policy, game.tasks[0])
        records = records_of(policy, play)
        if history == "template":
            check_records(policy, play, records)
    assert [record.ending for record in records] == ["answered", "reported", "reported"]
    # Qwen3's template shows the empty block of switched-off thinking in the last turn only.
    expected = 2 if history == "template" and not thinking else 1
    assert {len(record.sequences) for record in records} == {expected}
    for record in records:
        for turn in record.sequences[0].turns:
            ids = record.sequences[0].ids[: turn.stop]
            assert turn.logprobs == pytest.approx(
                logprobs_of(model_in(str(tiny_folder)), ids, turn.start), abs=1e-4
            )


def test_a_random_single_agent_is_cut_off_until_its_turns_end(tiny_folder: Path) -> None:
    game = town_setup(1, team=False, rules=RULES, profile="terse")
    with LLMPolicy(TransformersEngine(tiny_folder, device="cpu"), turn_tokens=6) as policy:
        play = run_episode(game, policy, game.tasks[0], seed=1)
        (record,) = records = records_of(policy, play)
        check_records(policy, play, records)
    cut = [turn for turn in record.turns if turn.finish_reason == "length"]
    assert len(cut) >= 3, "a random model hardly ever ends its turn within six tokens"
    assert all(turn.tokens == 6 for turn in cut)
    said = [m for m in play.episode.root.messages if m["role"] == "assistant"]
    assert [m.get("finish_reason", "stop") for m in said] == [t.finish_reason for t in record.turns]
    assert record.ending == "out_of_turns"


def test_many_at_once_play_the_same_as_one_by_one(tiny_folder: Path, other_folder: Path) -> None:
    game = town_setup(3, rules=RULES, profile="terse")
    jobs = [Job(task, seed=number) for number, task in enumerate(game.tasks)]

    def policy() -> LLMPolicy:
        lead = ToldEngine(other_folder, team_says)
        return LLMPolicy(
            lead=lead, subagent=TransformersEngine(tiny_folder, device="cpu", max_requests=4), turn_tokens=24
        )

    alone = {}
    with policy() as first:
        assert isinstance(first, Policy)
        assert isinstance(first, EpisodeRunner)
        for job in jobs:
            play = run_episode(game, first, job.task, seed=job.seed)
            alone[job.task.id] = (play.trajectory(), records_of(first, play))
    with policy() as second:
        together = {finished.job.task.id: finished for finished in second.rollouts(game, jobs)}
        played = list(second.run_jobs(game, jobs[:1]))
    assert alone.keys() == together.keys()
    for task, (trajectory, records) in alone.items():
        finished = together[task]
        assert not finished.error
        assert finished.trajectory is not None
        assert finished.rollout is not None
        assert finished.trajectory.conversations == trajectory.conversations
        assert finished.trajectory.score == trajectory.score
        assert finished.rollout.trainable
        for one, other in zip(records, finished.rollout.agents, strict=True):
            assert [s.ids for s in one.sequences] == [s.ids for s in other.sequences]
            for turn, same in zip(one.turns, other.turns, strict=True):
                assert turn.logprobs == pytest.approx(same.logprobs, abs=1e-4)
    assert played[0].trajectory is not None
    assert played[0].trajectory.conversations == alone[jobs[0].task.id][0].conversations


def test_the_promises_of_policies_hold(tiny_folder: Path) -> None:
    engine = TransformersEngine(tiny_folder, device="cpu")
    model = AgentModel(engine, turn_tokens=8)
    with LLMPolicy(model):
        check_policy(lambda: LLMPolicy(model), town_setup(1, rules=RULES, profile="terse"))
