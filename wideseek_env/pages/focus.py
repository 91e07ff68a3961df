"""`focus`: selects the parts of a page that fit a question best, up to a limit and in page order."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from wideseek_env.errors import ConfigError
from wideseek_env.pages.document import Document
from wideseek_env.pages.links import strip_links
from wideseek_env.timeouts import check_time

GAP = "[…]"
"""Marks an omission. Inside a table it is a separate row."""

_FROM_HEADER = 0.5  # the weight of a word that is in the table's header but not in the row
_FROM_HEADING = 0.3  # the weight of a word that is in a heading above the part
_FIRST = 0.15  # bonus of the first paragraph, as a share of the best score: this paragraph tells the topic
_MOST_WORDS = (
    200  # further words of a question are ignored, so that the time does not grow with page times question
)
_LINES = 1024  # between two looks at the clock
_SATURATION = 1.2
_LENGTH = 0.4
_HEADING = re.compile(r"(#{1,6}) ")
_RULE = re.compile(r"\|(?: --- \|)+$")
# The end of a sentence. It is before a capital, digit or quotation, and not after an initial or a short abbreviation.
_SENTENCE = re.compile(r"(?<=[^\s.][a-z0-9)\]\"”’%])[.!?][\"”’)]?\s+(?=[\"“‘(\[]?[A-Z0-9])|(?<=[。!?])")
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_STOP = frozenset(
    "a an and are as at be by did do does for from had has have how if in into is it its of on or that the their "
    "there these they this to was were what when where which who whom whose why will with".split()
)


@dataclass(slots=True)
class _Part:
    """A sentence, list item or table row. `headings` and `header` are the line numbers of the headings and the table
    header above the part."""

    text: str
    headings: tuple[int, ...]
    header: int  # the header of the table, -1 outside tables
    line: int  # parts with the same line are in one paragraph
    words: Counter[str]


def focus(document: Document, question: str, limit: int) -> str:
    """The sentences, list items and table rows that share most words with `question`, at most `limit` characters in
    total.

    These parts are in page order, under their headings and table headers. `[…]` marks omissions. If the whole page is
    within the limit, it is returned unchanged. If the question shares no word with the page, the beginning of the page
    is returned. Only the first 200 distinct words of the question count. Raises `ConfigError` when `limit` is less
    than 1.
    """
    if limit < 1:
        raise ConfigError(f"limit must be at least 1, not {limit}")
    markdown = document.markdown
    if len(markdown) <= limit:
        return markdown
    lines = markdown.rstrip("\n").split("\n")
    parts = list(_parts(lines))
    wanted = dict.fromkeys(_words(question))
    words = [word for word in wanted if word not in _STOP] or list(wanted)
    scores = _scores(parts, words[:_MOST_WORDS], lines)
    chosen = _choose(parts, scores, lines, limit)
    return _written(parts, chosen, lines) if chosen else _beginning(markdown, limit)


def _parts(lines: list[str]) -> Iterator[_Part]:
    headings: tuple[int, ...] = ()
    header = -1
    for number, line in enumerate(lines):
        if not number % _LINES:
            check_time()
        if not line.strip():
            header = -1
        elif match := _HEADING.match(line):
            level = len(match.group(1))
            headings = (*(h for h in headings if lines[h].index(" ") < level), number)
        elif header >= 0 and number > header:
            if number > header + 1:
                yield _Part(line, headings, header, number, Counter(_words(strip_links(line))))
        elif number + 1 < len(lines) and line.startswith("|") and _RULE.match(lines[number + 1]):
            header = number
        else:
            for sentence in _sentences(line):
                yield _Part(sentence, headings, -1, number, Counter(_words(strip_links(sentence))))


def _sentences(line: str) -> Iterator[str]:
    start = 0
    for match in _SENTENCE.finditer(line):
        if match.end() > start:
            yield line[start : match.end()]
            start = match.end()
    if start < len(line):
        yield line[start:]


def _words(text: str) -> list[str]:
    """Words without case, accents and plural. In scripts without spaces, pairs of characters count as words."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c)))
    found = []
    for word in _WORD.findall(text.lower()):
        if not word.isascii() and _UNSPACED.search(word):
            found += [word[at : at + 2] for at in range(len(word) - 1)] or [word]
        elif len(word) > 3 and word[-1] == "s" and word[-2] not in "su":
            found.append(word[:-1])
        else:
            found.append(word)
    return found


