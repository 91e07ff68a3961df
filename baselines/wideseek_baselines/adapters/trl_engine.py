"""`TrainerEngine` uses TRL's trainer as an engine: the model that is trained generates token ids."""

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
"""A `trl.GRPOTrainer`. It is typed as `Any`, because its annotations lack most of its attributes."""


class TrainerEngine:
    """Generates with the trainer's vLLM if the trainer has one, otherwise with the trainer's model in this process.

    Pass all requests of a step to one call of `generate_batch`.

    Args:
        trainer: The trainer. Its temperature is used for the rollouts. It must sample from the whole distribution,
            without top-p, top-k, min-p or repetition penalty.
        requests: The largest number of sequences that the model in this process generates at the same time.

    Raises:
        ConfigError: The trainer does not sample from the whole distribution.
    """

    def __init__(self, trainer: Trainer, *, requests: int = 16) -> None:
        if requests < 1:
            raise ConfigError(f"requests must be at least 1, not {requests}")
        plain = {"top_p": 1.0, "top_k": 0, "min_p": None, "repetition_penalty": 1.0}
        for name, value in plain.items():
            if getattr(trainer.args, name) not in (value, 0):
                raise ConfigError(
                    f"remove {name} from GRPOConfig, it is {getattr(trainer.args, name)}: policy gradients "
                    "need tokens that are sampled from the whole distribution"
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
        """Facts about the engine."""
        return self._info

    @property
    def version(self) -> int:
        """The policy version, which is the trainer's step."""
        return int(self._trainer.state.global_step)

    def generate_batch(self, requests: Sequence[Request]) -> list[Generation]:
        """Generate all requests together. Returns one generation for each."""
        if not requests:
            return []
        if self._trainer.use_vllm:
            return self._from_vllm(requests)
        return self._from_model(requests)

    def _from_vllm(self, requests: Sequence[Request]) -> list[Generation]:
        """Generate with TRL's vLLM. It has one length limit for all requests, `max_completion_length`."""
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

    # --- the rest of `Engine`: the trainer manages its weights and its memory itself ----------------------------------

    async def start(self) -> None:
        """Does nothing, because the trainer has already loaded its model."""

    async def generate(self, request: Request) -> Generation:
        """Generate a batch of one request."""
        return self.generate_batch([request])[0]

    async def update_weights(self, weights: Weights, version: int) -> None:
        """Not possible for a trainer. Always raises `ConfigError`."""
        raise ConfigError("a trainer's engine always has the trainer's weights: train them there")

    async def pause(self) -> None:
        """Does nothing, because nothing runs between calls."""

    async def resume(self) -> None:
        """Does nothing, because nothing runs between calls."""

    async def sleep(self) -> None:
        """Does nothing, because TRL manages the memory."""

    async def wake(self) -> None:
        """Does nothing, because TRL manages the memory."""

    async def close(self) -> None:
        """Does nothing. The trainer stays open."""


def trainer_tokenizer(trainer: Trainer) -> Any:
    """The tokenizer of a trainer. Some trainers have it inside a processor."""
    processing = trainer.processing_class
    return getattr(processing, "tokenizer", processing)
