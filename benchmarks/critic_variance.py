"""Measures how much of the returns a critic explains in new episodes, for several settings of PPO's critic.

    pip install -e . -e 'baselines[transformers]'
    python benchmarks/critic_variance.py --model runs/nano-curve/warm/model --out runs/critic

The scripted team of `train_nano_curve.py` plays training tasks at the widths 1 to 4. It starts as many subagents as its
dice say, so the reward depends on the number of subagents and on the number of rows of the table. The model reads the
episodes, but it does not play them. The critic is then trained as in `wideseek train ppo`: in each step, it is
trained for some epochs on some episodes. There are few episodes, so several steps use the same ones. After each step,
the program computes the explained variance on held-out episodes of other tasks: 1 − squared error / variance of the
reward. It covers all turns of the lead and of one subagent of each episode.

The policy never changes here, so its hidden states are computed once for each view and are stored in `--out`. Only
value heads are trained on them. With ``--separate``, whole critics are trained too, which takes far more time. The
program prints JSON lines: the tokens that a critic of each view reads, and the results of each setting.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recorded_batch import tokenized
from train_nano_curve import expert_game

from wideseek_baselines.nano.team import BriefTeam
from wideseek_baselines.tokens import ChatTemplate
from wideseek_baselines.tokens.record import Rollout
from wideseek_baselines.train.config.loading import load_config, preset_file
from wideseek_baselines.train.config.options import SelectionOptions
from wideseek_baselines.train.critic_steps import CriticBatch, fit_critic
from wideseek_baselines.train.data.joint_state import CriticInputs, joint_inputs, own_inputs
from wideseek_baselines.train.data.packing import rows_of
from wideseek_baselines.train.data.samples import SampleBatch, rollout_samples
from wideseek_baselines.train.model.critic import Critic, ValueHead
from wideseek_baselines.train.model.forward import StateRow, values_of
from wideseek_baselines.train.model.model import load_causal, states_of
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.ppo import PpoConfig, critic_weights, estimate
from wideseek_env.episode_run import run_episode

EAGERNESS = 0.75
WIDTHS = (2, 4, 1, 3)
CONTEXT = 4096
ROW = 4096
PASSES = 4
"""How often value heads are trained on the episodes of all steps, to have as many steps as a run."""
SHOWN = (1, 5, 10, 20)
"""The steps after which the results of value heads are shown."""

SETTINGS: dict[str, tuple[str, ...]] = {
    "one epoch, no normalisation (before)": ("value.epochs=1", "value.normalize=false"),
    "8 epochs, no normalisation": ("value.epochs=8", "value.normalize=false"),
    "one epoch, normalised returns": ("value.epochs=1",),
    "8 epochs, normalised returns (default)": (),
    "32 epochs, normalised returns": ("value.epochs=32",),
}
"""The compared settings of value heads."""


@dataclass(frozen=True, slots=True)
class Step:
    """The episodes of a training step, and the hidden states before the turns for each view."""

    rollouts: list[Rollout]
    batch: SampleBatch
    inputs: dict[str, CriticInputs]
    states: dict[str, list[torch.Tensor]]
    """For each view and each of the policy's samples, ``[turns, H]`` hidden states."""


