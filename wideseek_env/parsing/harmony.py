"""Reads the text of harmony messages (gpt-oss): channels, recipients and the markers between them.

A turn is a row of messages: ``<|channel|>NAME to=RECIPIENT <|constrain|>json<|message|>TEXT<|end|>``, each after the
first with ``<|start|>assistant`` before it. The recipient may also come before the channel. The channel "analysis" is
thinking. A message with a recipient is a call, whatever its channel is. "final" is the visible text. "commentary"
without a recipient is visible too if there is no "final".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from wideseek_env.parsing.calls import Problem, Written, make_call
from wideseek_env.parsing.tags import is_quoted

_BARRED = re.compile(r"<\|")
_MARKER = re.compile(r"<\|(start|channel|message|end|return|call)\|>")
_BEGINS = re.compile(r"\s*<\|(?:start|channel)\|>")
_HEADER = re.compile(
    r"<\|(?:start|channel)\|>[^<\"']{0,200}(?:<\|(?:channel|constrain)\|>[^<\"']{0,200}){0,2}<\|message\|>"
)
_RECIPIENT = re.compile(r"\bto\s*=\s*([\w.:-]+)")
_CHANNEL = re.compile(r"<channel>\s*([a-z]+)")
_STRIPPED = re.compile(r"\s*(?:assistant)?(?:analysis|commentary|final)(?=\W|[A-Z]|[a-z])")
_STRIPPED_HEADER = re.compile(
    r"(?:\A\s*|assistant)(analysis|commentary|final)((?:\s*to=[\w.:-]+)?(?:\s*(?:code|json)(?=\s*[{\[]))?)"
)
_SHORTEST = len("<|start|>")
_PEOPLE = ("user", "all", "assistant")


class Turn(NamedTuple):
    """A turn of harmony messages: its visible text, its thoughts, its calls, and whether it ends inside a thought.

    `preamble` is the text of other channels, which is not shown if there is a final text.
    """

    text: str
    preamble: str
    thoughts: list[str]
    calls: Written
    unclosed: bool


def is_harmony(text: str) -> bool:
    """Whether `text` is a turn of harmony messages, and not a text that mentions their markers."""
    if len(text) < _SHORTEST:
        return False
    if "<" not in text or not _has_markers(
        text
    ):  # some servers drop the markers, and only the words in them are left
        begins = _STRIPPED.match(text) is not None
        return begins and (
            "assistantfinal" in text or "assistantcommentary to=" in text or " to=functions." in text
        )
    if _BEGINS.match(text) is not None:
        return True
    header = _HEADER.search(text)
    if header is None or is_quoted(text, header.start(), header.end()):
        return False
    return "tool_call>" not in text[: header.start()]


def _has_markers(text: str) -> bool:
    # The first two checks are much faster than the third, and plain text has only one of these characters.
    return "<" in text and "|" in text and _BARRED.search(text) is not None


def read_harmony(text: str) -> Turn:
    """Read a turn. Text outside of its messages is visible."""
    if not _has_markers(text):
        text = _STRIPPED_HEADER.sub(r"<|end|><|channel|>\1\2<|message|>", text)
    turn = _Reader()
    position = 0
    for marker in _MARKER.finditer(text):
        turn.add(text[position : marker.start()])
        turn.mark(marker[1])
        position = marker.end()
    turn.add(text[position:])
    return turn.finish()


def _joined(pieces: Iterable[str]) -> str:
    return "\n\n".join(piece.strip() for piece in pieces if piece.strip())


class _Reader:
    """Reads pieces of text and the markers between them."""

    def __init__(self) -> None:
        self._place = "outside"  # or "header" or "body"
        self._pieces: dict[str, list[str]] = {"outside": [], "header": [], "body": []}
        self._visible: list[tuple[str, str]] = []
        self._thoughts: list[str] = []
        self._calls: Written = []
        self._unclosed = False

    def add(self, text: str) -> None:
        """Take the text up to the next marker."""
        self._pieces[self._place].append(text)

    def mark(self, marker: str) -> None:
        """Take a marker."""
        if marker == "message":
            if self._place == "body":
                self._end_message(closed=True)
            self._place = "body"
        elif marker in ("start", "channel"):
            if self._place == "body":
                self._end_message(closed=True)
            if self._place == "outside":
                self._end_outside(marker)
            self._place = "header"
            if marker == "channel":
                self._pieces["header"].append("<channel>")
        else:
            if self._place == "header":  # the marker <|message|> is missing
                header = self._take("header")
                brace = header.find("{") if _RECIPIENT.search(header) is not None else -1
                words = header.split(None, 1)
                named = _CHANNEL.match(header)
                at = (
                    brace
                    if brace >= 0
                    else named.end()
                    if named is not None and len(words) > 1
                    else len(header)
                )
                self._pieces["header"].append(header[:at])
                self._pieces["body"].append(header[at:])
                self._place = "body"
            if self._place == "body":
                self._end_message(closed=True)
            self._place = "outside"

    def finish(self) -> Turn:
        """The turn after the last piece."""
        if self._place == "body":
            self._end_message(closed=False)
        elif self._place == "header" and _RECIPIENT.search("".join(self._pieces["header"])) is not None:
            self._calls.append(Problem("cut_off_call", "it ends before its arguments"))
        self._end_outside("")
        final = _joined(text for channel, text in self._visible if channel == "final")
        others = _joined(text for channel, text in self._visible if channel != "final")
        return Turn(final or others, others if final else "", self._thoughts, self._calls, self._unclosed)

    def _take(self, place: str) -> str:
        text = "".join(self._pieces[place])
        self._pieces[place].clear()
        return text

    def _end_outside(self, marker: str) -> None:
        """Keep text outside of messages. It has a recipient if the prompt ended with ``<|start|>assistant``."""
        text = self._take("outside")
        if marker == "channel" and _RECIPIENT.search(text) is not None:
            self._pieces["header"].append(text)
        elif text.strip():
            self._visible.append(("", text))

    def _end_message(self, *, closed: bool) -> None:
        header, body = self._take("header"), self._take("body")
        recipient = _RECIPIENT.search(header)
        named = _CHANNEL.search(header)
        channel = named[1] if named is not None else "final"
        self._unclosed = False
        if recipient is not None and recipient[1] not in _PEOPLE:
            call = make_call(recipient[1], body)
            if not body.strip() and not closed:
                call = Problem("cut_off_call", "it ends before its arguments")
            elif isinstance(call, Problem) and not closed:
                call = Problem("cut_off_call", call.detail)
            self._calls.append(call)
        elif channel == "analysis":
            self._thoughts.append(body)
            self._unclosed = not closed
        else:
            self._visible.append((channel, body))
