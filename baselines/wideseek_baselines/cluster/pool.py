"""`RayRollouts` runs episodes on many machines. Each worker has an engine. Every episode is returned exactly once.

    config = RolloutConfig("vllm", {"model": "models/nano"}, GameConfig(tasks="synthetic", width=4))
    rollouts = RayRollouts(config, workers=16, gpus=1)
    for finished in rollouts.run(jobs):
        ...

The pool sends each group of jobs to the worker with the fewest jobs. Each result is returned as soon as it is there. A
worker is lost if its process, its machine or its engine dies. Then the pool sends the worker's unfinished jobs to other
workers. It starts a new worker with the latest weights. Files that a worker opens by name (models, corpora, task files)
must have the same path on every machine.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wideseek_baselines.cluster.worker import RolloutWorker
from wideseek_baselines.engines.base import EngineLostError, Weights
from wideseek_baselines.engines.weights import model_folder
from wideseek_baselines.rollout.config import RolloutConfig
from wideseek_baselines.rollout.jobs import Finished, Grouping, RolloutJob, group_of, sized
from wideseek_env.errors import ConfigError, MissingDependencyError, WideSeekError, baselines_hint
from wideseek_env.messages import Role
from wideseek_env.policy import Job
from wideseek_env.reprs import short

log = logging.getLogger(__name__)

CALLS = 100_000
"""Ray's limit on the calls that one worker may process at the same time."""


@dataclass(slots=True)
class _Sent:
    """A job from the caller, and how often a worker was lost while it ran the job."""

    job: Job
    losses: int = 0


@dataclass(slots=True, eq=False)
class _Worker:
    actor: Any
    where: Mapping[str, Any] = field(default_factory=dict)
    open: dict[Any, _Sent] = field(default_factory=dict)
    """The unfinished jobs of the worker, by Ray's reference to the result."""


