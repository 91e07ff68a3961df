"""`TransformersEngine`: generation with Hugging Face transformers in this process, for tests and small models.

The engine needs no server and no GPU. Its log-probabilities equal those of the trainer's forward pass. It supports
continuous batching, cancelling, and new weights while requests are in flight. vLLM is much faster.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wideseek_baselines.engines.base import (
    EngineError,
    EngineInfo,
    EngineLostError,
    Generation,
    Request,
    Weights,
)
from wideseek_baselines.engines.transformers_batch import Batch, GeneratingSequence
from wideseek_baselines.engines.transformers_model import DTYPES, copy_weights, load_model, read_tensors
from wideseek_env.errors import ConfigError, MissingDependencyError


@dataclass(eq=False, slots=True)
class _Job:
    row: GeneratingSequence
    priority: int
    done: asyncio.Future[Generation]
    asked: float
    begun: float = 0.0
    cancelled: bool = False


@dataclass(eq=False, slots=True)
class _Errand:
    """A function to be called on the engine's thread between two steps."""

    what: Callable[[], None]
    done: asyncio.Future[None]


class TransformersEngine:
    """Generates with a causal language model that has a key-value cache (Llama, Qwen, …).

    Args:
        model: A Hugging Face folder with safetensors, a hub name, or the name of a shipped model.
        context: The largest number of tokens of prompt and generation together. None means the model's limit.
        max_requests: The largest number of requests in one batch. Further requests wait.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", …
        dtype: Data type of weights and computation: "float32", "bfloat16" or "float16".

    At temperature 0, the engine reports the log-probabilities of temperature 1.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        context: int | None = None,
        max_requests: int = 16,
        device: str = "auto",
        dtype: str = "float32",
    ) -> None:
        if max_requests < 1 or (context is not None and context < 2):
            raise ConfigError(
                "TransformersEngine needs max_requests of at least 1 and a context of at least 2"
            )
        if dtype not in DTYPES:
            raise ConfigError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
        self._context = context
        self._device = device
        self._dtype = dtype
        self._info = EngineInfo("transformers", str(model), "tokens", context, max_requests=max_requests)
        self._max_requests = max_requests
        self._version = 0
        self._vocabulary = 0
        self._model: Any = None
        self._batch: Batch | None = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._active: list[_Job] = []
        self._errands: list[_Errand] = []
        self._paused = False
        self._asleep = False
        self._closing = False
        self._starting: asyncio.Future[None] | None = None

    @property
    def info(self) -> EngineInfo:
        """Facts about the engine. They are complete once it has started."""
        return self._info

    @property
    def version(self) -> int:
        """The policy version of the weights."""
        return self._version

    async def start(self) -> None:
        """Load the model. Does nothing if it has started.

        Raises:
            ConfigError: The model cannot be loaded.
            EngineLostError: The engine is closed.
            MissingDependencyError: transformers or torch is not installed.
        """
        if self._closing:
            raise EngineLostError("the transformers engine is closed: make another one")
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_future()
            self._errands.append(_Errand(self._load, self._starting))
            self._thread = threading.Thread(target=self._work, name="wideseek-transformers", daemon=True)
            self._thread.start()
        try:
            await asyncio.shield(self._starting)
        except ConfigError:
            await self.close()
            raise

    async def generate(self, request: Request) -> Generation:
        """Generate one turn.

        Raises:
            EngineError: The prompt is empty, too long or has unknown ids, or the engine sleeps, or the model failed.
            EngineLostError: The engine is not running.
        """
        self._check_running()
        context = self._info.context or 0
        if not request.ids:
            raise EngineError(f"request {request.id} has no prompt: this engine takes Request.ids")
        if len(request.ids) >= context:
            raise EngineError(
                f"request {request.id}: a prompt of {len(request.ids)} tokens leaves no room in a context of "
                f"{context}: shorten it, or start the engine with a longer context"
            )
        if not 0 <= min(request.ids) <= max(request.ids) < self._vocabulary:
            raise EngineError(
                f"request {request.id}: token {max(request.ids)} is not in the model's vocabulary of "
                f"{self._vocabulary}: use the tokenizer of this model"
            )
        job = _Job(
            GeneratingSequence(list(request.ids), request.sampling, context),
            request.priority,
            asyncio.get_running_loop().create_future(),
            time.perf_counter(),
        )
        with self._changed:
            self._check_running()
            if self._asleep:
                raise EngineError(
                    f"request {request.id}: the engine is asleep: call wake or update_weights before the next request"
                )
            self._waiting.append(job)
            self._changed.notify()
        try:
            return await job.done
        finally:
            job.cancelled = True  # no effect if it is done

    async def update_weights(self, weights: Weights, version: int) -> None:
        """Replace the weights between two steps. Raises `ConfigError` if names or shapes do not fit."""
        tensors = read_tensors(weights)

        def replace() -> None:
            copy_weights(self._model, tensors)
            self._version = version
            self._restart_active()
            self._wake_up()

        await self._do(replace)

    async def pause(self) -> None:
        """Stop generating. Requests in flight and new requests wait until `resume`."""

        def pause() -> None:
            self._paused = True

        await self._do(pause)

    async def resume(self) -> None:
        """Continue after `pause`."""

        def resume() -> None:
            self._paused = False

        await self._do(resume)

    async def sleep(self) -> None:
        """Refuse new requests, and move the weights from the GPU to main memory if there is a GPU.

        Requests in flight wait. After `wake` the model reads them again.
        """

        def sleep() -> None:
            with self._changed:
                self._asleep = True
            self._restart_active()
            self._move("cpu")

        await self._do(sleep)

    async def wake(self) -> None:
        """Move the weights back to the device and take requests again."""
        await self._do(self._wake_up)

    async def close(self) -> None:
        """End the engine's thread. Requests in flight raise `EngineLostError`."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        while self._thread is not None and self._thread.is_alive():  # it ends after the current step
            await asyncio.sleep(0.002)

    async def _do(self, what: Callable[[], None]) -> None:
        """Call a function on the engine's thread and wait until it returns."""
        errand = _Errand(what, asyncio.get_running_loop().create_future())
        with self._changed:
            self._check_running()
            self._errands.append(errand)
            self._changed.notify()
        await asyncio.shield(errand.done)

    def _check_running(self) -> None:
        if self._closing or self._thread is None or not self._thread.is_alive():
            raise EngineLostError("the transformers engine is not running" + " any more" * self._closing)

    # --- on the engine's thread -----------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while self._wait_for_work():
                self._run_errands()
                if self._working:
                    try:
                        self._step()
                    except Exception as error:
                        self._fail_active(error)
        finally:
            self._end()

    @property
    def _working(self) -> bool:
        return self._batch is not None and not self._paused and not self._asleep

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing or self._errands or (self._working and (self._waiting or self._active))
            )
            return not self._closing

    def _run_errands(self) -> None:
        with self._changed:
            errands, self._errands = self._errands, []
        for errand in errands:
            try:
                errand.what()
            except Exception as error:
                typed = (
                    error if isinstance(error, (ConfigError, EngineError, MissingDependencyError)) else None
                )
                _settle(
                    errand.done, error=typed or EngineError(f"transformers: {type(error).__name__}: {error}")
                )
            else:
                _settle(errand.done, None)

    def _step(self) -> None:
        """Add waiting requests to the batch, and sample one more token for every sequence."""
        import torch

        batch = self._batch
        if batch is None:
            return
        with self._changed:
            gone = [job for job in self._active if job.cancelled]
            self._active = [job for job in self._active if not job.cancelled]
            self._waiting = [job for job in self._waiting if not job.cancelled]
            self._waiting.sort(key=lambda job: job.priority)
            room = self._max_requests - len(self._active)
            new, self._waiting = self._waiting[:room], self._waiting[room:]
            self._active += new
        with torch.inference_mode():
            batch.leave([job.row for job in gone])
            batch.step(self._version)
            for job in new:
                job.begun = job.begun or time.perf_counter()
                batch.join(job.row, self._version)
        for job in [job for job in self._active if job.row.finish is not None]:
            self._active.remove(job)
            _settle(job.done, _generation(job))

    def _fail_active(self, error: Exception) -> None:
        """Fail all requests in the batch after a step that failed, for example for lack of memory."""
        if self._batch is not None:
            self._batch.clear()
        failed, self._active = self._active, []
        for job in failed:
            _settle(job.done, error=EngineError(f"transformers: {type(error).__name__}: {error}"[:500]))

    def _restart_active(self) -> None:
        """Drop the cache. The model will read the sequences in flight again, with its current weights."""
        if self._batch is not None:
            self._batch.clear()
        with self._changed:
            self._waiting[:0] = self._active
            self._active = []

    def _load(self) -> None:
        loaded = load_model(self._info.model, self._context, self._device, self._dtype)
        self._device = loaded.device
        self._vocabulary = int(loaded.model.get_input_embeddings().weight.shape[0])
        self._model, self._batch = loaded.model, Batch(loaded.model)
        self._info = dataclasses.replace(self._info, context=loaded.context, versions=loaded.versions)

    def _wake_up(self) -> None:
        """Move the weights back after `sleep` and take requests again."""
        if self._asleep:
            self._move(self._device)
            self._asleep = False

    def _move(self, device: str) -> None:
        """Move the weights to a device and release the GPU memory that is now unused."""
        if self._batch is not None and self._device != "cpu":
            import torch

            self._model.to(device)
            torch.cuda.empty_cache()

    def _end(self) -> None:
        """Clean up when the thread ends: make all waiting calls fail, and release the model."""
        with self._changed:
            self._closing = True
            jobs, self._waiting, self._active = [*self._waiting, *self._active], [], []
            errands, self._errands = self._errands, []
        unanswered: list[asyncio.Future[Any]] = [job.done for job in jobs]
        unanswered += [errand.done for errand in errands]
        for done in unanswered:
            _settle(done, error=EngineLostError("the transformers engine was closed"))
        self._batch = self._model = None


def _generation(job: _Job) -> Generation:
    row = job.row
    return Generation(
        finish_reason=row.finish or "stop",
        ids=row.ids[row.prompt :],
        logprobs=row.logprobs,
        versions=tuple(row.versions),
        prompt_tokens=row.prompt,
        completion_tokens=len(row.ids) - row.prompt,
        queued=job.begun - job.asked,
        generating=time.perf_counter() - job.begun,
    )


def _settle(done: asyncio.Future[Any], value: Any = None, *, error: Exception | None = None) -> None:
    """Set the result or error of an event loop's future from this thread."""

    def settle() -> None:
        if not done.done():
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(value)

    with suppress(RuntimeError):  # the loop is closed, so nothing waits for the future
        done.get_loop().call_soon_threadsafe(settle)
