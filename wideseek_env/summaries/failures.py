"""`FailureLog`: logs why pages were not summarised, each reason once."""

from __future__ import annotations

import logging

_MOST = 100


class FailureLog:
    """Writes warnings to a logger. A long run has thousands of pages, so a repeated reason is not logged again."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._told: set[str] = set()

    def tell(self, name: str, reason: str) -> None:
        """Log that the summariser `name` gave no summary."""
        if reason not in self._told and len(self._told) < _MOST:
            self._told.add(reason)
            self._logger.warning("%s gave no summary: %s (logged once)", name, reason)
