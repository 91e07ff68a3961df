"""`create_app`: serves a corpus at `/retrieve` and `/access`, with `/health` and `/metrics`."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from wideseek_env.corpus.base import Corpus
from wideseek_env.corpus.remote import CLIENT_HEADER, PASSAGE_HEADER
from wideseek_env.errors import MissingDependencyError, extra_hint
from wideseek_env.serve.gate import Gate
from wideseek_env.serve.metrics import CONTENT_TYPE, Metrics
from wideseek_env.serve.settings import ServeSettings
from wideseek_env.timeouts import check_time, time_limit

try:
    from fastapi import FastAPI, HTTPException, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse, PlainTextResponse, Response
    from starlette.exceptions import HTTPException as StarletteHTTPException
except ImportError as error:
    raise MissingDependencyError(f"serving a corpus needs FastAPI ({error}); {extra_hint('serve')}") from None

from wideseek_env.serve.wire import AccessRequest, RetrieveRequest, accessed, retrieved

_log = logging.getLogger("wideseek.serve")
_T = TypeVar("_T")
_LONGEST_SNIPPET = 100_000


def create_app(
    corpus: Corpus,
    settings: ServeSettings | None = None,
    *,
    metrics_folder: Path | None = None,
    close_corpus: bool = False,
) -> FastAPI:
    """An ASGI application that answers `RemoteCorpus` and the clients of Search-R1, ASearcher and RLinf.

    Args:
        corpus: The corpus to serve.
        settings: Limits and key. None means the defaults of `ServeSettings`.
        metrics_folder: Folder in which the workers of one service share their counters. With None, each process has its
            own counters.
        close_corpus: Close the corpus when the application stops.

    Raises:
        ConfigError: A key is required, but the environment variable is not set.
    """
    limits = settings or ServeSettings()
    key = limits.key()
    metrics = Metrics(metrics_folder)
    pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="wideseek-serve")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        pool.shutdown(wait=True, cancel_futures=True)
        if close_corpus:
            corpus.close()

    async def compute(path: str, call: Callable[[], _T]) -> _T:
        """Run `call` on a thread, with the time limit of the settings. The thread is free again soon after it."""
        end = time.monotonic() + limits.timeout

        def limited() -> _T:
            with time_limit(end - time.monotonic()):
                check_time()  # the request may have waited for a thread
                return call()

        try:
            future = asyncio.get_running_loop().run_in_executor(pool, limited)
            return await asyncio.wait_for(future, limits.timeout)
        except TimeoutError:
            metrics.failure(path)
            raise HTTPException(504, f"no answer within {limits.timeout:g} seconds") from None
        except Exception as error:
            metrics.failure(path)
            _log.exception("%s failed", path)
            # The message may contain paths of this machine, so it goes only into the log.
            raise HTTPException(500, f"the corpus failed ({type(error).__name__})") from None

    app = FastAPI(
        title="WideSeek retrieval", version=version("wideseek-env"), lifespan=lifespan, redoc_url=None
    )
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_middleware(Gate, settings=limits, metrics=metrics, key=key)

    @app.post("/retrieve")
    async def retrieve(body: RetrieveRequest, request: Request) -> Response:
        """Search the corpus. The answer has the documents of each query."""
        _check("queries", body.queries, limits.max_queries, limits.max_query_chars)
        k = body.topk or limits.default_k
        if not 1 <= k <= limits.max_k:
            raise HTTPException(422, f"topk must be from 1 to {limits.max_k}, not {k}")
        metrics.batch("/retrieve", len(body.queries))
        call = partial(
            retrieved,
            corpus,
            body.queries,
            k,
            scores=body.return_scores,
            ours=CLIENT_HEADER in request.headers,
            passage_chars=limits.passage_chars,
            snippet_chars=_snippet_chars(request),
        )
        return JSONResponse({"result": await compute("/retrieve", call)})

    @app.post("/access")
    async def access(body: AccessRequest, request: Request) -> Response:
        """Get pages. The answer has the page at each URL, or null."""
        _check("urls", body.urls, limits.max_urls, limits.max_query_chars)
        metrics.batch("/access", len(body.urls))
        ours = CLIENT_HEADER in request.headers
        call = partial(accessed, corpus, body.urls, ours=ours, page_chars=limits.page_chars)
        return JSONResponse({"result": await compute("/access", call)})

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether this worker answers requests, with the name of the corpus and its number of pages."""
        pages = len(corpus) if isinstance(corpus, Sized) else None
        return {"status": "ok", "corpus": corpus.name, "pages": pages, "worker": os.getpid()}

    @app.get("/metrics")
    async def counters() -> Response:
        """The counters of all workers in Prometheus text format."""
        return PlainTextResponse(metrics.text(), media_type=CONTENT_TYPE)

    return app


def _snippet_chars(request: Request) -> int | None:
    """The length of snippets that a `RemoteCorpus` asks for, or None."""
    asked = request.headers.get(PASSAGE_HEADER)
    if asked is None:
        return None
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 10 and int(asked)):
        raise HTTPException(422, f"{PASSAGE_HEADER} must be a number of characters, not {asked[:20]}")
    return min(int(asked), _LONGEST_SNIPPET)


def _check(what: str, strings: Sequence[str], most: int, longest: int) -> None:
    if len(strings) > most:
        raise HTTPException(413, f"{len(strings)} {what} are too many: at most {most} in a request")
    for number, text in enumerate(strings):
        if len(text) > longest:
            raise HTTPException(
                422, f"{what}[{number}] has {len(text)} characters: at most {longest} are allowed"
            )


async def _invalid(request: Request, error: Exception) -> Response:
    """An error about the first invalid field of the request."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return JSONResponse({"error": "the body is not JSON"}, 400)
    place = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
    return JSONResponse({"error": f"{place}: {first['msg']}"}, 422)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)
