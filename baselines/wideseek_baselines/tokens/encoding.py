"""Encodes text from agents and pages so that no part of it becomes a special token.

A question, a page or a report may contain the text of a special token. Before the chat template renders such a text,
`mark_specials` puts a mark into it. The mark is a character that occurs nowhere else in the conversation. In the
rendered text, special tokens without a mark come from the template. Special tokens with a mark are encoded as ordinary
text, without the mark.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARKS = [chr(code) for code in range(0xE000, 0xE400)]
"""Characters of Unicode's private use area. No tokenizer gives them a meaning, and texts rarely contain them."""


class Encoder:
    """Encodes and decodes with one tokenizer. Several threads may use it.

    Attributes:
        specials: The texts of the tokenizer's special tokens, except those of a single character.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._lock = threading.Lock()  # a fast tokenizer keeps the value of `split_special_tokens` as state
        added = tokenizer.added_tokens_decoder.values()
        texts = {token.content for token in added if token.special} | set(tokenizer.all_special_tokens)
        self.specials = frozenset(text for text in texts if len(text) > 1)
        self._special_ids = {
            token_id: token.content
            for token_id, token in tokenizer.added_tokens_decoder.items()
            if token.content in self.specials
        }
        self._any = pattern_of(self.specials)

    def encode(self, text: str, mark: str = "") -> list[int]:
        """The ids of rendered text. `mark` is the character that `mark_specials` put into the text, or "".

        Pieces between two special tokens that contain a mark are encoded separately. Everything else gets the same ids
        as if the whole text were encoded at once.
        """
        if not mark or mark not in text:
            return self._encode(text, split=False)
        ids: list[int] = []
        ready = ""
        for piece in self._pieces(text):
            if mark in piece:
                ids += self._encode(ready, split=False)
                ids += self._encode(piece.replace(mark, ""), split=True)
                ready = ""
            else:
                ready += piece
        return ids + self._encode(ready, split=False)

    def encode_after(self, previous: int | None, text: str, mark: str = "") -> list[int]:
        """The ids of a text after the special token `previous`, as if both were encoded together."""
        if previous is not None:
            ids = self.encode(self.token(previous) + text, mark)
            if ids and ids[0] == previous:
                return ids[1:]
        return self.encode(text, mark)

    def decode(self, ids: list[int]) -> str:
        """The text of ids, special tokens included."""
        text = self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text if isinstance(text, str) else "".join(text)

    def spelled(self, ids: Sequence[int], text: str) -> list[tuple[int, int]]:
        """Where `text`, which is the text of `ids`, has the text of a special token that is not among the ids.

        Returns pairs (start, end), in order.
        """
        found = [] if self._any is None else [match.span() for match in self._any.finditer(text)]
        real = [at for at, token_id in enumerate(ids) if token_id in self._special_ids]
        if [text[start:end] for start, end in found] == [self._special_ids[ids[at]] for at in real]:
            return []
        starts = {len(self.decode(list(ids[:at]))) for at in real}
        return [span for span in found if span[0] not in starts]

    def token(self, token_id: int) -> str:
        """The text of one special token."""
        token = self._tokenizer.convert_ids_to_tokens(token_id)
        return token if isinstance(token, str) else ""

    def found(self, text: str) -> list[str]:
        """The special tokens in a text, in order."""
        return self._any.findall(text) if self._any is not None else []

    def id_of(self, token: str) -> int:
        """The id of a special token."""
        token_id = self._tokenizer.convert_tokens_to_ids(token)
        if not isinstance(token_id, int):
            raise KeyError(token)
        return token_id

    def _encode(self, text: str, *, split: bool) -> list[int]:
        if not text:
            return []
        with self._lock:
            return list(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=split))

    def _pieces(self, text: str) -> Iterable[str]:
        """The text cut into pieces. Each special token is a separate piece."""
        at = 0
        if self._any is not None:
            for match in self._any.finditer(text):
                yield text[at : match.start()]
                yield match.group()
                at = match.end()
        yield text[at:]


def pattern_of(tokens: Collection[str]) -> re.Pattern[str] | None:
    """A pattern that matches any of these texts. Where several match, it takes the longest. None if there are no
    texts.
    """
    if not tokens:
        return None
    return re.compile("|".join(re.escape(token) for token in sorted(tokens, key=lambda t: (-len(t), t))))


def free_mark(texts: Iterable[str]) -> str:
    """A character that occurs in none of the texts."""
    joined = "".join(texts)
    return next(mark for mark in _MARKS if mark not in joined)


def mark_specials(text: str, pattern: re.Pattern[str] | None, mark: str) -> str:
    """The text with `mark` inserted after the first character of every match of `pattern`."""
    if pattern is None:
        return text
    return pattern.sub(lambda match: f"{match.group()[0]}{mark}{match.group()[1:]}", text)


def cut_marked(text: str, mark: str, length: int) -> str:
    """The text after its first `length` characters. Marks are not counted."""
    if not mark or mark not in text[: length + 1]:
        return text[length:]
    at = left = 0
    for part in text.split(mark):
        if left + len(part) >= length:
            return text[at + length - left :]
        left += len(part)
        at += len(part) + 1
    return ""
