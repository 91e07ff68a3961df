"""`Texts` and `ResultTexts`: the shape of everything that an agent can be told.

Every text is a template of `str.format` with named fields. A brace in the text itself is written twice.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from wideseek_env.messages import Role


@dataclass(frozen=True, slots=True)
class Texts:
    """What a profile says in one language. The fields of each template are in braces."""

    system: Mapping[Role, str]
    """System prompts: {answer} {width} {turns} {calls}. Without {answer}, the form of the answer is appended."""
    system_short: Mapping[Role, str]
    """System prompts for tasks with a short answer. A role without one has the prompt in `system`."""
    first: Mapping[Role, str]
    """First user messages: {question} {turns}, for a subagent also {subtask}."""
    answer_table: str
    """The required form of a table, for the agent that answers."""
    answer_short: str
    """The required form of a short answer."""
    call_format: str
    """Introduces the tools and the call format in the system prompt: {tools} are JSON schemas, {examples} are calls."""
    report: str
    """Heads a subagent's report in the lead's result: {number} {subtask}."""
    no_report: Mapping[str, str]
    """The sentence that is shown for a subagent that ended without a report, by reason."""
    result: Mapping[str, str]
    """Heads the result of one call, by tool kind: {query}, {url} or {name}. "custom" is for every other tool.
    "browse_focus" is for a page that the agent opened with a {focus}. Without it, such a page has "browse"."""
    turns_left: str
    """Notice under every result: {turn} {turns}."""
    last_turn: str
    """The same before an agent's last turn: {turn} {turns}."""
    cut: str
    """Marks text that was cut to the allowed length: {limit}."""
    problems: Mapping[str, str]
    """Error sentences by code; see `wideseek_env.parsing.Problem` and `wideseek_env.tools.spec`."""
    tools: Mapping[Role, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    """Descriptions that replace those of the tools: role → tool → path of the parameter → text. The path "" is the tool
    itself, and "queries.count" is the parameter `count` of each item of `queries`."""


@dataclass(frozen=True, slots=True)
class ResultTexts:
    """What search and browse return: the form of their results and their error sentences."""

    hit: str = "{number}. [{title}]({url})\n   {passage}"
    """One search result: {number} {title} {url} {passage}."""
    hit_without_passage: str = "{number}. [{title}]({url})"
    """One search result without a passage: {number} {title} {url}."""
    between_hits: str = "\n"
    """The text between two search results."""
    no_hits: str = "No results. Try other words."
    """The result of a search that finds nothing."""
    page: str = "Title: {title}\n\n{text}"
    """A page that has one chunk: {title} {text}."""
    chunk: str = "Title: {title}\nChunk {chunk} of {chunks} (continue with chunk {next})\n\n{text}"
    """One chunk of a longer page: {title} {chunk} {chunks} {next} {text}."""
    last_chunk: str = "Title: {title}\nChunk {chunk} of {chunks}\n\n{text}"
    """The last chunk of a longer page: {title} {chunk} {chunks} {text}."""
    focus: str = (
        "Title: {title}\nThe parts of this page about: {focus} (the whole page has {chunks} chunks)\n\n{text}"
    )
    """The parts of a longer page that answer a question: {title} {focus} {chunks} {text}."""
    summary: str = "Title: {title}\nWhat this page says about: {focus}\n\n{text}"
    """A summary of a page for a question: {title} {focus} {text}."""
    summary_of_beginning: str = (
        "Title: {title}\nWhat this page says about: {focus} (from its first {chars} characters)\n\n{text}"
    )
    """A summary of the beginning of a long page: {title} {focus} {chars} {text}."""
    summary_failed: str = "This page could not be summarised, so here is the text that fits the question best by its words.\n{text}"
    """What an agent gets if the summariser failed. The text is what it gets without a summariser: {text}."""
    empty_page: str = "Title: {title}\n\n(This page has no text.)"
    """A page without text: {title}."""
    no_title: str = "(none)"
    """The title that is shown for a page without one."""
    no_chunk: str = "Error: this page has only {chunks} chunks."
    """The agent asked for a chunk that a longer page does not have: {chunks}."""
    no_second_chunk: str = "Error: this page has only 1 chunk."
    """The agent asked for a further chunk of a page that has one chunk."""
    no_page: str = "Error: there is no page at this address. Use an address from a search result or a page."
    """There is no page at the address."""
    page_gone: str = "Error: this page is gone. {error}"
    """The server says that it has deleted the page: {error}."""
    page_failed: str = "Error {status}: {error}"
    """The page cannot be opened: {status} {error}."""
    no_reason: str = "the page could not be opened"
    """The error that is shown for a page that failed without one."""
    search_failed: str = "Error: the search failed. {error}"
    """The corpus could not run the search: {error}."""
    no_tool: str = "Error: the tool {name} is not available here."
    """The executor does not know the tool: {name}."""
    tool_failed: str = "Error: the tool failed ({error})"
    """A tool raised an exception: {error}."""
    no_time: str = "Error: the tool did not answer within {seconds} seconds."
    """A tool took too long: {seconds}."""


@lru_cache(maxsize=256)
def fields_of(template: str) -> tuple[str, ...]:
    """The names in the braces of a template. Raises `ValueError` if the braces do not match."""
    return tuple(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


def escaped(text: str) -> str:
    """`text` as a template that gives this text."""
    return text.replace("{", "{{").replace("}", "}}")
