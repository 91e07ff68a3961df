"""`check_corpus`: checks that a custom corpus keeps the rules of `wideseek_env.corpus.base.Corpus`."""

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
"""Queries that are ordinary text, but that a query parser may read as syntax or as empty."""

_HITS = "search(queries, k) must return, for each query, a list of at most k SearchHit, best first"


def check_corpus(corpus: Corpus, queries: Sequence[str]) -> None:
    """Check a corpus with `queries` that should find something. The check closes the corpus.

    - The corpus has a `name`, and its attribute `blocking` is True or False.
    - Batched, single and repeated searches give the same results: at most k, best first, each page once.
    - Every result has a title and an address without spaces, and `browse` can open its page.
    - Any string is a legal query. A query without words finds nothing.
    - An unknown address gives None.
    - `close` can be called twice.

    Raises:
        ConformanceError: The corpus breaks one of these rules. The message is about the first broken rule.
    """
    check = Checker("the corpus")
    check.require(
        isinstance(corpus, Corpus), "protocol", f"{type(corpus).__name__} lacks name, blocking, search, fetch or close",
        "Add all of them, as in wideseek_env.corpus.base.Corpus",
    )  # fmt: skip
    check.name(corpus)
    check.require(
        isinstance(corpus.blocking, bool), "blocking", f"blocking is {corpus.blocking!r}",
        "Make it True if calls wait for a network or a server, else False",
    )  # fmt: skip
    check.require(queries, "queries", "no queries were given", "Give queries that should find something")
    batch = _search(check, corpus, list(queries), 5)
    for query, hits in zip(queries, batch, strict=True):
        check.require(
            hits, "results", f"nothing was found for {query!r}",
            getattr(hits, "error", "") or "Give queries that the corpus can answer, or check its index",
        )  # fmt: skip
        _check_hits(check, query, hits, 5)
        check.require(
            _search(check, corpus, [query], 5) == [hits], "determinism",
            f"{query!r} alone, or a second time, gives other results than in a batch",
            "Results must depend only on the query; order equal scores by something fixed, such as the address",
        )  # fmt: skip
        check.require(
            _search(check, corpus, [query], 1) == [hits[:1]], "results",
            f"the result of {query!r} with k=1 is not the first of k=5", _HITS,
        )  # fmt: skip
        read = [_check_page(check, corpus, hit) for hit in hits]
        check.require(
            any(text is None or not text.endswith("(This page has no text.)") for text in read), "page",
            f"an agent that opens a result of {query!r} reads {read[0]!r:.120}",
            "Return pages as HTML that contains their text",
        )  # fmt: skip
    check.require(
        _search(check, corpus, [], 3) == [],
        "results",
        "an empty list of queries gave results",
        "Return an empty list for it",
    )
    for query, hits in zip(AWKWARD_QUERIES, _search(check, corpus, list(AWKWARD_QUERIES), 3), strict=True):
        _check_hits(check, query[:40], hits, 3)
    check.require(
        _search(check, corpus, [""], 3) == [[]], "results", "a query without words found something",
        "Return an empty list of results for it",
    )  # fmt: skip
    for url in ("https://nowhere.invalid/no/such/page", ""):
        page = check.call(
            f"fetch({url!r})", "Agents often give unknown addresses: return None for them",
            functools.partial(corpus.fetch, url),
        )  # fmt: skip
        check.require(
            page is None,
            "unknown page",
            f"fetch({url!r}) gave {page!r:.80}",
            "Return None for an unknown address",
        )
    for _ in range(2):
        check.call(
            "close", "close must release what is open, and do nothing when it is called again", corpus.close
        )


def _search(check: Checker, corpus: Corpus, queries: list[str], k: int) -> list[list[SearchHit]]:
    asked = list(queries)
    found: Any = check.call(
        f"search({queries!r:.80}, {k})",
        "Any string is a legal query: escape the syntax of your query parser; return a FailedSearch for a query "
        "that cannot be answered",
        lambda: corpus.search(asked, k),
    )
    check.require(
        asked == queries,
        "untouched",
        "search changed the list of queries",
        "Copy the list before you change it",
    )
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
            "Give every result the address of its page, without spaces: agents read it in a line and copy it",
        )  # fmt: skip
        check.require(
            isinstance(hit.title, str) and isinstance(hit.snippet, str), "results",
            f"title and snippet of {hit.url} are {hit.title!r:.40} and {hit.snippet!r:.40}", "Both must be text",
        )  # fmt: skip
        number = isinstance(hit.score, int | float) and math.isfinite(hit.score)
        check.require(
            number, "results", f"the score of {hit.url} is {hit.score!r}", "Scores must be finite numbers"
        )
    scores = [hit.score for hit in hits]
    check.require(
        scores == sorted(scores, reverse=True),
        "results",
        f"the results of {query!r} are not best first: {scores}",
        _HITS,
    )
    check.require(
        len({hit.url for hit in hits}) == len(hits), "results", f"a page occurs twice in the results of {query!r}",
        "Return each page once, with its best passage",
    )  # fmt: skip


def _check_page(check: Checker, corpus: Corpus, hit: SearchHit) -> str | None:
    """The text that an agent reads when it opens the page. None if the page has an error."""
    page: Any = check.call(
        f"fetch({hit.url!r})", "Return a Page with status and error if the page is not available",
        functools.partial(corpus.fetch, hit.url),
    )  # fmt: skip
    check.require(
        isinstance(page, Page), "page", f"the result {hit.url} cannot be opened: fetch gave {page!r:.80}",
        "fetch must know every address that search returns, in the same spelling",
    )  # fmt: skip
    check.require(
        isinstance(page.html, str) and isinstance(page.status, int) and isinstance(page.error, str), "page",
        f"the page {hit.url} has html of type {type(page.html).__name__} and status {page.status!r}",
        "html and error must be text, and status an HTTP status as a whole number",
    )  # fmt: skip
    check.require(
        corpus.fetch(hit.url) == page, "determinism", f"{hit.url} is another page the second time",
        "Keep pages unchanged during a run",
    )  # fmt: skip
    result = CorpusTools(corpus).run(
        [ToolCall("check/0/0", "check", "browse", {"url": hit.url, "chunk": 1, "focus": ""})]
    )[0]
    if page.status >= 400 or page.error:
        return None
    check.require(
        result.ok, "page", f"an agent that opens {hit.url} reads {result.text!r:.120}",
        "Return the page as HTML; for a page that is gone, set status 410 and an error",
    )  # fmt: skip
    return result.text