class RayRollouts:
    """Runs episodes on the workers of a Ray cluster.

    Args:
        config: The policy and the game, which every worker opens.
        workers: Number of workers.
        cpus: CPUs that each worker reserves.
        gpus: GPUs that each worker reserves.
        ahead: A worker gets another group if it has fewer unfinished jobs than this number. Choose a number that is
            larger than the number of jobs that a worker can run at the same time. Then workers never wait for jobs.
        losses: How often a job is sent to another worker because its worker was lost. After that, the job is returned
            with an error.
        restarts: The largest number of workers that may be lost in total.
        address: Address of a running cluster. Default: the address in ``RAY_ADDRESS``, or else a new cluster on this
            machine. If Ray already runs in this process, it is used and not ended.
        options: Additional options of the actors, such as ``resources`` or ``runtime_env``.

    Raises:
        ConfigError: A setting is wrong, here or in `config`.
        MissingDependencyError: Ray is not installed.
        EngineLostError: A worker could not be started.
    """

    def __init__(
        self,
        config: RolloutConfig,
        workers: int,
        *,
        cpus: float = 1.0,
        gpus: float = 0.0,
        ahead: int = 128,
        losses: int = 2,
        restarts: int = 8,
        address: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        for name, value, least in (
            ("workers", workers, 1),
            ("ahead", ahead, 1),
            ("losses", losses, 0),
            ("restarts", restarts, 0),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"{name} must be a whole number of at least {least}, not {short(value)}")
        for name, share in (("cpus", cpus), ("gpus", gpus)):
            if not isinstance(share, (int, float)) or isinstance(share, bool) or not share >= 0:
                raise ConfigError(f"{name} must be a number of at least 0, not {short(share)}")
        if options is not None and not isinstance(options, Mapping):
            raise ConfigError(f"options must be a mapping of Ray's options of an actor, not {short(options)}")
        self._ray = _ray()
        self.config = config
        self._ahead = ahead
        self._losses = losses
        self._restarts = restarts
        self._weights: dict[tuple[Role, ...], tuple[Any, int]] = {}
        """The latest weights and their version, by the roles whose engines got them."""
        self._sent = 0
        self._own = not self._ray.is_initialized()
        if self._own:
            self._ray.init(address=address, include_dashboard=False, log_to_driver=False)
        self._make = self._ray.remote(RolloutWorker).options(
            num_cpus=cpus,
            num_gpus=gpus,
            max_concurrency=CALLS,
            scheduling_strategy="SPREAD",
            **(options or {}),
        )
        self._workers: list[_Worker] = []
        try:
            self._workers = self._start(workers)
        except BaseException:
            self.close()
            raise

    @property
    def where(self) -> list[Mapping[str, Any]]:
        """The host and process id of every worker."""
        return [worker.where for worker in self._workers]

    def run(self, jobs: Iterable[Job]) -> Generator[Finished, None, None]:
        """Run every job. Yields the result of each job exactly once, when its episode has ended."""
        waiting: deque[list[_Sent]] = deque()
        source = _grouped(jobs)
        exhausted = False
        try:
            while True:
                while (least := self._least_busy()) is not None:
                    if not waiting and not exhausted:
                        group = next(source, None)
                        exhausted = group is None
                        waiting.extend([group] if group else [])
                    if not waiting:
                        break
                    self._send(least, waiting.popleft())
                owners = {answer: worker for worker in self._workers for answer in worker.open}
                if not owners:
                    return
                (first,), _ = self._ray.wait(list(owners), num_returns=1)
                done, _ = self._ray.wait(list(owners), num_returns=len(owners), timeout=0)
                for answer in {first, *done}:
                    worker = owners[answer]
                    sent = worker.open.get(answer)
                    if sent is None:  # its worker was already found lost, through an earlier result
                        continue
                    try:
                        finished = self._ray.get(answer)
                    except Exception as error:
                        if not self._is_loss(error):
                            raise _cause(error) from error
                        again, failed = self._lose(worker, error)
                        waiting.extendleft(reversed(again))
                        yield from failed
                    else:
                        del worker.open[answer]
                        yield replace(finished, job=sent.job)
        finally:
            for worker in self._workers:
                if worker.open:
                    worker.open.clear()
                    worker.actor.cancel_all.remote()

    def update_weights(self, weights: Weights, version: int, roles: Collection[Role] = ()) -> None:
        """Give the engines of `roles` new weights, or by default every engine. Ray's object store sends the weights to
        each machine once.
        """
        shared = self._ray.put(_tensors(weights))
        chosen = tuple(sorted(roles))
        self._weights[chosen] = (shared, version)
        self._all("update_weights", shared, version, chosen)

    def sleep(self) -> None:
        """Let all workers release their accelerator memory. No request may be in flight."""
        self._all("each_engine", "sleep")

    def wake(self) -> None:
        """Let all workers take their memory again after `sleep`."""
        self._all("each_engine", "wake")

    def close(self) -> None:
        """End the workers. If this object started Ray, end Ray too. A second call does nothing."""
        workers, self._workers = self._workers, []
        closing = [worker.actor.close.remote() for worker in workers]
        if closing:
            self._ray.wait(closing, num_returns=len(closing), timeout=60)
        for worker in workers:
            self._ray.kill(worker.actor)
        if self._own and self._ray.is_initialized():
            self._ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, count: int) -> list[_Worker]:
        workers = [_Worker(self._make.remote(self.config)) for _ in range(count)]
        started = [worker.actor.start.remote() for worker in workers]
        try:
            for worker, where in zip(workers, self._ray.get(started), strict=True):
                worker.where = where
            for roles, (shared, version) in self._weights.items():
                self._ray.get([each.actor.update_weights.remote(shared, version, roles) for each in workers])
        except Exception as error:
            for worker in workers:
                self._ray.kill(worker.actor)
            raise _cause(error) from error
        return workers

    def _least_busy(self) -> _Worker | None:
        """The worker with the fewest jobs, or None if no worker may get more."""
        worker = min(self._workers, key=lambda each: len(each.open))
        return worker if len(worker.open) < self._ahead else None

    def _send(self, worker: _Worker, group: list[_Sent]) -> None:
        jobs: dict[int, RolloutJob] = {}
        for sent in group:
            self._sent += 1
            jobs[self._sent] = sized(sent.job, len(group))
        worker.actor.run_group.remote(jobs)
        for number, sent in zip(jobs, group, strict=True):
            worker.open[worker.actor.answer.remote(number)] = sent

    def _is_loss(self, error: Exception) -> bool:
        lost = (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError)
        return isinstance(error, lost) or isinstance(_cause(error), EngineLostError)

    def _lose(self, worker: _Worker, error: Exception) -> tuple[list[list[_Sent]], list[Finished]]:
        """Replace a lost worker. Returns the groups that must run again, and the jobs that are given up."""
        self._workers.remove(worker)
        self._ray.kill(worker.actor)
        if self._restarts < 1:
            raise EngineLostError(
                f"more workers were lost than restarts allows; the last error: {_cause(error)}"
            )
        self._restarts -= 1
        log.warning("a worker on %s was lost and is replaced: %s", worker.where.get("host"), _cause(error))
        again: dict[tuple[str, int], list[_Sent]] = {}
        failed: list[Finished] = []
        for number, sent in enumerate(worker.open.values()):
            sent.losses += 1
            if sent.losses > self._losses:
                why = f"EngineLostError: its worker was lost {sent.losses} times; the last error: {_cause(error)}"
                failed.append(Finished(sent.job, None, None, why[:500]))
                continue
            name = group_of(sent.job)
            again.setdefault((name, 0 if name else number), []).append(sent)
        worker.open.clear()
        self._workers += self._start(1)
        return list(again.values()), failed

    def _all(self, method: str, *arguments: Any) -> None:
        """Call a method of every worker. If a worker is lost during the call, `run` notices that and replaces it."""
        calls = [getattr(worker.actor, method).remote(*arguments) for worker in self._workers]
        for call in calls:
            try:
                self._ray.get(call)
            except Exception as error:
                if not self._is_loss(error):
                    raise _cause(error) from error


def _grouped(jobs: Iterable[Job]) -> Generator[list[_Sent], None, None]:
    grouping = Grouping()
    for job in jobs:
        for group in grouping.add(job):
            yield [_Sent(each) for each in group]
    for group in grouping.rest():
        yield [_Sent(each) for each in group]


def _tensors(weights: Weights) -> list[tuple[str, Any]]:
    """The weights as tensors in main memory, which Ray can send."""
    if isinstance(weights, Path):
        from safetensors.torch import load_file

        files = sorted(model_folder(weights).glob("*.safetensors"))
        return [item for file in files for item in load_file(file).items()]
    return [(name, tensor.detach().cpu()) for name, tensor in weights]


def _cause(error: Exception) -> Exception:
    """The error of a worker, without Ray's wrapper."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, WideSeekError):
        return cause
    return EngineLostError(f"a worker failed: {type(error).__name__}: {str(error).strip()[-500:]}")


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingDependencyError(
            f"rollouts on several machines need Ray; {baselines_hint('ray')}"
        ) from error
    return ray
