"""`ScriptedPolicy`: lead, subagent and single agent by fixed rules, each message a function of its conversation."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_baselines.scripted.lead import lead_turn
from wideseek_baselines.scripted.single import single_turn
from wideseek_baselines.scripted.subagent import subagent_turn
from wideseek_baselines.scripted.toolbox import Toolbox
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Action
from wideseek_env.policy import Turn


class ScriptedPolicy:
    """An honest scripted team.

    It reads what an agent reads – prompt, tool schemas, messages – and nothing else; it has no state, so the
    same conversation gives the same message under every driver and in any order.

    Args:
        delegate_limit: Subagents started at once at most; None for as many as the rules allow.
        context: Characters that one agent's conversation may come to; subagents and the single agent stop
            reading in time. `Rules.context` of the default rules.
    """

    name = "scripted"

    def __init__(self, delegate_limit: int | None = None, context: int = 131_072) -> None:
        if delegate_limit is not None and delegate_limit < 1:
            raise ConfigError(f"delegate_limit must be at least 1, not {delegate_limit}")
        if context < 1:
            raise ConfigError(f"context must be at least 1, not {context}")
        self.delegate_limit = delegate_limit
        self.context = context

    def reset(self, seed: int) -> None:
        """Nothing to reset: no decision depends on chance or on earlier episodes."""

    def act(self, turns: Sequence[Turn]) -> Sequence[Action]:
        """One message for each turn."""
        return [self._message(turn) for turn in turns]

    def _message(self, turn: Turn) -> str:
        prompt = next((str(m["content"]) for m in turn.messages if m["role"] == "system"), "")
        toolbox = Toolbox.of(turn.tools, prompt)
        if turn.role == "lead":
            return lead_turn(turn, toolbox, self.delegate_limit)
        if turn.role == "subagent":
            return subagent_turn(turn, toolbox, self.context)
        return single_turn(turn, toolbox, self.context)
