"""`TokenModel`: a transformers causal language model that scores the trained tokens of packed rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from wideseek_baselines.checksums import check_model
from wideseek_baselines.model_names import find_model
from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.options import ModelOptions
from wideseek_baselines.train.data.packing import PackedSequence, Sample, rows_of
from wideseek_baselines.train.model.attention import attention_arguments, use_attention
from wideseek_baselines.train.model.logprobs import Scores, token_logprobs
from wideseek_baselines.train.model.lora import NAME, add_adapters
from wideseek_baselines.train.model.parts import ModelPart
from wideseek_baselines.train.model.sharding import sharded
from wideseek_env.errors import ConfigError, MissingDependencyError, baselines_hint

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_UNKNOWN_OUTPUTS = ("final_logit_softcapping", "logit_scale", "logits_scaling")
"""Settings of models that change their logits after the output layer. They are not supported."""


class TokenModel(nn.Module):
    """Computes log-probabilities of trained tokens in one forward pass over a row. With FSDP, call only `forward`.

    Args:
        causal: A transformers causal language model.
        chunk: Number of tokens whose logits are in memory at the same time.
        autocast: Whether to compute in bfloat16 although the weights have another type.

    Raises:
        ConfigError: The model's output layer is not supported.
    """

    def __init__(self, causal: PreTrainedModel, *, chunk: int = 2048, autocast: bool = False) -> None:
        super().__init__()
        for name in _UNKNOWN_OUTPUTS:
            if getattr(causal.config, name, None) not in (None, 1, 1.0):
                raise ConfigError(f"models with {name} in their configuration cannot be trained here")
        head = causal.get_output_embeddings()
        if getattr(head, "bias", None) is not None:
            raise ConfigError("models whose output layer has a bias cannot be trained here")
        self.causal = causal
        self.chunk = chunk
        self.autocast = autocast

    @property
    def parts(self) -> Mapping[str, ModelPart]:
        """The sets of weights, by the names in `RunConfig.weight_sets`."""
        return {"": ModelPart(self.causal)}

    def rows(self, samples: Sequence[Sample], tokens_per_row: int) -> list[PackedSequence]:
        """The rows that this process computes (`rows_of`)."""
        return rows_of(samples, tokens_per_row)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    def forward(
        self, row: PackedSequence, *, temperature: Tensor | float = 1.0, entropies: bool = False
    ) -> Scores:
        """Compute the scores of a row's trained tokens. The row must be on the model's device. Arguments: see
        `token_logprobs`.
        """
        with self._precision():
            hidden = self._states(row)
            head = cast(nn.Linear, self.causal.get_output_embeddings())
            logprobs, found = token_logprobs(
                hidden,
                head.weight,
                row.targets,
                temperature=temperature,
                entropies=entropies,
                chunk=self.chunk,
            )
        return Scores(logprobs, found, hidden)

    def _states(self, row: PackedSequence) -> Tensor:
        """``[K, H]`` hidden states, one before each trained token."""
        return states_of(cast(nn.Module, self.causal.get_decoder()), row)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.autocast else nullcontext()


def states_of(trunk: nn.Module, row: PackedSequence) -> Tensor:
    """``[K, H]`` hidden states, one before each trained token. `trunk` is a transformers model without output layer."""
    states = trunk(
        input_ids=row.ids.unsqueeze(0),
        position_ids=row.positions.unsqueeze(0),
        use_cache=False,
        **attention_arguments(row),
    ).last_hidden_state[0]
    return cast(Tensor, states).index_select(0, row.sources)


def load_causal(options: ModelOptions, adapters: Sequence[str] = (NAME,)) -> PreTrainedModel:
    """Load a model for training. With LoRA, it gets the adapters of these names.

    With one process, the model is moved to its device. With several processes, `load_model` shards it later.

    Raises:
        ConfigError: The model or the device does not exist, or the model cannot have these adapters.
        DamagedError: The folder has checksums, and a file does not have its checksum.
        MissingDependencyError: transformers or peft is not installed.
    """
    try:
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise MissingDependencyError(
            f"training needs transformers; {baselines_hint('transformers')}"
        ) from error
    if options.compile and distributed.size() > 1:
        raise ConfigError("model.compile is for one process: leave it out where torchrun starts several")
    source = find_model(options.path)
    check_model(Path(source))
    dtype = torch.bfloat16 if options.precision == "bfloat16" else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no model can be loaded from {options.path!r}: {str(error).strip()[:300]}"
        ) from error
    if options.lora.rank:
        add_adapters(model, options.lora, adapters)
    device = device_of(options.device)
    if distributed.size() == 1:  # else each process moves its part there
        try:
            model = model.to(device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"the device {options.device!r} cannot be used: {str(error).strip()[:200]}"
            ) from error
    use_attention(model, options.attention, compiled=options.compile)
    if options.checkpoint_activations:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if options.compile:
        compile_layers(model)
    return cast("PreTrainedModel", model.train())


def load_model(
    options: ModelOptions, adapters: Sequence[str] = (NAME,), kind: type[TokenModel] | None = None
) -> TokenModel:
    """Load a model as a `TokenModel`, sharded over the processes. Raises the same errors as `load_causal`.

    Args:
        options: The model.
        adapters: The names of its adapters, with LoRA.
        kind: The class of the result.
    """
    causal = load_causal(options, adapters)
    model = (kind or TokenModel)(causal, chunk=options.logits_chunk, autocast=options.precision == "autocast")
    return sharded(model, layers_of(causal), device_of(options.device))


def layers_of(causal: PreTrainedModel) -> list[nn.Module]:
    """The layers of a model, in order. Raises `ConfigError` if the model has no list of layers."""
    layers = getattr(causal.get_decoder(), "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise ConfigError(f"{type(causal).__name__} has no list of layers, as Llama and Qwen models have")
    return list(layers)


def compile_layers(causal: PreTrainedModel) -> None:
    """Compile the forward pass of the layers. The compiled code works for all layers and for rows of any length."""
    for layer in layers_of(causal):
        # Only the forward pass: hooks and the recomputation of activations stay outside.
        layer.forward = torch.compile(layer.forward, dynamic=True)


def device_of(name: str) -> torch.device:
    """The device of this name. "auto" is the first CUDA device, or the CPU if there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"no device {name!r}: use auto, cpu, cuda or cuda:0") from error


def copy_tokenizer(source: str | Path, folder: Path) -> None:
    """Write the tokenizer of a model folder (or hub name) into another folder."""
    from wideseek_baselines.tokens import load_tokenizer

    load_tokenizer(source).save_pretrained(folder)
