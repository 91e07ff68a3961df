"""Plays any environment step by step, without randomness. Two environments in the same state give the same log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

import wideseek_env
from wideseek_env import Task, Turn
from wideseek_env.wrappers import Flat, Layout, Symbolic, SymbolicVec

SMALL = "synthetic:seed=3,pages=400,rows=6,columns=2,hops=1"
RULES = {"lead_turns": 4, "subagent_turns": 4, "single_turns": 4}

Env = Any
Last = Any
"""What the last step returned, as far as the next actions depend on it."""


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def message(turn: Turn) -> str:
    """What an agent writes: it looks for the question's words, opens the best page, and ends."""
    written = sum(each["role"] == "assistant" for each in turn.messages)
    if turn.role == "lead":
        if written < 2:
            return call("delegate", subtasks=[f"part {written}.{number}" for number in range(2 + written)])
        return f"| Name |\n|---|\n| {len(turn.messages)} |"
    question = re.sub(r"\W+", " ", turn.messages[1]["content"])[:200]
    if written == 0:
        return call("search", query=question, count=3)
    if written == 1:
        urls = re.findall(r"\]\((\S+)\)\n", turn.observation + "\n")
        return call("browse", url=urls[written % len(urls)]) if urls else call("browse", url="nothing")
    if written == 2 and turn.agent.endswith("1"):
        return call("search", query=turn.observation[-80:], count=2)
    return f"report of {turn.agent}: {turn.observation[:60]}"


class Parallel:
    """A `WideSeekEnv`. Ids of spaces, the state and rendering are part of the log."""

    def __init__(self, **options: Any) -> None:
        self.options = {"tasks": SMALL, "width": 3, "rules": RULES, **options}

    def make(self, **options: Any) -> Env:
        return wideseek_env.parallel_env(render_mode="ansi", **{**self.options, **options})

    def reset(self, env: Env, seed: int | None = None) -> tuple[Any, Last]:
        if seed is not None:
            for number, agent in enumerate(env.possible_agents):
                env.action_space(agent).seed(seed + number)
        return env.reset(seed=seed), None

    def step(self, env: Env, last: Last) -> tuple[Any, Last]:
        acting = env.acting_agents
        said = {agent: message(env.episode_run.turn(agent)) for agent in acting}
        sampled = [env.action_space(agent).sample() for agent in acting]
        return (env.step(said), sampled, env.agents, env.state(), env.render(), repr(env)), None

    def ended(self, env: Env, last: Last) -> bool:
        return not env.agents

    def record(self, env: Env) -> Any:
        return env.trajectory().to_json(timing=False)


class AEC(Parallel):
    """`env()` or `raw_env()`."""

    def __init__(self, make: Callable[..., Env], **options: Any) -> None:
        super().__init__(**options)
        self._make = make

    def make(self, **options: Any) -> Env:
        return self._make(render_mode="ansi", **{**self.options, **options})

    def reset(self, env: Env, seed: int | None = None) -> tuple[Any, Last]:
        env.reset(seed=seed)
        return env.last(), None

    def step(self, env: Env, last: Last) -> tuple[Any, Last]:
        agent = env.agent_selection
        seen = env.last()
        run = env.unwrapped.parallel.episode_run
        env.step(None if seen[2] or seen[3] else message(run.turn(agent)))
        return (agent, seen, env.agents, env.rewards, env.infos, env.render()), None

    def record(self, env: Env) -> Any:
        return env.unwrapped.parallel.trajectory().to_json(timing=False)


class Single(Parallel):
    """The Gymnasium environment, directly or by `gymnasium.make`."""

    def __init__(self, *, made: bool, **options: Any) -> None:
        super().__init__(**options)
        del self.options["width"]
        self.made = made

    def make(self, **options: Any) -> Env:
        settings = {**self.options, **options, "render_mode": "ansi"}
        if self.made:
            return gymnasium.make("wideseek_env:WideSeek-v0", **settings)
        return wideseek_env.WideSeekSingleEnv(**settings)

    def reset(self, env: Env, seed: int | None = None) -> tuple[Any, Last]:
        if seed is not None:
            env.unwrapped.action_space.seed(seed)
        return env.reset(seed=seed), None

    def step(self, env: Env, last: Last) -> tuple[Any, Last]:
        inner = env.unwrapped
        seen = env.step(message(inner.episode_run.turn("agent")))
        return (seen, inner.action_space.sample(), env.render()), seen[2] or seen[3]

    def ended(self, env: Env, last: Last) -> bool:
        return bool(last)

    def record(self, env: Env) -> Any:
        return env.unwrapped.trajectory().to_json(timing=False)


