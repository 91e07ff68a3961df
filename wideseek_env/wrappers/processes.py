"""`SubprocSymbolicVec`: the episodes of a `SymbolicVec` in worker processes, for more than one processor core.

Gymnasium's `AsyncVectorEnv` starts the processes, sends them actions and shares the memory of the observations. Each
process has a `SymbolicVec` with an equal share of the episodes. With a process for each episode, most of the CPU time
would go into messages between the processes.
"""

from __future__ import annotations

import contextlib
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import wait
from typing import Any, NoReturn, cast

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv
from gymnasium.vector.utils import CloudpickleWrapper, create_empty_array
from numpy.typing import ArrayLike, NDArray

from wideseek_env.errors import ConfigError, CopyError, WideSeekError, WorkerError
from wideseek_env.wrappers.symbolic import Symbolic
from wideseek_env.wrappers.vector import Arrays, Seeds, StepResult, SymbolicVec, SymbolicVectorEnv


class _Share(gymnasium.Env[Arrays, NDArray[np.integer]]):
    """The episodes of one process, in the form of one environment.

    Its info has the key ``share``: what a reset or a step returns besides the arrays, or the exception that it raised.
    """

    def __init__(self, env: Symbolic, num_envs: int) -> None:
        self.vec = SymbolicVec(env, num_envs)
        self.observation_space = self.vec.observation_space
        self.action_space = self.vec.action_space
        self.metadata = {"render_modes": []}  # AsyncVectorEnv changes it

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Arrays, dict[str, Any]]:
        """Reset all episodes. `seed` is a list with a seed for each of them."""

        def run() -> tuple[Arrays, Any]:
            arrays, infos = self.vec.reset(seed=seed, options=options)
            return arrays, infos["task_id"]

        return self._guarded(run)

    def step(self, action: NDArray[np.integer]) -> tuple[Arrays, float, bool, bool, dict[str, Any]]:
        """Step all episodes. The numbers and flags in the middle of the result have no meaning."""

        def run() -> tuple[Arrays, Any]:
            result = self.vec.step_parts(action)
            return result.arrays, result._replace(arrays={})

        arrays, info = self._guarded(run)
        return arrays, 0.0, False, False, info

    def _guarded(self, run: Callable[[], tuple[Arrays, Any]]) -> tuple[Arrays, dict[str, Any]]:
        try:
            arrays, result = run()
        except WideSeekError as error:
            arrays, result = self._empty(), error
        except Exception:
            arrays, result = self._empty(), WorkerError(f"a worker process failed:\n{traceback.format_exc()}")
        return arrays, {"share": result}

    def _empty(self) -> Arrays:
        return cast(Arrays, create_empty_array(self.vec.single_observation_space, self.vec.num_envs))


class _MakeShare:
    """Makes the share of a process. The pickle is made once, and before any process starts."""

    def __init__(self, env: Symbolic, num_envs: int) -> None:
        self.env: Symbolic | None = env
        self.num_envs, self.pickled = num_envs, pickle.dumps(CloudpickleWrapper(env))

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"env": None}

    def __call__(self) -> _Share:
        if self.env is not None:  # AsyncVectorEnv makes one in this process, to know the spaces
            return _Share(self.env, self.num_envs)
        # Ctrl-C goes to all processes of a terminal. The process that started this one decides what happens.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return _Share(pickle.loads(self.pickled).fn, self.num_envs)


class _Workers(AsyncVectorEnv):
    """The processes. If anything goes wrong, all of them end, and a lost connection becomes a `WorkerError`."""

    def __init__(self, make: _MakeShare, processes: int) -> None:
        with self._guarded():
            super().__init__([make] * processes, context="spawn")

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        with self._guarded():
            return super().reset(**options)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        with self._guarded():
            return super().step(actions)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError) as error:
            started = [process for process in getattr(self, "processes", ()) if process.pid is not None]
            over = wait([process.sentinel for process in started], timeout=5)
            ended = [process for process in started if process.sentinel in over]
            for process in ended:
                process.join()
            codes = [process.exitcode for process in ended]
            self.close()
            raise WorkerError(
                f"a worker process has ended (exit codes: {codes}): its error output says why; make a new vector"
            ) from error
        except BaseException:
            self.close()
            raise

    def close_extras(self, *args: Any, **kwargs: Any) -> None:
        """End the processes. `AsyncVectorEnv` would wait for answers, also of processes that have ended."""
        for process in getattr(self, "processes", ()):
            if process.pid is not None:
                process.terminate()
                process.join()
        for pipe in getattr(self, "parent_pipes", ()):
            if pipe is not None:
                pipe.close()


