"""One step of multi-agent GRPO against its formula, on recorded teams."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_game import toy_config
from training_parts import agent, rollout, saved_model, tiny_causal

from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.train.config.options import OptimOptions
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.grpo import GrpoConfig, train_step
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.model import TokenModel, load_model
from wideseek_baselines.train.optim.optimizer import Optimizer, Step
from wideseek_baselines.train.rollouts.metrics import rollout_metrics


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


def grpo(model: Path, out: Path, *overrides: str) -> GrpoConfig:
    config = toy_config(GrpoConfig, model, out, *overrides)
    assert isinstance(config, GrpoConfig)
    return config


def episodes() -> list[Any]:
    """Two tasks of three episodes: teams of different sizes, agents in one sequence and in several."""
    random = np.random.default_rng(5)
    made = []
    for group, rewards in (("a", (0.1, 0.7, 0.4)), ("b", (1.0, 0.0, 0.3))):
        for number, reward in enumerate(rewards):
            team = [agent("lead", [4, 9], split=number == 1, clocks=[1, 4])]
            team += [agent("subagent", [3 + 5 * at, 2], name=f"s{at}", clocks=[2, 3]) for at in range(number)]
            one = rollout(team, group=group, reward=reward, score={"item_f1": reward, "well_formed": 1.0})
            made.append(recorded(one, random, temperature=0.8 if number == 2 else 1.0))
    return made


def recorded(one: Any, random: np.random.Generator, temperature: float) -> Any:
    """The same with an engine's log-probabilities around those of a random model, and a temperature."""

    def turn(old: Any) -> Any:
        logprobs = random.normal(-4.6, 1.0, old.tokens).tolist()
        return dataclasses.replace(old, logprobs=logprobs, temperature=temperature)

    agents = [
        dataclasses.replace(
            member,
            sequences=[
                dataclasses.replace(sequence, turns=[turn(old) for old in sequence.turns])
                for sequence in member.sequences
            ],
        )
        for member in one.agents
    ]
    return dataclasses.replace(one, agents=agents)


class Watched(Optimizer):
    """Keeps the weights and gradients of every step."""

    def __init__(self, model: TokenModel, lr: float) -> None:
        super().__init__(model.named_parameters(), OptimOptions(lr=lr))
        self.model = model
        self.seen: list[tuple[dict[str, torch.Tensor], list[torch.Tensor]]] = []

    def step(self) -> Step:
        weights = copy.deepcopy(self.model.causal.state_dict())
        self.seen.append((weights, [p.grad.clone() for p in self.model.parameters() if p.grad is not None]))
        return super().step()


def plain_logprobs(causal: Any, sequence: Any, turn: Any) -> torch.Tensor:
    """Of one turn's tokens, the plain way."""
    ids = torch.tensor([sequence.ids])
    logits = causal(ids, use_cache=False).logits[0, turn.start - 1 : turn.stop - 1] / turn.temperature
    every = torch.log_softmax(logits, -1)
    return every.gather(1, ids[0, turn.start : turn.stop].unsqueeze(1)).squeeze(1)


def plain_gradients(causal: Any, before: Any, reference: Any, made: list[Any]) -> list[torch.Tensor]:
    """``-J`` of the published objective with truncated importance weights, one turn of one agent at a time."""
    causal.zero_grad()
    for group in ("a", "b"):
        members = [one for one in made if one.group == group]
        rewards = np.array([one.reward for one in members])
        for one in members:
            advantage = (one.reward - rewards.mean()) / (rewards.std() + 1e-6)
            for member in one.agents:
                scale = 2 * len(members) * len(one.agents) * member.tokens
                for sequence in member.sequences:
                    for turn in sequence.turns:
                        new = plain_logprobs(causal, sequence, turn)
                        with torch.no_grad():
                            old = plain_logprobs(before, sequence, turn)
                            frozen = plain_logprobs(reference, sequence, turn)
                        ratio = (new - old).exp()
                        gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.3) * advantage)
                        gain = gain * (old - torch.tensor(turn.logprobs)).exp().clamp(max=2.0)
                        kl = ((frozen - new).exp() - (frozen - new) - 1).clamp(max=10)
                        (-(gain - 0.05 * kl).sum() / scale).backward()
    return [parameter.grad.clone() for parameter in causal.parameters()]


def test_the_gradients_of_a_step_are_those_of_the_formula(tmp_path: Path) -> None:
    """Two updates on the same episodes: in the second the policy has moved, so that ratios are clipped."""
    made = episodes()
    model, reference = TokenModel(tiny_causal(0)), TokenModel(tiny_causal(1))
    for one in (model, reference):
        use_attention(one.causal, "packed")
    config = grpo(
        tmp_path,
        tmp_path,
        *("game.team=true", "tasks=2", "group=3"),
        "epochs=2",
        "loss.kl=0.05",
        "loss.clip_high=0.3",
        "tokens_per_row=60",
    )
    optimizer = Watched(model, lr=3e-3)
    before = tiny_causal(0)
    advantages = [(one.reward - m) / (s + 1e-6) for one, (m, s) in zip(made, spread(made), strict=True)]
    figures, tokens = train_step(model, reference, optimizer, made, advantages, config, step=0)
    assert tokens == sum(one.tokens for one in made)
    assert figures["clip_share"] > 0.05, "nothing was clipped: the comparison is too easy"
    assert figures["mismatch_masked_share"] > 0.05, "no importance weight was truncated"
    assert len(optimizer.seen) == 2
    causal, frozen = tiny_causal(0), tiny_causal(1)
    for weights, gradients in optimizer.seen:
        causal.load_state_dict(weights)
        wanted = plain_gradients(causal, before, frozen, made)
        assert max(gradient.abs().max() for gradient in wanted) > 1e-2
        for mine, theirs in zip(gradients, wanted, strict=True):
            torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=2e-4)


