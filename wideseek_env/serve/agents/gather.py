"""`TurnGatherer`: joins tool calls that arrive at nearly the same time into one turn.

The protocol transfers single calls. A framework sends all calls of a model's message at the same time. The first call
opens a turn. Calls that arrive within a short time join it, until the turn is full.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from wideseek_env.errors import ActionError
from wideseek_env.messages import Message
from wideseek_env.serve.agents.native import assistant
from wideseek_env.serve.agents.outside import Reply


@dataclass
class _Turn:
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    full: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)
    reply: Reply | None = None
    error: Exception | None = None


class TurnGatherer:
    """Sends the calls of one agent turn by turn. All calls of its methods must be in the same event loop.

    Args:
        act: Runs a message of the agent and returns its results.
        window: Seconds for which a turn stays open for more calls.
        most: Maximum number of calls in a turn.
    """

    def __init__(self, act: Callable[[Message], Awaitable[Reply]], *, window: float, most: int) -> None:
        self._act = act
        self._window = window
        self._most = most
        self._open: _Turn | None = None
        self._one = anyio.Lock()
        self._count = 0

    async def call(self, name: str, arguments: Mapping[str, Any]) -> tuple[Reply, int]:
        """Add a call to the open turn. Returns the results of the turn and the number of this call in the turn.

        Raises:
            ActionError: It is not the agent's turn.
        """
        turn, first = self._open, False
        if turn is None:
            turn = self._open = _Turn()
            first = True
        number = len(turn.calls)
        self._count += 1
        turn.calls.append((f"call_{self._count}", name, dict(arguments)))
        if len(turn.calls) >= self._most:
            turn.full.set()
            self._open = None
        if first:
            # Other calls wait for this turn, so it continues even if this call's client has disconnected.
            with anyio.CancelScope(shield=True):
                await self._play(turn)
        await turn.done.wait()
        if turn.error is not None:
            raise turn.error
        if turn.reply is None:
            raise ActionError("the turn was not played")
        return turn.reply, number

    async def finish(self, text: str) -> Reply:
        """Submit the agent's final message."""
        async with self._one:
            return await self._act(assistant([], text))

    async def _play(self, turn: _Turn) -> None:
        with anyio.move_on_after(self._window):
            await turn.full.wait()
        if self._open is turn:
            self._open = None
        try:
            async with self._one:
                turn.reply = await self._act(assistant(turn.calls))
        except Exception as error:
            turn.error = error
        finally:
            turn.done.set()
