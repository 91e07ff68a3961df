"""`GameConfig` describes a game by plain values; `GameConfig.open` makes a `Game`, which has the live parts.

Every entry point takes the fields of `GameConfig` by the same names: the environments, the commands, the training
configuration's ``[game]`` table, rollout workers and serving. `wideseek_env.entry_points` lists where they differ.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeAlias, cast, get_args

from wideseek_env import catalog
from wideseek_env.corpus.base import Corpus
from wideseek_env.episode import Episode, Roster
from wideseek_env.errors import ConfigError, UnnamedPartError
from wideseek_env.messages import Counter, count_characters, counter_named
from wideseek_env.plugins import Kind, part_digest, required_name
from wideseek_env.profiles import PROFILES, Profile, profile_named, with_tools
from wideseek_env.renamed import RENAMED_GAME_KEYS, renamed
from wideseek_env.reprs import plain, short
from wideseek_env.rewards import PRESETS as REWARDS
from wideseek_env.rewards import Reward, reward_named
from wideseek_env.rules import BUDGETS, Rules, rules_from
from wideseek_env.rules import PRESETS as RULES
from wideseek_env.scoring import Judge, OfflineJudge
from wideseek_env.scoring.judging import judge_from_spec
from wideseek_env.task import Task
from wideseek_env.tasks import conditions
from wideseek_env.tasks.jsonl import tasks_digest
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tools.custom import Tool, tool_named
from wideseek_env.tools.executor import CorpusTools, Executor, executor_named

Tasks: TypeAlias = str | TaskSet | Sequence[Task]
ReadTasks: TypeAlias = Callable[[str, catalog.Split], tuple[TaskSet, str | None]]
OpenCorpus: TypeAlias = Callable[[str], Corpus]


@dataclass(frozen=True, repr=False)
class GameConfig:
    """Everything an episode is played with. All fields are optional; without any, this is the offline default.

    A field that accepts a Python object also accepts the name of that object, ``module:name``. `to_dict` stores
    the name.

    Raises:
        ConfigError: A value has the wrong type or is out of range. `open` also raises it for unknown names.
    """

    tasks: Tasks = "synthetic"
    """The tasks: synthetic[:key=value,…], hybridqa:FOLDER, widesearch:FOLDER, wideseek-r1:FILE, a .jsonl file, or
    module:name for a custom source. Python also takes a `TaskSet` or a sequence of `Task`."""
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
    """How many subagents the lead may start with one delegation. Default: the number in the rules."""
    rules: str | Rules | Mapping[str, int] = "default"
    """Preset of all limits: default or width-benchmark. Python also takes `Rules` or a mapping of limits."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """One limit that overrides the preset, such as subagent_turns=6. The Python class wideseek_env.Rules lists all
    limits."""
    reward: str | Reward = "item_f1"
    """The reward of the team: item_f1, wideseek_r1, or module:name."""
    profile: str | Profile = "default"
    """The prompts and tool schemas of the agents: default, terse, wideseek-r1, or module:name."""
    judge: str | Judge | None = "offline"
    """The judge that decides whether a cell in a column of the type llm_judge is right: offline, openai:MODEL@URL,
    recorded:FILE, or module:name."""
    team: bool = True
    """A lead with subagents (true), or a single agent (false)."""
    roster: Roster = "dynamic"
    """The ids of agents. With dynamic, each new subagent gets a new id. With fixed, the agents are always the lead and
    as many subagents as the width allows; a new subtask uses one of these ids again."""
    counter: str | Counter = "characters"
    """The unit of the context limit: characters, or module:name for a function that returns the length of a message."""
    tools: Sequence[str | Tool] = ()
    """A custom tool, module:name. With role=module:name only that role gets the tool: lead, subagent or single."""
    executor: str | Executor | None = None
    """The object that runs tool calls, as module:name. Default: search and browse over the corpus, and the custom
    tools."""

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name, default in (
            ("tasks", "synthetic"),
            ("rules", "default"),
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
            put("rules", _preset_of(self.rules))
        if isinstance(self.rules, Mapping):
            put("rules", _limits("rules", self.rules))
        wanted = "rules must be Rules, a preset's name or a mapping of limits"
        _check(isinstance(self.rules, (str, dict)), wanted, self.rules)
        put("limits", _limits("limits", self.limits if self.limits is not None else {}))
        for name, choices in (("split", catalog.SPLITS), ("roster", get_args(Roster))):
            value = getattr(self, name)
            known = isinstance(value, str) and value in choices
            _check(known, f"{name} must be one of {', '.join(choices)}", value)
        _check(isinstance(self.team, bool), "team must be true or false", self.team)
        for name in ("limit", "width"):
            value = getattr(self, name)
            _check(value is None or _whole(value), f"{name} must be a whole number of at least 1", value)
        where = (self.where,) if isinstance(self.where, str) else self.where
        listed = isinstance(where, Sequence) and all(isinstance(each, str) for each in where)
        _check(listed, "where must be a list of conditions, such as rows>=10", where)
        put("where", tuple(where))
        put("tools", _tools(self.tools))
        for name, (is_it, wanted) in _LIVE.items():
            value = getattr(self, name)
            right = value is None or isinstance(value, str) or (not inspect.isclass(value) and is_it(value))
            _check(right, wanted, value)

    def __repr__(self) -> str:
        return f"GameConfig({', '.join(f'{name}={short(value)}' for name, value in self._changed().items())})"

    def replace(self, **changes: Any) -> Self:
        """The same configuration with some fields changed. `ConfigError` for a field that does not exist."""
        return dataclasses.replace(self, **_known_keys(changes, type(self)))

    # --- opening -------------------------------------------------------------------------------------------------

    def open(
        self,
        *,
        read_tasks: ReadTasks = catalog.named_tasks,
        open_corpus: OpenCorpus = catalog.open_corpus,
    ) -> Game:
        """Turn names into objects.

        Args:
            read_tasks: Reads the tasks called by a name; a command passes one that shows progress.
            open_corpus: Opens the corpus called by a name.

        Raises:
            ConfigError: A name or a combination of values does not exist.
            CorpusError, TaskError: A file cannot be read.
        """
        rules = self.open_rules()
        pool, own = self._read_tasks(read_tasks)
        tools = self._open_tools()
        executor = executor_named(self.executor) if self.executor is not None else None
        if executor is not None and tools:
            raise ConfigError(
                "tools run next to a corpus; an executor runs its own tools: pass one of the two"
            )
        corpus = None
        if executor is None or self.corpus is not None or own is not None:
            corpus = self._open_corpus(own, open_corpus)
        if executor is None:
            if corpus is None:
                raise ConfigError(
                    "these tasks come without a corpus: name one with --corpus (corpus=), or pass executor="
                )
            executor = CorpusTools(corpus, custom={each.spec.kind: each.run for each in tools})
        return Game(
            config=self,
            tasks=pool[: self.limit] if self.limit is not None else pool,
            pool=pool,
            executor=executor,
            corpus_name=corpus.name if corpus is not None else type(executor).__name__,
            rules=rules,
            profile=with_tools(profile_named(self.profile), tools),
            reward=reward_named(self.reward),
            judge=self.open_judge(),
            team=self.team,
            roster=self.roster,
            counter=counter_named(self.counter),
        )

    def open_tasks(self, read_tasks: ReadTasks = catalog.named_tasks) -> TaskSet:
        """The tasks alone, after `where` and `limit`; no corpus is opened."""
        pool, _ = self._read_tasks(read_tasks)
        return pool[: self.limit] if self.limit is not None else pool

    def open_rules(self) -> Rules:
        """The preset with `limits` and `width` applied."""
        rules = rules_from(self.rules)
        changes = dict(self.limits)
        if self.width is not None:
            changes["width"] = self.width
        return rules.replace(**changes)

    def open_judge(self) -> Judge | None:
        """The judge; None is the offline judge."""
        judge = judge_from_spec(self.judge) if isinstance(self.judge, str) else self.judge
        return None if _is_offline(judge) else judge

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

    # --- plain values --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values, which `from_dict` reads back. Fields that are None are left out.

        Raises:
            UnnamedPartError: A live object has no name that another process could import.
        """
        record: dict[str, Any] = {}
        for each in fields(self):
            if (value := self._plain(each.name, required_name)) is not None:
                record[each.name] = value
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """The configuration of these values; old names of keys are read too.

        Raises:
            ConfigError: A key is unknown, or a value is wrong.
        """
        if not isinstance(record, Mapping):
            raise ConfigError(f"a game is a table of settings, not {short(record)}")
        return cls(**_known_keys(renamed(record, RENAMED_GAME_KEYS), cls))

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The configuration of JSON text; `ConfigError` when it cannot be read."""
        try:
            record = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(f"this is no JSON: {error}") from error
        return cls.from_dict(record)

    def to_toml(self) -> str:
        """`to_dict` as TOML text: a table ``[game]``, as the training configuration has it."""
        record = self.to_dict()
        tables = {name: record.pop(name) for name in ("rules", "limits") if isinstance(record[name], dict)}
        lines = ["[game]", *(f"{name} = {_toml(value)}" for name, value in record.items())]
        for name, table in tables.items():
            if table or name == "rules":
                lines += [
                    "",
                    f"[game.{name}]",
                    *(f"{_toml(key)} = {_toml(value)}" for key, value in table.items()),
                ]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """The configuration of a TOML text's table ``[game]``; `ConfigError` when it cannot be read."""
        try:
            record = tomllib.loads(text)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigError(f"this is no TOML: {error}") from error
        game = record.get("game")
        if not isinstance(game, dict):
            raise ConfigError("the TOML text has no table [game]")
        return cls.from_dict(game)

    def to_args(self) -> list[str]:
        """The command-line options of this configuration, such as ``["--tasks=synthetic", "--width=4"]``."""
        words: list[str] = []
        for name, value in self.to_dict().items():
            option = OPTION_NAMES.get(name, f"--{name}")
            if name == "team":
                words += [] if value else [option]
            elif isinstance(value, dict):
                option = OPTION_NAMES["limits"]
                words += [f"{option}={limit}={number}" for limit, number in value.items()]
            elif isinstance(value, list):
                words += [f"{option}={item}" for item in value]
            else:
                words.append(f"{option}={value}")
        return words

    def _plain(self, name: str, named: Callable[[Kind, Any], str]) -> Any:
        """A field as a JSON value; `named` gives the name of a live object."""
        value = getattr(self, name)
        if name == "where":
            return list(value)
        if isinstance(value, dict):
            return dict(value)
        if name == "tools":
            return [each if isinstance(each, str) else named("tool", each) for each in value]
        if value is None or isinstance(value, (str, int)):
            return value
        if known := _known_name(name, value):
            return known
        return named(cast(Kind, name), value)

    def _changed(self) -> dict[str, Any]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value for name, value in values.items() if not _same(value, getattr(_DEFAULT, name, None))
        }


