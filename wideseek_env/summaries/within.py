"""`summaries_within` calls any summariser safely: with a time limit, and with a check of what it returns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from wideseek_env.errors import ConfigError
from wideseek_env.reprs import short
from wideseek_env.summaries.base import Summariser, Summary, SummaryRequest
from wideseek_env.timeouts import run_with_timeout

BATCH = 16
"""For each batch of this many pages, a summariser has the whole time limit."""

_LOG = logging.getLogger(__name__)


def summaries_within(
    summariser: Summariser, requests: Sequence[SummaryRequest], timeout: float
) -> list[Summary]:
    """One summary for each request. If the summariser fails or hangs, each has an error.

    Args:
        summariser: The summariser. Usually it has a shorter time limit itself.
        requests: The requests.
        timeout: The seconds that the summariser may take for 16 requests.

    Raises:
        ConfigError: The summariser says that a setting is wrong.
    """
    limit = timeout * -(-len(requests) // BATCH)

    def failed(reason: str) -> list[Summary]:
        _LOG.warning("the summariser %s failed: %s", short(getattr(summariser, "name", summariser)), reason)
        return [Summary("", error=reason)] * len(requests)

    def work() -> list[Summary] | ConfigError:
        try:
            return _checked(summariser.summarise(requests), len(requests))
        except ConfigError as error:
            return error
        except Exception as error:
            return failed(f"{type(error).__name__}: {error}"[:500])

    def late(_: int) -> list[Summary] | ConfigError:
        return failed(f"no answer within {limit:g} seconds")

    (answer,) = run_with_timeout([work], late=late, timeout=limit, workers=1, name="wideseek-summaries")
    if isinstance(answer, ConfigError):
        raise answer
    return answer


def _checked(summaries: object, count: int) -> list[Summary]:
    """What a summariser returned. Raises `TypeError` if it is not one `Summary` for each request."""
    if not isinstance(summaries, Sequence) or isinstance(summaries, str) or len(summaries) != count:
        raise TypeError(f"summarise must return {count} summaries, not {short(summaries)}")
    for summary in summaries:
        if not isinstance(summary, Summary) or not isinstance(summary.text, str):
            raise TypeError(f"a summary must be a Summary with text, not {short(summary)}")
    return [
        each if each.text.strip() or each.error else replace(each, error="the summary is empty")
        for each in summaries
    ]
