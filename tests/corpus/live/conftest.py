"""The fixtures of the fetching tests, for what is built on fetching."""

from __future__ import annotations

from loopback_web import fetcher_for, time, web

__all__ = ["fetcher_for", "time", "web"]
