"""Random Qwen3 models of half a million weights in folders, and what transformers computes with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

VOCABULARY = 512


def save_model(folder: Path, seed: int) -> Path:
    """A model folder; its generation settings are such that an engine that took them over would show it."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=VOCABULARY,
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
    model = Qwen3ForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() == 2:  # wide enough that its distributions are far from uniform
                weights.normal_(0.0, 0.1, generator=generator)
    model.generation_config.eos_token_id = list(range(VOCABULARY // 2))
    model.generation_config.do_sample = True
    model.generation_config.top_k = 5
    model.generation_config.temperature = 0.5
    model.save_pretrained(folder)
    return folder


def load_model(folder: Path):
    """The model in transformers, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def logprobs(model, prompt: Sequence[int], ids: Sequence[int], temperature: float = 1.0) -> list[float]:
    """Of each of `ids` after the prompt and those before it."""
    import torch

    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1].float()
    return torch.log_softmax(logits / temperature, -1).gather(1, torch.tensor(ids)[:, None])[:, 0].tolist()


def greedy(model, prompt: Sequence[int], count: int) -> list[int]:
    """The most probable continuation, token by token."""
    import torch

    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(count):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]
