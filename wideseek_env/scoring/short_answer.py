"""Scores depth tasks (tasks with a short answer). Finds the short answer in a response and checks whether the task
accepts it."""

from __future__ import annotations

import re

from wideseek_env.scoring.result import CellVerdict, RowVerdict, TableScore
from wideseek_env.scoring.table_text import strip_thinking, visible_text
from wideseek_env.scoring.text import text_key
from wideseek_env.task import Task

_BOX = re.compile(r"\\(?:boxed|fbox)\s?\{")
_COMMAND = re.compile(r"\\(?:text[a-z]*|mathrm|mathbf|mathit|mbox|operatorname)\s?\{([^{}]*+)\}")
_ESCAPED = re.compile(r"\\([%$&#_{}])")
_SPACING = re.compile(r"\\[,;:! ]|~")
_LEAD = re.compile(
    r"[\s*_#>-]*+(?:(?:so|thus|therefore),?\s++)?(?:the\s++)?(?:final\s++|correct\s++|short\s++)?"
    r"(?:answer|最终答案|答案|回答|答)\s*+(?:[*_]++\s*+)?(?:is\b|[:：是为])\s*+[:：]?[\s*_]*+|【(?:最终)?答案】",
    re.IGNORECASE,
)
_AROUND = re.compile(
    r"<([\w-]{1,40})>([^<>]*+)</\1>|(?:[-*>•]|#{1,6})\s++(.*+)"
    r"|\{\s*+\"[\w ]{0,40}answer\"\s*+:\s*+\"([^\"\\]*+)\"\s*+\}",
    re.IGNORECASE,
)
"""A tag around a line, a mark before it, or a JSON object with the answer."""
_NO_TEXT = re.compile(r"(?:</?[\w-]{1,40}>|[^\w<])*+")


def short_answers(response: str) -> tuple[str, ...]:
    """The possible answers in `response`: the content of the last ``\boxed{…}``. If there is no box, these are the last
    line with text and the whole text. Each is given with and without what is around it (``Answer: …``)."""
    text = visible_text(strip_thinking(response)).strip()
    if not text:
        return ()
    if (boxed := _last_box(text)) is not None:
        return tuple(dict.fromkeys(_with_core(_untex(boxed))))
    lines = text.split("\n")
    line = next((line for line in reversed(lines) if _NO_TEXT.fullmatch(line) is None), lines[-1]).strip()
    candidates = (*_with_core(line), text)
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


def answer_rule(task: Task) -> str:
    """The criterion by which a judge compares a short answer with an accepted one. It contains the question, because
    two answers may be equivalent for one question and not for another."""
    if task.language == "zh":
        return f"两个单元格都回答以下问题：{task.question}\n作为该问题的答案，两者等价即为正确。"
    return (
        f"Both cells answer this question: {task.question}\n"
        "The answer is right if it is equivalent to the reference as an answer to the question."
    )


def _with_core(line: str) -> tuple[str, str]:
    """`line`, and `line` without a tag, mark or label around the answer."""
    core = line
    if (around := _AROUND.fullmatch(core)) is not None:
        core = (around[2] or around[3] or around[4] or "").strip()
    return line, _LEAD.sub("", core, count=1) if _LEAD.match(core) else core


def _last_box(text: str) -> str | None:
    """The content of the last ``\\boxed{…}`` with its braces balanced. A box that was cut off extends to the end."""
    start = -1
    for box in _BOX.finditer(text):
        start = box.end()
    if start < 0:
        return None
    depth = 1
    for brace in re.finditer(r"(?<!\\)[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[start : start + brace.start()]
    return text[start:]


def _untex(text: str) -> str:
    text = _COMMAND.sub(r"\1", _COMMAND.sub(r"\1", text))
    return _ESCAPED.sub(r"\1", _SPACING.sub(" ", text)).strip("$ ")
