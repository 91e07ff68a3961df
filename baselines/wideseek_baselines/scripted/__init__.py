"""A scripted team that does not cheat: every decision depends only on text that the acting agent can read."""

from wideseek_baselines.scripted.policy import ScriptedPolicy

__all__ = ["ScriptedPolicy"]
