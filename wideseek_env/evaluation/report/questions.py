"""The section of a report with the results on question answering sets."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.evaluation.questions import SetScore, about, average_title, set_title
from wideseek_env.evaluation.report.entries import Entry
from wideseek_env.evaluation.report.html import Markup, heading, interval, table, text


def questions(entries: Sequence[Entry]) -> Markup:
    """A table for each run on question answering sets: one line for each set, then the averages. Empty if there is no
    such run."""
    parts: list[Markup] = []
    for number, entry in enumerate(entries):
        for part in entry.parts:
            found, trials = part.summary.questions, part.summary.trials
            if not found.sets:
                continue
            rows = [_row(set_title(name), score) for name, score in found.sets.items()]
            averages = [_row(average_title(kind, each), each.score) for kind, each in found.averages.items()]
            header = ["set", "tasks", f"avg@{trials}", f"max@{trials}", "exact match", "token F1"]
            anchor = f"questions-{number}-{len(parts)}"
            parts.append(heading(3, f"{entry.name}, {part.label}", anchor))
            marked = range(len(rows), len(rows) + len(averages))
            parts.append(table(header, rows + averages, marked))
            parts.append(Markup(f'<p class="soft">{text(about(found, part.summary.judges))}</p>'))
    if not parts:
        return Markup("")
    return Markup(heading(2, "Question answering", "questions") + "\n".join(parts))


def _row(title: str, score: SetScore) -> list[object]:
    avg = f"{100 * score.avg:.1f}"
    if score.avg_low is not None and score.avg_high is not None:
        avg = interval(avg, f"{100 * score.avg_low:.1f}", f"{100 * score.avg_high:.1f}")
    shares = (score.max, score.exact_match, score.token_f1)
    return [title, score.tasks, avg, *(f"{100 * share:.1f}" for share in shares)]