def _scores(parts: list[_Part], wanted: list[str], lines: list[str]) -> list[float]:
    """The BM25 score of each part. Words in the table's header and in the headings above a part have less weight than
    words in the part."""
    above = {number: frozenset(_words(lines[number])) for part in parts for number in part.headings}
    above |= {p.header: frozenset(_words(strip_links(lines[p.header]))) for p in parts if p.header >= 0}
    mean = sum(part.words.total() for part in parts) / max(1, len(parts)) or 1.0
    weights = {}
    for word in wanted:
        holders = sum(1 for part in parts if word in part.words)
        weights[word] = math.log(1 + (len(parts) - holders + 0.5) / (holders + 0.5))
    scores = []
    for part in parts:
        score = 0.0
        norm = _SATURATION * (1 - _LENGTH + _LENGTH * part.words.total() / mean)
        for word, weight in weights.items():
            if count := part.words.get(word, 0):
                score += weight * count * (1 + _SATURATION) / (count + norm)
            elif part.header >= 0 and word in above[part.header]:
                score += weight * _FROM_HEADER
            elif any(word in above[number] for number in part.headings):
                score += weight * _FROM_HEADING
        scores.append(score)
    first = next((i for i, part in enumerate(parts) if part.header < 0 and part.words.total() > 5), -1)
    if first >= 0:
        scores[first] += _FIRST * max(scores)
    return scores


def _choose(parts: list[_Part], scores: list[float], lines: list[str], limit: int) -> list[int]:
    """The best parts that fit into the limit together with their headings, table headers and omission marks."""
    chosen: set[int] = set()
    shown: set[int] = set()
    left = limit - len(GAP) - 2
    for index in sorted((i for i in range(len(parts)) if scores[i] > 0), key=lambda i: (-scores[i], i)):
        part = parts[index]
        needed = {*part.headings, part.header} - shown - {-1}
        cost = len(part.text) + 2 + sum(len(lines[number]) + 2 for number in needed)
        if part.header >= 0:
            cost += len(lines[part.header + 1]) + 2 if part.header in needed else 0
        if index - 1 not in chosen:
            cost += len(_gap(part, lines)) + 2
        if cost <= left:
            left -= cost
            chosen.add(index)
            shown |= needed
    return sorted(chosen)


def _gap(part: _Part, lines: list[str]) -> str:
    return GAP if part.header < 0 else f"| {GAP} |{'  |' * (lines[part.header + 1].count('|') - 2)}"


def _written(parts: list[_Part], chosen: list[int], lines: list[str]) -> str:
    out: list[str] = []
    shown: set[int] = set()
    last = -1
    for index in chosen:
        part, before = parts[index], parts[last] if last >= 0 else None
        same_table = before is not None and part.header >= 0 and before.header == part.header
        skipped = index != last + 1
        if before is not None and not skipped and before.line == part.line:
            out[-1] += part.text
            last = index
            continue
        if skipped:
            out.append(_gap(part, lines) if same_table else f"\n{GAP}\n")
        elif not same_table and before is not None and (before.line + 1 < part.line):
            out.append("")
        for number in part.headings:
            if number not in shown:
                out.append(f"{lines[number]}\n")
        shown.update(part.headings)
        if part.header >= 0 and not same_table:
            out += [lines[part.header], lines[part.header + 1]]
        out.append(part.text)
        last = index
    if last + 1 < len(parts):
        out.append(f"\n{GAP}")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip("\n")


def _beginning(markdown: str, limit: int) -> str:
    room = limit - len(GAP) - 2
    if room < 1:
        return markdown[:limit]
    cut = markdown[: room + 1]
    end = max(cut.rfind("\n"), cut.rfind(" ") if cut.rfind("\n") < room // 2 else -1)
    return f"{cut[: end if end > 0 else room].rstrip()}\n\n{GAP}"