OPTION_NAMES: Mapping[str, str] = {"team": "--single", "limits": "--rule", "tools": "--tool"}
"""The command-line options that are not called as the field is."""


@dataclass(frozen=True, repr=False)
class Game:
    """An opened `GameConfig`: tasks, tools, rules, profile, reward and judge as live objects."""

    config: GameConfig
    tasks: TaskSet
    """The tasks to play: those of `pool` up to the configuration's `limit`."""
    pool: TaskSet
    """The tasks before `limit`."""
    executor: Executor
    corpus_name: str
    rules: Rules
    profile: Profile
    reward: Reward
    judge: Judge | None
    """None is the offline judge."""
    team: bool
    roster: Roster
    counter: Counter

    def __repr__(self) -> str:
        who = f"team of width {self.rules.width}" if self.team else "single agent"
        judge = self.judge.name if self.judge is not None else "offline"
        about = (
            f"{self.tasks.name}: {len(self.tasks)} tasks on {self.corpus_name}, {who}, profile {self.profile.name}, "
            f"reward {self.reward.name}, judge {judge}"
        )
        return f"<Game {plain(about)}>"

    def replace(self, **changes: Any) -> Game:
        """The same game with some parts changed; the configuration stays as it was written."""
        return dataclasses.replace(self, **changes)

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

    def record(self) -> dict[str, Any]:
        """What decides the results of this game, as JSON values for ``run.json``.

        `rules` holds every limit, and `game` the configuration as it was written. A live object without an importable
        name is recorded as ``name@digest``.
        """
        plain = {each.name: self.config._plain(each.name, _recorded_name) for each in fields(self.config)}
        plain["tasks"] = self.config.tasks if isinstance(self.config.tasks, str) else self.pool.name
        usual = {each.name: getattr(_DEFAULT, each.name) for each in fields(self.config)}
        live = {
            name: plain[name]
            for name in ("counter", "tools", "executor")
            if plain[name] and plain[name] != usual[name]
        }
        return {
            "tasks": self.pool.name,
            "tasks_digest": tasks_digest(self.pool),
            "corpus": self.corpus_name,
            "team": self.team,
            "rules": self.rules.to_dict(),
            "profile": self.profile.name,
            "reward": self.reward.name,
            "roster": self.roster,
            "judge": self.judge.name if self.judge is not None else None,
            "limit": self.config.limit,
            **live,
            "game": {name: value for name, value in plain.items() if value is not None},
        }


