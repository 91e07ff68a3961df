"""`wideseek score`: score answers of other programs in the same way as recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from wideseek_env.cli import effects, options
from wideseek_env.cli.output import ResultCommand, result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wideseek_env.evaluation.responses import Response
    from wideseek_env.evaluation.scored import Missing
    from wideseek_env.tasks.taskset import TaskSet


@click.command(cls=ResultCommand)
@click.option(
    "--tasks", required=True, metavar="SPEC",
    help=f"The tasks: {options.TASK_NAMES}.",
)  # fmt: skip
@click.option(
    "--gold", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the gold tables of WideSearch or GISA, if it is not next to the file of tasks.",
)  # fmt: skip
@click.option(
    "--split", type=click.Choice(options.SPLITS), default="test", show_default=True, help="Part of a world's tasks."
)  # fmt: skip
@click.option(
    "--responses", required=True, type=click.Path(path_type=Path),
    help="A folder of WideSearch response files, a .jsonl file, or a run folder.",
)  # fmt: skip
@click.option(
    "--model", help="Which model's responses to score, if the folder has responses of several models."
)
@options.judge_option
@click.option(
    "--strict",
    is_flag=True,
    help="Score exactly as the WideSearch benchmark's code does, including the known errors of that code.",
)
@click.option(
    "--missing", type=click.Choice(("zero", "skip")), default="zero", show_default=True,
    help="zero: a task without a response gets score 0, as in the benchmark. skip: it is left out.",
)  # fmt: skip
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Number of trials per task. Default: the largest number of trials in the responses.",
)
@options.by_option
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the bootstrap intervals.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Folder for run.json, scores.jsonl and summary.json.",
)  # fmt: skip
@options.max_tokens_option
@click.option("--overwrite", is_flag=True, help="Replace scores that exist in the folder.")
@options.format_option("table", "json", "benchmark")
def score(
    tasks: str,
    gold: Path | None,
    split: str,
    responses: Path,
    model: str | None,
    judge: str | None,
    strict: bool,
    missing: str,
    trials: int | None,
    by: tuple[str, ...],
    seed: int,
    out: Path | None,
    max_tokens: int | None,
    overwrite: bool,
    form: str,
) -> None:
    """Score answers of other programs.

    The responses are in one of three forms: the WideSearch benchmark's files (MODEL_TASK_TRIAL_response.jsonl), a JSONL
    file whose lines have task_id, trial and response, or a recorded run. The answers of a recorded run are scored
    again.

    \b
    Examples:
      wideseek score --tasks tasks.jsonl --responses answers.jsonl
      wideseek score --tasks WideSearch --responses data/output --model my-model --strict --out scores/my-model
      wideseek score --tasks tasks.jsonl --responses runs/a --judge openai:qwen3-4b@http://127.0.0.1:8000/v1
    """
    if out is None:
        effects.refuse("without --out", "overwrite")
    effects.check_split(tasks)
    from wideseek_env.cli.console import say
    from wideseek_env.cli.progress import Bar, working
    from wideseek_env.cli.reports import print_metrics
    from wideseek_env.cli.spending import Spending, stop
    from wideseek_env.cli.tables import points
    from wideseek_env.cli.world import make_judge, open_gold
    from wideseek_env.errors import BudgetError
    from wideseek_env.evaluation.expected_tokens import Paid, assumptions, judge_range
    from wideseek_env.evaluation.labels import DEFAULT_BY, check_keys, task_labels
    from wideseek_env.evaluation.record import EpisodeRecord
    from wideseek_env.evaluation.responses import read_responses
    from wideseek_env.evaluation.scored import score_answers
    from wideseek_env.provenance.command import command_line
    from wideseek_env.provenance.files import FileDigests
    from wideseek_env.provenance.inputs import responses_files
    from wideseek_env.provenance.kinds import check_kind

    if out is not None:
        check_kind(out, "score")
    wanted = open_gold(tasks, split, gold)
    check_keys(by, map(task_labels, wanted))
    with working(f"Reading {responses}"):
        found = list(read_responses(responses, model))
    about: dict[str, Any] = {}
    if out is not None:
        digests = FileDigests()
        given = {
            "model": model,
            "split": split,
            "judge_spec": judge,
            "gold": str(gold) if gold is not None else None,
        }
        about = {name: value for name, value in given.items() if value is not None}
        about["inputs"] = {"files.responses": responses_files(responses, digests)}
        digests.save()
    count = _count(wanted, found, trials, missing)
    opened = make_judge(judge)
    spending = Spending(max_tokens, None)
    spending.watch("judge", opened)
    if spending.check():
        spending.tell(
            judge_range(wanted).times(count), f"{count:,} responses", count, assumptions(Paid(judge=True))
        )
    f1: list[float] = []
    with spending, Bar(f"Scoring {responses}", count, "responses") as bar:

        def show(record: EpisodeRecord) -> None:
            f1.append(record.f1_by_item)
            bar.update(len(f1), f"item-F1 {points(sum(f1) / len(f1))}")

        try:
            scored = score_answers(
                wanted, found, judge=opened, strict=strict, missing=cast("Missing", missing),
                trials=trials, seed=seed, by=by or DEFAULT_BY, folder=out, source=str(responses),
                about=about, command=command_line(), overwrite=overwrite, on_score=show,
            )  # fmt: skip
        except BudgetError as error:
            spent: BudgetError | None = error
        else:
            spent = None
    if spent is not None:
        result(lambda: {"scored": len(f1), "responses": count, **spending.to_dict()})
        stop(
            spent,
            f"{len(f1)} of {count} responses are scored. The answers of the judge are in its cache. The same command "
            "with a larger --max-tokens takes them from there.",
            resumes=False,
        )
    print_metrics(
        scored.accumulator, by, form=form, played=False, strict=strict, seed=seed, further=spending.to_dict()
    )
    if scored.missing:
        counted = "count with score 0" if missing == "zero" else "are left out"
        say(f"{scored.missing} tasks and trials have no response and {counted}.")
    if scored.unknown:
        say(f"{scored.unknown} responses belong to tasks that {wanted.name} does not have, and are left out.")
    if out is not None:
        say(f"Scores: {out}")


def _count(tasks: TaskSet, responses: Sequence[Response], trials: int | None, missing: str) -> int:
    """The number of responses that will be scored. Missing ones count, unless they are skipped."""
    ids = set(tasks.ids)
    known = {(each.task_id, each.trial) for each in responses if each.task_id in ids}
    most = trials if trials is not None else max((trial + 1 for _, trial in known), default=1)
    if missing == "zero":
        return len(ids) * most
    return sum(trial < most for _, trial in known)
