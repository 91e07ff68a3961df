"""`TrainerEngine`: TRL's trainer as an engine: the weights that are being trained generate, from ids to ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from wideseek_baselines.adapters.common import missing
from wideseek_baselines.engines.base import EngineInfo, Generation, Request, Weights
from wideseek_baselines.engines.transformers_batch import Batch, GeneratingSequence
from wideseek_env.errors import ConfigError

try:
    import torch
    from trl.models import unwrap_model_for_generation
except ImportError as error:
    raise missing("trl", error) from error

Trainer: TypeAlias = Any
"""A `trl.GRPOTrainer`, whose own annotations are those of transformers' `Trainer` and lack most of what it has."""


class TrainerEngine:
    """Generates with the trainer's vLLM where it has one, else with its model in this process.

    Everything that is asked for at a time should come in one `generate_batch`.

    Args:
        trainer: Its temperature is that of the rollouts, and its distribution must be plain: no top-p, top-k, min-p
            or repetition penalty.
        requests: Sequences that the model in this process works on at a time.

    Raises:
        ConfigError: The trainer samples from something else than the plain distribution.
    """

    def __init__(self, trainer: Trainer, *, requests: int = 16) -> None:
        if requests < 1:
            raise ConfigError(f"requests must be at least 1, not {requests}")
        plain = {"top_p": 1.0, "top_k": 0, "min_p": None, "repetition_penalty": 1.0}
        for name, value in plain.items():
            if getattr(trainer.args, name) not in (value, 0):
                raise ConfigError(
                    f"{name} must be left out of GRPOConfig, not {getattr(trainer.args, name)}: policy gradients "
                    "are about tokens drawn from the whole distribution"
                )
        if not trainer.args.temperature > 0:
            raise ConfigError(f"temperature must be above 0, not {trainer.args.temperature}")
        self._trainer = trainer
        self._requests = requests
        config = trainer.model.config.get_text_config()
        context: int | None = getattr(config, "max_position_embeddings", None)
        if trainer.use_vllm and trainer.args.vllm_max_model_length:
            context = min(trainer.args.vllm_max_model_length, context or trainer.args.vllm_max_model_length)
        name = str(getattr(trainer.model.config, "_name_or_path", "") or "model")
        self._info = EngineInfo("trl", name, "tokens", context, max_requests=requests)

    @property
    def info(self) -> EngineInfo:
        """See `Engine`."""
        return self._info

    @property
    def version(self) -> int:
        """The trainer's step."""
        return int(self._trainer.state.global_step)

    def generate_batch(self, requests: Sequence[Request]) -> list[Generation]:
        """One generation for each request, all made together."""
        if not requests:
            return []
        if self._trainer.use_vllm:
            return self._from_vllm(requests)
        return self._from_model(requests)

    def _from_vllm(self, requests: Sequence[Request]) -> list[Generation]:
        """What TRL's vLLM makes of the prompts; it has one length limit for all, `max_completion_length`."""
        _, sampled, logprobs, _ = self._trainer.vllm_generation.generate(
            prompts=[list(request.ids) for request in requests], images=None, num_generations=1
        )
        return [
            self._generation(request, list(ids), [float("nan") if p[0] is None else p[0] for p in values])
            for request, ids, values in zip(requests, sampled, logprobs, strict=True)
        ]

    def _from_model(self, requests: Sequence[Request]) -> list[Generation]:
        trainer = self._trainer
        rows = [
            GeneratingSequence(list(request.ids), request.sampling, self._info.context or 1 << 30)
            for request in requests
        ]
        waiting = rows[::-1]
        with (
            unwrap_model_for_generation(
                trainer.model_wrapped,
                trainer.accelerator,
                gather_deepspeed3_params=trainer.args.ds3_gather_for_generation,
                gradient_checkpointing_kwargs=trainer.args.gradient_checkpointing_kwargs,
            ) as model,
            torch.no_grad(),
        ):
            training = model.training
            model.eval()
            try:
                batch = Batch(model)
                while waiting or batch.rows:
                    batch.step(self.version)
                    while waiting and len(batch.rows) < self._requests:
                        batch.join(waiting.pop(), self.version)
            finally:
                model.train(training)
        return [
            self._generation(request, row.ids[row.prompt :], row.logprobs)
            for request, row in zip(requests, rows, strict=True)
        ]

    def _generation(self, request: Request, ids: list[int], logprobs: list[float]) -> Generation:
        ended = bool(ids) and ids[-1] in request.sampling.stop_ids
        return Generation(
            "stop" if ended else "length",
            ids=ids,
            logprobs=logprobs,
            versions=((self.version, len(ids)),),
            prompt_tokens=len(request.ids),
            completion_tokens=len(ids),
        )

    # --- the rest of `Engine`: the trainer has its weights and its memory in its own hands ---------------------------

    async def start(self) -> None:
        """The trainer's model is loaded already."""

    async def generate(self, request: Request) -> Generation:
        """A batch of one; see `generate_batch`."""
        return self.generate_batch([request])[0]

    async def update_weights(self, weights: Weights, version: int) -> None:
        """`ConfigError`: the weights are the trainer's own."""
        raise ConfigError("a trainer's engine always has the trainer's weights")

    async def pause(self) -> None:
        """Nothing runs between calls."""

    async def resume(self) -> None:
        """Nothing runs between calls."""

    async def sleep(self) -> None:
        """TRL decides about memory."""

    async def wake(self) -> None:
        """TRL decides about memory."""

    async def close(self) -> None:
        """The trainer outlives it."""


def trainer_tokenizer(trainer: Trainer) -> Any:
    """The tokenizer of a trainer, which may have it inside of a processor."""
    processing = trainer.processing_class
    return getattr(processing, "tokenizer", processing)
