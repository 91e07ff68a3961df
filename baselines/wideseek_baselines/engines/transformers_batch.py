"""A batch of sequences for which a Hugging Face model generates tokens. Sequences can join and leave at any time.

The model first reads the prompt of a sequence alone, without padding. Then the sequence joins the batch. Its keys and
values are padded on the left to the length of the batch, and the padding is masked. So other sequences change the
log-probabilities of a sequence only by rounding.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wideseek_baselines.engines.base import FinishReason, Sampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(eq=False, slots=True)
class GeneratingSequence:
    """One sequence in a batch. The first `prompt` ids of `ids` are the prompt. Sampled ids are appended."""

    ids: list[int]
    sampling: Sampling
    limit: int
    """The length, prompt and generation together, at which the sequence is cut off."""
    prompt: int = 0
    logprobs: list[float] = field(default_factory=list)
    versions: list[tuple[int, int]] = field(default_factory=list)
    finish: FinishReason | None = None
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.prompt = len(self.ids)
        self.dice = random.Random(self.sampling.seed)

    def append(self, token: int, logprob: float, version: int) -> None:
        """Append one sampled token, and set `finish` if it ends the sequence."""
        self.ids.append(token)
        self.logprobs.append(logprob)
        latest, count = self.versions[-1] if self.versions else (version, 0)
        if latest == version:
            self.versions[-1:] = [(version, count + 1)]
        else:
            self.versions.append((version, 1))
        if token in self.sampling.stop_ids:
            self.finish = "stop"
        elif len(self.ids) >= min(self.limit, self.prompt + self.sampling.max_tokens):
            self.finish = "length"


class Batch:
    """The sequences in flight on `model`, which must be on its device and in evaluation mode."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.rows: list[GeneratingSequence] = []
        self._lengths: list[int] = []
        """The number of cached positions of each row."""
        self._cache: Any = None

    def join(self, row: GeneratingSequence, version: int) -> None:
        """Read the ids of a sequence and sample its next token. Unless this token ends it, the sequence joins the
        batch.
        """
        import torch
        from transformers import DynamicCache

        cache = DynamicCache()
        ids = torch.tensor([row.ids], device=self._model.device)
        logits = self._model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        self._sample([row], logits[:, -1], version)
        if row.finish is not None:
            return
        length = ids.shape[1]
        if not self.rows:
            self._cache = cache
        else:
            width = max(self._width, length)
            self._cache = _cache_of(
                tuple(
                    torch.cat([_widened(a, width), _widened(b, width)])
                    for a, b in zip(ours, new, strict=True)
                )
                for ours, new in zip(_layers(self._cache), _layers(cache), strict=True)
            )
        self.rows.append(row)
        self._lengths.append(length)

    def step(self, version: int) -> list[GeneratingSequence]:
        """Sample one more token for every sequence. Sequences that ended leave the batch and are returned."""
        import torch

        if not self.rows:
            return []
        device, width = self._model.device, self._width
        lengths = torch.tensor(self._lengths, device=device).unsqueeze(1)
        places = torch.arange(width + 1, device=device).unsqueeze(0)
        logits = self._model(
            input_ids=torch.tensor([[row.ids[-1]] for row in self.rows], device=device),
            attention_mask=(places >= width - lengths).long(),
            position_ids=lengths,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        self._lengths = [length + 1 for length in self._lengths]
        self._sample(self.rows, logits[:, -1], version)
        ended = [row for row in self.rows if row.finish is not None]
        self.leave(ended)
        return ended

    def leave(self, rows: Sequence[GeneratingSequence]) -> None:
        """Take sequences out of the batch. Sequences that are not in the batch are ignored."""
        import torch

        keep = [at for at, row in enumerate(self.rows) if row not in rows]
        if len(keep) == len(self.rows):
            return
        self.rows = [self.rows[at] for at in keep]
        self._lengths = [self._lengths[at] for at in keep]
        if not keep:
            self._cache = None
            return
        chosen, width = torch.tensor(keep, device=self._model.device), max(self._lengths)
        self._cache = _cache_of(
            tuple(part.index_select(0, chosen)[:, :, -width:] for part in layer)
            for layer in _layers(self._cache)
        )

    def clear(self) -> list[GeneratingSequence]:
        """Empty the batch and its cache. Returns the sequences that were in it."""
        rows, self.rows, self._lengths, self._cache = self.rows, [], [], None
        return rows

    @property
    def _width(self) -> int:
        return max(self._lengths)

    def _sample(self, rows: Sequence[GeneratingSequence], logits: Tensor, version: int) -> None:
        tokens, logprobs = sample(logits, [row.sampling for row in rows], [row.dice for row in rows])
        for row, token, logprob in zip(rows, tokens, logprobs, strict=True):
            row.append(token, logprob, version)


def sample(
    logits: Tensor, samplings: Sequence[Sampling], dice: Sequence[random.Random]
) -> tuple[list[int], list[float]]:
    """Sample one token for each row of `logits` [rows, vocabulary]. Returns the tokens and their log-probabilities.

    The log-probability of a token is that in the distribution from which it was sampled. Each row draws exactly one
    random number from its `dice`, so its token does not depend on other rows. At temperature 0, the most probable token
    is taken, with its log-probability at temperature 1.
    """
    import torch

    scale = [1.0 / s.temperature if s.temperature else 1.0 for s in samplings]
    scaled = logits.float() * torch.tensor(scale, device=logits.device).unsqueeze(1)
    for at, sampling in enumerate(samplings):
        if sampling.temperature and (sampling.top_k or sampling.top_p < 1):
            scaled[at] = _filtered(scaled[at], sampling)
    logprobs = torch.log_softmax(scaled, dim=-1)
    heights = logprobs.double().exp().cumsum(dim=-1)
    drawn = torch.tensor([d.random() for d in dice], dtype=torch.float64, device=logits.device)
    tokens = torch.searchsorted(heights, (drawn * heights[:, -1]).unsqueeze(1), right=True)
    tokens = tokens.clamp(max=logits.shape[-1] - 1)
    greedy = torch.tensor([not s.temperature for s in samplings], device=logits.device).unsqueeze(1)
    tokens = torch.where(greedy, scaled.argmax(dim=-1, keepdim=True), tokens)
    return tokens.squeeze(1).tolist(), logprobs.gather(1, tokens).squeeze(1).tolist()


def _filtered(scores: Tensor, sampling: Sampling) -> Tensor:
    """Scores [vocabulary] with minus infinity for every token outside top-k, and then for every token outside top-p."""
    import torch

    ordered, places = scores.sort(descending=True)
    if sampling.top_k:
        ordered[sampling.top_k :] = float("-inf")
    if sampling.top_p < 1:
        shares = torch.softmax(ordered, dim=-1)
        before = shares.cumsum(dim=-1) - shares
        ordered[before >= sampling.top_p] = float("-inf")
    return torch.empty_like(scores).scatter_(0, places, ordered)


def _layers(cache: Any) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of every layer, each [rows, heads, length, head dimension]."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def _cache_of(layers: Iterable[tuple[Tensor, ...]]) -> Any:
    from transformers import DynamicCache

    cache = DynamicCache()
    for number, (keys, values) in enumerate(layers):
        cache.update(keys, values, number)
    return cache


def _widened(part: Tensor, width: int) -> Tensor:
    """A tensor padded with zeros on the left of its length axis, up to `width`."""
    import torch

    missing = width - part.shape[2]
    return torch.nn.functional.pad(part, (0, 0, missing, 0)) if missing else part
