"""The options that several commands share, and the code that parses their values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

Command = TypeVar("Command", bound=Callable[..., Any])

if TYPE_CHECKING:
    _Pair = click.ParamType[tuple[str, str]]
    _NamedInt = click.ParamType[tuple[str, int]]
    _Ints = click.ParamType[tuple[int, ...]]
else:  # older releases of click have no type parameter
    _Pair = _NamedInt = _Ints = click.ParamType

SPLITS = ("train", "validation", "test")


class Assignment(_Pair):
    """An option of the form ``name=value``."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return the name, and the text after the first equals sign."""
        if isinstance(value, tuple):
            return value[0], value[1]
        name, equals, text = str(value).partition("=")
        if not equals or not name.strip():
            self.fail(f"{value!r} is not of the form name=value", param, ctx)
        return name.strip(), text.strip()


class Limit(_NamedInt):
    """An option of the form ``limit=whole number``: one limit of the rules."""

    name = "limit=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return the limit's name and value."""
        if isinstance(value, tuple):
            return value[0], value[1]
        name, text = Assignment().convert(value, param, ctx)
        try:
            return name, int(text)
        except ValueError:
            self.fail(f"{value!r}: a limit is a whole number, as in subagent_turns=6", param, ctx)


class Widths(_Ints):
    """A list of different whole numbers above 0, such as ``1,2,4,8``."""

    name = "widths"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the widths in the given order."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is not a list of whole numbers above 0, as in 1,2,4,8", param, ctx)
        widths = tuple(int(part) for part in parts)
        if len(set(widths)) != len(widths):
            self.fail(f"{value!r} contains a number twice", param, ctx)
        return widths


