"""`Texts`: the shape of everything an agent can be told, filled in once per language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from wideseek_env.messages import Role

Style: TypeAlias = Literal["full", "terse"]
"""`full` explains the work to a capable model; `terse` costs few tokens, for small ones."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Templates in one language. `str.format` fills in the names in braces."""

    system: Mapping[tuple[Role, Style], str]
    """System prompts: {width} {turns} {calls}."""
    answer_table: str
    """The required form of a table. It is appended to the prompt of the agent that answers."""
    answer_short: str
    """The required form of a short answer."""
    tools: Mapping[Style, str]
    """Introduces the tools and the call format in the system prompt: {tools} {calls}."""
    subtask_with_question: str
    """First message of a subagent that is shown the whole question: {question} {subtask}."""
    report: str
    """Heads a subagent's report in the lead's result: {number} {subtask}."""
    no_report: Mapping[str, str]
    """Stands for the report of a subagent that ended without one, by reason."""
    result: Mapping[str, str]
    """Heads the result of one call, by tool kind: {query} or {url}; "custom": {name}."""
    turns_left: str
    """Notice under every result: {turn} {turns}."""
    last_turn: str
    """The same before an agent's last turn: {turn} {turns}."""
    cut: str
    """Marks text that was cut to the allowed length: {limit}."""
    problems: Mapping[str, str]
    """Error sentences by code; see `wideseek_env.parsing.Problem` and `wideseek_env.tools.spec`."""
