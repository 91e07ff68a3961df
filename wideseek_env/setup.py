"""`Setup`: everything an episode is played with, resolved once from what a user passes to a shell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from wideseek_env import catalog
from wideseek_env.corpus.base import Corpus
from wideseek_env.episode import Episode, Roster
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Counter, count_characters
from wideseek_env.profiles import Profile, profile_named
from wideseek_env.rewards import Reward, reward_named
from wideseek_env.rules import Rules
from wideseek_env.scoring import Judge
from wideseek_env.scoring.judging import judge_from_spec
from wideseek_env.tasks.task import Task
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tools.executor import CorpusTools, Executor
from wideseek_env.tools.own import Tool, tool_named, with_tools


@dataclass(frozen=True)
class Setup:
    """Tasks, tools, rules, profile and reward of a game; build it with `Setup.resolve`."""

    tasks: TaskSet
    executor: Executor
    corpus_name: str
    rules: Rules
    profile: Profile
    reward: Reward
    judge: Judge | None
    team: bool
    roster: Roster
    counter: Counter

    @classmethod
    def resolve(
        cls,
        *,
        tasks: str | TaskSet | Sequence[Task] | None = None,
        corpus: str | Corpus | None = None,
        split: str = "train",
        width: int | None = None,
        rules: str | Rules | Mapping[str, int] | None = None,
        reward: str | Reward = "item_f1",
        profile: str | Profile = "default",
        judge: str | Judge | None = None,
        team: bool = True,
        roster: Roster = "dynamic",
        counter: Counter = count_characters,
        tools: Executor | None = None,
        own_tools: Sequence[str | Tool] = (),
    ) -> Setup:
        """Turn names into objects; `ConfigError` says which name or value is wrong and what there is.

        Args:
            tasks: A `TaskSet`, a sequence of tasks, the path of a JSONL file, or a world such as
                ``"synthetic:seed=1,rows=30"`` or ``"hybridqa:FOLDER"``; None is the synthetic world.
            corpus: A `Corpus`, the folder of a built one, or a world's name; None is the world of `tasks`.
            split: The part of a world's tasks: "train", "validation" or "test".
            width: Subagents a delegation may start; overrides the rules'.
            rules: `Rules`, the name of a preset, or a mapping with the limits to change.
            reward: A `Reward` or the name of a preset: "item_f1", "wideseek_r1".
            profile: A `Profile` or its name: "default", "terse", "wideseek-r1".
            judge: Decides `llm_judge` columns, itself or by name as ``--judge`` takes it; None is the offline judge.
            team: A lead with subagents, or a single agent.
            roster: "dynamic" or "fixed"; see `wideseek_env.episode.Episode`.
            counter: Measures messages in the unit of `rules.context`.
            tools: What runs tool requests instead of `CorpusTools` over the corpus.
            own_tools: Further tools for lead or subagents; see `wideseek_env.tools.own`.

        Every name may be one of your own parts, ``module:name``; see `wideseek_env.plugins`.
        """
        if roster not in get_args(Roster):
            raise ConfigError(f"roster must be one of {', '.join(get_args(Roster))}, not {roster!r}")
        if tools is not None and corpus is None and tasks is not None and not isinstance(tasks, str):
            task_set, opened = catalog.as_tasks(tasks), None  # the executor needs no corpus: open none
        else:
            task_set, opened = catalog.open_world(tasks, corpus, split)
        if not len(task_set):
            raise ConfigError(f"{task_set.name} has no tasks")
        limits = resolve_rules(rules)
        if width is not None:
            limits = limits.replace(width=width)
        further = [tool_named(tool) for tool in own_tools]
        if tools is not None and further:
            raise ConfigError("own_tools are run beside a corpus; an executor given as tools runs its own")
        if tools is None:
            if opened is None:
                raise ConfigError("these tasks come without a corpus: pass corpus=…, or tools=…")
            tools = CorpusTools(opened, custom={tool.spec.kind: tool.run for tool in further})
        return cls(
            tasks=task_set,
            executor=tools,
            corpus_name=opened.name if opened is not None else type(tools).__name__,
            rules=limits,
            profile=with_tools(profile_named(profile), further),
            reward=reward_named(reward),
            judge=judge_from_spec(judge) if isinstance(judge, str) else judge,
            team=team,
            roster=roster,
            counter=counter,
        )

    def episode(self, task: Task) -> Episode:
        """A fresh episode of `task`."""
        return Episode(
            task,
            rules=self.rules,
            profile=self.profile,
            team=self.team,
            roster=self.roster,
            counter=self.counter,
        )


def resolve_rules(rules: str | Rules | Mapping[str, Any] | None) -> Rules:
    """`Rules` from a preset's name, a mapping of limits to change, None (the default) or rules."""
    if rules is None:
        return Rules()
    if isinstance(rules, Rules):
        return rules
    if isinstance(rules, str):
        return Rules.preset(rules)
    if isinstance(rules, Mapping):
        return Rules().replace(**rules)
    raise ConfigError(f"rules must be Rules, a preset's name or a mapping of limits, not {rules!r}")
