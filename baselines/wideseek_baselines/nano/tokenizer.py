"""A byte-level BPE tokenizer fitted to given text, in the file format of the `tokenizers` library.

Any text comes back exactly from its tokens, because the alphabet is the 256 bytes. Numbers are cut after every second
digit, so that a year is two tokens: a model that copies by the last few tokens then still sees what stood before it.
Punctuation may join across single spaces and line breaks (the end of one table row and the begin of the next is one
token), the head of an address is one piece, and so are words in small letters that follow one another: prompts and
pages repeat many phrases, and names stay apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from wideseek_baselines.nano.template import CHAT_TEMPLATE
from wideseek_env.errors import ConfigError, MissingDependencyError
from wideseek_env.messages import Message

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
CONTROL = (END_OF_TEXT, TURN_START, TURN_END)
"""Tokens that structure a conversation; decoding may leave them out."""
MARKUP = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
"""Tokens that are part of a message's text."""
SMALLEST = 256 + len(CONTROL + MARKUP)

_SIGN = r"[^\s\p{L}\p{N}]"
_PIECES = "|".join(
    (
        r" ?https?://[\p{L}\p{N}.-]+/?",  # scheme and host
        r"(?: \p{Ll}+){2,}[.,;:]?",  # a phrase
        r"[ /-]?\p{L}+",  # a word, of a sentence or of an address
        r" ?\p{N}{1,2}",
        rf" ?{_SIGN}+(?:[ \n]{{1,2}}{_SIGN}+)*\n*",  # signs, such as `", "` or ` |\n|`
        r"\s+",
    )
)
_SPECIAL = re.compile("|".join(map(re.escape, CONTROL + MARKUP)))


def train_tokenizer(conversations: Iterable[Iterable[Message]], vocab: int) -> str:
    """The `tokenizer.json` of a tokenizer with `vocab` tokens, trained on the texts of `conversations`.

    The same texts give the same bytes. `ConfigError` when the texts have too few different pieces for `vocab`.
    """
    try:
        from tokenizers import AddedToken, Regex, Tokenizer
        from tokenizers.decoders import ByteLevel as ByteLevelDecoder
        from tokenizers.models import BPE
        from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
        from tokenizers.trainers import BpeTrainer
    except ImportError as error:
        raise MissingDependencyError("a nano model needs tokenizers: pip install tokenizers") from error
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = Sequence(
        [Split(Regex(_PIECES), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocab,
        min_frequency=2,
        show_progress=False,
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in CONTROL + MARKUP],
        initial_alphabet=sorted(ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(_pieces(conversations), trainer)
    if tokenizer.get_vocab_size() != vocab:
        raise ConfigError(
            f"the text gives {tokenizer.get_vocab_size()} tokens, not {vocab}: take more worlds or a smaller vocabulary"
        )
    record = json.loads(tokenizer.to_str())
    for token in record["added_tokens"]:
        token["special"] = token["content"] in CONTROL
    return json.dumps(record, ensure_ascii=False, indent=1) + "\n"


def tokenizer_config(context: int) -> dict[str, Any]:
    """The `tokenizer_config.json` that goes with it; `context` is the longest sequence in tokens."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "bos_token": None,
        "eos_token": TURN_END,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def _pieces(conversations: Iterable[Iterable[Message]]) -> Iterator[str]:
    """The texts without the special tokens, which no other token may run into; each text as a chat template ends it."""
    for conversation in conversations:
        for message in conversation:
            yield f"{message['role']}\n"
            yield from filter(None, _SPECIAL.split(message["content"]))
            yield "\n"
