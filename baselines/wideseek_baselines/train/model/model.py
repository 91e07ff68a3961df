"""`TokenModel`: a transformers causal language model that scores the trained tokens of packed rows."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.options import ModelOptions
from wideseek_baselines.train.data.packing import PackedSequence
from wideseek_baselines.train.model.attention import attention_arguments, use_attention
from wideseek_baselines.train.model.logprobs import Scores, token_logprobs
from wideseek_baselines.train.model.lora import add_adapters
from wideseek_baselines.train.model.sharding import sharded
from wideseek_env.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_UNKNOWN_OUTPUTS = ("final_logit_softcapping", "logit_scale", "logits_scaling")
"""Settings by which some models change their logits after the output layer, which is not done here."""


class TokenModel(nn.Module):
    """Scores tokens in one forward pass over a row; everything goes through `forward`, as FSDP needs it.

    Args:
        causal: A transformers causal language model.
        chunk: Tokens whose logits are held at a time.
        autocast: Compute in bfloat16 with weights of another type.
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
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def forward(
        self, row: PackedSequence, *, temperature: Tensor | float = 1.0, entropies: bool = False
    ) -> Scores:
        """Score the trained tokens of a row that is on the model's device; see `token_logprobs`."""
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
        """``[K, H]`` hidden states before the trained tokens."""
        return states_of(cast(nn.Module, self.causal.get_decoder()), row)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.autocast else nullcontext()


def states_of(trunk: nn.Module, row: PackedSequence) -> Tensor:
    """``[K, H]`` hidden states of a transformers trunk (a model without output layer) before the trained tokens."""
    states = trunk(
        input_ids=row.ids.unsqueeze(0),
        position_ids=row.positions.unsqueeze(0),
        use_cache=False,
        **attention_arguments(row),
    ).last_hidden_state[0]
    return cast(Tensor, states).index_select(0, row.sources)


def load_causal(options: ModelOptions) -> PreTrainedModel:
    """Load the model that the options name, ready for training on their device, or for being spread over processes.

    Raises:
        ConfigError: There is no model under that name, the device is not there, or adapters do not fit.
        MissingDependencyError: transformers or peft is not installed.
    """
    try:
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise MissingDependencyError(
            "training needs transformers: pip install 'wideseek-baselines[transformers]'"
        ) from error
    if options.compile and distributed.size() > 1:
        raise ConfigError("model.compile is for one process: leave it out where torchrun starts several")
    dtype = torch.bfloat16 if options.precision == "bfloat16" else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(options.path, dtype=dtype)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no model can be loaded from {options.path!r}: {str(error).strip()[:300]}"
        ) from error
    if options.lora.rank:
        add_adapters(model, options.lora)
    device = device_of(options.device)
    if distributed.size() == 1:  # else each process takes its part there
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


def load_model(options: ModelOptions) -> TokenModel:
    """The model that the options name, as a `TokenModel`, spread over the processes; errors as `load_causal`."""
    causal = load_causal(options)
    model = TokenModel(causal, chunk=options.logits_chunk, autocast=options.precision == "autocast")
    return sharded(model, layers_of(causal), device_of(options.device))


def layers_of(causal: PreTrainedModel) -> list[nn.Module]:
    """The layers of a model's trunk, one after the other; `ConfigError` for a model that is built otherwise."""
    layers = getattr(causal.get_decoder(), "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise ConfigError(f"{type(causal).__name__} has no list of layers, as Llama and Qwen models have")
    return list(layers)


def compile_layers(causal: PreTrainedModel) -> None:
    """Compile the computation of each layer, once for all of them and for rows of any length."""
    for layer in layers_of(causal):
        # The forward alone: hooks and the recomputation of activations stay around it.
        layer.forward = torch.compile(layer.forward, dynamic=True)


def device_of(name: str) -> torch.device:
    """The device of this name; "auto" is the first CUDA device where there is one, else the CPU."""
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
