"""Spaces of Unicode text for observations and actions.

Gymnasium's `Text` space allows only a fixed set of characters. These spaces contain every string up to a length. The
action space also contains messages in OpenAI shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

_WORDS = (
    "the list of museums rivers in northern region founded before after when which name city year table report "
    "page unknown 1873 1,204 3.5 km² – Ünïcode 河流 博物馆 列表 🗺 | --- | <think> </think> ``` { } \\ \" '"
).split(" ")


class TextSpace(gymnasium.Space[str]):
    """All strings of at most `max_length` characters that UTF-8 can encode. Samples are a few words."""

    def __init__(self, max_length: int, seed: int | np.random.Generator | None = None) -> None:
        self.max_length = max_length
        super().__init__(None, None, seed)

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> str:
        """A few random words."""
        return self._words()[: self.max_length]

    def contains(self, x: Any) -> bool:
        """Whether `x` is a string within the length."""
        return isinstance(x, str) and len(x) <= self.max_length

    @property
    def is_np_flattenable(self) -> bool:
        """False, because text has no fixed size."""
        return False

    def to_jsonable(self, sample_n: Iterable[str]) -> list[Any]:
        """Return the samples as a list. They are JSON already."""
        return list(sample_n)

    def from_jsonable(self, sample_n: list[Any]) -> list[str]:
        """The inverse of `to_jsonable`."""
        return list(sample_n)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__.get("max_length") == self.max_length

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.max_length})"

    def _words(self) -> str:
        picks: NDArray[np.int64] = self.np_random.integers(
            len(_WORDS), size=int(self.np_random.integers(0, 9))
        )
        return " ".join(_WORDS[pick] for pick in picks)


class ActionSpace(TextSpace):
    """The actions of an agent: text, or a mapping in the shape of an assistant message (`content`, `tool_calls`).

    Samples are answers, well-formed tool calls, malformed ones and calls of tools that the agent does not have, in text
    or native form. So random actions test every part of the rules.
    """

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> Any:
        """A random action: an answer, a well-formed or malformed tool call, or a call of a tool that the agent does not
        have."""
        rng = self.np_random
        name, arguments = self._call()
        call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
        match int(rng.integers(10)):
            case 0:
                text = self._words()
            case 1:
                text = f"| {self._words()} | b |\n|---|---|\n| {self._words()} | 2 |"
            case 2:
                text = f"<tool_call>{call[: int(rng.integers(len(call)))]}"
            case 3:
                text = f"<tool_call>{self._words()}</tool_call>"
            case 4:
                return {
                    "role": "assistant",
                    "content": self._words(),
                    "tool_calls": [
                        {
                            "id": "c0",
                            "type": "function",
                            "function": {"name": name, "arguments": json.dumps(arguments)},
                        }
                    ],
                }
            case 5:
                text = "".join(f"<tool_call>{call}</tool_call>\n" for _ in range(int(rng.integers(1, 9))))
            case _:
                text = f"{self._words()}\n<tool_call>\n{call}\n</tool_call>"
        return text[: self.max_length]

    def contains(self, x: Any) -> bool:
        """Whether `x` is text within the length, or a mapping whose content is text within the length."""
        if isinstance(x, Mapping):
            content = x.get("content")
            return content is None or super().contains(content)
        return super().contains(x)

    def _call(self) -> tuple[str, dict[str, Any]]:
        rng = self.np_random
        match int(rng.integers(7)):
            case 0 | 1:
                return "delegate", {"subtasks": [self._words() for _ in range(int(rng.integers(0, 13)))]}
            case 2 | 3:
                return "search", {"query": self._words(), "count": int(rng.integers(-1, 20))}
            case 4:
                return "browse", {
                    "url": f"https://{self._words()}.example/",
                    "chunk": int(rng.integers(0, 4)),
                }
            case 5:
                return "search", {"queries": [{"query": self._words()}]}
            case _:
                return "no_such_tool", {self._words(): None}