class SubprocSymbolicVec(SymbolicVectorEnv):
    """n episodes that step together in worker processes.

    For the same seeds and actions, it returns the same arrays and infos as a `SymbolicVec` of n episodes. Each process
    has an equal share of the episodes. It opens the game from a pickle of `env` (`wideseek_env.copying`). The runs of
    the episodes stay in the processes, so there is no `on_end`.

    The processes are started with the method "spawn". So a script that uses this class needs the usual
    ``if __name__ == "__main__":``. `close` ends the processes. They also end with the process that started them.

    Args:
        env: The environment to copy into the processes. It stays open.
        num_envs: n, a multiple of `processes`.
        processes: The number of processes.

    Raises:
        ConfigError: A number is wrong.
        CopyError: A part of the game cannot be pickled.
        WorkerError: A process ended while it started, for example because it could not open the game.
    """

    def __init__(self, env: Symbolic, num_envs: int, processes: int) -> None:
        super().__init__(env.layout, env.possible_agents, num_envs)
        if (
            not isinstance(processes, (int, np.integer))
            or isinstance(processes, bool)
            or processes < 1
            or num_envs % processes
        ):
            raise ConfigError(
                f"processes must be a whole number that divides num_envs ({num_envs}), not {processes!r}"
            )
        self.processes = processes = int(processes)
        self._workers = _Workers(_MakeShare(env, self.num_envs // processes), processes)

    def __getstate__(self) -> NoReturn:  # for copies and pickles
        raise CopyError("a vector with processes cannot be copied: copy its environment, or use SymbolicVec")

    def reset(
        self, *, seed: Seeds = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Arrays, dict[str, Any]]:
        """Start n episodes, as `SymbolicVec.reset` does.

        Raises:
            WorkerError: A process has ended or failed. All processes are ended.
        """
        self._check_open()
        seeds, size = self._seed_list(seed), self.num_envs // self.processes
        super().reset(seed=seeds[0])
        given = [seeds[at : at + size] for at in range(0, self.num_envs, size)]
        arrays, infos = self._answered(
            lambda: self._workers.reset(seed=given, options=None if options is None else dict(options))
        )
        task_ids = np.concatenate(infos["share"])
        return self._arrays(arrays), self._infos(np.zeros(self.num_envs), task_ids)

    def step(
        self, actions: ArrayLike
    ) -> tuple[Arrays, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Apply `actions`, as `SymbolicVec.step` does.

        Raises:
            WorkerError: A process has ended or failed. All processes are ended.
        """
        chosen = self._checked(actions).reshape(self.processes, -1, len(self.agents))
        arrays, _, _, _, infos = self._answered(lambda: self._workers.step(chosen))
        shares: list[StepResult] = list(infos["share"])
        first = range(0, self.num_envs, self.num_envs // self.processes)
        ended = [
            each._replace(place=at + each.place)
            for at, share in zip(first, shares, strict=True)
            for each in share.ended
        ]
        rewards, terminated, truncated, shaping, task_ids = (
            np.concatenate([getattr(share, name) for share in shares])
            for name in ("rewards", "terminated", "truncated", "shaping", "task_ids")
        )
        infos = self._infos(shaping, task_ids, ended)
        return self._arrays(arrays), rewards, terminated, truncated, infos

    def _answered(self, ask: Callable[[], Any]) -> Any:
        """What the processes answer. The last entry has the infos. Raises the first exception of a process.

        After an exception, the episodes of the processes are at different steps, so they need a reset.
        """
        self._acting = None
        try:
            answer = ask()
            for share in answer[-1]["share"]:
                if isinstance(share, Exception):
                    raise share
        except BaseException as error:
            if isinstance(error, WorkerError) or not isinstance(error, WideSeekError):
                self.close()
            raise
        return answer

    def _arrays(self, arrays: Arrays) -> Arrays:
        """The arrays (processes, share, …) as arrays (n, …)."""
        names = ("observation", "action_mask", "acting")  # in the order of SymbolicVec
        joined = {name: arrays[name].reshape(self.num_envs, *arrays[name].shape[2:]) for name in names}
        self._acting = joined["acting"].copy()
        return joined

    def close_extras(self, **kwargs: Any) -> None:
        """End the processes."""
        self._acting = None
        self._workers.close()

    def __del__(self) -> None:
        if hasattr(self, "_workers"):
            self.close()
