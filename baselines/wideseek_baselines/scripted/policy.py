"""`ScriptedPolicy`: lead, subagent and single agent that follow fixed rules."""

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
    """A scripted team that does not cheat.

    The policy uses only what an agent reads: its prompt, tool schemas and messages. It has no state. So the same
    conversation always leads to the same message, with every driver.

    Args:
        delegate_limit: The largest number of subagents that one delegation starts. None means the number that the rules
            allow.
        context: The largest number of characters of one agent's conversation. Subagents and the single agent stop
            reading before they reach it. The default is `Rules.context` of the default rules.
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
        """Does nothing, because no decision depends on chance or on earlier episodes."""

    def act(self, turns: Sequence[Turn]) -> Sequence[Action]:
        """The messages of the acting agents, one for each turn."""
        return [self._message(turn) for turn in turns]

    def _message(self, turn: Turn) -> str:
        prompt = next((str(m["content"]) for m in turn.messages if m["role"] == "system"), "")
        toolbox = Toolbox.of(turn.tools, prompt, one_call=turn.first_call_only)
        if turn.role == "lead":
            return lead_turn(turn, toolbox, self.delegate_limit)
        if turn.role == "subagent":
            return subagent_turn(turn, toolbox, self.context)
        return single_turn(turn, toolbox, self.context)
