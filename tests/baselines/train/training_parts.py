"""Small models and rollouts for the tests of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wideseek_baselines.tokens.record import AgentRecord, Rollout, TurnRecord
from wideseek_baselines.tokens.record import Sequence as TokenSequence
from wideseek_baselines.train.data.packing import Sample

VOCAB = 97
END, PAD = 1, 0


def tiny_causal(seed: int = 0, *, tied: bool = True, dtype: torch.dtype = torch.float32) -> Any:
    """A random Qwen3 model with grouped queries, whose attention and output really depend on the context."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=512,
        tie_word_embeddings=tied,
        eos_token_id=END,
        pad_token_id=PAD,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config).to(dtype)


def examples(lengths: Sequence[int], seed: int = 0) -> list[Sample]:
    """Sequences of random ids, pad and end ids among them, about a third of their tokens trained."""
    random = np.random.default_rng(seed)
    made = []
    for length in lengths:
        ids = random.integers(0, VOCAB, length)
        ids[random.random(length) < 0.2] = PAD
        places = np.flatnonzero(random.random(length) < 0.35)
        places = places[places > 0] if len(places[places > 0]) else np.array([length - 1])
        made.append(Sample(ids, places))
    return made


def turn(number: int, start: int, stop: int, **changes: Any) -> TurnRecord:
    """A turn with made-up log-probabilities, by policy version 0."""
    values: dict[str, Any] = {
        "logprobs": [-0.5 - 0.01 * at for at in range(stop - start)],
        "versions": ((0, stop - start),),
        "finish_reason": "stop",
        **changes,
    }
    return TurnRecord(number, start, stop, **values)


def agent(
    role: str,
    turns: Sequence[int],
    *,
    name: str = "",
    ending: str = "",
    split: bool = False,
    clocks: Sequence[int] = (),
    **changes: Any,
) -> AgentRecord:
    """An agent that wrote turns of so many tokens, each after three tokens of prompt or results.

    Args:
        role: Of the agent.
        turns: Tokens of each turn.
        name: By default the role.
        ending: By default "answered" or "reported".
        split: One sequence a turn, as with templates that rewrite earlier turns.
        clocks: Of the turns.
        changes: Of the last turn.
    """
    sequences: list[TokenSequence] = []
    ids: list[int] = []
    records: list[TurnRecord] = []
    for number, tokens in enumerate(turns):
        if split:
            ids, records = [], []
        start = len(ids) + 3
        ids = [*ids, 2, 3, 4, *(5 + (number + at) % 50 for at in range(tokens))]
        last = changes if number == len(turns) - 1 else {}
        records = [*records, turn(number, start, start + tokens, **last)]
        if split:
            sequences.append(TokenSequence(ids, records))
    if not split:
        sequences = [TokenSequence(ids, records)]
    done = ending or ("reported" if role == "subagent" else "answered")
    return AgentRecord(name or role, role, 0, done, sequences, clocks=tuple(clocks))  # type: ignore[arg-type]


def rollout(
    agents: Sequence[AgentRecord], *, group: str = "a", reward: float = 1.0, **changes: Any
) -> Rollout:
    """An episode of these agents; it ends as its first agent did."""
    values: dict[str, Any] = {
        "task_id": group,
        "trial": 0,
        "seed": 0,
        "parts": {},
        "score": {"item_f1": reward},
        "ending": agents[0].ending,
        **changes,
    }
    return Rollout(group=group, agents=list(agents), reward=reward, **values)


def saved_model(folder: Path, seed: int = 0) -> Path:
    """A folder with a tiny model of 480 tokens' vocabulary and its tokenizer."""
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tokens"))
    from tiny_chat import tiny_tokenizer
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = tiny_tokenizer("qwen2")
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
