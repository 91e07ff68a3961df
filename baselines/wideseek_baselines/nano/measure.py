"""Measures how many tokens a tokenizer needs for conversations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from wideseek_baselines.nano.tokenizer import TURN_END, TURN_START
from wideseek_env.messages import Message


@dataclass(frozen=True, slots=True)
class Fit:
    """The result of a measurement on several conversations: characters of content per token, and tokens per
    conversation.
    """

    characters_per_token: float
    median: int
    longest: int


def measure(tokenizer: str, conversations: Iterable[Iterable[Message]]) -> Fit:
    """Measure the tokenizer in the text `tokenizer` of a `tokenizer.json`.

    The tokens of the chat format count. The characters of the chat format do not.
    """
    from tokenizers import Tokenizer

    encoder = Tokenizer.from_str(tokenizer)
    characters, lengths = 0, []
    for messages in conversations:
        text = "".join(f"{TURN_START}{m['role']}\n{m['content']}{TURN_END}\n" for m in messages)
        characters += sum(len(m["content"]) for m in messages)
        lengths.append(len(encoder.encode(text).ids))
    return Fit(characters / sum(lengths), round(median(lengths)), max(lengths))
