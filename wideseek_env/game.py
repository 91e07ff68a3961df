"""`GameConfig` describes a game by plain values.

`GameConfig.open` makes a `Game` from them, whose parts are live objects.

Every entry point accepts the fields of `GameConfig` under the same names: the environments, the commands, the training
configuration's ``[game]`` table, rollout workers and serving. `wideseek_env.entry_points` lists the entry points with
different defaults.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeAlias, cast, get_args

from wideseek_env import catalog
from wideseek_env.audience import option
from wideseek_env.copying import copied_executor, live_parts
from wideseek_env.corpus.base import Corpus
from wideseek_env.credit import Credit, Team, credit_named, is_team
from wideseek_env.episode import Episode, Roster
from wideseek_env.errors import ConfigError
from wideseek_env.game_text import game_json, game_options, game_toml, read_game_json, read_game_toml
from wideseek_env.game_values import (
    LIVE,
    as_limits,
    as_tools,
    check,
    is_count,
    is_offline,
    known_keys,
    known_name,
    preset_of,
    recorded_name,
    same,
)
from wideseek_env.messages import Counter, counter_named
from wideseek_env.opened import Opened, reduced_game
from wideseek_env.plugins import Kind, part_digest, required_name
from wideseek_env.profiles import Profile, profile_named, with_tools
from wideseek_env.prompts.loading import checked_texts, texts_digest
from wideseek_env.protocol import LENIENT
from wideseek_env.renamed import RENAMED_GAME_KEYS, renamed
from wideseek_env.reprs import plain, short
from wideseek_env.rewards import Reward, approximate_tokens, published_judges, reward_named, with_judge
from wideseek_env.rules import TOKEN_RULES, Rules, rules_from
from wideseek_env.scoring import Judge, Judging, judging_of
from wideseek_env.scoring.judged import warn_by_rules
from wideseek_env.scoring.judging import judge_from_spec
from wideseek_env.summaries.base import Summariser
from wideseek_env.summaries.prompts import SummaryTexts
from wideseek_env.summaries.spec import summariser_named
from wideseek_env.task import Language, Task
from wideseek_env.tasks import conditions
from wideseek_env.tasks.jsonl import tasks_digest
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tools.custom import Tool, tool_named
from wideseek_env.tools.executor import CorpusTools, Executor, executor_named

Tasks: TypeAlias = str | TaskSet | Sequence[Task]
ReadTasks: TypeAlias = Callable[[str, catalog.Split], tuple[TaskSet, str | None]]
PROMPT_LANGUAGES = (*get_args(Language), "task")
"""The values of `GameConfig.language`, apart from None."""

OpenCorpus: TypeAlias = Callable[[str], Corpus]


@dataclass(frozen=True, repr=False)
class GameConfig:
    """All settings of an episode. Every field is optional. Without any field, this is the offline default.

    A field that accepts a Python object also accepts the name of that object, ``module:name``. `to_dict` stores
    the name.

    Raises:
        ConfigError: A value has the wrong type or is out of range. `open` also raises it for unknown names.
    """

    tasks: Tasks = "synthetic"
    """The tasks: a .jsonl file, synthetic[:key=value,…], hybridqa:FOLDER, a benchmark (widesearch:PATH,
    wideseek-r1:FILE, gisa:PATH, browsecomp-plus:FILE, qa:PATH), or module:name for a custom source. Python also takes
    a `TaskSet` or a sequence of `Task`."""
    corpus: str | Corpus | None = None
    """The corpus that agents search: a folder made by `wideseek corpus build`, a world such as synthetic:seed=1,
    live:…, remote:URL, dense:FOLDER, hybrid:NAME+FOLDER, or module:name. Default: the world of the tasks."""
    split: str = "train"
    """The part of a world's tasks: train, validation or test."""
    where: tuple[str, ...] = ()
    """Use only tasks that meet this condition, such as mode=pages or rows>=10."""
    limit: int | None = None
    """Use only the first N tasks that meet the conditions."""
    width: int | None = None
    """How many subagents the lead may start with one delegation. Default: the `width` of the rules."""
    rules: str | Rules | Mapping[str, int] = "default"
    """Preset of all limits: default, width-benchmark or wideseek-r1. Python also takes `Rules` or a mapping of
    limits."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """One limit that overrides the preset, such as subagent_turns=6. The Python class wideseek_env.Rules lists all
    limits."""
    reward: str | Reward = "item_f1"
    """The reward of the team: item_f1, wideseek_r1, or module:name."""
    credit: str | Credit = "team"
    """How the result is divided among the agents: team (every agent has the team's reward), cells (a subagent has the
    right minus the wrong cells that its report brought to the answer), or module:name."""
    profile: str | Profile = "default"
    """The prompts and tool schemas of the agents: default, terse, wideseek-r1, or module:name."""
    texts: str | Mapping[str, Any] | None = None
    """Texts that agents see instead of those of the profile: a TOML file, as `wideseek texts show` prints it. Python
    also takes the content as a mapping. The file is read once, and the configuration has its content."""
    judge: str | Judge | None = "offline"
    """The judge that decides whether a cell in a column of the type llm_judge is right: offline, openai:MODEL@URL,
    recorded:FILE, or module:name."""
    team: bool = True
    """A lead with subagents (true), or a single agent (false)."""
    roster: Roster = "dynamic"
    """The ids of agents. With dynamic, each new subagent gets a new id. With fixed, the agents are always the lead and
    WIDTH subagents. A new subtask uses the id of one of these subagents again."""
    language: str | None = None
    """The language of prompts and notices: en, zh, or task for the language of each task. Default: that of the profile,
    which is English for wideseek-r1 and the language of each task for default and terse."""
    counter: str | Counter = "characters"
    """The unit of the context limit: characters, or module:name for a function that returns the length of a message.
    With the rules wideseek-r1, whose context is in tokens, the default counts approximate tokens."""
    tools: Sequence[str | Tool] = ()
    """A custom tool, module:name. With role=module:name only that role gets the tool: lead, subagent or single."""
    executor: str | Executor | None = None
    """The object that runs tool calls, as module:name. Default: search and browse over the corpus, and the custom
    tools."""
    summariser: str | Summariser | None = None
    """The model that reads a page for an agent that asks about it: openai:MODEL@URL, engine for the engine of the
    policy, or module:name. Default: no model; the agent gets the parts of the page whose words fit."""

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name, default in (
            ("tasks", "synthetic"),
            ("rules", "default"),
            ("credit", "team"),
            ("judge", "offline"),
            ("where", ()),
        ):
            if getattr(self, name) is None:
                put(name, default)
        for name in ("tasks", "corpus"):
            if isinstance(getattr(self, name), os.PathLike):
                put(name, os.fspath(getattr(self, name)))
        if not isinstance(self.tasks, str):
            put("tasks", catalog.as_tasks(self.tasks))
        if isinstance(self.rules, Rules):
            put("rules", preset_of(self.rules))
        if isinstance(self.rules, Mapping):
            put("rules", as_limits("rules", self.rules))
        wanted = "rules must be Rules, a preset's name or a mapping of limits"
        check(isinstance(self.rules, (str, dict)), wanted, self.rules)
        put("limits", as_limits("limits", self.limits if self.limits is not None else {}))
        for name, choices in (("split", catalog.SPLITS), ("roster", get_args(Roster))):
            value = getattr(self, name)
            known = isinstance(value, str) and value in choices
            check(known, f"{name} must be one of {', '.join(choices)}", value)
        known = self.language is None or self.language in PROMPT_LANGUAGES
        check(known, f"language must be one of {', '.join(PROMPT_LANGUAGES)}", self.language)
        check(isinstance(self.team, bool), "team must be true or false", self.team)
        for name in ("limit", "width"):
            value = getattr(self, name)
            check(value is None or is_count(value), f"{name} must be a whole number of at least 1", value)
        where = (self.where,) if isinstance(self.where, str) else self.where
        listed = isinstance(where, Sequence) and all(isinstance(each, str) for each in where)
        check(listed, "where must be a list of conditions, such as rows>=10", where)
        put("where", tuple(where))
        put("tools", as_tools(self.tools))
        put("texts", checked_texts(self.texts))
        for name, (is_it, wanted) in LIVE.items():
            value = getattr(self, name)
            right = value is None or isinstance(value, str) or (not inspect.isclass(value) and is_it(value))
            check(right, wanted, value)

    def __repr__(self) -> str:
        return f"GameConfig({', '.join(f'{name}={short(value)}' for name, value in self._changed().items())})"

    def replace(self, **changes: Any) -> Self:
        """The same configuration with some fields changed. `ConfigError` for a field that does not exist."""
        return dataclasses.replace(self, **known_keys(changes, type(self)))

    # --- opening -------------------------------------------------------------------------------------------------

    def open(
        self,
        *,
        read_tasks: ReadTasks = catalog.named_tasks,
        open_corpus: OpenCorpus = catalog.open_corpus,
    ) -> Game:
        """Turn names into objects.

        Args:
            read_tasks: Reads the tasks with a given name. A command passes a function that shows progress.
            open_corpus: Opens the corpus with a given name.

        A `JudgeWarning` tells the share of cells that a model should judge, if the game has no model for this.

        Raises:
            ConfigError: A name does not exist, or values do not fit together.
            CorpusError, TaskError: A file cannot be read.
        """
        rules = self.open_rules()
        pool, own = self._read_tasks(read_tasks)
        tools = self._open_tools()
        profile = self._open_profile(tools)
        executor = executor_named(self.executor) if self.executor is not None else None
        if executor is not None and tools:
            raise ConfigError(
                "tools run next to a corpus; an executor runs its own tools: pass one of the two"
            )
        summariser = self.open_summariser()
        if executor is not None and summariser is not None:
            raise ConfigError(
                "a summariser reads the pages of a corpus; an executor runs its own tools: pass one of the two"
            )
        corpus = None
        if executor is None or self.corpus is not None or own is not None:
            corpus = self._open_corpus(own, open_corpus)
        if executor is None:
            if corpus is None:
                raise ConfigError(
                    "these tasks come without a corpus: name one with "
                    + option(
                        "corpus= (or pass executor=)", "--corpus, such as --corpus synthetic or a folder"
                    )
                )
            executor = CorpusTools(
                corpus,
                texts=profile.results,
                custom={each.spec.kind: each.run for each in tools},
                passage_chars=rules.passage_chars,
                summariser=summariser,
                page_chars=rules.page_chars,
            )
        tasks = pool[: self.limit] if self.limit is not None else pool
        judge = self.open_judge()
        reward = with_judge(reward_named(self.reward), judge)
        warn_by_rules(_judging(tasks, judge, reward))
        opened = Opened(
            {
                "config": self,
                "tasks": tasks,
                "pool": pool,
                "executor": executor,
                "corpus_name": corpus.name if corpus is not None else type(executor).__name__,
                "rules": rules,
                "profile": profile,
                "reward": reward,
                "credit": credit_named(self.credit),
                "judge": judge,
                "team": self.team,
                "roster": self.roster,
                "counter": self.open_counter(),
                "summariser": summariser,
            }
        )
        return Game(**opened.parts, opened=opened)

    def open_tasks(self, read_tasks: ReadTasks = catalog.named_tasks) -> TaskSet:
        """The tasks alone, after `where` and `limit`. No corpus is opened."""
        pool, _ = self._read_tasks(read_tasks)
        tasks = pool[: self.limit] if self.limit is not None else pool
        if self.judge == "offline":  # any other judge is opened with the game
            warn_by_rules(judging_of(tasks, None))
        return tasks

    def open_rules(self) -> Rules:
        """The preset with `limits` and `width` applied."""
        rules = rules_from(self.rules)
        changes = dict(self.limits)
        if self.width is not None:
            changes["width"] = self.width
        return rules.replace(**changes)

    def open_judge(self) -> Judge | None:
        """The judge. None means the offline judge."""
        judge = judge_from_spec(self.judge) if isinstance(self.judge, str) else self.judge
        return None if is_offline(judge) else judge

    def open_summariser(self) -> Summariser | None:
        """The summariser. None means that pages are not summarised."""
        if not isinstance(self.summariser, str):
            return self.summariser
        loaded = cast("Mapping[str, Any]", self.texts or {}).get("summariser")
        return summariser_named(self.summariser, texts=SummaryTexts(**loaded) if loaded else None)

    def open_counter(self) -> Counter:
        """The counter of the context limit. It counts approximate tokens if the preset's context is in tokens."""
        usual = isinstance(self.counter, str) and self.counter == "characters"
        in_tokens = isinstance(self.rules, str) and self.rules in TOKEN_RULES and "context" not in self.limits
        return approximate_tokens if usual and in_tokens else counter_named(self.counter)

    def open_profile(self) -> Profile:
        """The profile with the custom tools and texts. No corpus is opened."""
        return self._open_profile(self._open_tools())

    def _open_profile(self, tools: Sequence[Tool]) -> Profile:
        profile = profile_named(self.profile)
        if self.language is not None:
            language = None if self.language == "task" else cast(Language, self.language)
            profile = dataclasses.replace(profile, language=language)
        return with_tools(profile, tools).with_texts(cast("Mapping[str, Any] | None", self.texts))

    def _open_tools(self) -> list[Tool]:
        tools = [tool_named(each) for each in self.tools]
        running: dict[str, Tool] = {}
        for each in tools:
            other = running.setdefault(each.spec.kind, each)
            if other is not each and part_digest(other.run) != part_digest(each.run):
                raise ConfigError(
                    f"two custom tools are called {each.spec.name!r}: give them different names"
                )
        return tools

    def _read_tasks(self, read_tasks: ReadTasks) -> tuple[TaskSet, str | None]:
        if isinstance(self.tasks, str):
            tasks, own = read_tasks(self.tasks, cast(catalog.Split, self.split))
        else:
            tasks, own = catalog.as_tasks(self.tasks), None
        if self.where:
            tasks = conditions.where(tasks, self.where)
        if not len(tasks):
            raise ConfigError(f"{tasks.name} has no tasks")
        return tasks, own

    def _open_corpus(self, own: str | None, open_corpus: OpenCorpus) -> Corpus | None:
        corpus = self.corpus if self.corpus is not None else own
        return open_corpus(corpus) if isinstance(corpus, str) else corpus

    # --- copies and pickles ----------------------------------------------------------------------------------------

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # it cannot change, and a copy would have copies of the live objects

    def __reduce__(self) -> tuple[Any, ...]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return _configuration, (type(self), live_parts(values))

    # --- plain values --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values, which `from_dict` reads back. Fields that are None are left out, and so
        is the default `credit`.

        Raises:
            UnnamedPartError: A live object has no name that another process could import.
        """
        record: dict[str, Any] = {}
        for each in fields(self):
            if (value := self._plain(each.name, required_name)) is not None:
                record[each.name] = value
        return record

    def record(self) -> dict[str, Any]:
        """Like `to_dict`, for a record. A live object without an importable name is ``name@digest``."""
        plain = {
            each.name: self._plain(each.name, recorded_name) for each in fields(self) if each.name != "tasks"
        }
        plain["tasks"] = self.tasks if isinstance(self.tasks, str) else catalog.as_tasks(self.tasks).name
        return {name: value for name, value in plain.items() if value is not None}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """The configuration with these values. Old names of keys are accepted too.

        Raises:
            ConfigError: A key is unknown, or a value is wrong.
        """
        if not isinstance(record, Mapping):
            raise ConfigError(f"a game is a table of settings, not {short(record)}")
        return cls(**known_keys(renamed(record, RENAMED_GAME_KEYS), cls))

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return game_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The configuration in a JSON text. `ConfigError` if the text cannot be read."""
        return cls.from_dict(read_game_json(text))

    def to_toml(self) -> str:
        """`to_dict` as TOML text: a table ``[game]``, as in a training configuration."""
        return game_toml(self.to_dict())

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """The configuration in the table ``[game]`` of a TOML text. `ConfigError` if the text cannot be read."""
        return cls.from_dict(read_game_toml(text))

    def to_args(self) -> list[str]:
        """The command-line options of this configuration, such as ``["--tasks=synthetic", "--width=4"]``."""
        return game_options(self.to_dict())

    def _plain(self, name: str, named: Callable[[Kind, Any], str]) -> Any:
        """A field as a JSON value. `named` returns the name of a live object."""
        value = getattr(self, name)
        if name == "credit" and is_team(value):  # records have this key only if it says something
            return None
        if name == "where":
            return list(value)
        if isinstance(value, dict):
            return dict(value)
        if name == "tools":
            return [each if isinstance(each, str) else named("tool", each) for each in value]
        if value is None or isinstance(value, (str, int)):
            return value
        if known := known_name(name, value):
            return known
        return named(cast(Kind, name), value)

    def _changed(self) -> dict[str, Any]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value for name, value in values.items() if not same(value, getattr(_DEFAULT, name, None))
        }


