"""Makes an assistant's message from sampled ids.

Most model families write calls as text between markers, which may be special tokens. For these, the message is the text
of the ids, special tokens included, and the environment's parser reads it. A special token that the model only spelled
with ordinary tokens is text and no marker. So its text is changed in the same way as in pages, and it stays readable.

Models that write harmony get a separate reader (`wideseek_baselines.tokens.harmony`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wideseek_baselines.tokens.encoding import Encoder, pattern_of
from wideseek_baselines.tokens.harmony import HarmonyReader
from wideseek_env.messages import Message
from wideseek_env.pages.neutral import neutralise
from wideseek_env.parsing import open_thought

_THOUGHT_TAG = re.compile(r"<(/?think)>")
_LONGEST_OPENING = 2000


def opening_of(prompt: str) -> str:
    """The end of a prompt from the tag with which it leaves a thought open, or "".

    Some chat templates begin the assistant's turn with such a tag. The sampled text has only the rest of the thought.
    """
    end = prompt[-_LONGEST_OPENING:]
    tag = open_thought(end)
    return end[end.rindex(tag) :] if tag else ""


class TurnReader:
    """Makes messages from sampled ids.

    Args:
        encoder: The encoder of the model's tokenizer.
        harmony: Whether the model writes harmony.
    """

    def __init__(self, encoder: Encoder, *, harmony: bool) -> None:
        self._encoder = encoder
        self._any = pattern_of(encoder.specials)
        self._harmony = HarmonyReader(encoder, self._harmless) if harmony else None

    def read(self, prompt: Sequence[int], opening: str, ids: Sequence[int]) -> tuple[Message, str]:
        """The assistant's message, and its content as it was sampled.

        Args:
            prompt: The ids before the turn.
            opening: The end of the prompt from the tag with which it leaves a thought open, or "".
            ids: The sampled ids without the token that ended the turn.
        """
        if self._harmony is not None:
            message = self._harmony.read(prompt, ids)
            return message, str(message["content"])
        sampled = self._encoder.decode(list(ids))
        pieces, at = [opening], 0
        for start, end in self._encoder.spelled(ids, sampled):
            pieces += (sampled[at:start], _broken(sampled[start:end]))
            at = end
        content = "".join([*pieces, sampled[at:]])
        return {"role": "assistant", "content": content}, opening + sampled

    def _harmless(self, text: str) -> str:
        """The text of ordinary tokens, changed so that nothing in it is markup."""
        if self._any is not None:
            text = self._any.sub(lambda match: _broken(match.group()), text)
        return _THOUGHT_TAG.sub(r"‹\1›", text)


def _broken(token: str) -> str:
    """The text of a special token, changed so that it is no markup and stays readable."""
    changed = neutralise(token)
    return changed if changed != token else f"{token[0]} {token[1:]}"
