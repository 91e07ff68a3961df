"""`score_response`: scores the text of an answer to a task, with item, row and table scores."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from wideseek_env.errors import TaskError, WideSeekError
from wideseek_env.scoring.align import align_rows, match_columns
from wideseek_env.scoring.cells import comparison, key_of, open_question
from wideseek_env.scoring.entity import with_entity
from wideseek_env.scoring.judged import is_model, judged_cells
from wideseek_env.scoring.judges import Judge, KeyAligner, OfflineJudge
from wideseek_env.scoring.judging.keys import align_by_judge
from wideseek_env.scoring.lists import is_list_task, score_list
from wideseek_env.scoring.markup import plain_text
from wideseek_env.scoring.result import CellVerdict, RowVerdict, TableScore, Verdict
from wideseek_env.scoring.short_answer import score_short_answer
from wideseek_env.scoring.tables import ParsedTable, is_rule, parse_table
from wideseek_env.scoring.text import is_empty, lenient_key, text_key
from wideseek_env.scoring.widesearch import score_widesearch
from wideseek_env.task import ColumnSpec, Table, Task

Rows = Sequence[tuple[str, ...]]

_SEPARATOR = "\x1f"
_OFFLINE = OfflineJudge()


def score_response(
    response: str,
    task: Task,
    judge: Judge | None = None,
    *,
    strict: bool = False,
    today: datetime.date | None = None,
) -> TableScore:
    """Score the text of an answer against the gold of `task`. No text makes this function raise an error.

    Broad tasks: the Markdown table of the response with the required columns is compared with the gold table. Of
    several such tables, the last counts (`wideseek_env.scoring.parse_table`).

    * Columns are found by name. Order, case, spaces and punctuation do not matter. A column that the task does not
      require does not lower the score. If a required column is absent, its cells count as missing, and the other
      columns are still scored. Without any key column no row can be aligned, and the score is 0.
    * Rows are aligned by their normalised keys (dates and numbers by value). The remaining rows are aligned by keys
      without diacritics, punctuation and a leading article, where these are unique. A gold row is matched at most once.
      If several predicted rows have its key, the first is matched, and each further row counts as wrong. Blank rows,
      repeated headers, ruling lines, totals and section headings are not rows. If one of them has the key of a gold row
      and not fewer values than that row, all of them count as rows.
    * Cells are compared by the metrics of their column (`wideseek_env.scoring.cells`). Key cells of an aligned row are
      right. Two cells that both mean "no value" agree.
    * The number of items is rows times required columns, for the gold table and for the answer. So a missing column has
      the same score as a blank column. Precision, recall and F1 are in [0, 1].

    Depth tasks: the short answer in the last ``\\boxed{…}``, or else in the last line, must equal an accepted answer
    after normalisation, or `judge` accepts it and the task is judged (`wideseek_env.scoring.short_answer`). If so, all
    numbers are 1.0, otherwise 0.0.

    This is the lenient mode. In some cases the WideSearch benchmark's evaluation depends on details of its
    implementation. In such cases the lenient mode follows the rules above. With `strict`, the numbers are those of the
    benchmark's own evaluation (`wideseek_env.scoring.widesearch.score_widesearch`). Short answers, sets and lists
    (`wideseek_env.scoring.lists`) are scored in the same way in both modes. A task with a core entity has further
    metrics (`wideseek_env.scoring.entity`).

    Args:
        response: The text of the answer.
        task: The task with its gold table or its accepted answers.
        judge: Decides columns with the metric `llm_judge`. None means an `OfflineJudge`. The result has the name of the
            judge. A judge that is also a `KeyAligner` is asked about text keys that no rule matches. Without a model,
            `TableScore.by_rules` counts the cells that a model should judge.
        strict: Whether to score as the WideSearch benchmark does.
        today: The day from which the strict mode counts relative dates. None means now. The lenient mode ignores it.

    Raises:
        TaskError: A tolerance in `task` is not a number.
        WideSeekError: A judge returns something that its protocol does not allow, or cannot be reached.
    """
    if task.gold is None:
        score = score_short_answer(response, task, judge)
    elif is_list_task(task):
        score = score_list(response, task)
    elif strict:
        score = with_entity(score_widesearch(response, task, judge, today=today), response, task, judge)
    else:
        parsed = parse_table(response, task.columns, task.key_columns)
        score = with_entity(score_table(parsed, task, judge), response, task, judge)
    by_rules = 0 if is_model(judge) else judged_cells(task)[0]
    return replace(score, by_rules=by_rules) if by_rules else score


def score_table(parsed: ParsedTable, task: Task, judge: Judge | None = None) -> TableScore:
    """Score a table that is already parsed, as `score_response` does. Raises `TaskError` when `task` is a depth
    task."""
    if task.gold is None:
        raise TaskError(f"task {task.id} has no gold table; use score_response for short answers")
    columns = tuple(dict.fromkeys(task.columns))
    gold = _project(task.gold.rows, [task.gold.header.index(name) for name in columns])
    if parsed.raw is None or parsed.table is None:
        cells = _row_verdicts(columns, gold, [], [None] * len(gold), [])
        return TableScore(
            message="; ".join(parsed.notes),
            columns=columns,
            cells=cells,
            well_formed=False,
            missing_columns=columns,
        )
    found = match_columns(columns, parsed.raw.header)
    parsed = _with_gold_names(parsed, task, found) if task.aliases else parsed
    assert parsed.raw is not None
    assert parsed.table is not None
    places = [found.get(name) for name in columns]
    specs = [task.spec(name) for name in columns]
    keys = [at for at, name in enumerate(columns) if name in task.key_columns]

    table, raw = parsed.table, parsed.raw
    if parsed.remarks:  # they are rows if one of them has the key of a gold row and all its values
        whole = parsed.with_remarks()
        assert whole.table is not None
        assert whole.raw is not None
        with_remarks = _align(gold, _project(whole.raw.rows, places), specs, keys, places)
        remarks = {at for at, _ in parsed.remarks}
        # A guessed key in a heading must not be paid: if it were wrong, the heading would cost nothing.
        if any(
            at in remarks and _filled(whole.raw.rows[at]) >= _filled(gold[number])
            for number, at in enumerate(with_remarks)
            if at is not None
        ):
            table, raw = whole.table, whole.raw
    written, shown = _project(raw.rows, places), _project(table.rows, places)
    aligned = _align(gold, written, specs, keys, places)
    extra = _unmatched(raw, aligned)
    judged_by = ""
    # The look at the protocol is last, because it is slow.
    if extra and all(places[at] is not None for at in keys) and isinstance(judge, KeyAligner):
        if align_by_judge(gold, written, columns, specs, keys, aligned, extra, judge):
            judged_by = judge.name
        extra = _unmatched(raw, aligned)
    verdicts: list[list[Verdict]] = []
    for at, name in enumerate(columns):
        pairs = [
            None if row is None else (written[row][at], gold[number][at])
            for number, row in enumerate(aligned)
        ]
        if places[at] is None:
            verdicts.append(["missing"] * len(pairs))
        elif at in keys:
            verdicts.append(["missing" if pair is None else "right" for pair in pairs])
        else:
            column, asked = _column_verdicts(name, specs[at], pairs, judge or _OFFLINE)
            verdicts.append(column)
            judged_by = asked or judged_by

    rows = _row_verdicts(columns, gold, shown, aligned, verdicts)
    right_items = sum(column.count("right") for column in verdicts)
    right_rows = sum(row.count("right") == len(columns) for row in zip(*verdicts, strict=True))
    answered = len(gold) - aligned.count(None) + len(extra)
    missing = [name for name in columns if name not in found]
    perfect = right_rows == len(gold) and not extra and not missing
    width = len(columns)
    by_row = _measures(right_rows, answered, len(gold), perfect)
    by_item = _measures(right_items, answered * width, len(gold) * width, perfect)
    said = [
        f"{right_items} of {len(gold) * width} cells and {right_rows} of {len(gold)} rows are right",
        f"{len(extra)} rows match no gold row" if extra else "",
        f"missing columns: {', '.join(missing)}" if missing else "",
        "without a key column no row can be matched"
        if keys and all(places[at] is None for at in keys)
        else "",
        *parsed.notes,
    ]
    return TableScore(
        1.0 if perfect else 0.0,
        *by_row,
        *by_item,
        message="; ".join(filter(None, said)),
        columns=columns,
        cells=rows,
        extra_rows=tuple(shown[at] for at in extra),
        judge=judged_by,
        missing_columns=tuple(missing),
    )


def rows_by_gold(parsed: ParsedTable, task: Task, *, filled: bool = False) -> list[tuple[str, ...] | None]:
    """For each row of the gold table, the row of `parsed` that has its key, cut to the columns of the task. Rows are
    matched as in `score_table`, but without a judge. Cells of an absent column are empty text. With `filled`, rows
    without a value outside the key columns are left out before rows are matched."""
    columns = tuple(dict.fromkeys(task.columns))
    if task.gold is None or parsed.raw is None:
        return [None] * (len(task.gold.rows) if task.gold is not None else 0)
    found = match_columns(columns, parsed.raw.header)
    parsed = _with_gold_names(parsed, task, found).with_remarks()
    assert parsed.raw is not None
    places = [found.get(name) for name in columns]
    keys = [at for at, name in enumerate(columns) if name in task.key_columns]
    gold = _project(task.gold.rows, [task.gold.header.index(name) for name in columns])
    written = _project(parsed.raw.rows, places)
    if filled:
        others = [at for at in range(len(columns)) if at not in keys]
        written = [row for row in written if not all(is_empty(row[at]) for at in others)]
    aligned = _align(gold, written, [task.spec(name) for name in columns], keys, places)
    return [None if at is None else written[at] for at in aligned]


def _with_gold_names(parsed: ParsedTable, task: Task, found: Mapping[str, int]) -> ParsedTable:
    """`parsed`, where each cell that is an alias is the gold cell. A cell that equals a gold cell is not an alias."""
    assert task.gold is not None
    names: dict[int, dict[str, str]] = {}
    for column, cells in task.aliases.items():
        if column in found:
            gold = {text_key(cell) for cell in task.gold.column(column)}
            keys = {text_key(alias): cell for cell, aliases in cells.items() for alias in aliases}
            names[found[column]] = {key: cell for key, cell in keys.items() if key not in gold}

    def renamed(cells: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            [names[at].get(text_key(cell), cell) if at in names else cell for at, cell in enumerate(cells)]
        )

    def table(old: Table | None) -> Table | None:
        return old and Table(old.header, tuple(map(renamed, old.rows)))

    remarks = tuple((at, renamed(cells)) for at, cells in parsed.remarks)
    return ParsedTable(table(parsed.table), table(parsed.raw), parsed.notes, remarks)


def _unmatched(table: Table, aligned: Sequence[int | None]) -> list[int]:
    """The rows of the answer that are not aligned with a gold row. Blank rows, ruling lines and repeated headers are
    left out."""
    used = {at for at in aligned if at is not None}
    names = [text_key(name) for name in table.header]
    return [
        at
        for at, row in enumerate(table.rows)
        if at not in used
        and any(map(plain_text, row))
        and not is_rule(row)
        and [*map(text_key, row)] != names
    ]


def _filled(row: Sequence[str]) -> int:
    """The number of different values in a row."""
    return len({cell for cell in row if not is_empty(cell)})


def _project(rows: Rows, places: Sequence[int | None]) -> Rows:
    """`rows` cut to the columns at `places`, in that order. The cells of an absent column are empty text."""
    if rows and list(places) == list(range(len(rows[0]))):
        return rows
    return [tuple(["" if at is None else row[at] for at in places]) for row in rows]


def _align(
    gold: Rows,
    predicted: Rows,
    specs: Sequence[ColumnSpec],
    keys: Sequence[int],
    places: Sequence[int | None],
) -> list[int | None]:
    """The predicted row of each gold row, found by the key columns that the answer has."""
    present = [at for at in keys if places[at] is not None]
    if not present:
        return [None] * len(gold)
    compare = [comparison(spec) for spec in specs]

    def joined(rows: Rows, form: Callable[[str, ColumnSpec], str]) -> list[str]:
        if len(present) == 1:
            at, spec = present[0], specs[present[0]]
            return [form(row[at], spec) for row in rows]
        return [_SEPARATOR.join([form(row[at], specs[at]) for at in present]) for row in rows]

    def lenient(cell: str, spec: ColumnSpec) -> str:
        key = key_of(cell, spec)
        return lenient_key(cell) if "exact_match" in spec.metrics or "llm_judge" in spec.metrics else key

    def likeness(row: int, at: int) -> tuple[int, int]:
        same = sum(one == other for one, other in zip(gold[row], predicted[at], strict=True))
        agreeing = sum(agree(p, g) for agree, p, g in zip(compare, predicted[at], gold[row], strict=True))
        return same, agreeing

    return align_rows(
        joined(gold, key_of),
        joined(predicted, key_of),
        lambda: joined(gold, lenient),
        lambda: joined(predicted, lenient),
        likeness,
        only_unique=len(present) < len(keys),
    )


def _column_verdicts(
    name: str, spec: ColumnSpec, pairs: Sequence[tuple[str, str] | None], judge: Judge
) -> tuple[list[Verdict], str]:
    """The verdicts for one column's (predicted, gold) pairs, and the judge's name if the judge was asked."""
    agree = comparison(spec)
    verdicts: list[Verdict] = []
    for pair in pairs:
        if pair is None:
            verdicts.append("missing")
        elif agree(*pair):
            verdicts.append("right")
        else:
            verdicts.append("missing" if is_empty(pair[0]) else "wrong")
    if "llm_judge" not in spec.metrics:
        return verdicts, ""
    is_open = open_question(spec)
    open_rows = [row for row, pair in enumerate(pairs) if pair is not None and is_open(*pair)]
    if not open_rows:
        return verdicts, ""
    questions = [(plain_text(pair[0]), plain_text(pair[1])) for row in open_rows if (pair := pairs[row])]
    criterion = spec.criterion if isinstance(spec.criterion, str) else ""
    answers = judge.judge(name, criterion, questions)
    if len(answers) != len(questions):
        raise WideSeekError(
            f"the judge {judge.name} gave {len(answers)} verdicts for {len(questions)} pairs of column {name!r}"
        )
    for row, is_right in zip(open_rows, answers, strict=True):
        verdicts[row] = "right" if is_right else "wrong"
    return verdicts, judge.name


def _row_verdicts(
    columns: Sequence[str],
    gold: Rows,
    predicted: Rows,
    aligned: Sequence[int | None],
    verdicts: Sequence[Sequence[Verdict]],
) -> tuple[RowVerdict, ...]:
    """The verdicts of each gold row. `verdicts` has one list per column. If all cells are missing, `verdicts` is
    empty."""
    nothing = ("",) * len(columns)
    by_row: Sequence[Sequence[Verdict]] = list(zip(*verdicts, strict=True))
    if not by_row:
        by_row = [["missing"] * len(columns)] * len(gold)
    return tuple(
        RowVerdict(
            number,
            at,
            tuple(
                map(
                    CellVerdict,
                    columns,
                    by_row[number],
                    nothing if at is None else predicted[at],
                    gold[number],
                )
            ),
        )
        for number, at in enumerate(aligned)
    )


def _measures(right: int, answered: int, wanted: int, perfect: bool) -> tuple[float, float, float]:
    """Precision, recall and F1. An empty answer to an empty gold table is perfect, and in any other case 0/0 counts as
    0."""
    if perfect:
        return 1.0, 1.0, 1.0
    precision = right / answered if answered else 0.0
    recall = right / wanted if wanted else 0.0
    return precision, recall, 2 * right / (answered + wanted) if right else 0.0