def main() -> None:
    """Record the episodes, compute the hidden states, and train critics."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--model", required=True, help="folder of a nano model, for example after its warm start"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the hidden states")
    parser.add_argument("--steps", type=int, default=5, help="number of training steps")
    parser.add_argument("--episodes", type=int, default=16, help="number of episodes in a step")
    parser.add_argument("--held-out", type=int, default=32, help="number of held-out episodes")
    parser.add_argument(
        "--lr", type=float, nargs="+", default=[1e-4, 3e-4, 5e-4, 1e-3], help="learning rates of heads"
    )
    parser.add_argument("--seeds", type=int, default=2, help="number of orders of the training episodes")
    parser.add_argument("--views", nargs="+", default=["own", "team"], help="views to compute")
    parser.add_argument("--separate", action="store_true", help="train whole critics too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rollouts = record(arguments.model, arguments.steps * arguments.episodes + arguments.held_out)
    say(knowable=knowable(arguments.model))
    held, trained = rollouts[: arguments.held_out], rollouts[arguments.held_out :]
    size = arguments.episodes
    parts = [held, *(trained[at * size : at * size + size] for at in range(arguments.steps))]
    steps = [prepared(part) for part in parts]
    rewards = [rollout.reward for rollout in rollouts]
    say(episodes=len(rollouts), reward_mean=np.mean(rewards), reward_std=np.std(rewards))
    for view in arguments.views:
        began = time.process_time()
        fill_states(steps, view, arguments.model, arguments.out)
        say(
            view=view,
            sequences=sum(len(step.inputs[view].samples) for step in steps),
            tokens=sum(len(sample) for step in steps for sample in step.inputs[view].samples),
            processor_seconds=time.process_time() - began,
        )
    for view in arguments.views:
        say(view=view, ridge=ridge(steps, view))
        for name, settings in SETTINGS.items():
            for lr in arguments.lr:
                config = configured(arguments, lr, settings)
                runs = [heads(steps, view, config, seed) for seed in range(arguments.seeds)]
                say(view=view, setting=name, lr=lr, **averaged(runs))
    if arguments.separate:
        for view in arguments.views:
            began = time.process_time()
            config = configured(
                arguments, 1e-4, ("value.critic=separate", f"value.view={view}", "value.epochs=2")
            )
            found = separate(steps, view, config, arguments.model)
            say(view=view, setting="separate", **found, processor_seconds=time.process_time() - began)


def say(**values: Any) -> None:
    """Print a line of JSON with rounded numbers."""
    print(json.dumps(values, default=lambda number: round(float(number), 3)), flush=True)


def configured(arguments: argparse.Namespace, lr: float, settings: Sequence[str]) -> PpoConfig:
    """PPO's configuration for nano models, with some settings of the critic."""
    own = [f"model.path={arguments.model}", "out=unused", f"critic_optim.lr={lr}", f"tokens_per_row={ROW}"]
    config: PpoConfig = load_config(PpoConfig, None, [*own, *settings], preset=preset_file("nano-cpu"))
    return config


def record(model: str, count: int) -> list[Rollout]:
    """Episodes of the scripted team on training tasks, each task once."""
    config = load_config(
        PpoConfig, None, [f"model.path={model}", "out=unused"], preset=preset_file("nano-cpu")
    )
    games = [expert_game(config.game, str(config.game.tasks), width=width).open() for width in WIDTHS]
    template = ChatTemplate(model)
    found: list[Rollout] = []
    for number, task in enumerate(games[0].tasks[:count]):
        run = run_episode(games[number % len(games)], BriefTeam(EAGERNESS), task, seed=number)
        rollout = tokenized(run.trajectory(), template, 0)
        agents = [
            dataclasses.replace(agent, clocks=tuple(conversation.clocks))
            for agent, conversation in zip(rollout.agents, run.episode.conversations, strict=True)
        ]
        found.append(dataclasses.replace(rollout, agents=agents, reward=run.reward))
    return found


def knowable(model: str, count: int = 800) -> dict[str, float]:
    """How much of the variance of the reward the best prediction explains that knows some facts of an episode.

    The prediction for an episode is the mean reward of the other episodes with the same facts. The lead knows the width
    in its first turn, the number of rows from its second turn on, and the number of subagents in its last turn.
    """
    config = load_config(
        PpoConfig, None, [f"model.path={model}", "out=unused"], preset=preset_file("nano-cpu")
    )
    games = [expert_game(config.game, str(config.game.tasks), width=width).open() for width in WIDTHS]
    tasks = games[0].tasks
    facts, rewards = [], []
    for number in range(count):
        task, width = tasks[number % len(tasks)], WIDTHS[number % len(WIDTHS)]
        run = run_episode(games[number % len(games)], BriefTeam(EAGERNESS), task, seed=number)
        facts.append((width, len(task.gold.rows), len(run.episode.conversations)))
        rewards.append(run.reward)
    found, paid = {}, np.array(rewards)
    for name, chosen in (("width", [0]), ("width, rows", [0, 1]), ("width, rows, subagents", [0, 1, 2])):
        keys = [tuple(fact[at] for at in chosen) for fact in facts]
        sums: dict[Any, list[float]] = {}
        for key, reward in zip(keys, rewards, strict=True):
            sums.setdefault(key, []).append(reward)
        guess = np.array(
            [
                (sum(sums[key]) - reward) / (len(sums[key]) - 1) if len(sums[key]) > 1 else paid.mean()
                for key, reward in zip(keys, rewards, strict=True)
            ]
        )
        found[name] = round(1 - float(((guess - paid) ** 2).mean() / paid.var()), 3)
    return found


