"""Turns tokenised text back into readable text. Pages, tasks and gold tables use the same functions, so that their
texts agree.

The data set stores text with spaces around punctuation (`Eek ! The Cat`, `( UGA )`, `Yankovic 's`) and with editorial
marks of Wikipedia (`[ citation needed ]`). This module removes the spaces and the marks. For speed it uses plain string
replacements where possible. The passages are 115 MB, and each is converted once while the corpus is built.
"""

from __future__ import annotations

import re

_INVISIBLE = (("\u200b", ""), ("\u200e", ""), ("\u200f", ""), ("\ufeff", ""), ("\xa0", " "))

_EDITORIAL = re.compile(
    r"\s?\[\s?(?:"
    r"[a-zA-Z]|[a-zA-Z]{0,5}\s?\d{1,3}|update|sic|vague|buzzword|discuss"
    r"|(?:note|nb|fn|ref|lower-alpha)\s?[\w-]{0,3}"
    r"|[\w\s,-]*(?:needed|link|source|reference|body|verification|research|discuss|undue weight)[\w\s]*\??"
    r"|(?:according to |by |for |to )?(?:whom|who|when|where|which|why|what|how|year|pronunciation)\s?\??"
    r")\s?\]"
)
_EMPTY_BRACKETS = re.compile(r"\([;,:\s]*(?:listen\s?)?\)")
_BRACKET_START = re.compile(r"\(\s?[;,](?:\s?[;,])*\s?")

# Order matters: a mark is joined to its word before the mark or bracket after it is.
_ENDINGS = tuple((f" {e} ", f"{e} ") for e in ("'s", "'S", "n't", "'re", "'ve", "'ll", "'d", "'m"))
_PUNCTUATION = tuple((f" {p} ", f"{p} ") for p in ("!", "?", "...", ".", ",", ";", ":"))
_LETTER_AFTER_QUOTE = re.compile(r"(?<=\w) ' (?=[a-z] )")
_PLURAL = re.compile(r" (?=\((?:s|es|ren)\) )")
_SIGN_BEFORE_NUMBER = re.compile(r"([$£€¥₹₩#]) (?=\d)")

_TABLE_ATTRIBUTES = re.compile(r"^[\w-]++=(?:[^|=]*[\w-]=)*+[^|=]*+\|\s*")
_COORDINATES = re.compile(
    r"\s?(\d{1,3}°(?:\d{1,2}′)?(?:[\d.]+″)?[NS] \d{1,3}°(?:\d{1,2}′)?(?:[\d.]+″)?[EW])"
    r" / [\d.]+°[NS] [\d.]+°[EW] / -?[\d.]+; -?[\d.]+(?: \((?:[^()]|\([^()]*\))*\))?"
)
_REGISTER_NUMBER = re.compile(r"\s?\(#\d{6,}\)")
_MARKS = re.compile(r"^(?:[†‡§^*#]+\s)+|(?:\s[†‡§^*#]+)+$")


def detokenize(text: str) -> str:
    """`text` as one line, without the tokeniser's spaces, footnote marks and invisible characters.

    Text that was never tokenised loses only those marks and characters.
    """
    if " " not in text and "[" not in text and text.isascii():
        return text
    if not text.isascii():
        for character, replacement in _INVISIBLE:
            text = text.replace(character, replacement)
    if "[" in text:
        text = _EDITORIAL.sub("", text)
    if "(" in text:
        text = _EMPTY_BRACKETS.sub("", text)
        text = _BRACKET_START.sub("(", text)
    text = " ".join(text.split()) + " "
    if "'" in text:
        text = text.replace("`` ", '"').replace(" '' ", '" ').replace(" . 's ", ".'s ")
        for spaced, joined in _ENDINGS:
            text = text.replace(spaced, joined)
        if " ' " in text:
            text = _LETTER_AFTER_QUOTE.sub("'", text).replace(" ' ", "' ")
            text = text.replace(" .' ", ".' ").replace(" ,' ", ",' ")
    for spaced, joined in _PUNCTUATION:
        text = text.replace(spaced, joined)
    text = text.replace("! !", "!!").replace("( ", "(").replace(" )", ")")
    if "[" in text:
        text = text.replace("[ ", "[").replace(" ]", "]")
    text = _PLURAL.sub("", text)
    text = _SIGN_BEFORE_NUMBER.sub(r"\1", text)
    return text.replace("US $", "US$").strip()


def clean_cell(text: str) -> str:
    """The text of a table cell or header: `detokenize` without markup.

    The function also removes left-over wiki attributes (`align=right|`), coordinates after a place name, register
    numbers after a date (`(#74000146)`), daggers and asterisks at either end, and hidden sort keys.
    """
    text = detokenize(text)
    if "=" in text and "|" in text:
        text = _TABLE_ATTRIBUTES.sub("", text)
    if "°" in text:
        without = _COORDINATES.sub("", text).strip(" ,;")
        text = without or _COORDINATES.sub(r"\1", text).strip()
    if "(#" in text:
        text = _REGISTER_NUMBER.sub("", text)
    text = _MARKS.sub("", text)
    return _without_sort_key(text)


def _without_sort_key(text: str) -> str:
    """`text` without the hidden sort key of some tables, as in `Jung, Helge General Helge Jung`, or without its
    repetition."""
    half, odd = divmod(len(text), 2)
    if odd and half >= 6 and text[half] == " " and text[:half] == text[half + 1 :]:
        return text[:half]
    family, comma, rest = text.partition(", ")
    if comma and len(rest) <= 120 and family in rest:
        words = rest.split()
        for count in range(1, len(words) // 2 + 1):
            shown = " ".join(words[count:])
            if " ".join(words[:count]) in shown and family in shown:
                return shown
    return text


def clean_heading(text: str) -> str:
    """A section heading. In a nested heading (`Teams -- Men 's`) a dash joins the levels."""
    return " – ".join(part for part in map(detokenize, text.split(" -- ")) if part)
