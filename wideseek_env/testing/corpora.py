"""`check_corpus`: whether a corpus of one's own keeps the promises of `wideseek_env.corpus.base.Corpus`."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from wideseek_env.corpus.base import Corpus, FailedSearch, Page, SearchHit
from wideseek_env.messages import ToolCall
from wideseek_env.testing.conformance import Checker
from wideseek_env.tools.executor import CorpusTools

AWKWARD_QUERIES = (
    "",
    " \n\t",
    "\"unbalanced 'quotes",
    "title:x AND (y OR -z)",
    "a/b*c?d~e^2 [1 TO 5] {x} +y && || !",
    "\x00\x01",
    "河流的长度",
    "🗺" * 50,
    "word " * 5000,
)
"""Queries that are ordinary text to a searcher and syntax, or nothing, to a query parser."""

_HITS = "search(queries, k) gives a list for each query, of at most k SearchHit, best first"


def check_corpus(corpus: Corpus, queries: Sequence[str]) -> None:
    """Check a corpus with `queries` that should find something.

    - it has a name and says whether it is `blocking`;
    - batched and single searches agree and so do repeated ones; at most k results come, best first, each page once;
    - every result has an address without spaces and a title, and its page can be opened by `browse`;
    - any string is a legal query, and one without words finds nothing; an unknown address gives None;
    - closing twice is harmless (the corpus is closed at the end).

    Raises `ConformanceError` for the first promise that is broken.
    """
    check = Checker("the corpus")
    check.require(
        isinstance(corpus, Corpus), "protocol", f"{type(corpus).__name__} lacks name, blocking, search, fetch or close",
        "Write all of them; see wideseek_env.corpus.base.Corpus",
    )  # fmt: skip
    check.name(corpus)
    check.require(
        isinstance(corpus.blocking, bool), "blocking", f"blocking is {corpus.blocking!r}",
        "True when calls wait for a network or a server, else False",
    )  # fmt: skip
    check.require(queries, "queries", "no queries were given", "Name some that should find something")
    batch = _search(check, corpus, list(queries), 5)
    for query, hits in zip(queries, batch, strict=True):
        check.require(
            hits, "results", f"nothing was found for {query!r}",
            getattr(hits, "error", "") or "Give queries that the corpus can answer, or look into its index",
        )  # fmt: skip
        _check_hits(check, query, hits, 5)
        check.require(
            _search(check, corpus, [query], 5) == [hits], "determinism",
            f"{query!r} alone, or once more, gives other results than in a batch",
            "What a query finds may depend on nothing else; settle ties by something fixed, such as the address",
        )  # fmt: skip
        check.require(
            _search(check, corpus, [query], 1) == [hits[:1]], "results",
            f"{query!r} with k=1 is not the first of k=5", _HITS,
        )  # fmt: skip
        read = [_check_page(check, corpus, hit) for hit in hits]
        check.require(
            any(text is None or not text.endswith("(This page has no text.)") for text in read), "page",
            f"an agent that opens what {query!r} finds reads {read[0]!r:.120}",
            "Give pages as HTML with their text in it",
        )  # fmt: skip
    check.require(
        _search(check, corpus, [], 3) == [],
        "results",
        "no queries gave results",
        "No queries give an empty list",
    )
    for query, hits in zip(AWKWARD_QUERIES, _search(check, corpus, list(AWKWARD_QUERIES), 3), strict=True):
        _check_hits(check, query[:40], hits, 3)
    check.require(
        _search(check, corpus, [""], 3) == [[]], "results", "a query without words found something",
        "Give an empty list for it",
    )  # fmt: skip
    for url in ("https://nowhere.invalid/no/such/page", ""):
        page = check.call(
            f"fetch({url!r})", "An unknown address is an everyday mistake of agents: give None",
            functools.partial(corpus.fetch, url),
        )  # fmt: skip
        check.require(
            page is None,
            "unknown page",
            f"fetch({url!r}) gave {page!r:.80}",
            "Give None for an unknown address",
        )
    for _ in range(2):
        check.call(
            "close", "close releases what is open; the second time there is nothing left", corpus.close
        )


def _search(check: Checker, corpus: Corpus, queries: list[str], k: int) -> list[list[SearchHit]]:
    asked = list(queries)
    found: Any = check.call(
        f"search({queries!r:.80}, {k})",
        "Any string is a legal query: escape what a query parser takes for syntax; give a FailedSearch for a query "
        "that could not be answered",
        lambda: corpus.search(asked, k),
    )
    check.require(asked == queries, "untouched", "search changed the list of queries", "Copy it")
    check.require(isinstance(found, list), "results", f"search gave {type(found).__name__}", _HITS)
    check.require(
        len(found) == len(queries),
        "results",
        f"{len(queries)} queries gave {len(found)} lists of results",
        _HITS,
    )
    for hits in found:
        check.require(isinstance(hits, list), "results", f"the results are {type(hits).__name__}", _HITS)
    return list(found)


def _check_hits(check: Checker, query: str, hits: Sequence[SearchHit], k: int) -> None:
    if isinstance(hits, FailedSearch):
        return
    check.require(len(hits) <= k, "results", f"{query!r} gave {len(hits)} results for k={k}", _HITS)
    for hit in hits:
        check.require(
            isinstance(hit, SearchHit), "results", f"{query!r} gave {type(hit).__name__} {hit!r:.80}", _HITS
        )
        check.require(
            isinstance(hit.url, str) and hit.url and not any(c.isspace() or not c.isprintable() for c in hit.url),
            "address", f"a result of {query!r} has the address {hit.url!r:.80}",
            "Every result needs the address of its page, in one word: agents read it in a line and copy it",
        )  # fmt: skip
        check.require(
            isinstance(hit.title, str) and isinstance(hit.snippet, str), "results",
            f"title and snippet of {hit.url} are {hit.title!r:.40} and {hit.snippet!r:.40}", "Both are text",
        )  # fmt: skip
        number = isinstance(hit.score, int | float) and math.isfinite(hit.score)
        check.require(
            number, "results", f"the score of {hit.url} is {hit.score!r}", "Scores are finite numbers"
        )
    scores = [hit.score for hit in hits]
    check.require(
        scores == sorted(scores, reverse=True),
        "results",
        f"those of {query!r} are not best first: {scores}",
        _HITS,
    )
    check.require(
        len({hit.url for hit in hits}) == len(hits), "results", f"a page occurs twice among those of {query!r}",
        "Give each page once, with its best passage",
    )  # fmt: skip


def _check_page(check: Checker, corpus: Corpus, hit: SearchHit) -> str | None:
    """What an agent reads that opens the page; None where it says itself why it cannot be read."""
    page: Any = check.call(
        f"fetch({hit.url!r})", "A page that cannot be had is a Page with status and error",
        functools.partial(corpus.fetch, hit.url),
    )  # fmt: skip
    check.require(
        isinstance(page, Page), "page", f"the result {hit.url} cannot be opened: fetch gave {page!r:.80}",
        "fetch must know every address that search gives, spelt as search gives it",
    )  # fmt: skip
    check.require(
        isinstance(page.html, str) and isinstance(page.status, int) and isinstance(page.error, str), "page",
        f"the page {hit.url} has html of type {type(page.html).__name__} and status {page.status!r}",
        "html and error are text, status is a number as of HTTP",
    )  # fmt: skip
    check.require(
        corpus.fetch(hit.url) == page, "determinism", f"{hit.url} is another page the second time",
        "Keep pages as they are for the time of a run",
    )  # fmt: skip
    result = CorpusTools(corpus).run(
        [ToolCall("check/0/0", "check", "browse", {"url": hit.url, "chunk": 1, "focus": ""})]
    )[0]
    if page.status >= 400 or page.error:
        return None
    check.require(
        result.ok, "page", f"an agent that opens {hit.url} reads {result.text!r:.120}",
        "Give the page as HTML; one that is gone has status 410 and an error",
    )  # fmt: skip
    return result.text
