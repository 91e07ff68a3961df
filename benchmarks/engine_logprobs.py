"""Compares the log-probabilities that vLLM reports for its samples with those of transformers for the same ids.

    python benchmarks/engine_logprobs.py [FOLDER …] [--dtype float32 bfloat16] [--requests 32] [--tokens 64]

Every FOLDER is a Hugging Face model with its tokenizer. The prompts for it are the beginnings of the lead's prompts in
the default environment. A random Qwen3 with 0.5 million weights always comes first, with prompts of random ids. Both
libraries use the same number format for weights and activations, and compute logarithms in float32. All requests run
together. The requests use the temperatures 0.7, 1 and 1.3 in turn.

The output has the mean, the 99th percentile and the maximum of the absolute difference. It also has the mean of k3, an
estimate of the KL divergence between both distributions. k3 is 0 if they are equal.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

import wideseek_env
from wideseek_baselines.engines.base import Generation, Request, Sampling
from wideseek_baselines.engines.vllm import VllmEngine

TEMPERATURES = (0.7, 1.0, 1.3)
PROMPT = 256
TINY = Qwen3Config(
    vocab_size=512,
    hidden_size=128,
    intermediate_size=256,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=32,
    max_position_embeddings=1024,
    tie_word_embeddings=True,
    bos_token_id=None,
    eos_token_id=0,
)


def save_tiny(folder: Path) -> None:
    """A random Qwen3 whose distributions are far from uniform."""
    generator = torch.Generator().manual_seed(0)
    model = Qwen3ForCausalLM(TINY)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() == 2:
                weights.normal_(0.0, 0.1, generator=generator)
    model.save_pretrained(folder)


def prompts(folder: Path, count: int) -> list[list[int]]:
    """Token ids of `count` prompts: text if there is a tokenizer, otherwise random ids."""
    if not (folder / "tokenizer.json").is_file():
        generator = torch.Generator().manual_seed(1)
        return torch.randint(TINY.vocab_size, (count, PROMPT), generator=generator).tolist()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with closing(wideseek_env.parallel_env()) as env:
        texts = [env.reset(seed=seed)[0]["lead"] for seed in range(count)]
    return [tokenizer(text)["input_ids"][:PROMPT] for text in texts]


async def sample(
    folder: Path, dtype: str, requests: Sequence[Request], context: int
) -> tuple[list[Generation], str]:
    """The texts that the engine generated for all requests at once, and a description of the engine."""
    engine = VllmEngine(folder, dtype=dtype, context=context, enforce_eager=True)
    await engine.start()
    try:
        return await asyncio.gather(*map(engine.generate, requests)), str(dict(engine.info.versions))
    finally:
        await engine.close()


def differences(
    folder: Path, dtype: str, requests: Sequence[Request], generations: Sequence[Generation]
) -> np.ndarray:
    """The engine's log-probability minus that of transformers, for every sampled token."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    found = []
    for request, made in zip(requests, generations, strict=True):
        ids = torch.tensor(made.ids)
        with torch.inference_mode():
            logits = model(torch.tensor([[*request.ids, *ids.tolist()]])).logits[0, len(request.ids) - 1 : -1]
        logprobs = torch.log_softmax(logits.float() / request.sampling.temperature, -1).gather(
            1, ids[:, None]
        )
        found.append(np.asarray(made.logprobs) - logprobs[:, 0].numpy())
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--dtype", nargs="+", default=["float32", "bfloat16"], choices=["float32", "bfloat16"]
    )
    parser.add_argument("--requests", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tiny = Path(scratch) / "random-qwen3"
        save_tiny(tiny)
        print(f"{'model':28} {'dtype':9} {'tokens':>7} {'mean':>9} {'p99':>9} {'max':>9} {'k3':>9}")
        for folder in [tiny, *options.folders]:
            asked = [
                Request(
                    str(number),
                    Sampling(options.tokens, temperature=TEMPERATURES[number % 3], seed=number),
                    ids=ids,
                )
                for number, ids in enumerate(prompts(folder, options.requests))
            ]
            for dtype in options.dtype:
                generations, versions = asyncio.run(sample(folder, dtype, asked, PROMPT + options.tokens))
                gap = differences(folder, dtype, asked, generations)
                far = np.abs(gap)
                figures = (far.mean(), np.quantile(far, 0.99), far.max(), (np.exp(-gap) - 1 + gap).mean())
                print(
                    f"{folder.name:28} {dtype:9} {gap.size:7} "
                    + " ".join(f"{value:9.2e}" for value in figures),
                    flush=True,
                )
    print(versions)


if __name__ == "__main__":
    main()
