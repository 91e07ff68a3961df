"""Mutations of well-formed messages: what a sampler, a server or a length limit does to them."""

from __future__ import annotations

from collections.abc import Sequence

from call_forms import TAGGED, UNTAGGED, Call
from hypothesis import strategies as st

FORMS = {**TAGGED, **UNTAGGED}
PIECES = (
    "<tool_call>", "</tool_call>", "<think>", "</think>", "```", "\n", '"', "{", "}", "\ud83d", "\x00", "<|end|>",
    "</s>", "\\", "[", "]", "<function=search>", "</parameter>", "| a | b |", "\\ud83d",
)  # fmt: skip
TWO: Sequence[Call] = (
    ("search", {"query": "museum of art"}),
    ("browse", {"url": "https://a.example", "focus": "its height"}),
)

Step = tuple[str, float, int, str]


def mutated(text: str, steps: Sequence[Step]) -> str:
    """`text` after the steps: drop, double, swap, cut, wrap or insert at a share of its length."""
    for kind, share, size, piece in steps:
        at = int(share * len(text))
        if kind == "drop":
            text = text[:at] + text[at + size :]
        elif kind == "double":
            text = text[: at + size] + text[at:]
        elif kind == "swap":
            text = text[:at] + text[at + size : at + 2 * size] + text[at : at + size] + text[at + 2 * size :]
        elif kind == "cut":
            text = text[:at]
        elif kind == "wrap":
            text = f"{piece}{text}{piece}"
        else:
            text = text[:at] + piece + text[at:]
    return text


kinds = st.sampled_from(("drop", "double", "swap", "cut", "wrap", "insert"))
steps = st.lists(
    st.tuples(kinds, st.floats(0, 0.999), st.integers(1, 12), st.sampled_from(PIECES)), max_size=4
)
messages = st.builds(
    lambda name, each: mutated(FORMS[name](TWO), each), st.sampled_from(sorted(FORMS)), steps
)
"""Texts of messages of all families, mutated."""
