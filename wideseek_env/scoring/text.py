"""Decides whether two texts are equal except for case, full or half width, white space and typography. For this, the
module compares normal forms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

from wideseek_env.scoring.characters import fold
from wideseek_env.scoring.markup import plain_text

T = TypeVar("T")

_CACHED_LENGTH = 512
_CACHED_CELLS = 1 << 15

_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′ʼ`´", "'"),
        **dict.fromkeys("“”„‟″«»「」『』", '"'),
        **dict.fromkeys("‐‑‒–—―−﹣", "-"),
        **dict.fromkeys("・•‧∙⋅", "·"),
        "、": ",",
        "。": ".",
        "⁄": "/",
    }
)
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "&": " and "}
)
FOOTNOTE = re.compile(r"(?<=[^\s\[])\s*+\[(?:\d{1,3}|[a-z]|note \d{1,2}|citation needed)\]")
"""The mark of a note after something else."""

_GROUPED = re.compile(r"(?<![\d.,])(?<!\d )\d{1,3}(?:(?:,\d{3})++|(?: \d{3})++)(?!\d)")
_GROUPING = str.maketrans("", "", ", ")
_STARS = re.compile(r"(?<![\d*])\*++|(?<=\d)\*++(?!\d)")  # between two digits a star multiplies
_SPACE = re.compile(r"(?<!\d) | (?!\d)")
_SIMPLE = re.compile(r"(?:[A-Za-z]++ )*+[A-Za-z]++(?: ?[0-9]++)?")  # most cells: no normalisation needed
_DIGIT_GAP = re.compile(r"\d[, ]\d")
_TRAILING_ZEROS = re.compile(r"([+-]?\d+)(?:\.0+|(\.\d*[1-9])0+)")
_MARKS = re.compile("[\u0300-\u036f]+")
_ARTICLE = re.compile(r"(?:the|an?) (?=\w)")
# The range is that of Indic and Thai scripts, because `\w` does not match their vowel signs.
_WORD = re.compile(r"(?:(?<!\w)-(?=\d))?(?:[\w+#\u0900-\u0e7f]|(?<=\d)\.(?=\d))+")

_EMPTY = frozenset(
    (
        *("", "not available", "not applicable", "not specified", "not known", "no data", "无数据", "不适用"),
        *"- -- --- ? / . n/a na n.a n.a. nan none null nil unknown unspecified tbd tba".split(),
        *("无", "暂无", "未知", "不详", "不明"),
    )
)


def memoised(function: Callable[[str], T]) -> Callable[[str], T]:
    """Cache the results of `function` for short texts. Results for long texts are not cached, so that the memory stays
    bounded."""
    cached = lru_cache(maxsize=_CACHED_CELLS)(function)

    @wraps(function)
    def call(cell: str) -> T:
        return cached(cell) if len(cell) <= _CACHED_LENGTH else function(cell)

    return call


shown_text = memoised(plain_text)
"""`plain_text`, with a cache. Most marked cells are read several times."""


def squash(cell: str) -> str:
    """`cell` as plain text with one case, one width, one typography and single spaces."""
    text = shown_text(cell)
    if text.isascii():
        return fold(text).lower()
    text = fold(text).translate(_TYPOGRAPHY).casefold()
    return " ".join(unicodedata.normalize("NFKC", text).split())


@memoised
def is_empty(cell: str) -> bool:
    """Whether a cell means "no value": it is blank, a dash, ``N/A``, ``unknown``, ``无`` and the like."""
    return squash(cell) in _EMPTY


@memoised
def text_key(cell: str) -> str:
    """The normal form of a cell. Two cells with equal normal forms count as the same text.

    The normal form ignores markup, case, full or half width, white space (except between digits), kinds of quotes and
    dashes, asterisks, footnote marks and thousands separators. The normal form also ignores a final full stop, quotes
    around the whole cell and zeros at the end of a decimal fraction.
    """
    if _SIMPLE.fullmatch(cell) is not None:
        return cell.lower().replace(" ", "")
    text = whole = squash(cell)
    if "[" in text:
        text = FOOTNOTE.sub("", text)
    if "*" in text:
        text = _STARS.sub("", text)
    text = text.rstrip(" .,;")
    if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    text = (
        text.replace(" ", "")
        if _DIGIT_GAP.search(text) is None
        else _SPACE.sub("", _GROUPED.sub(_joined, text))
    )
    if text.endswith("0") and (number := _TRAILING_ZEROS.fullmatch(text)) is not None:
        text = number[1] + (number[2] or "")
    return text or whole


def _joined(number: re.Match[str]) -> str:
    return number[0].translate(_GROUPING)


def without_diacritics(text: str) -> str:
    """`text` in lower case, with ``o`` for ``ö`` and ``ø``, and with ``and`` for ``&``."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return unicodedata.normalize("NFC", _MARKS.sub("", decomposed))


@memoised
def lenient_key(cell: str) -> str:
    """A coarser normal form: without diacritics, punctuation and a leading article, and with ``&`` as ``and``.

    Characters with a meaning stay: a decimal point, a leading minus, ``C++`` and ``C#``. Two numbers next to each other
    stay separate.
    """
    text = without_diacritics(squash(cell)).replace("_", " ").strip()
    key = ""
    for word in _WORD.findall(text[article.end() :] if (article := _ARTICLE.match(text)) else text):
        key += f" {word}" if key and key[-1].isdigit() and word[0].isdigit() else word
    return key or text_key(cell)
