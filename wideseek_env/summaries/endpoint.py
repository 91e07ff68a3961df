"""`OpenAISummariser`: asks a language model behind an OpenAI-compatible endpoint for summaries."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from wideseek_env.addresses import without_keys
from wideseek_env.errors import ConfigError, WideSeekError
from wideseek_env.llm.budget import Endpoint, TokenBudget
from wideseek_env.llm.client import ChatClient
from wideseek_env.llm.retry import RetryPolicy
from wideseek_env.llm.usage import Prices, Usage
from wideseek_env.messages import Message
from wideseek_env.scoring.judging.cache import Cache, JudgeCache
from wideseek_env.summaries.base import Summary, SummaryRequest
from wideseek_env.summaries.cache import CACHE_BYTES, SummaryCache, request_key
from wideseek_env.summaries.failures import FailureLog
from wideseek_env.summaries.prompts import SummaryTexts, conversation, summary_of
from wideseek_env.timeouts import run_with_timeout

_LOG = logging.getLogger(__name__)
RETRY = RetryPolicy(attempts=3, first_wait=0.5, longest_wait=10.0)
"""A summary is tried less often than a verdict, because the parts of the page that fit by words can replace it."""


class OpenAISummariser:
    """A summariser that asks a model. The requests of one call are sent at the same time.

    Summaries are cached by the whole request and the model's name. Requests use temperature 0 and a fixed seed. A copy
    is the object itself. A pickle has the settings, and neither key nor cached summaries.

    Args:
        base_url: The URL of the API, such as ``http://127.0.0.1:8000/v1``.
        model: The name of the model on the server.
        api_key_env: The name of the environment variable with the key.
        texts: The texts of the requests.
        max_tokens: The most tokens of a summary, thinking included.
        fields: Fields added to every request. The value None leaves a field out, for models that refuse
            ``temperature`` or ``seed``.
        timeout: The seconds that one summary may take, retries included.
        concurrency: The most requests in flight at the same time.
        retry: When failed requests are sent again.
        prices: The prices from which the cost in `usage` is computed.
        cache_bytes: The most memory of cached summaries, in bytes.
        store: A further cache on disk: the path of an SQLite file, or a `Cache`. Several processes may share it.
        sleep: Waits a number of seconds, for tests.

    Raises:
        ConfigError: A setting is out of range.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str = "OPENAI_API_KEY",
        texts: SummaryTexts | None = None,
        max_tokens: int = 1024,
        fields: Mapping[str, Any] | None = None,
        timeout: float = 120.0,
        concurrency: int = 16,
        retry: RetryPolicy = RETRY,
        prices: Prices | None = None,
        cache_bytes: int = CACHE_BYTES,
        store: Cache | str | Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if max_tokens < 1:
            raise ConfigError(f"max_tokens of a summary must be at least 1, not {max_tokens}")
        self._client = ChatClient(
            base_url,
            model,
            api_key_env=api_key_env,
            timeout=timeout,
            concurrency=concurrency,
            retry=retry,
            prices=prices,
            sleep=sleep,
        )
        self.name = f"openai:{model}"
        self.texts = texts if texts is not None else SummaryTexts()
        self.fields = {"temperature": 0, "seed": 0, "max_tokens": max_tokens, **(fields or {})}
        self.timeout = timeout
        self._failures = FailureLog(_LOG)
        self._cache = SummaryCache(cache_bytes, JudgeCache(store) if isinstance(store, str | Path) else store)

    def __repr__(self) -> str:
        return f"OpenAISummariser({without_keys(self._client.base_url)!r}, {self._client.model!r})"

    def __copy__(self) -> OpenAISummariser:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> OpenAISummariser:
        return self

    @property
    def usage(self) -> Usage:
        """What this summariser has used since it was made. In an unpickled object, the counts start at zero."""
        return self._client.usage

    def summarise(self, requests: Sequence[SummaryRequest]) -> list[Summary]:
        """One summary for each request. A request that fails or takes too long gives a `Summary` with an error."""
        asked = [conversation(self.texts, request) for request in requests]
        keys = [request_key("openai", self._client.model, self.fields, messages) for messages in asked]
        return self._cache.answer(keys, lambda numbers: self._send([asked[number] for number in numbers]))

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The service that this object uses."""
        return self._client.endpoints

    @property
    def token_budget(self) -> TokenBudget | None:
        """The budget that `limit_tokens` set."""
        return self._client.token_budget

    def limit_tokens(self, budget: TokenBudget) -> None:
        """Count tokens in `budget`. When it is used up, requests fail with `BudgetError`."""
        self._client.limit_tokens(budget)

    def close(self) -> None:
        """Close the connections. The summariser can still be used after that."""
        self._client.close()

    def _send(self, asked: Sequence[list[Message]]) -> list[Summary]:
        def late(number: int) -> Summary:
            return Summary("", error=f"no summary within {self.timeout:g} seconds")

        summaries = run_with_timeout(
            [partial(self._one, messages) for messages in asked],
            late=late,
            timeout=self.timeout,
            workers=self._client.concurrency,
            name="wideseek-summary",
        )
        for summary in summaries:
            if summary.error:
                self._failures.tell(self.name, summary.error)
        return summaries

    def _one(self, messages: list[Message]) -> Summary:
        try:
            reply = self._client.chat(messages, self.fields, within=self.timeout)
        except WideSeekError as error:
            return Summary("", error=str(error)[:500])
        except Exception as error:  # a failure of one request must not end the others
            return Summary("", error=f"{type(error).__name__}: {error}"[:500])
        tokens = reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens
        return summary_of(reply.text, reply.finish_reason, *tokens)
