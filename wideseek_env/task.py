"""`Task`: one question, the table that answers it, and how each column of the table is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

from wideseek_env.clean import MAX_DEPTH, clean_text, clean_value
from wideseek_env.errors import TaskError
from wideseek_env.reprs import InNotebook, short

METRICS = ("exact_match", "number_near", "date_near", "url_match", "in_match", "llm_judge")
"""The names of the column metrics, as in the WideSearch benchmark's `eval_pipeline`."""

PREPROCESSORS = ("norm_str", "extract_number", "norm_date")
"""The names of the cell preprocessors, as in the WideSearch benchmark's `eval_pipeline`."""

Language = Literal["en", "zh"]


def _is_clean(rows: Sequence[Sequence[str]]) -> bool:
    """Whether all cells can be encoded."""
    try:
        text = "".join(chain.from_iterable(rows))
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False
    except TypeError as error:
        raise TaskError(f"the cells of a table must be text: {error}") from error


@dataclass(frozen=True, slots=True, repr=False)
class Table(InNotebook):
    """A table of strings: a header of n names and rows of n cells each."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if not _is_clean((self.header, *self.rows)):
            object.__setattr__(self, "header", tuple(clean_value(self.header)))
            object.__setattr__(self, "rows", tuple(map(tuple, clean_value(self.rows))))
        width = len(self.header)
        if set(map(len, self.rows)) <= {width}:
            return
        number, row = next((number, row) for number, row in enumerate(self.rows) if len(row) != width)
        raise TaskError(f"row {number} has {len(row)} cells, but the header has {width} columns")

    def __repr__(self) -> str:
        return (
            f"<Table of {len(self.rows)} rows, {len(self.header)} columns: {short(', '.join(self.header))}>"
        )

    def column(self, name: str) -> tuple[str, ...]:
        """The cells of the column called `name`, top to bottom. Raises `KeyError` if there is no such column."""
        try:
            index = self.header.index(name)
        except ValueError:
            raise KeyError(name) from None
        return tuple(row[index] for row in self.rows)

    def to_markdown(self) -> str:
        """The table in Markdown's pipe syntax. Pipes in cells are escaped and line breaks become spaces."""

        def line(cells: Sequence[str]) -> str:
            return "| " + " | ".join(" ".join(c.replace("|", "\\|").split()) for c in cells) + " |"

        return "\n".join([line(self.header), "|" + " --- |" * len(self.header), *map(line, self.rows)])


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """How the cells of one column are compared.

    `metrics` and `preprocess` are names from `METRICS` and `PREPROCESSORS`, applied in order. `criterion` is the
    parameter of a metric: the relative tolerance of `number_near`, the days of `date_near`, or the question for an
    `llm_judge`.
    """

    metrics: tuple[str, ...] = ("exact_match",)
    preprocess: tuple[str, ...] = ("norm_str",)
    criterion: float | str | None = None

    def check_criterion(self) -> None:
        """Raise `TaskError` if a metric needs a number as `criterion` and it is none. Readers of files call this."""
        if self.criterion is None or not {"number_near", "date_near"}.intersection(self.metrics):
            return
        try:
            usable = 0 <= float(self.criterion) < float("inf")
        except (ValueError, OverflowError):
            usable = False
        if not usable:
            raise TaskError(
                f"{', '.join(self.metrics)} needs a number of 0 or more as criterion, not {short(self.criterion)}"
            )

    def __post_init__(self) -> None:
        if isinstance(self.criterion, str):
            object.__setattr__(self, "criterion", clean_text(self.criterion))
        for name in self.metrics:
            if name not in METRICS:
                raise TaskError(f"unknown metric {short(name)}; known are {', '.join(METRICS)}")
        for name in self.preprocess:
            if name not in PREPROCESSORS:
                raise TaskError(f"unknown preprocessor {short(name)}; known are {', '.join(PREPROCESSORS)}")


