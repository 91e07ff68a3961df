"""Finds the table in a response as the WideSearch benchmark does: in the first ``markdown`` code fence, or else in the
lines with pipes."""

from __future__ import annotations

import re

from wideseek_env.scoring.widesearch.delimited import Frame, read_delimited

_OPEN, _CLOSE = "```markdown", "```"
_PIPES = re.compile(r"((?:\|.*\n?)+)")
_FEWEST_PIPES = 4


def blocks(response: str, *, fenced_only: bool = False) -> list[str]:
    """The parts of `response` that may be the table: every ``markdown`` code fence, or else every run of lines with
    pipes.

    Without a fence, the response must have at least four pipes. A run begins at a pipe and continues while lines begin
    with a pipe.
    """
    found = _fences(response)
    if found or fenced_only or response.count("|") < _FEWEST_PIPES:
        return found
    start = max(response.rfind("\n", 0, response.find("|")), 0)
    end = response.find("\n", response.rfind("|"))
    return _PIPES.findall(response[start : len(response) if end < 0 else end])


def _fences(response: str) -> list[str]:
    found: list[str] = []
    start = response.find(_OPEN)
    while start >= 0 and (end := response.find(_CLOSE, start + len(_OPEN))) >= 0:
        found.append(response[start + len(_OPEN) : end])
        start = response.find(_OPEN, end + len(_CLOSE))
    return found


def read_block(block: str, *, lower_header: bool) -> Frame:
    """The table in `block`, without the columns that have no name.

    Lines without a pipe and ruling lines are skipped, and cells are stripped. The rest is read as text delimited by
    pipes, so quotation marks and escaped pipes have the meaning that they have in delimited text. `lower_header`
    removes case and spaces from the first line. Raises `UnreadableTable` when pandas would raise an error.
    """
    lines = block.strip().split("\n")
    if lower_header:
        lines[0] = lines[0].replace(" ", "").lower()
    kept = [
        "|".join([cell.strip() for cell in line.strip().split("|")])
        for line in lines
        if "|" in line and line.strip().strip("|- :")
    ]
    frame = read_delimited("\n".join(kept), "|")
    named = [at for at, name in enumerate(frame.names) if not name.startswith("Unnamed")]
    return Frame(
        tuple([frame.names[at] for at in named]), tuple([frame.columns[at] for at in named]), frame.height
    )