def spread(made: list[Any]) -> list[tuple[float, float]]:
    """Mean and standard deviation of the rewards of each episode's group."""
    groups = {one.group: [other.reward for other in made if other.group == one.group] for one in made}
    return [(float(np.mean(groups[one.group])), float(np.std(groups[one.group]))) for one in made]


def test_mini_batches_are_counted_in_tasks_and_all_see_the_same_old_policy(tmp_path: Path) -> None:
    model = TokenModel(tiny_causal(0))
    use_attention(model.causal, "packed")
    optimizer = Watched(model, lr=1e-2)
    config = grpo(tmp_path, tmp_path, "game.team=true", "mini_batch=1", "loss.kl=0")
    figures, _ = train_step(model, None, optimizer, episodes(), [1, -1, 0.5, 1, -1, 0.5], config, step=0)
    assert figures["optimizer_steps"] == 2, "two tasks make two mini-batches, whatever their agents and turns"
    assert figures["ratio_max"] > 1.001, "the second mini-batch meets a policy that has moved"


@pytest.mark.parametrize(("denominator", "factor"), [("", 1.0), ("selection.loss_denominator=trained", 2.0)])
def test_a_dropped_group_leaves_the_gradient_of_the_others_as_it_is(
    denominator: str, factor: float, tmp_path: Path
) -> None:
    """An advantage of 0 has no gradient. So it makes no difference whether such a group is trained or dropped."""
    found = []
    for missing in (0.0, float("nan")):
        model = TokenModel(tiny_causal(0))
        use_attention(model.causal, "packed")
        optimizer = Watched(model, lr=1e-2)
        config = grpo(
            tmp_path, tmp_path, *("game.team=true", "loss.kl=0", "tasks=2", "group=3", "optim.max_norm=0"),
            *filter(None, [denominator]),
        )  # fmt: skip
        train_step(model, None, optimizer, episodes(), [1, -1, 0.5, *[missing] * 3], config, step=0)
        found.append(optimizer.seen[0][1])
    for kept, dropped in zip(*found, strict=True):
        torch.testing.assert_close(dropped, factor * kept, atol=1e-6, rtol=1e-4)
    assert max(gradient.abs().max() for gradient in found[0]) > 1e-2


@pytest.mark.parametrize(("roles", "tokens"), [('["lead"]', 78), ('["subagent"]', 40)])
def test_one_role_alone_is_trained(roles: str, tokens: int, tmp_path: Path) -> None:
    model = TokenModel(tiny_causal(0))
    use_attention(model.causal, "packed")
    config = grpo(tmp_path, tmp_path, "game.team=true", f"selection.roles={roles}", "loss.kl=0")
    _, trained = train_step(model, None, Watched(model, 1e-2), episodes(), [1, -1, 0.5] * 2, config, step=0)
    assert trained == tokens


def test_a_step_on_episodes_of_a_real_team(model_folder: Path, tmp_path: Path) -> None:
    """A lead that delegates and subagents that search, told what to say; recorded as the driver records them."""
    from told_engine import ToldEngine, team_says
    from toy_team import town_setup

    config = grpo(model_folder, tmp_path / "run", "game.team=true", "tokens_per_row=2000", "loss.kl=0")
    game = town_setup(2, profile="wideseek-r1")
    jobs = TaskSampler(game.tasks, 0).jobs(0, 2, 2)
    with LLMPolicy(ToldEngine(model_folder, team_says)) as team:
        finished = list(team.rollouts(game, jobs))
    made = [each.rollout for each in finished if each.rollout is not None]
    for each, one in zip(finished, made, strict=True):
        assert each.trajectory is not None
        again = each.trajectory.replay()
        for agent_record, conversation in zip(one.agents, again.conversations, strict=True):
            said = [m["completion_tokens"] for m in conversation.messages if m["role"] == "assistant"]
            assert said == [turn.tokens for turn in agent_record.turns], (
                "rewards count the tokens that are trained"
            )
    figures = rollout_metrics(made, 0)
    assert figures["subagents"] == 2
    assert figures["turns"] == 6
    model = load_model(config.model)
    figures, tokens = train_step(model, None, Watched(model, 1e-2), made, [1, -1, 1, -1], config, step=0)
    assert tokens == sum(one.tokens for one in made) > 400
    assert figures["mismatch_max"] < 1e-4, (
        "the sequences that are trained on are not those that were generated"
    )
