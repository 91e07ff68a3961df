"""What an agent typed becomes a query object; nothing in it is syntax.

A query is a sum of scores: each word in the text and in the title, and each title that stands in the query as a
whole. The engine visits every document that one of its clauses names, so the time goes with how common the words
are. Three cuts, none of which costs answers on real queries (docs/retrieval.md): words that most texts have
are left out, common words are looked for in titles only, and only the rarer words choose documents, the others
merely add to the scores of those. Where that leaves too few documents, a wide query lets the common words choose as
well.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from wideseek_env.corpus.words import words

if TYPE_CHECKING:
    import tantivy

MAX_WORDS = 64
"""Words of a query that count; the rest is ignored."""

MAX_TITLE_WORDS = 12
"""Titles up to this many words earn the bonus for standing in the query among other words."""

_MAX_CHARACTERS = 4_000  # what 64 words may take; more is not even split
_SMALL = 1_000  # below this number of documents nothing is common: skipping words saves no time there
_COMMON = 0.05  # of the texts: a word in more of them is looked for in titles only
_EVERYWHERE = 0.3  # of the texts: a word in more of them is not looked for at all
_CHOOSES = 0.0015  # of the documents: a clause that names no more chooses; the rarest word always does
_TITLE_WEIGHT = 1.25
_LATER = 0.4  # a title at the very end of the query would lose this share of its bonus: subjects come first
_CACHED = 1 << 15  # words whose numbers and clauses are kept, a few hundred bytes each


class Built(NamedTuple):
    """`query` is None when no document can match; `narrow` says that a wide query would match more documents, with
    the same scores; `terms` are the words for snippets with their weights, rarest first."""

    query: tantivy.Query | None
    narrow: bool
    terms: list[tuple[str, float]]


class _Word(NamedTuple):
    """Compares by its first two fields: the rarest first, equally rare words by spelling."""

    commonness: float  # the rarity, negated
    word: str
    titles: int  # how many have it
    texts: int
    pages: int  # how many have it for a title
    term: tuple[str, float]  # the word and its rarity
    in_title: tuple[Any, Any]  # the clause that looks for it in titles; of use only if some have it
    in_text: tuple[Any, Any]


class QueryBuilder:
    """Builds queries for one searcher; what it remembers changes no result, so threads may share it."""

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
        """The query for any string; see `Built`."""
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
        """A clause for each title that stands in the query, the longest first; none inside another."""
        size = len(sequence)
        pages_named = self._searcher.doc_freq  # not remembered: most keys never come again
        if all(found.titles for found in sequence):
            whole = " ".join([found.word for found in sequence])
            if pages := pages_named("named", whole):
                # The query is a title: no sum of other scores may come before that page, and a page with just
                # that title must stay before those that add a qualifier, whose `named` score is a quarter less.
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
    """What a word is worth that this share of the texts has."""
    return math.log(1 + 1 / share)
