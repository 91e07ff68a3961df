"""Turns text into the words of the index. Documents and queries use the same analyser.

Words are runs of letters and digits, lower-cased, without accents. Scripts without spaces (Han, kana, Hangul) become
overlapping pairs of characters. So any phrase of two or more characters can be found.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wideseek_env.clean import clean_text

if TYPE_CHECKING:
    import tantivy

ANALYZER = "wideseek_words"
"""The name under which the analyser is registered with an index."""

LONGEST_WORD = 64
"""Words of this length or more, in UTF-8 bytes, are not indexed, because they are usually data and not language."""

_UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_QUALIFIER = re.compile(r"(?<!\s)\s*+\([^()]*+\)\s*+$|, .*$", re.DOTALL)


@lru_cache(maxsize=1)
def analyzer() -> tantivy.TextAnalyzer:
    """The analyser that every index of this process shares. It has no state."""
    import tantivy

    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for step in (
        tantivy.Filter.remove_long(LONGEST_WORD),
        tantivy.Filter.lowercase(),
        tantivy.Filter.ascii_fold(),
    ):
        builder = builder.filter(step)
    return builder.build()


def _pairs(match: re.Match[str]) -> str:
    run = match.group()
    pairs = [run[at : at + 2] for at in range(len(run) - 1)]
    return f" {' '.join(pairs or run)} "


def _pairs_and_singles(match: re.Match[str]) -> str:
    return f"{_pairs(match)} {' '.join(match.group())} "


def document_text(text: str) -> str:
    """`text` in the form for the index. Scripts without spaces become pairs and, for one-character queries, single
    characters."""
    if text.isascii():
        return text
    return _UNSPACED.sub(_pairs_and_singles, unicodedata.normalize("NFKC", clean_text(text)))


def words(text: str) -> list[str]:
    """The index words of a query or title, in order, with repetitions."""
    if not text.isascii():
        text = _UNSPACED.sub(_pairs, unicodedata.normalize("NFKC", clean_text(text)))
    found: list[str] = analyzer().analyze(text)
    return found


def title_keys(title: str) -> list[str]:
    """The word sequences by which a query can name this page: the whole title, and the title without a qualifier in
    brackets.

    "Fargo (film)" gives ["fargo film", "fargo"]. "Fargo" gives only ["fargo"]. A title without words gives [].
    """
    keys = (" ".join(words(title)), " ".join(words(_QUALIFIER.sub("", title))))
    return [key for key in dict.fromkeys(keys) if key]


def register(index: Any) -> None:
    """Register the analyser with a tantivy index. Call this before the first read or write of the index."""
    index.register_tokenizer(ANALYZER, analyzer())