def _preset_of(rules: Rules) -> str | dict[str, int]:
    """The name of the preset that has these limits, else the limits that differ from the default."""
    for name, preset in RULES.items():
        if preset == rules:
            return name
    usual = RULES["default"].to_dict()
    return {name: value for name, value in rules.to_dict().items() if usual.get(name) != value}


def _limits(name: str, limits: Any) -> dict[str, int]:
    _check(
        isinstance(limits, Mapping),
        f"{name} must be a mapping of limits, such as {{'lead_turns': 5}}",
        limits,
    )
    kept = {key: value for key, value in limits.items() if value is not None or key not in BUDGETS}
    for key, value in kept.items():
        _check(isinstance(key, str), f"the names in {name} must be text", key)
        whole = isinstance(value, int) and not isinstance(value, bool)
        _check(whole, f"{name}.{key} must be a whole number of at least 1", value)
    return kept


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check(right: bool, wanted: str, value: object) -> None:
    if not right:
        raise ConfigError(f"{wanted}, not {short(value)}")


def _known_keys(values: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    """The values, if each key is a field; `ConfigError` suggests the nearest field else."""
    known = [each.name for each in fields(kind)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5) if isinstance(name, str) else ()
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise ConfigError(f"unknown key {short(name)}; {hint}")
    return dict(values)


def _same(value: Any, other: Any) -> bool:
    """Whether two fields are equal; objects of different types are not compared, for their `__eq__` may raise."""
    return value is other or (type(value) is type(other) and value == other)


def _tools(tools: Any) -> tuple[str | Tool, ...]:
    if isinstance(tools, (str, Tool)):
        return (tools,)
    if tools is None:
        return ()
    if isinstance(tools, Executor) or not isinstance(tools, Sequence):
        raise ConfigError(
            f"tools must be a list of custom tools, not {short(tools)}; pass an object that runs tool calls "
            "as executor="
        )
    for each in tools:
        if isinstance(each, Executor):
            raise ConfigError(f"{short(each)} runs tool calls, so it is no tool: pass it as executor=")
        if not isinstance(each, (str, Tool)):
            raise ConfigError(
                f"a tool must be module:name or made by wideseek_env.tool(function), not {short(each)}"
            )
    return tuple(tools)


def _has_name(part: Any) -> bool:
    return isinstance(getattr(part, "name", None), str)


_LIVE: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "corpus": (
        lambda part: isinstance(part, Corpus) and _has_name(part),
        "a corpus must be a name, a folder or an object with name, search and fetch",
    ),
    "reward": (
        lambda part: callable(part) and _has_name(part),
        "a reward must be a name, or an object with name and __call__(episode, score)",
    ),
    "profile": (lambda part: isinstance(part, Profile), "a profile must be a name or a Profile"),
    "judge": (
        lambda part: isinstance(part, Judge) and _has_name(part),
        "a judge must be a name, or an object with name and judge(column, criterion, pairs)",
    ),
    "counter": (callable, "a counter must be a name, or a function from a message to a number"),
    "executor": (
        lambda part: isinstance(part, Executor),
        "an executor must be a name, or an object with run(calls) and close()",
    ),
}
"""What a live object of a field must be, and how an error says so."""


def _is_offline(judge: object) -> bool:
    return isinstance(judge, OfflineJudge) and judge.name == OfflineJudge().name


def _known_name(name: str, value: object) -> str | None:
    """The short name of an object that is a preset."""
    if name == "counter" and value is count_characters:
        return "characters"
    if name == "judge" and _is_offline(value):
        return "offline"
    known: Mapping[str, Mapping[str, object]] = {"reward": REWARDS, "profile": PROFILES}
    return next((each for each, preset in known.get(name, {}).items() if _same(preset, value)), None)


def _recorded_name(kind: Kind, part: Any) -> str:
    try:
        return required_name(kind, part)
    except UnnamedPartError:
        if isinstance(part, Tool):
            called = part.spec.name
        else:
            called = getattr(part, "name", None) or getattr(part, "__name__", None) or type(part).__name__
        return f"{called}@{part_digest(part)}"


def _toml(value: Any) -> str:
    """A JSON value as TOML: texts, numbers, truth values and lists are written alike."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")


_DEFAULT = GameConfig()
