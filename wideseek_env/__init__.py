"""WideSeek: a multi-agent environment for broad information seeking.

``wideseek_env.parallel_env()`` is the PettingZoo parallel environment, ``wideseek_env.env()`` its AEC form and
``gymnasium.make("WideSeek-v0")`` the single agent. All work offline on a synthetic world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gymnasium

from wideseek_env.lazy import lazy_exports

if TYPE_CHECKING:
    from wideseek_env.aec import env
    from wideseek_env.conversation import Outcome
    from wideseek_env.corpus.base import Corpus, Page, SearchHit
    from wideseek_env.episode import Episode
    from wideseek_env.lockstep import Play
    from wideseek_env.messages import ToolCall, ToolResult
    from wideseek_env.parallel import WideSeekEnv, parallel_env
    from wideseek_env.policy import EpisodePlayer, Job, Played, Policy, Turn, make_policy
    from wideseek_env.profiles import Profile
    from wideseek_env.rewards import Reward
    from wideseek_env.rules import Rules
    from wideseek_env.runner import play_episode
    from wideseek_env.scoring import TableScore, score_response
    from wideseek_env.setup import Setup
    from wideseek_env.single import WideSeekSingleEnv
    from wideseek_env.tasks.task import Table, Task
    from wideseek_env.tasks.taskset import TaskSet
    from wideseek_env.trajectory import Trajectory, TrajectoryWriter, load_trajectories

__version__ = "0.1.0"


__all__ = [
    "Corpus",
    "Episode",
    "EpisodePlayer",
    "Job",
    "Outcome",
    "Page",
    "Play",
    "Played",
    "Policy",
    "Profile",
    "Reward",
    "Rules",
    "SearchHit",
    "Setup",
    "Table",
    "TableScore",
    "Task",
    "TaskSet",
    "ToolCall",
    "ToolResult",
    "Trajectory",
    "TrajectoryWriter",
    "Turn",
    "WideSeekEnv",
    "WideSeekSingleEnv",
    "__version__",
    "env",
    "load_trajectories",
    "make_policy",
    "parallel_env",
    "play_episode",
    "score_response",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Corpus": "corpus.base",
        "Episode": "episode",
        "EpisodePlayer": "policy",
        "Job": "policy",
        "Outcome": "conversation",
        "Page": "corpus.base",
        "Play": "lockstep",
        "Played": "policy",
        "Policy": "policy",
        "Profile": "profiles",
        "Reward": "rewards",
        "Rules": "rules",
        "SearchHit": "corpus.base",
        "Setup": "setup",
        "Table": "tasks.task",
        "TableScore": "scoring",
        "Task": "tasks.task",
        "TaskSet": "tasks.taskset",
        "ToolCall": "messages",
        "ToolResult": "messages",
        "Trajectory": "trajectory",
        "TrajectoryWriter": "trajectory",
        "Turn": "policy",
        "WideSeekEnv": "parallel",
        "WideSeekSingleEnv": "single",
        "env": "aec",
        "load_trajectories": "trajectory",
        "make_policy": "policy",
        "parallel_env": "parallel",
        "play_episode": "runner",
        "score_response": "scoring",
    },
)

if "WideSeek-v0" not in gymnasium.registry:
    gymnasium.register(id="WideSeek-v0", entry_point="wideseek_env.single:WideSeekSingleEnv")
