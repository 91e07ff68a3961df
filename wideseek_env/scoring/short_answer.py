"""Scores depth tasks (tasks with a short answer). Finds the short answer in a response and checks whether the task
accepts it."""

from __future__ import annotations

import re

from wideseek_env.scoring.result import CellVerdict, RowVerdict, TableScore
from wideseek_env.scoring.tables import strip_thinking
from wideseek_env.scoring.text import text_key
from wideseek_env.task import Task

_BOX = "\\boxed{"
_COMMAND = re.compile(r"\\(?:text[a-z]*|mathrm|mathbf|mathit|mbox|operatorname)\s?\{([^{}]*+)\}")
_ESCAPED = re.compile(r"\\([%$&#_{}])")
_SPACING = re.compile(r"\\[,;:! ]|~")
_LEAD = re.compile(
    r"[\s*_#>-]*+(?:(?:so|thus|therefore),?\s++)?(?:the\s++)?(?:final\s++|correct\s++|short\s++)?"
    r"(?:answer|最终答案|答案)\s*+(?:[*_]++\s*+)?(?:is\b|[:：是为])\s*+[:：]?[\s*_]*+",
    re.IGNORECASE,
)


def short_answers(response: str) -> tuple[str, ...]:
    """The possible answers in `response`: the content of the last ``\boxed{…}``. If there is no box, these are the last
    line and the whole text."""
    text = strip_thinking(response).strip()
    if not text:
        return ()
    if (boxed := _last_box(text)) is not None:
        return (_untex(boxed),)
    line = text[text.rfind("\n") + 1 :].strip()
    candidates = (line, _LEAD.sub("", line, count=1) if _LEAD.match(line) else line, text)
    return tuple(dict.fromkeys(candidate.strip("$ ") for candidate in candidates))


def score_short_answer(response: str, task: Task) -> TableScore:
    """The score of a depth task. All numbers are 1.0 when a short answer of `response` is accepted, else 0.0.

    Answers are compared after normalisation.
    """
    given = short_answers(response)
    accepted = {text_key(answer): answer for answer in reversed(task.answers)}
    hit = next((answer for answer in given if text_key(answer) in accepted), None)
    right = hit is not None
    shown = hit if hit is not None else (given[0] if given else "")
    gold = accepted[text_key(hit)] if hit is not None else task.answers[0]
    verdict = CellVerdict("answer", "right" if right else "wrong" if given else "missing", shown, gold)
    if right:
        message = "the answer is an accepted one"
    else:
        message = "the answer is not an accepted one" if given else "the response has no answer"
    value = 1.0 if right else 0.0
    return TableScore(
        score=value,
        precision_by_row=value,
        recall_by_row=value,
        f1_by_row=value,
        precision_by_item=value,
        recall_by_item=value,
        f1_by_item=value,
        message=message,
        columns=("answer",),
        cells=(RowVerdict(0, 0 if given else None, (verdict,)),),
        well_formed=bool(given),
    )


def _last_box(text: str) -> str | None:
    """The content of the last ``\\boxed{…}`` with its braces balanced. A box that was cut off extends to the end."""
    start = text.rfind(_BOX)
    if start < 0:
        return None
    start += len(_BOX)
    depth = 1
    for brace in re.finditer(r"(?<!\\)[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[start : start + brace.start()]
    return text[start:]


def _untex(text: str) -> str:
    text = _COMMAND.sub(r"\1", text)
    return _ESCAPED.sub(r"\1", _SPACING.sub(" ", text)).strip("$ ")
