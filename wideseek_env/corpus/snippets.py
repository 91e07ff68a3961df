"""Snippets: the passage of a text that contains most of a query's words."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 240
"""The most characters of a snippet unless a length is given, not counting the "…" for omissions."""

_SCANNED = 200_000  # only this many characters of a page are searched, from its beginning
_OCCURRENCES = 12  # occurrences of each word to consider; repetition does not improve a passage
_SENTENCE = 80  # the most characters from the start of the sentence to the first matching word, a third of the snippet


def snippet(text: str, terms: Sequence[tuple[str, float]], longest: int = LONGEST) -> str:
    """The `longest` characters of `text` with the greatest total weight of distinct terms.

    `terms` are lower-cased words with weights. If passages have equal weights, the result is the earliest. If the text
    has none of the words, the result is the beginning of the text. "…" marks omissions.
    """
    if len(text) <= longest:
        return text
    lower = text[:_SCANNED].lower()
    if len(lower) != min(len(text), _SCANNED):  # a few letters change their length when lower-cased
        lower = text[:_SCANNED]
    first, last, end = len(lower), -1, 0
    present: list[tuple[int, str, float]] = []
    for term, weight in terms:
        start = lower.find(term)
        if start > 0 and lower[start - 1].isalnum():
            start = _next(lower, term, start)
        if start >= 0:
            present.append((start, term, weight))
            if start < first:
                first = start
            if start > last:
                last = start
            if start + len(term) > end:
                end = start + len(term)
    if end <= longest:  # all words that occur are in the beginning
        return _cut(text, 0, longest)
    lead = min(_SENTENCE, longest // 3)
    span = longest - lead
    # Find where all words first occur close together. No window has a greater weight, and no earlier window has the
    # same weight.
    best = first if last - first <= span else _best(lower, present, span)
    return _cut(text, _beginning(text, best, lead), longest)


def _next(lower: str, term: str, start: int) -> int:
    """The next position where `term` begins a word, or where it occurs in a script without spaces. -1 when there is
    none."""
    while (start := lower.find(term, start)) > 0 and lower[start - 1].isalnum() and term[0] <= "\u3040":
        start += 1
    return start


def _best(lower: str, present: Sequence[tuple[int, str, float]], span: int) -> int:
    """The start of the window of `span` characters whose distinct words have the greatest total weight.

    `present` are the words with the positions of their first occurrences.
    """
    found: list[tuple[int, int, float]] = []
    for number, (start, term, weight) in enumerate(present):
        for _ in range(_OCCURRENCES):
            found.append((start, number, weight))
            if (start := _next(lower, term, start + 1)) < 0:
                break
    found.sort()
    best, best_weight = 0, 0.0
    held = [0] * len(present)
    weight, left = 0.0, 0
    for start, number, gain in found:
        if not held[number]:
            weight += gain
        held[number] += 1
        while found[left][0] < start - span:
            _, gone, loss = found[left]
            held[gone] -= 1
            if not held[gone]:
                weight -= loss
            left += 1
        if weight > best_weight + 1e-9:
            best, best_weight = found[left][0], weight
    return best


def _beginning(text: str, start: int, lead: int) -> int:
    """The position where a snippet with the position `start` begins: the start of the sentence, if it is at most `lead`
    characters before `start`, or a word closer to it."""
    if start <= lead:
        return 0
    before = text[start - lead : start]
    end = max(before.rfind(mark) for mark in (". ", "。", "! ", "? "))
    if end >= 0:
        stop = start - lead + end + 1
        return stop + 1 if text[stop] == " " else stop
    space = text.find(" ", start - lead // 2, start)
    return space + 1 if space >= 0 else start


def _cut(text: str, start: int, longest: int) -> str:
    end = start + longest
    if end >= len(text):
        end = len(text)
    else:
        space = text.rfind(" ", start + longest * 3 // 4, end + 1)
        end = space if space > 0 else end
    return ("… " if start else "") + text[start:end].strip() + (" …" if end < len(text) else "")
