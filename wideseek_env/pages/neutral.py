"""Makes text from outside harmless by changing everything that a model could take for its own markup. The changes are
visible.

A page may contain `<tool_call>` or `<|im_end|>`, by chance or on purpose. In a conversation, a parser could read
`<tool_call>` as a call, and a tokenizer could read `<|im_end|>` as the end of a turn. So the angle brackets of such
tags become ‹single guillemets›, which are readable but are not markup. Some spellings become such a tag only after a
program has changed letter case and full-width forms or dropped invisible characters. These spellings are changed in the
same way. Names in square brackets (`[INST]`) get a space inside.
"""

from __future__ import annotations

import re
import unicodedata

_BRACKETS = str.maketrans("<＜﹤>＞﹥", "‹‹‹›››")
_OPENER = re.compile("[<＜﹤]")
_NAMES = (
    "tool tools tool_call tool_calls tool_response tool_responses tool_result tool_results tool_code tool_output "
    "tool_outputs think thinking thought reasoning answer function functions function_call function_calls "
    "function_response function_results invoke parameter parameters arg_key arg_value observation "
    "information system user assistant human developer".split()
)
_JUNK = "\0"  # replaces an invisible character
_INVISIBLE = frozenset(("Cf", "Cc", "Mn", "Me", "Cs", "Co", "Cn"))


def _lenient(name: str) -> str:
    """A pattern for a name with invisible characters anywhere and white space around underscores."""
    return rf"{_JUNK}*+".join(rf"[\s{_JUNK}]*+_[\s{_JUNK}]*+" if char == "_" else char for char in name)


# Every repetition is possessive or bounded, so the time is linear in the text, whatever the text is.
_GAP = rf"[\s{_JUNK}]*+"
_MARKUP = re.compile(
    # <tool_call>, </tool_call id="1">, <ns:invoke …, <function=name>: whole or cut off, but not <toolbox>
    rf"<{_GAP}/?+{_GAP}(?:[a-z][a-z0-9]{{0,15}}:)?"
    rf"(?:{'|'.join(map(_lenient, sorted(_NAMES, key=len, reverse=True)))})(?![\w.@-])(?:[^<>]{{0,200}}>)?"
    # <|im_end|>, <|turn>, <turn|>, <|any_token|>: the bars mark a special token
    rf"|<{_GAP}\|[^<>|]{{0,80}}\|?{_GAP}>|<[\w{_JUNK}./-]{{1,40}}\|{_GAP}>"
    # <s>, <<SYS>>, <start_of_turn>, <extra_id_0>: other families of models
    rf"|<{_GAP}<?+{_GAP}/?+{_GAP}"
    rf"(?:{'|'.join(map(_lenient, 's sys bos eos pad unk sep cls mask image video audio'.split()))}|"
    r"(?:begin|end|start)_of_[a-z]{1,20}|(?:unused|extra_id_|reserved_special_token_|special_)\d{1,6})"
    rf"{_GAP}>{_GAP}>?",
    re.IGNORECASE,
)
_SQUARE = re.compile(
    r"\[(?=/?(?:INST|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|AVAILABLE_TOOLS|SYSTEM_PROMPT|ARGS|CALL_ID|THINK|IMG|"
    r"PREFIX|MIDDLE|SUFFIX|gMASK|sMASK)\])"
)


_REMEMBERED = 20_000


class _Fold(dict[int, str]):
    """A table for `str.translate`. The table replaces every character by the character that the most lenient program
    would read."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        seen = char
        if char.isspace():
            pass
        elif unicodedata.category(char) in _INVISIBLE:
            seen = _JUNK
        elif char in "│∣":
            seen = "|"
        elif char == "▁":
            seen = "_"
        else:
            plain = [c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c)]
            if len(plain) == 1:
                seen = plain[0]
        if len(self) < _REMEMBERED:
            self[code] = seen
        return seen


_FOLD = _Fold()


def is_harmless(markup: str) -> bool:
    """Whether it is certain that `neutralise` would change no text of this HTML. If the result is False, `neutralise`
    may still change nothing."""
    return not ("&lt;" in markup or "＜" in markup or "﹤" in markup or _SQUARE.search(markup))


def neutralise(text: str) -> str:
    """`text` with chat-template and tool markup made harmless as described above. A second call on the result changes
    nothing."""
    if "[" in text:
        text = _SQUARE.sub("[ ", text)
    if text.isascii():
        if "<" not in text:
            return text
        folded = text
    elif _OPENER.search(text):
        folded = text.translate(_FOLD)
    else:
        return text
    out: list[str] = []
    at = 0
    for match in _MARKUP.finditer(folded):
        start, end = match.span()
        out += (text[at:start], text[start:end].translate(_BRACKETS))
        at = end
    return "".join([*out, text[at:]]) if out else text
