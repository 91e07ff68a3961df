"""`check_policy`: checks that a custom policy keeps the rules of `wideseek_env.policy.Policy`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.game import Game
from wideseek_env.messages import Action, ToolCall, ToolResult
from wideseek_env.policy import EpisodeRunner, Job, Policy, Turn
from wideseek_env.task import Task
from wideseek_env.testing.conformance import Checker, global_chance

_PURE = "Decide only from the turn, and draw random numbers from a random.Random(seed) that reset creates"


def check_policy(make: Callable[[], Policy], game: Game, *, episodes: int = 3) -> None:
    """Check a policy on the first tasks of `game`.

    - The policy has a name, `reset` and `act`.
    - `act` returns one action for each turn: text or a message in OpenAI's form.
    - `act` changes neither conversations nor tool schemas.
    - The same seed gives the same actions: in another object, with other global random numbers, and in the same object
      after other episodes.
    - The policy works even if every tool fails, and if `act` is called for one agent at a time.
    - A policy that is also an `EpisodeRunner` returns every job exactly once, with an ended episode of the job's task.

    Args:
        make: Returns a new policy at every call, for example a class.
        game: The game. The policy runs on its first tasks.
        episodes: Number of tasks to use.

    Raises:
        ConformanceError: The policy breaks one of these rules. The message is about the first broken rule.
    """
    check = Checker("the policy")
    policy = check.call(
        "making it", "`make` is called without arguments: pass a lambda if the policy needs some", make
    )
    check.require(
        isinstance(policy, Policy), "protocol", f"{type(policy).__name__} lacks name, reset or act",
        "Add all three, as in wideseek_env.policy.Policy",
    )  # fmt: skip
    check.name(policy)
    tasks = list(game.tasks[:episodes])
    logs = []
    for number, task in enumerate(tasks):
        plays = []
        for chance in (1, 2):
            with global_chance(chance):
                plays.append(_play(check, make(), game, task, number))
        check.require(
            plays[0] == plays[1], "determinism", f"two episodes of {task.id} with seed {number} differ", _PURE
        )
        logs.append(plays[0])
    for number in (*range(len(tasks)), 0):
        task = tasks[number]
        again = _play(check, policy, game, task, number)
        check.require(
            again == logs[number], "state", f"the actions on {task.id} differ after other episodes",
            "Delete all state of an episode in reset, and keep none in the class or the module",
        )  # fmt: skip
    failing = dataclasses.replace(game, executor=_Failing())
    _play(check, make(), failing, tasks[0], 0, "when every tool fails")
    _play(check, make(), game, tasks[0], 0, "when its agents are asked one at a time", alone=True)
    if isinstance(policy, EpisodeRunner):
        _check_runner(check, make(), game, tasks)


def _play(
    check: Checker,
    policy: Policy,
    game: Game,
    task: Task,
    seed: int,
    when: str = "",
    *,
    alone: bool = False,
) -> list[tuple[str, Any]]:
    """Run an episode and return all its actions, in order."""
    episode_run = EpisodeRun(game, task, seed)
    log: list[tuple[str, Any]] = []
    check.call(f"reset({seed})", "reset must accept the seed of the next episode", lambda: policy.reset(seed))
    while not episode_run.done:
        turns = [episode_run.turn(agent) for agent in episode_run.episode.ready()]
        groups = [[turn] for turn in turns] if alone else [turns]
        actions: list[Action] = []
        for group in groups:
            actions += _act(check, policy, group, when)
        log += zip((turn.agent for turn in turns), actions, strict=True)
        episode_run.step({turn.agent: action for turn, action in zip(turns, actions, strict=True)})
    return log


def _act(check: Checker, policy: Policy, turns: list[Turn], when: str) -> Sequence[Action]:
    before = _seen(turns)
    who = ", ".join(turn.agent for turn in turns)
    actions: Any = check.call(
        f"act for {who} {when}".rstrip(),
        "A policy must answer whatever it reads: catch exceptions and answer with text",
        lambda: policy.act(turns),
    )
    check.require(
        isinstance(actions, Sequence) and not isinstance(actions, str | bytes),
        "actions", f"act gave {type(actions).__name__} {actions!r:.80}", "Return a list with an action for each turn",
    )  # fmt: skip
    check.require(
        len(actions) == len(turns), "actions", f"{len(turns)} turns got {len(actions)} actions",
        "Return one action for each turn, in the order of the turns",
    )  # fmt: skip
    for turn, action in zip(turns, actions, strict=True):
        check.require(
            isinstance(action, str) or _is_message(action), "actions",
            f"{turn.agent} got {type(action).__name__} {action!r:.80}",
            "An action must be text, or a mapping in OpenAI's form that can be written as JSON",
        )  # fmt: skip
    check.require(
        _seen(turns) == before, "untouched", f"act for {who} changed a conversation or a tool's schema",
        "They belong to the episode: copy them before you change them",
    )  # fmt: skip
    return list(actions)


def _seen(turns: Sequence[Turn]) -> str:
    return json.dumps([[list(turn.messages), list(turn.tools)] for turn in turns])


def _is_message(action: object) -> bool:
    if not isinstance(action, Mapping) or not ({"content", "tool_calls"} & action.keys()):
        return False
    try:
        json.dumps(dict(action))
    except (TypeError, ValueError):
        return False
    return True


class _Failing:
    """An executor whose tools all fail."""

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The same error for each call."""
        return [ToolResult("Error: the tool did not answer.", ok=False)] * len(calls)

    def close(self) -> None:
        """Nothing to do."""


def _check_runner(check: Checker, policy: Policy, game: Game, tasks: Sequence[Task]) -> None:
    assert isinstance(policy, EpisodeRunner)
    jobs = [Job(task, seed=number) for number, task in enumerate(tasks)]
    todo = "run_jobs must return each job once, with the trajectory of its own episode"
    results = check.call("run_jobs", todo, lambda: list(policy.run_jobs(game, jobs)))
    for each in results:
        check.require(
            each.trajectory is not None,
            "runner",
            f"{each.job.task.id} has no trajectory ({each.error})",
            todo,
        )
        assert each.trajectory is not None
        own = each.trajectory.task.id
        check.require(own == each.job.task.id, "runner", f"{each.job.task.id} came back with {own}", todo)
    for job in jobs:
        count = sum(each.job == job for each in results)
        check.require(count == 1, "runner", f"the job {job.task.id} came back {count} times", todo)
