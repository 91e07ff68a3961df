"""The plug-in by which verifiers finds WideSeek: `--env.taskset.id wideseek-verifiers`.

verifiers looks plug-ins up as top-level modules; everything is in `wideseek_baselines.adapters`.
"""

from wideseek_baselines.adapters.verifiers_env import WideSeekEnv, WideSeekTaskset, load_environment
from wideseek_baselines.adapters.verifiers_harness import WideSeekHarness

__all__ = ["WideSeekEnv", "WideSeekHarness", "WideSeekTaskset", "load_environment"]
