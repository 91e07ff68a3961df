"""Makes what other tests share importable here."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tokens"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "llm"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "train"))
