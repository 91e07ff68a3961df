"""Turns an agent's text into a query object. Nothing in the text is syntax.

The score of a document is a sum. Each query word in the text adds a number, and so does each query word in the title.
If the query contains the whole title, this adds a bonus. A clause is the part of a query for one of these numbers. The
engine visits every document that matches a clause, so common words take most of the time. Three rules save time. On
real queries they lose no answers (docs/retrieval.md):

* words that most texts have are left out;
* common words are looked up in titles only;
* only the rarer words choose documents. The other words only add to the scores of the chosen documents.

If these rules leave too few documents, a wide query lets the common words choose as well.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from wideseek_env.corpus.words import words

if TYPE_CHECKING:
    import tantivy

MAX_WORDS = 64
"""The number of words of a query that are used. Further words are ignored."""

MAX_TITLE_WORDS = 12
"""The longest title, in words, that gets the bonus when the query contains it among other words."""

_MAX_CHARACTERS = 4_000  # the room for 64 words: longer text is cut before it is split
_SMALL = 1_000  # with fewer documents no word is common: skipping words would save no time
_COMMON = 0.05  # share of the texts: a word in more of them is looked up in titles only
_EVERYWHERE = 0.3  # share of the texts: a word in more of them is not looked up
_CHOOSES = 0.0015  # share of the documents: a clause that matches no more chooses; so does the rarest word
_TITLE_WEIGHT = 1.25
_LATER = 0.4  # share of the bonus that a title at the end of the query loses: subjects are first
_CACHED = 1 << 15  # words whose counts and clauses are kept, a few hundred bytes each


class Built(NamedTuple):
    """A query for the engine.

    `query` is None when no document can match. `narrow` is True when a wide query would match more documents, with the
    same scores. `terms` are the words for snippets with their weights, rarest first.
    """

    query: tantivy.Query | None
    narrow: bool
    terms: list[tuple[str, float]]


class _Word(NamedTuple):
    """A word of the query. Words are sorted by the first two fields: rarer words first, equally rare words by
    spelling."""

    commonness: float  # the negated rarity
    word: str
    titles: int  # the number of titles with the word
    texts: int
    pages: int  # the number of pages with it as title
    term: tuple[str, float]  # the word and its rarity
    in_title: tuple[Any, Any]  # the clause for titles, useful only if a title has the word
    in_text: tuple[Any, Any]


class QueryBuilder:
    """Builds queries for one searcher. Its caches change no result, so threads may share it."""

    def __init__(self, schema: tantivy.Schema, searcher: tantivy.Searcher) -> None:
        import tantivy

        self._schema = schema
        self._searcher = searcher
        self._documents = searcher.num_docs
        self._query = tantivy.Query
        self._should, self._must = tantivy.Occur.Should, tantivy.Occur.Must
        small = self._documents < _SMALL
        self._chooses = self._documents * (1.0 if small else _CHOOSES)
        self._common = 0.0 if small else -_rarity(_COMMON)
        self._everywhere = 0.0 if small else -_rarity(_EVERYWHERE)
        self._word = lru_cache(_CACHED)(self._look_up)

    def build(self, text: str, wide: bool = False) -> Built:
        """The query for any string. With `wide`, common words also choose documents."""
        sequence = [self._word(word) for word in words(text[:_MAX_CHARACTERS])[:MAX_WORDS]]
        ranked = sorted({found.word: found for found in sequence}.values())
        rarest = next((found.commonness for found in ranked if found.texts or found.titles), None)
        if rarest is None:
            return Built(None, False, [found.term for found in ranked])
        common, everywhere = max(rarest, self._common), max(rarest, self._everywhere)
        choose = self._titles(sequence, ranked)
        add: list[tuple[Any, Any]] = []
        terms = []
        for commonness, _, titles, texts, _, term, in_title, in_text in ranked:
            at_most = self._documents if wide or commonness <= rarest else self._chooses
            if commonness <= everywhere and titles:
                (choose if titles <= at_most else add).append(in_title)
            if commonness <= common:
                terms.append(term)
                if texts:
                    (choose if texts <= at_most else add).append(in_text)
        query = self._query.boolean_query(choose)
        if add:
            query = self._query.boolean_query([(self._must, query), *add])
        return Built(query, bool(add), terms)

    def _titles(self, sequence: list[_Word], ranked: list[_Word]) -> list[tuple[Any, Any]]:
        """A clause for each title that the query contains, the longest first. A title that is part of a longer one is
        left out."""
        size = len(sequence)
        pages_named = self._searcher.doc_freq  # not cached: most keys never occur again
        if all(found.titles for found in sequence):
            whole = " ".join([found.word for found in sequence])
            if pages := pages_named("named", whole):
                # The query is a title. No sum of other scores may exceed that page's score. A page with just that title
                # must stay ahead of pages that add a qualifier, whose `named` score is a quarter less.
                highest = -2.2 * (1 + _TITLE_WEIGHT) * sum(found.commonness for found in ranked)
                return [self._title(whole, 4 * highest / _rarity((pages + 0.5) / self._documents))]
        spans: list[tuple[int, int, str]] = []
        for start in range(size):
            key = ""
            for end in range(start, min(start + MAX_TITLE_WORDS, size)):
                found = sequence[end]
                if not found.titles:
                    break
                key = f"{key} {found.word}" if key else found.word
                if end - start < size - 1 and (found.pages if end == start else pages_named("named", key)):
                    spans.append((start - end, start, key))
        chosen: list[tuple[Any, Any]] = []
        covered: list[tuple[int, int]] = []
        for negative, start, key in sorted(spans):
            if not any(left <= start and start - negative <= right for left, right in covered):
                chosen.append(self._title(key, 1 - _LATER * start / size))
                covered.append((start, start - negative))
        return chosen

    def _title(self, key: str, boost: float) -> tuple[Any, Any]:
        return self._should, self._query.boost_query(self._term("named", key), boost)

    def _look_up(self, word: str) -> _Word:
        texts, titles, pages = (self._searcher.doc_freq(field, word) for field in ("text", "title", "named"))
        rarity = _rarity((texts + 0.5) / self._documents) if self._documents else 0.0
        in_title = self._query.boost_query(self._term("title", word), _TITLE_WEIGHT) if titles else None
        in_text = self._term("text", word) if texts else None
        term, should = (word, rarity), self._should
        return _Word(-rarity, word, titles, texts, pages, term, (should, in_title), (should, in_text))

    def _term(self, field: str, value: str) -> Any:
        return self._query.term_query(self._schema, field, value, "freq")


def _rarity(share: float) -> float:
    """The weight of a word that this share of the texts has."""
    return math.log(1 + 1 / share)
