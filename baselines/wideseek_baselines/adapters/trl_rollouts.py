"""`TeamRollouts` runs whole teams as the `rollout_func` of TRL's `GRPOTrainer`.

    rollouts = TeamRollouts(game)
    GRPOTrainer(model, reward_funcs=team_reward, train_dataset=rollouts.dataset(), rollout_func=rollouts, args=…)

TRL's batch has rows, and TRL trains one sequence per row. The advantage of a row compares its reward with the rewards
of all rows with the same prompt. A team has several sequences: at least one for the lead and one for each subagent.
There are more if a chat template changes earlier turns.

So each team gets `sequences` rows that follow each other. All of them have the reward of the team. `num_generations`
must be the number of teams times `sequences`. Then every team has the same weight in the mean, no matter how many
agents it had. If a team has fewer than `sequences` sequences, its other rows have no trained tokens. If it has more,
`sequences` of them are chosen at random.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wideseek_baselines.adapters.common import missing, outcome_metrics
from wideseek_baselines.agents.base import EpisodePolicy, GenerationRequest
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.tokens import History
from wideseek_baselines.tokens.record import AgentRecord
from wideseek_baselines.tokens.record import Sequence as TokenSequence
from wideseek_env.credit import is_team
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ConfigError
from wideseek_env.game import Game
from wideseek_env.messages import ROLES, Message, Role
from wideseek_env.task import Task

try:
    from datasets import Dataset

    from wideseek_baselines.adapters.trl_engine import Trainer, TrainerEngine, trainer_tokenizer
except ImportError as error:
    raise missing("trl", error) from error


@dataclass(frozen=True)
class TrainingRow:
    """One row of TRL's batch. `completion`, `mask` and `logprobs` have the same length."""

    prompt: list[int]
    completion: list[int]
    mask: list[int]
    """1 for sampled tokens that are trained, otherwise 0."""
    logprobs: list[float]
    """Log-probabilities of the sampled tokens, in nats. 0 for other tokens."""

    @classmethod
    def of(cls, sequence: TokenSequence) -> TrainingRow | None:
        """Make the row of a sequence. Its completion begins at the first sampled token. None if no token can be
        trained.
        """
        turns = [turn for turn in sequence.turns if turn.trainable and turn.tokens]
        if not turns:
            return None
        start, stop = turns[0].start, turns[-1].stop
        mask, logprobs = [0] * (stop - start), [0.0] * (stop - start)
        for turn in turns:
            mask[turn.start - start : turn.stop - start] = [1] * turn.tokens
            logprobs[turn.start - start : turn.stop - start] = turn.logprobs
        return cls(list(sequence.ids[:start]), list(sequence.ids[start:stop]), mask, logprobs)


@dataclass(frozen=True)
class TeamResult:
    """One ended episode, with the token ids of all its conversations."""

    run: EpisodeRun
    agents: list[AgentRecord]