@dataclass(frozen=True, slots=True, repr=False)
class Task(InNotebook):
    """A question with its gold answer.

    A broad task has `columns` (required, in order), `key_columns` (a subset that identifies a row), `gold` and a
    `ColumnSpec` for every column in `specs`. A depth task has `answers`, the accepted short answers, but no columns and
    no gold. `source` is the origin of the task. `meta` has anything else as JSON.

    `aliases` has other right texts of gold cells: ``{column: {gold cell: (other text, …)}}``. Lenient scoring reads
    such a text as the gold cell, also in key columns. The scorings of benchmarks ignore them.
    """

    id: str
    question: str
    columns: tuple[str, ...] = ()
    key_columns: tuple[str, ...] = ()
    gold: Table | None = None
    specs: Mapping[str, ColumnSpec] = field(default_factory=dict)
    language: Language = "en"
    answers: tuple[str, ...] = ()
    source: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._clean()
        if not self.id or not self.question.strip():
            raise TaskError("a task needs an id and a question")
        if self.language not in ("en", "zh"):
            raise TaskError(f"task {self.id}: language must be 'en' or 'zh', not {self.language!r}")
        if self.gold is None:
            if not self.answers:
                raise TaskError(f"task {self.id}: needs a gold table or accepted answers")
            return
        if not self.key_columns:
            raise TaskError(f"task {self.id}: a table task needs at least one key column")
        for name in (*self.columns, *self.key_columns):
            if name not in self.gold.header:
                raise TaskError(
                    f"task {self.id}: column {name!r} is not in the gold table {self.gold.header}"
                )
        for name in self.key_columns:
            if name not in self.columns:
                raise TaskError(f"task {self.id}: key column {name!r} is not among the columns")
        for name in self.specs:
            if name not in self.columns:
                raise TaskError(
                    f"task {self.id}: there is a spec for {name!r}, which is not among the columns"
                )
        for name, cells in self.aliases.items():
            if name not in self.columns:
                raise TaskError(
                    f"task {self.id}: there are aliases for {name!r}, which is not among the columns"
                )
            if lost := [cell for cell in cells if cell not in self.gold.column(name)]:
                raise TaskError(
                    f"task {self.id}: there are aliases for {lost[0]!r}, which is no gold cell of {name!r}"
                )

    def __repr__(self) -> str:
        if self.gold is None:
            size = f"{len(self.answers)} accepted answers"
        else:
            size = f"{len(self.gold.rows)} rows, {len(self.columns)} columns"
        return f"<Task {short(self.id)}: {size}, {self.language}, {short(self.question)}>"

    def _clean(self) -> None:
        """Replace what cannot be encoded in the texts of the task."""
        for name in ("id", "question", "source", "columns", "key_columns", "answers", "meta"):
            value = getattr(self, name)
            if isinstance(value, str):
                clean: Any = clean_text(value)
            else:
                try:
                    clean = clean_value(value)
                except RecursionError:
                    raise TaskError(
                        f"task {self.id}: {name} is nested deeper than {MAX_DEPTH} levels; use fewer"
                    ) from None
                clean = tuple(clean) if isinstance(value, tuple) else clean
            if clean != value:
                object.__setattr__(self, name, clean)
        if any(clean_text(name) != name for name in self.specs):
            specs = {clean_text(name): spec for name, spec in self.specs.items()}
            object.__setattr__(self, "specs", specs)
        if not _is_clean(
            [
                [column, *chain.from_iterable(((cell, *names) for cell, names in cells.items()))]
                for column, cells in self.aliases.items()
            ]
        ):
            aliases = {
                clean_text(column): {
                    clean_text(cell): tuple(clean_value(names)) for cell, names in cells.items()
                }
                for column, cells in self.aliases.items()
            }
            object.__setattr__(self, "aliases", aliases)

    def spec(self, column: str) -> ColumnSpec:
        """The `ColumnSpec` of `column`. By default it is an exact match on normalised text."""
        return self.specs.get(column, ColumnSpec())
