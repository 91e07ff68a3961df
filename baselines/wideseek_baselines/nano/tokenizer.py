"""Trains a byte-level BPE tokenizer on given text, in the file format of the `tokenizers` library.

The alphabet is the 256 bytes, so decoding gives back any text exactly. Text is cut into pieces before tokens are built:

- Numbers are cut after every second digit, so a year has only two tokens. A model that copies by comparing the last few
  tokens then also compares what came before the year.
- Punctuation joins across single spaces and line breaks. So the end of a table row and the beginning of the next can be
  one token.
- Scheme and host of an address are one piece.
- Neighbouring words in small letters are one piece, because prompts and pages repeat many phrases. Names stay separate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from wideseek_baselines.nano.template import CHAT_TEMPLATE
from wideseek_env.errors import ConfigError, MissingDependencyError, baselines_hint
from wideseek_env.messages import Message

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
CONTROL = (END_OF_TEXT, TURN_START, TURN_END)
"""Tokens that structure a conversation. Decoding may omit them."""
MARKUP = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
"""Tokens that are part of a message's text."""
SMALLEST = 256 + len(CONTROL + MARKUP)

_SIGN = r"[^\s\p{L}\p{N}]"
_PIECES = "|".join(
    (
        r" ?https?://[\p{L}\p{N}.-]+/?",  # scheme and host
        r"(?: \p{Ll}+){2,}[.,;:]?",  # a phrase
        r"[ /-]?\p{L}+",  # a word of a sentence or of an address
        r" ?\p{N}{1,2}",
        rf" ?{_SIGN}+(?:[ \n]{{1,2}}{_SIGN}+)*\n*",  # punctuation, such as `", "` or ` |\n|`
        r"\s+",
    )
)
_SPECIAL = re.compile("|".join(map(re.escape, CONTROL + MARKUP)))


def train_tokenizer(conversations: Iterable[Iterable[Message]], vocab: int) -> str:
    """Train a tokenizer with `vocab` tokens on the texts of `conversations`. Returns the content of its
    `tokenizer.json`.

    The same texts give the same bytes. Raises `ConfigError` if the texts have too few different pieces for `vocab`.
    """
    try:
        from tokenizers import AddedToken, Regex, Tokenizer
        from tokenizers.decoders import ByteLevel as ByteLevelDecoder
        from tokenizers.models import BPE
        from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
        from tokenizers.trainers import BpeTrainer
    except ImportError as error:
        raise MissingDependencyError(
            f"a nano model needs tokenizers; {baselines_hint('transformers')}"
        ) from error
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
            f"the text gives {tokenizer.get_vocab_size()} tokens, not {vocab}: use more worlds or a smaller vocabulary"
        )
    record = json.loads(tokenizer.to_str())
    for token in record["added_tokens"]:
        token["special"] = token["content"] in CONTROL
    return json.dumps(record, ensure_ascii=False, indent=1) + "\n"


def tokenizer_config(context: int) -> dict[str, Any]:
    """The content of `tokenizer_config.json`. `context` is the longest sequence in tokens."""
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
    """The texts, cut at special tokens, because no other token may overlap these. Each text ends as in the chat
    template.
    """
    for conversation in conversations:
        for message in conversation:
            yield f"{message['role']}\n"
            yield from filter(None, _SPECIAL.split(message["content"]))
            yield "\n"