class Numeric(Parallel):
    """`Symbolic` or `Flat`. The next action depends on the mask of the last observation."""

    def __init__(self, *, flat: bool) -> None:
        super().__init__(profile="terse")
        self.flat = flat

    def make(self, **options: Any) -> Env:
        made = Symbolic(wideseek_env.parallel_env(**{**self.options, **options}), shaping=0.5)
        return Flat(made) if self.flat else made

    def masks(self, seen: Any) -> dict[str, list[int]]:
        observations, infos = seen[0], seen[-1]
        of = infos if self.flat else observations
        return {agent: of[agent]["action_mask"].tolist() for agent in observations}

    def reset(self, env: Env, seed: int | None = None) -> tuple[Any, Last]:
        seen = env.reset(seed=seed)
        return plain(seen), (0, self.masks(seen))

    def step(self, env: Env, last: Last) -> tuple[Any, Last]:
        steps, masks = last
        chosen = {agent: legal(env.layout, masks[agent], steps) for agent in env.acting_agents}
        seen = env.step(chosen)
        return plain([*seen, env.state(), env.acting_agents]), (steps + 1, self.masks(seen))

    def record(self, env: Env) -> Any:
        return (env.env if self.flat else env).trajectory().to_json(timing=False)


class Vector(Parallel):
    """A `SymbolicVec`, which starts new episodes itself."""

    def __init__(self) -> None:
        super().__init__(profile="terse")

    def make(self, **options: Any) -> Env:
        return SymbolicVec(Symbolic(wideseek_env.parallel_env(**{**self.options, **options})), 3)

    def reset(self, env: Env, seed: int | None = None) -> tuple[Any, Last]:
        seen = env.reset(seed=seed)
        return plain(seen), (0, seen[0]["action_mask"].tolist())

    def step(self, env: Env, last: Last) -> tuple[Any, Last]:
        steps, masks = last
        chosen = [[legal(env.layout, mask, steps + place) for mask in row] for place, row in enumerate(masks)]
        seen = env.step(np.array(chosen))
        return plain(seen), (steps + 1, seen[0]["action_mask"].tolist())

    def ended(self, env: Env, last: Last) -> bool:
        return bool(last[0] >= 25)

    def record(self, env: Env) -> Any:
        return None


def legal(layout: Layout, mask: list[int], number: int) -> int:
    """One of the possible actions. Agents end late, so that episodes have some steps."""
    possible = [int(action) for action in np.flatnonzero(mask)]
    longer = [action for action in possible if layout.choice(action).verb not in ("answer", "report")]
    chosen = longer if longer and number % 9 else possible
    return chosen[(7 * number + 3) % len(chosen)]


def plain(value: Any) -> Any:
    """Arrays as lists, so that logs can be compared."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist()) if value.dtype == object else value.tolist()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value


KINDS: dict[str, Parallel] = {
    "parallel": Parallel(),
    "fixed roster": Parallel(roster="fixed"),
    "lifetime task": Parallel(subagent_lifetime="task"),
    "env": AEC(wideseek_env.env),
    "raw_env": AEC(wideseek_env.raw_env, roster="fixed"),
    "single": Single(made=False),
    "gymnasium.make": Single(made=True),
    "Symbolic": Numeric(flat=False),
    "Flat": Numeric(flat=True),
    "SymbolicVec": Vector(),
}


def play(kind: Parallel, env: Env, last: Last = None, steps: int = 10_000) -> tuple[list[Any], Last]:
    """The log of the next steps, at most to the end of the episode, and what the last one returned."""
    log: list[Any] = []
    while steps and not kind.ended(env, last):
        seen, last = kind.step(env, last)
        log.append(seen)
        steps -= 1
    return log, last


def play_on(kind: Parallel, env: Env, last: Last = None) -> list[Any]:
    """The log to the end of this episode, its record, and the whole next episode, whose task the environment draws."""
    log, last = play(kind, env, last)
    first, again = kind.reset(env)
    rest, _ = play(kind, env, again)
    assert rest, "the next episode has steps"
    return [log, first, rest, kind.record(env)]


def digest(log: Any) -> str:
    """A log as text, for comparison between processes."""
    return repr(log)


def example_tasks(count: int) -> list[Task]:
    """Tasks of the small world."""
    return list(wideseek_env.parallel_env(tasks=SMALL).game.tasks[:count])