@dataclass(frozen=True, repr=False)
class Game:
    """An opened `GameConfig`: tasks, tools, rules, profile, reward and judge as live objects.

    A deep copy has a separate executor and shares the other objects. A pickle has the configuration, and loading it
    opens the game again.
    """

    config: GameConfig
    tasks: TaskSet
    """The tasks to run: the first tasks of `pool`, up to the `limit` of the configuration."""
    pool: TaskSet
    """All tasks, before `limit` is applied."""
    executor: Executor
    corpus_name: str
    rules: Rules
    profile: Profile
    reward: Reward
    judge: Judge | None
    """None means the offline judge."""
    team: bool
    roster: Roster
    counter: Counter
    summariser: Summariser | None = None
    """None means that pages are not summarised."""
    credit: Credit = field(default_factory=Team)
    """How the result is divided among the conversations."""
    opened: Opened | None = field(default=None, compare=False)
    """What `GameConfig.open` made, so that a pickle can open it again. None for a game made in another way."""

    def __copy__(self) -> Self:
        return dataclasses.replace(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        opened, executor = copy.deepcopy(self.opened, memo), copied_executor(self.executor, memo)
        return dataclasses.replace(self, executor=executor, opened=opened)

    def __reduce__(self) -> tuple[Any, ...]:
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "opened"}
        return reduced_game(self, values)

    def __repr__(self) -> str:
        who = f"team of width {self.rules.width}" if self.team else "single agent"
        judge = self.judge.name if self.judge is not None else "offline"
        about = (
            f"{self.tasks.name}: {len(self.tasks)} tasks on {self.corpus_name}, {who}, profile {self.profile.name}, "
            f"reward {self.reward.name}, judge {judge}"
        )
        return f"<Game {plain(about)}>"

    def replace(self, **changes: Any) -> Game:
        """The same game with some parts changed. The configuration in it stays the same."""
        return dataclasses.replace(self, **changes)

    def episode(self, task: Task) -> Episode:
        """A new episode of `task`."""
        return Episode(
            task,
            rules=self.rules,
            profile=self.profile,
            team=self.team,
            roster=self.roster,
            counter=self.counter,
        )

    def judging(self) -> Judging:
        """Who decides the cells of the tasks for a judge, and how many of these cells there are."""
        return _judging(self.tasks, self.judge, self.reward)

    def record(self) -> dict[str, Any]:
        """The settings that decide the results of this game, as JSON values for ``run.json``.

        `rules` has every limit, and `game` has the configuration as the user wrote it. A live object without an
        importable name is recorded as ``name@digest``.
        """
        plain = self.config.record()
        plain["tasks"] = self.config.tasks if isinstance(self.config.tasks, str) else self.pool.name
        usual = {each.name: getattr(_DEFAULT, each.name) for each in fields(self.config)}
        live = {
            name: plain[name]
            for name in ("counter", "tools", "executor")
            if plain.get(name) and plain[name] != usual[name]
        }
        if self.summariser is not None:
            live["summariser"] = self.summariser.name
        return {
            "tasks": self.pool.name,
            "tasks_digest": tasks_digest(self.pool),
            "corpus": self.corpus_name,
            "team": self.team,
            "rules": self.rules.to_dict(),
            "profile": self.profile.name,
            "reward": self.reward.name,
            **({} if is_team(self.credit) else {"credit": self.credit.name}),
            "roster": self.roster,
            "judge": self.judge.name if self.judge is not None else None,
            "judging": self.judging().to_dict(),
            "limit": self.config.limit,
            **({"language": self.profile.language} if self.profile.language is not None else {}),
            **({"protocol": self.profile.protocol.to_dict()} if self.profile.protocol != LENIENT else {}),
            **({"texts": texts_digest(self.profile.loaded)} if self.profile.loaded else {}),
            **live,
            "game": plain,
        }


def _judging(tasks: TaskSet, judge: Judge | None, reward: Reward) -> Judging:
    """The larger need for a judge: that of the score, or that of the published scoring in the reward."""
    found = [judging_of(tasks, judge)]
    found += [judging_of(tasks, each, published=True) for each in published_judges(reward)]
    return max(found, key=lambda each: each.by_rules)


def _configuration(kind: type[GameConfig], values: dict[str, Any]) -> GameConfig:
    return kind(**values)


_DEFAULT = GameConfig()
