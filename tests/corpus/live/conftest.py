"""The fixtures of the fetching tests, for what is built on fetching."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "net"))

from loopback_web import fetcher_for, time, web

__all__ = ["fetcher_for", "time", "web"]
