"""The places at which a call in Python's form is tried are all places at which such a call can begin."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from wideseek_env.parsing.patterns import mentions_of, patterns_for, python_calls

TOOLS = {"search": (), "browse": (), "print": (), "x": ()}
PIECES = (
    "search", "search(", "browse (", "print(", "x = ", "(", "[", ")", "]", ":", ": ", " ", "\t", "\n", "\r\n", "\u2028",
    "function", "<|tool_sep|>", "<name>", "functions.", ".call", "await ", "- ", "1. ", "> ", "->", "`", "```", "Tool",
    "Action 1： ",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@example("function\n \n<|tool_sep|>\r\n\nsearch(")
@example("[\n\n\nfunctions.search (")
@example("A sentence: x = await search.call(")
@example("  print(print(search(")
@example("[search([x(")
def test_calls_in_pythons_form_are_found_as_by_a_search(text: str) -> None:
    mentions = mentions_of(text, TOOLS)
    assert mentions is not None
    found = [match.span() for match in python_calls(text, TOOLS, mentions)]
    assert found == [match.span() for match in patterns_for(TOOLS).python.finditer(text)]
