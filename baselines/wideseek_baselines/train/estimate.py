"""Estimates what a run will need from its configuration: memory of trainer and engine, and tokens of a step.

The sizes of weights, gradients and optimizer states are almost exact. The size of activations is a rough count for
layers of Qwen3. Fragmentation, libraries and communication need additional memory that is not counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wideseek_baselines.shipped_models import model_path
from wideseek_baselines.train.config.options import LoraOptions, ModelOptions
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.ppo import PpoConfig
from wideseek_baselines.train.rollouts.role_engines import role_engines
from wideseek_baselines.train.sft import SftConfig, read_data
from wideseek_env.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a model of the Llama family (Llama, Qwen2, Qwen3, SmolLM2)."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    """Width of the feed-forward layers."""
    vocab: int
    context: int
    tied: bool
    """Whether the embedding is also the output layer."""
    query_norms: bool
    """Whether queries and keys are normalised, as in Qwen3."""
    biases: bool = False
    """Whether queries, keys and values have biases, as in Qwen2."""

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.layers * self.layer_weights + self.outer_weights

    @property
    def layer_weights(self) -> int:
        """Number of weights of one layer."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        layer = self.hidden * (2 * queries + 2 * keys + 3 * self.inner + 2)
        layer += 2 * self.head_dim if self.query_norms else 0
        return layer + (queries + 2 * keys if self.biases else 0)

    @property
    def outer_weights(self) -> int:
        """Number of weights outside the layers: embedding, output layer, last norm."""
        return self.hidden + self.vocab * self.hidden * (1 if self.tied else 2)

    def adapter_weights(self, options: LoraOptions) -> int:
        """Number of weights of low-rank adapters."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        sides = {
            "q_proj": self.hidden + queries,
            "k_proj": self.hidden + keys,
            "v_proj": self.hidden + keys,
            "o_proj": self.hidden + queries,
            "gate_proj": self.hidden + self.inner,
            "up_proj": self.hidden + self.inner,
            "down_proj": self.hidden + self.inner,
        }
        return self.layers * options.rank * sum(sides.get(name, 0) for name in options.targets)

    @property
    def cache_numbers(self) -> int:
        """Numbers in the key-value cache for each token."""
        return 2 * self.layers * self.kv_heads * self.head_dim

    @property
    def layer_numbers(self) -> int:
        """Approximate count of the numbers that one layer keeps in memory for each token until the backward pass."""
        return 4 * self.hidden + self.head_dim * (3 * self.heads + 3 * self.kv_heads) + 4 * self.inner


KNOWN = {
    "Qwen/Qwen3-4B": Shape(36, 2560, 32, 8, 128, 9728, 151936, 40960, True, True),
    "HuggingFaceTB/SmolLM2-135M-Instruct": Shape(30, 576, 9, 3, 64, 1536, 49152, 8192, True, False),
}
"""The models in the presets. An estimate for them needs no download."""


def shape_of(model: str) -> Shape:
    """The dimensions of a model, from `KNOWN` or from ``config.json`` in the model's folder.

    Raises:
        ConfigError: There is no such folder, or the model is not of the Llama family.
    """
    if model in KNOWN:
        return KNOWN[model]
    path = Path(model_path(model)).expanduser() / "config.json"
    try:
        about: dict[str, Any] = json.loads(path.read_text("utf-8"))
        heads = about["num_attention_heads"]
        return Shape(
            layers=about["num_hidden_layers"],
            hidden=about["hidden_size"],
            heads=heads,
            kv_heads=about.get("num_key_value_heads", heads),
            head_dim=about.get("head_dim") or about["hidden_size"] // heads,
            inner=about["intermediate_size"],
            vocab=about["vocab_size"],
            context=about["max_position_embeddings"],
            tied=bool(about.get("tie_word_embeddings")),
            query_norms=about.get("model_type") == "qwen3",
            biases=about.get("model_type") == "qwen2" or bool(about.get("attention_bias")),
        )
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"no estimate for {model!r}: give a folder whose config.json has the dimensions of a Llama or Qwen model, "
            f"or one of {', '.join(KNOWN)} ({type(error).__name__}: {error})"
        ) from error


@dataclass(frozen=True, slots=True)
class Estimate:
    """The bytes that each part of a run needs, and the largest number of tokens of a step."""

    weights: int
    """Number of weights of the model."""
    trainer: dict[str, int]
    """Bytes that each training process needs, by part."""
    processes: int
    """Number of processes that train the model together."""
    engine: dict[str, int]
    """Bytes that each engine needs, by part."""
    episodes: int
    """Episodes of a step."""
    conversations: int
    """Conversations of an episode in which the lead delegates once and starts as many subagents as it may."""
    generated: int
    """Largest number of tokens that the engine generates in a step, if every one of these conversations reaches its
    limit."""
    read: int
    """Largest number of tokens that the trainer reads when it goes over the episodes of a step once."""
    engines: int = 1
    """Number of engines in each process that plays episodes."""

    def lines(self) -> list[str]:
        """The estimate as text."""
        return [
            f"model                {self.weights / 1e6:,.1f} M weights",
            f"{'each trainer process' if self.processes > 1 else 'trainer':<21}" + _sum(self.trainer),
            *(f"  {name:<19}{_size(value)}" for name, value in self.trainer.items()),
            f"{'each engine' if self.engines == 1 else f'each of {self.engines} engines':<21}"
            + _sum(self.engine),
            *(f"  {name:<19}{_size(value)}" for name, value in self.engine.items()),
            f"step                 {self.episodes:,} episodes of at most {self.conversations} conversations "
            "(one full delegation)",
            f"  generated          at most {self.generated:,} tokens",
            f"  trained on         at most {self.read:,} tokens, prompts and results included",
        ]


@dataclass(frozen=True, slots=True)
class SftEstimate:
    """What a warm start will do: bytes of a training process, and sequences, tokens and steps."""

    weights: int
    """Number of weights of the model."""
    trainer: dict[str, int]
    """Bytes that each training process needs, by part."""
    steps: int
    """Steps of the whole run, if it does not end early."""
    sequences: int
    """Sequences that are trained on."""
    held_out: int
    """Sequences on which the held-out loss is measured."""
    left_out: int
    """Sequences that are longer than `max_tokens`."""
    tokens: int
    """Tokens that go through the model in training, prompts included."""
    trained: int
    """Tokens that the model learns to write, counted in every epoch."""

    def lines(self) -> list[str]:
        """The estimate as text."""
        return [
            f"model                {self.weights / 1e6:,.1f} M weights",
            "trainer              " + _sum(self.trainer),
            *(f"  {name:<19}{_size(value)}" for name, value in self.trainer.items()),
            f"data                 {self.sequences:,} sequences to train on, {self.held_out:,} held out, "
            f"{self.left_out:,} left out because they are longer than max_tokens",
            f"run                  {self.steps:,} steps, if it does not end early",
            f"  read               {self.tokens:,} tokens, prompts and results included",
            f"  trained on         {self.trained:,} tokens",
        ]


def estimate_sft(config: SftConfig, processes: int = 1) -> SftEstimate:
    """Estimate what a warm start needs. Reads the episodes and the tokenizer, but loads no model.

    Raises:
        ConfigError: There is nothing to train on, or the dimensions of the model are unknown.
    """
    shape, data = shape_of(config.model.path), read_data(config)
    longest = max(len(sample) for sample in (*data.train, *data.held_out))
    samples = [data.train[number] for step in data.plan for number in step]
    return SftEstimate(
        shape.weights,
        _trainer_bytes(shape, config.model, max(config.tokens_per_row, longest), processes),
        len(data.plan),
        len(data.train),
        len(data.held_out),
        data.left_out,
        sum(map(len, samples)),
        sum(len(sample.places) for sample in samples),
    )


def estimate(config: RunConfig, processes: int = 1) -> Estimate:
    """Estimate what a run needs, without loading a model.

    Args:
        config: The settings.
        processes: Number of processes that train the model together. Each has a part of the weights and optimizer
            states.
    """
    shape = shape_of(config.model.path)
    model, engine = config.model, config.engine
    context = min(engine.context or shape.context, shape.context)
    joint = isinstance(config, PpoConfig) and config.value.view == "team" and config.value.context
    row = max(config.tokens_per_row, context, joint or 0)
    critic = isinstance(config, PpoConfig) and config.value.critic == "separate"
    referred = config.loss.kl > 0 or (isinstance(config, PpoConfig) and config.kl.coefficient > 0)
    policies = 2 if config.roles.weights == "separate" else 1
    trainer = _trainer_bytes(
        shape,
        model,
        row,
        processes,
        policies=policies,
        copies=policies + (1 if critic else 0),
        adapters=2 if config.roles.weights == "adapters" else 1,
        reference=referred,
    )
    small = engine.dtype in ("bfloat16", "float16") or (engine.dtype is None and engine.found == "vllm")
    number = 2 if small else 4
    per_engine = {
        "engine weights": number * shape.weights // engine.tensor_parallel,
        "cache, one context": number * context * shape.cache_numbers // engine.tensor_parallel,
    }
    rules = config.game.open_rules()
    team = [rules.lead_turns, *([rules.subagent_turns] * rules.width)]
    turns = team if config.game.team else [rules.single_turns]
    said = sum(min(context, count * engine.turn_tokens) for count in turns)
    said = min(said, engine.episode_tokens or said)
    episodes = config.tasks * config.group
    return Estimate(
        shape.weights,
        trainer,
        processes,
        per_engine,
        episodes,
        len(turns),
        episodes * said,
        episodes * len(turns) * context,
        engines=role_engines(config).count,
    )


def _trainer_bytes(
    shape: Shape,
    model: ModelOptions,
    row: int,
    processes: int,
    *,
    policies: int = 1,
    copies: int = 1,
    adapters: int = 1,
    reference: bool = False,
) -> dict[str, int]:
    """The bytes that each training process needs, by part.

    Args:
        shape: The dimensions of the model.
        model: How it computes.
        row: Number of tokens that go through the model at the same time.
        processes: Number of processes that share the weights.
        policies: Number of policies: 2 if each role has a model.
        copies: Number of trained models: the policies and a separate critic.
        adapters: Number of adapters of the policy.
        reference: Whether a reference model is loaded.
    """
    width = 2 if model.precision == "bfloat16" else 4
    product = 4 if model.precision == "float32" else 2
    layers = shape.layers * (shape.hidden if model.checkpoint_activations else shape.layer_numbers)
    layers += shape.layer_numbers if model.checkpoint_activations else 0
    adapter = shape.adapter_weights(model.lora)
    more = (adapters - 1) * adapter
    trained = copies * (adapter or shape.weights) + more
    spread = {
        "weights": width * (copies * (shape.weights + adapter) + more),
        "gradients": 4 * trained,
        "Adam": 8 * trained,
        "float32 masters": 4 * trained if model.precision == "bfloat16" else 0,
        "reference": width * shape.weights if reference and not adapter else 0,
    }
    # Gathered at the same time: the weights outside the layers, one layer and the next. The first also has gradients,
    # in their own type and in float32, in which they are summed.
    gathered = width * (shape.outer_weights + 2 * shape.layer_weights)
    gathered += 0 if adapter else (width + 4) * shape.outer_weights
    few = processes > 1 and model.checkpoint_activations  # otherwise the backward pass keeps all of them
    cast = shape.outer_weights + shape.layer_weights if few else policies * shape.weights
    parts = {
        **{name: -(-size // processes) for name, size in spread.items()},
        "gathered": gathered if processes > 1 else 0,
        "autocast copies": 2 * cast if model.precision == "autocast" else 0,
        "activations": row * layers * product,
        "logits": 3 * 4 * min(model.logits_chunk, row) * shape.vocab,
    }
    return {name: value for name, value in parts.items() if value}


def _sum(parts: dict[str, int]) -> str:
    return f"about {_size(sum(parts.values()))}"


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:,.1f} kB"