def policy_options(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The values of ``--policy-arg``.

    Each is parsed as JSON (numbers, true, lists) if possible. Otherwise it stays text.
    """
    options: dict[str, Any] = {}
    for name, text in pairs:
        if name in options:
            raise click.BadParameter(f"{name} is given twice", param_hint="'--policy-arg'")
        try:
            options[name] = json.loads(text)
        except ValueError:
            options[name] = text
    return options


def stack(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """One decorator that adds several options, in their order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _policies(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    """The names of policies that begin with `begun`, for completion in a shell."""
    from wideseek_env.plugins import announced
    from wideseek_env.policy import KNOWN

    return sorted(name for name in {*KNOWN, *announced("policy")} if name.startswith(begun))


def policy_choice(default: str = "scripted") -> Callable[[Command], Command]:
    """``--policy`` and its options. ``--model X`` is short for ``--policy-arg model=X``, and so is ``--base-url``.

    The settings that a model carries are used where the user sets nothing (`wideseek_env.cli.model_settings`).
    """
    choice = stack(
        click.option(
            "--policy", default=default, show_default=True, metavar="NAME", shell_complete=_policies,
            help="An installed policy (scripted, random, vllm, openai, transformers), or module:Class for a custom "
            "one.",
        ),
        click.option("--model", metavar="MODEL",
            help="The language model of the policy: a folder, nano-team (a small model that ships with the "
            "baselines), or the name of a model on the server."),
        click.option("--base-url", metavar="URL",
            help="Address of the model server of the policy, such as http://localhost:8000/v1."),
        click.option(
            "--policy-arg", "policy_args", type=Assignment(), multiple=True,
            help="An option of the policy (repeatable).",
        ),
    )  # fmt: skip

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_model(
            *args: Any,
            policy: str,
            policy_args: tuple[tuple[str, str], ...],
            model: str | None,
            base_url: str | None,
            **others: Any,
        ) -> Any:
            from wideseek_env.cli.model_settings import with_model_settings

            given = {"model": model, "base_url": base_url}
            for name, value in given.items():
                if value and policy in WITHOUT_MODEL:
                    raise click.UsageError(
                        f"--{name.replace('_', '-')} needs a policy with a language model, and {policy} has "
                        "none: add --policy vllm, openai or transformers"
                    )
            short = [(name, json.dumps(value)) for name, value in given.items() if value]
            chosen, game = with_model_settings(
                policy, policy_options((*short, *policy_args)), others.get("game")
            )
            if game is not None:
                others["game"] = game
            pairs = tuple((name, json.dumps(value)) for name, value in chosen.items())
            return command(*args, policy=policy, policy_args=pairs, **others)

        return choice(cast(Command, with_model))

    return decorate


WITHOUT_MODEL = ("scripted", "random")
"""The policies of the baselines that have no language model."""
_METAVARS = {
    "tasks": "SPEC", "corpus": "SPEC", "where": "CONDITION", "rules": "PRESET", "reward": "NAME", "credit": "NAME",
    "profile": "NAME", "texts": "FILE",
    "judge": "SPEC", "counter": "NAME", "tools": "[ROLE=]NAME", "executor": "NAME",
    "summariser": "SPEC",
}  # fmt: skip
_TYPES: dict[str, Any] = {
    "split": click.Choice(SPLITS),
    "limit": click.IntRange(min=1),
    "width": click.IntRange(min=1),
    "roster": click.Choice(("dynamic", "fixed")),
    "language": click.Choice(("en", "zh", "task")),
    "limits": Limit(),
}
_REPEATABLE = ("where", "limits", "tools")


def game_options(entry: str) -> Callable[[Command], Command]:
    """The game options of a command.

    Each field of `GameConfig` that the command accepts becomes one option, with the field's docstring as help. The
    command receives the configuration as its argument `game`.

    Args:
        entry: The command's name in `wideseek_env.entry_points.ENTRY_POINTS`, such as ``wideseek run``.
    """
    from wideseek_env.entry_points import ENTRY_POINTS
    from wideseek_env.game_text import OPTION_NAMES

    point = ENTRY_POINTS[entry]
    usual = point.config()

    def option(name: str) -> Callable[[Command], Command]:
        flag = OPTION_NAMES.get(name, f"--{name}")
        if name == "team":
            return click.option(flag, "team", is_flag=True, help="Use a single agent instead of a team.")
        value = getattr(usual, name)
        repeatable = name in _REPEATABLE
        return click.option(
            flag,
            name,
            type=_TYPES.get(name, str),
            multiple=repeatable,
            default=None if repeatable else value,
            show_default=not repeatable and value is not None,
            metavar=_METAVARS.get(name),
            help=game_help(name) + (" Repeatable." if repeatable else ""),
        )

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_game(*args: Any, **given: Any) -> Any:
            values = {name: given.pop(name) for name in point.names}
            if "team" in values:
                values["team"] = not values["team"]
            if "limits" in values:
                values["limits"] = _once("--rule", values["limits"])
            return command(*args, game=point.config(**values), **given)

        return stack(*map(option, point.names))(cast(Command, with_game))

    return decorate


def _once(option: str, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a mapping. If a key is given twice, the error names the key."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise click.BadParameter(f"{name} is given twice", param_hint=f"'{option}'")
        found[name] = value
    return found


def game_help(name: str) -> str:
    """The help text of one field of `GameConfig`: its docstring without the sentence about Python values."""
    from wideseek_env.docstrings import field_docstrings
    from wideseek_env.game import GameConfig

    text = " ".join(field_docstrings(GameConfig)[name].replace("`", "").split())
    return text.partition(" Python also takes")[0]


TASK_NAMES = (
    "a .jsonl file, synthetic[:key=value,…], hybridqa:FOLDER, a benchmark (widesearch:PATH, wideseek-r1:FILE, "
    "gisa:PATH, browsecomp-plus:FILE, qa:PATH), or module:name for a custom source"
)
"""The names of tasks, which are the same in all commands."""

seed_option = click.option("--seed", type=int, default=0, show_default=True, help="Seed of the episodes.")
trials_option = click.option(
    "--trials", type=click.IntRange(min=1), default=1, show_default=True, help="Number of episodes per task."
)
keep_going_option = click.option(
    "--keep-going", is_flag=True, help="If an episode raises an exception, count it as failed and continue."
)
verify_option = click.option(
    "--verify", is_flag=True,
    help="Hash the files of models and corpora again. Default: a large file whose size and time of change are known is "
    "not hashed again.",
)  # fmt: skip
by_option = click.option(
    "--by", "by", multiple=True, metavar="KEY",
    help="Group the metrics by language, size, source, form, rows, columns or a key of the tasks' meta "
    "(repeatable).",
)  # fmt: skip
judge_option = click.option(
    "--judge", metavar="SPEC",
    help="The judge of cells in columns of the type llm_judge: offline (default), openai:MODEL@URL, recorded:FILE, or "
    "module:Class (custom).",
)  # fmt: skip


def format_option(*formats: str) -> Callable[[Command], Command]:
    """The option ``--format``. The first of `formats` is the default."""
    return click.option(
        "--format", "form", type=click.Choice(formats), default=formats[0], show_default=True,
        help="Print tables, JSON, or the summary file of the WideSearch benchmark."
        if "benchmark" in formats else "Print tables or JSON.",
    )  # fmt: skip


max_tokens_option = click.option(
    "--max-tokens", type=click.IntRange(min=1), metavar="N",
    help="Budget of the whole run in tokens of model services, prompt and completion together. When they are used, the "
    "run stops with exit code 3. A larger budget resumes it.",
)  # fmt: skip


fresh_option = click.option(
    "--resume/--overwrite", "resume", default=True,
    help="Resume the run in the folder if its settings and inputs are the same (default), or start over.",
)  # fmt: skip