def prepared(rollouts: list[Rollout]) -> Step:
    """The samples of a step and what critics read. To save time, they are those of the lead and of one subagent."""
    options = SelectionOptions(failures="all", loss_aggregation="token")
    every = rollout_samples(rollouts, np.zeros(len(rollouts)), options)
    kept = [
        at
        for at, owner in enumerate(every.owners)
        if owner.agent in (0, 1 + owner.rollout % (len(rollouts[owner.rollout].agents) - 1))
    ]
    batch = SampleBatch(
        [every.samples[at] for at in kept],
        [every.owners[at] for at in kept],
        [every.turns[at] for at in kept],
        every.dropped_turns,
    )
    inputs = {"own": own_inputs(batch), "team": joint_inputs(batch, rollouts, CONTEXT)}
    return Step(rollouts, batch, inputs, {})


@torch.no_grad()
def fill_states(steps: Sequence[Step], view: str, model: str, out: Path) -> None:
    """Compute the hidden states before all turns, or read them from the folder."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"states-{view}-{sum(len(step.rollouts) for step in steps)}.pt"
    if path.is_file():
        for step, states in zip(steps, torch.load(path, weights_only=True), strict=True):
            step.states[view] = states
        return
    config = load_config(
        PpoConfig, None, [f"model.path={model}", "out=unused"], preset=preset_file("nano-cpu")
    )
    trunk = load_causal(config.model).get_decoder().eval()  # type: ignore[no-untyped-call]
    for step in steps:
        marks = critic_weights(step.batch, config.value)
        inputs = step.inputs[view]
        samples = inputs.with_columns([{"mark": (each > 0).astype(np.float32)} for each in marks])
        found: list[torch.Tensor] = [torch.zeros(0)] * len(samples)
        for row in rows_of(samples, ROW):
            for member, part, mark in zip(
                row.members,
                torch.split(states_of(trunk, row), list(row.counts)),
                torch.split(row.columns["mark"], list(row.counts)),
                strict=True,
            ):
                found[member] = part[mark > 0]
        whole: list[list[torch.Tensor]] = [[] for _ in step.batch.samples]
        for (number, _, _), part in zip(inputs.parts, found, strict=True):
            whole[number].append(part)
        step.states[view] = [torch.cat(each) for each in whole]
    torch.save([step.states[view] for step in steps], path)


def targets(step: Step) -> np.ndarray[Any, Any]:
    """The reward of the rollout of each turn."""
    return np.concatenate(
        [
            np.full(len(turns), step.rollouts[owner.rollout].reward)
            for owner, turns in zip(step.batch.owners, step.batch.turns, strict=True)
        ]
    )


def moments(step: Step) -> np.ndarray[Any, Any]:
    """For each turn, which kind it is: "first", "middle" or "last" turn of the lead, or "subagent"."""
    kinds = []
    for owner, turns in zip(step.batch.owners, step.batch.turns, strict=True):
        agent = step.rollouts[owner.rollout].agents[owner.agent]
        last = max(turn.turn for turn in agent.turns)
        for turn in turns:
            name = {0: "first", last: "last"}.get(turn.turn, "middle")
            kinds.append("subagent" if agent.role == "subagent" else name)
    return np.array(kinds)


def explained(values: np.ndarray[Any, Any], step: Step) -> dict[str, float]:
    """The explained variance over all turns, and over each kind of turns."""
    wanted, kinds = targets(step), moments(step)

    def share(which: np.ndarray[Any, Any]) -> float:
        return 1 - float(((values - wanted)[which] ** 2).mean() / wanted[which].var())

    return {"all": share(kinds != ""), **{kind: share(kinds == kind) for kind in sorted(set(kinds))}}


def heads(steps: Sequence[Step], view: str, config: PpoConfig, seed: int) -> dict[str, Any]:
    """Train a value head, and measure it on the held-out step after each training step."""
    held, rest = steps[0], list(steps[1:])
    head = ValueHead(held.states[view][0].shape[1], detach=True)
    optimizer = Optimizer(head.named_parameters(), config.critic_optim)
    random = np.random.default_rng(seed)
    curve = []
    for number in np.concatenate([random.permutation(len(rest)) for _ in range(PASSES)]):
        step = rest[number]
        marks = critic_weights(step.batch, config.value)
        with torch.no_grad():
            before = head(torch.cat(step.states[view])).numpy()
        if config.value.normalize:
            outputs = head.norm.outputs(before)
            head.norm.update(targets(step), np.concatenate([each[each > 0] for each in marks]))
            before = head.norm.values(outputs)
        samples = with_returns(step, spread(before, marks), marks, config)
        everything = StateRow(torch.cat(step.states[view]), tuple(range(len(samples))))
        fit_critic(head, optimizer, [CriticBatch(samples, [everything])], config.value, ROW, random)
        with torch.no_grad():
            curve.append(explained(head(torch.cat(held.states[view])).numpy(), held))
    return {"curve": [curve[at - 1]["all"] for at in SHOWN if at <= len(curve)], "kinds": curve[-1]}


def spread(values: np.ndarray[Any, Any], marks: Sequence[Any]) -> list[Any]:
    """One array for each sample, with the values at the first tokens of turns."""
    found = []
    at = 0
    for each in marks:
        whole = np.zeros(len(each), np.float32)
        count = int((each > 0).sum())
        whole[each > 0] = values[at : at + count]
        at += count
        found.append(whole)
    return found


def with_returns(step: Step, values: Sequence[Any], marks: Sequence[Any], config: PpoConfig) -> list[Any]:
    """The samples with the columns of the value loss."""
    nothing = [np.zeros_like(each) for each in values]
    _, returns = estimate(step.batch, step.rollouts, values, nothing, config.value)
    return [
        sample.with_columns(**{"value": value, "return": back, "critic_weight": mark})
        for sample, value, back, mark in zip(step.batch.samples, values, returns, marks, strict=True)
    ]


def separate(steps: Sequence[Step], view: str, config: PpoConfig, model: str) -> dict[str, Any]:
    """Train a whole critic that begins with the policy's weights."""
    held, rest = steps[0], list(steps[1:])
    critic = Critic(load_causal(config.model))
    optimizer = Optimizer(critic.named_parameters(), config.critic_optim)
    random = np.random.default_rng(0)

    def values(step: Step) -> list[Any]:
        inputs = step.inputs[view]
        return inputs.collected(values_of(critic, inputs.samples, ROW), len(step.batch.samples))

    def marked(each: Sequence[Any], marks: Sequence[Any]) -> np.ndarray[Any, Any]:
        return np.concatenate([value[mark > 0] for value, mark in zip(each, marks, strict=True)])

    curve = []
    for step in rest:
        marks = critic_weights(step.batch, config.value)
        before = values(step)
        outputs = [critic.norm.outputs(each) for each in before]
        critic.norm.update(targets(step), np.concatenate([each[each > 0] for each in marks]))
        before = [critic.norm.values(each).astype(np.float32) for each in outputs]
        samples = with_returns(step, before, marks, config)
        columns = [{name: s.columns[name] for name in ("value", "return", "critic_weight")} for s in samples]
        seen = CriticBatch(step.inputs[view].with_columns(columns))
        fit_critic(critic, optimizer, [seen], config.value, ROW, random)
        found = explained(marked(values(held), critic_weights(held.batch, config.value)), held)
        curve.append(found)
        say(view=view, setting="separate", step=len(curve), **found)
    return {"curve": [each["all"] for each in curve], "kinds": curve[-1]}


def ridge(steps: Sequence[Step], view: str) -> dict[str, Any]:
    """The best explained variance on held-out episodes of a linear layer with an L2 penalty, over some penalties: what
    heads on these hidden states can reach.
    """
    train = torch.cat([torch.cat(step.states[view]) for step in steps[1:]]).double().numpy()
    wanted = np.concatenate([targets(step) for step in steps[1:]])
    mean, middle = train.mean(0), wanted.mean()
    gram = (train - mean).T @ (train - mean)
    best: dict[str, float] = {"all": -np.inf}
    for penalty in (1e1, 1e2, 1e3, 1e4, 1e5):
        weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), (train - mean).T @ (wanted - middle))
        found = explained(
            (torch.cat(steps[0].states[view]).double().numpy() - mean) @ weights + middle, steps[0]
        )
        best = max(best, found, key=lambda each: each["all"])
    return best


def averaged(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds."""
    return {
        "curve": [round(each, 3) for each in np.mean([run["curve"] for run in runs], 0).tolist()],
        "kinds": {
            kind: round(float(np.mean([run["kinds"][kind] for run in runs])), 3) for kind in runs[0]["kinds"]
        },
    }


if __name__ == "__main__":
    main()
