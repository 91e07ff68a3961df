"""The plugin through which verifiers finds WideSeek: `--env.taskset.id wideseek-verifiers`.

verifiers imports plugins as top-level modules. The code is in `wideseek_baselines.adapters`.
"""

from wideseek_baselines.adapters.verifiers_env import WideSeekEnv, WideSeekTaskset, load_environment
from wideseek_baselines.adapters.verifiers_harness import WideSeekHarness

__all__ = ["WideSeekEnv", "WideSeekHarness", "WideSeekTaskset", "load_environment"]
