"""Scores depth tasks (tasks with a short answer). Finds the short answer in a response and checks whether the task
accepts it.

A task whose column `COLUMN` has the metric ``llm_judge`` is judged: the judge decides about answers that the rules do
not accept."""

from __future__ import annotations

import re

from wideseek_env.errors import WideSeekError
from wideseek_env.scoring.answer_metrics import (
    EXACT_MATCH,
    SOURCE,
    TOKEN_F1,
    exact_match,
    normal_form,
    token_f1,
)
from wideseek_env.scoring.judges import Judge, OfflineJudge
from wideseek_env.scoring.result import CellVerdict, RowVerdict, TableScore
from wideseek_env.scoring.table_text import strip_thinking, visible_text
from wideseek_env.scoring.text import text_key
from wideseek_env.task import Task

COLUMN = "answer"
"""The name of the one column of a depth task, in `Task.specs` and in scores."""

_OFFLINE = OfflineJudge()
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
    candidates = (*_with_core(_last_line(text)), text)
    return tuple(dict.fromkeys(candidate.strip("$ ") for candidate in candidates))


def score_short_answer(response: str, task: Task, judge: Judge | None = None) -> TableScore:
    """The score of a depth task. All numbers are 1.0 when a short answer of `response` is accepted, else 0.0.

    Answers are compared after normalisation. If the task is judged, `judge` (None: an `OfflineJudge`) compares the
    short answer with each accepted answer, unless it equals one or is an exact match. Tasks of question answering sets
    have exact match and token F1 in `extra` (`wideseek_env.scoring.answer_metrics`).

    Raises `WideSeekError` when the judge returns something that its protocol does not allow, or cannot be reached.
    """
    given = short_answers(response)
    accepted = {text_key(answer): answer for answer in reversed(task.answers)}
    hit = next((answer for answer in given if text_key(answer) in accepted), None)
    answer = hit if hit is not None else short_answer(response)
    right, gold, judged_by = hit is not None, task.answers[0], ""
    if hit is not None:
        gold = accepted[text_key(hit)]
    elif answer and "llm_judge" in task.spec(COLUMN).metrics:
        chosen, judged_by = _judged(answer, task, judge or _OFFLINE)
        right, gold = chosen is not None, chosen or gold
    shown = answer or (given[0] if given else "")
    verdict = CellVerdict(COLUMN, "right" if right else "wrong" if given else "missing", shown, gold)
    if right:
        message = f"{judged_by} accepts the answer" if judged_by else "the answer is an accepted one"
    else:
        message = "the answer is not an accepted one" if given else "the response has no answer"
    value = 1.0 if right else 0.0
    extra = {}
    if task.source == SOURCE:
        extra = {
            EXACT_MATCH: exact_match(answer, task.answers) if given else 0.0,
            TOKEN_F1: token_f1(answer, task.answers) if given else 0.0,
        }
    return TableScore(
        score=value,
        precision_by_row=value,
        recall_by_row=value,
        f1_by_row=value,
        precision_by_item=value,
        recall_by_item=value,
        f1_by_item=value,
        message=message,
        columns=(COLUMN,),
        cells=(RowVerdict(0, 0 if given else None, (verdict,)),),
        judge=judged_by,
        well_formed=bool(given),
        extra=extra,
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


def short_answer(response: str) -> str:
    """The short answer of `response` without what is around it, or "" if there is none."""
    text = visible_text(strip_thinking(response)).strip()
    if not text:
        return ""
    if (boxed := _last_box(text)) is not None:
        return _with_core(_untex(boxed))[1]
    return _with_core(_last_line(text))[1].strip("$ ")


def _judged(answer: str, task: Task, judge: Judge) -> tuple[str | None, str]:
    """The first accepted answer that `answer` equals by exact match, or with which `judge` finds it equivalent. None if
    there is none. Also the name of the judge, if it was asked."""
    forms: dict[str, str] = {}
    for one in task.answers:
        forms.setdefault(normal_form(one) or one, one)
    if (same := forms.get(normal_form(answer) or answer)) is not None:
        return same, ""
    spec, references = task.spec(COLUMN), list(forms.values())
    criterion = spec.criterion if isinstance(spec.criterion, str) else answer_rule(task)
    verdicts = judge.judge(COLUMN, criterion, [(answer, one) for one in references])
    if len(verdicts) != len(references):
        raise WideSeekError(
            f"the judge {judge.name} gave {len(verdicts)} verdicts for {len(references)} pairs of a short answer"
        )
    right = (one for one, is_right in zip(references, verdicts, strict=True) if is_right)
    return next(right, None), judge.name


def _last_line(text: str) -> str:
    lines = text.split("\n")
    return next((line for line in reversed(lines) if _NO_TEXT.fullmatch(line) is None), lines[-1]).strip()


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