class TeamRollouts:
    """Runs teams with the model that is trained.

    All episodes of a batch run in lock-step: one batch of generations has the turns of all acting agents.

    Args:
        game: The game.
        sequences: Number of rows per team. None means 1 + `rules.width` for a team and 1 for a single agent.
        roles: Roles whose sequences are trained: any of "lead", "subagent" and "single".
        turn_tokens: The largest number of new tokens in one turn. With vLLM, set `max_completion_length` to the same
            value.
        context: The largest number of tokens of a prompt and its turn together. None means the model's limit.
        thinking: Whether the model thinks before it answers, in chat templates that have such a switch. With None, the
            template decides.
        history: How a prompt shows an agent's earlier turns. "template" shows what the chat template makes of them.
            "keep" shows what was sampled, so that every conversation is one sequence.
        requests: The largest number of sequences that are generated at the same time, if the trainer has no vLLM.
        engine: A function that makes an engine from a trainer. Default: `TrainerEngine`.

    Raises:
        ConfigError: A setting is wrong, or two tasks have the same question. TRL could not tell such tasks apart.
    """

    def __init__(
        self,
        game: Game,
        *,
        sequences: int | None = None,
        roles: Sequence[Role] = ROLES,
        turn_tokens: int = 1024,
        context: int | None = None,
        thinking: bool | None = None,
        history: History = "template",
        requests: int = 16,
        engine: Callable[[Trainer], TrainerEngine] | None = None,
    ) -> None:
        if sequences is None:
            sequences = 1 + game.rules.width if game.team else 1
        if sequences < 1:
            raise ConfigError(f"sequences must be at least 1, not {sequences}")
        if not is_team(game.credit):
            raise ConfigError(
                f"TRL gets the team's reward for all rows of a team, which credit={game.credit.name!r} does not pay: "
                "set credit='team'"
            )
        unknown = sorted(set(roles) - set(ROLES))
        if unknown or not roles:
            raise ConfigError(
                f"roles must be one or more of {', '.join(ROLES)}, not {', '.join(unknown) or 'none'}"
            )
        self.game = game
        self.sequences = sequences
        self.roles = frozenset(roles)
        self._tasks: dict[str, Task] = {}
        for task in game.tasks:
            if self._tasks.setdefault(task.question, task) is not task:
                raise ConfigError(
                    f"the tasks {self._tasks[task.question].id} and {task.id} have the same question: remove one"
                )
        self._options: dict[str, Any] = {
            "turn_tokens": turn_tokens,
            "context": context,
            "thinking": thinking,
            "history": history,
        }
        self._engine = engine or (lambda trainer: TrainerEngine(trainer, requests=requests))
        self._made: tuple[Trainer, TrainerEngine, LLMPolicy] | None = None
        self._calls = 0

    def dataset(self, limit: int | None = None) -> Dataset:
        """The tasks as TRL's dataset, with the columns `prompt` (the question) and `task_id`."""
        tasks = list(self._tasks.values())[:limit]
        return Dataset.from_list([{"prompt": task.question, "task_id": task.id} for task in tasks])

    def __call__(self, prompts: list[Any], trainer: Trainer) -> dict[str, Any]:
        """Run the episodes of a batch, as TRL's `rollout_func` does.

        In TRL's evaluation, every row is one episode. The row has the first sequence of the lead.

        Raises:
            ConfigError: Rows do not come in groups of `sequences`, or a prompt is not the question of a task.
        """
        share = self.sequences if trainer.model.training else 1
        if trainer.model.training and trainer.num_generations % share:
            raise ConfigError(
                f"num_generations must be the number of teams times sequences, a multiple of {share}, "
                f"not {trainer.num_generations}"
            )
        if len(prompts) % share or any(
            prompts[at : at + share] != [prompts[at]] * share for at in range(0, len(prompts), share)
        ):
            raise ConfigError(
                f"the rows of a process must come in groups of {share} with the same prompt: make "
                f"per_device_train_batch_size times steps_per_generation a multiple of {share}"
            )
        tasks = [self._task(prompt) for prompt in prompts[::share]]
        process = int(trainer.accelerator.process_index)
        seeds = [
            random.Random(f"{trainer.args.seed}/{self._calls}/{process}/{number}").getrandbits(31)
            for number in range(len(tasks))
        ]
        self._calls += 1
        teams = self.run(tasks, seeds, trainer)
        rows: list[TrainingRow] = []
        for team, seed in zip(teams, seeds, strict=True):
            rows += self._rows(team, share, seed, trainer)
        return {
            "prompt_ids": [row.prompt for row in rows],
            "completion_ids": [row.completion for row in rows],
            "logprobs": [row.logprobs for row in rows],
            "env_mask": [row.mask for row in rows],
            "team_reward": [team.run.reward for team in teams for _ in range(share)],
            "team_metrics": [outcome_metrics(team.run) for team in teams for _ in range(share)],
        }

    def run(self, tasks: Sequence[Task], seeds: Sequence[int], trainer: Trainer) -> list[TeamResult]:
        """Run one episode of each task, with the trainer's model in every role."""
        engine, policy = self._policy(trainer)
        plays = [EpisodeRun(self.game, task, seed) for task, seed in zip(tasks, seeds, strict=True)]
        episode_policies = [policy.episode_policy(seed) for seed in seeds]
        while any(not run.done for run in plays):
            self._step(plays, episode_policies, engine)
        return [
            TeamResult(
                run, episode_policy.records([(c.agent, c.role, c.ending) for c in run.episode.conversations])
            )
            for run, episode_policy in zip(plays, episode_policies, strict=True)
        ]

    def _step(
        self, plays: Sequence[EpisodeRun], episode_policies: Sequence[EpisodePolicy], engine: TrainerEngine
    ) -> None:
        """Generate one turn of every acting agent of all episodes in one batch."""
        steps = [
            (number, turn, episode_policy.prepare(turn))
            for number, (run, episode_policy) in enumerate(zip(plays, episode_policies, strict=True))
            if not run.done
            for turn in (run.turn(agent) for agent in run.episode.ready())
        ]
        asked = [step.request for _, _, step in steps if isinstance(step, GenerationRequest)]
        generations = iter(engine.generate_batch(asked))
        actions: dict[int, dict[str, Message]] = {}
        for number, turn, step in steps:
            said = (
                episode_policies[number].accept(turn, next(generations))
                if isinstance(step, GenerationRequest)
                else step.message
            )
            actions.setdefault(number, {})[turn.agent] = said
        for number, said_by in actions.items():
            plays[number].step(said_by)

    def _rows(self, team: TeamResult, share: int, seed: int, trainer: Trainer) -> list[TrainingRow]:
        """Make the `share` rows of one team, in the order of its conversations."""
        found = [
            row
            for agent in team.agents
            if agent.role in self.roles
            for row in map(TrainingRow.of, agent.sequences)
            if row is not None
        ]
        if len(found) > share:
            kept = [0] if not trainer.model.training else random.Random(seed).sample(range(len(found)), share)
            found = [found[at] for at in sorted(kept)]
        end = int(trainer_tokenizer(trainer).eos_token_id)
        return found + [TrainingRow([end], [end], [0], [0.0])] * (share - len(found))

    def _policy(self, trainer: Trainer) -> tuple[TrainerEngine, LLMPolicy]:
        if self._made is None or self._made[0] is not trainer:
            engine = self._engine(trainer)
            policy = LLMPolicy(
                engine,
                tokenizer=trainer_tokenizer(trainer),
                temperature=trainer.args.temperature,
                **self._options,
            )
            self._made = (trainer, engine, policy)
        return self._made[1], self._made[2]

    def _task(self, prompt: Any) -> Task:
        try:
            return self._tasks[prompt]
        except (KeyError, TypeError):
            raise ConfigError(
                f"no task has the question {str(prompt)[:200]!r}: train on the rows of TeamRollouts.dataset()"
            ) from None


def team_reward(
    completions: list[Any], team_reward: list[float], team_metrics: list[dict[str, float]], **trl: Any
) -> list[float]:
    """The reward function that TRL calls with `TeamRollouts`. Returns the team's reward for each row.

    The function also logs the metrics of the episodes as ``team/…``. `trl` has the other arguments that TRL passes.
    """
    log: Callable[[str, float], None] | None = trl.get("log_metric")
    if log is not None:
        for metrics in team_metrics:
            for name, value in metrics.items():
                log(f"team/{name}", value)
    if len(team_reward) != len(completions):
        raise ConfigError("team_reward works only with TeamRollouts: pass one as rollout_func")
    return team_reward
