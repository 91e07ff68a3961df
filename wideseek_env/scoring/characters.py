"""Characters as a reader sees them: without invisible ones, in one width, with raised digits kept apart from others."""

from __future__ import annotations

import re
import unicodedata

# Zero-width characters, soft hyphens, marks of direction, selectors of variants, tags, fillers and control codes. The
# overrides of direction (U+202D, U+202E) stay: they change what a reader sees, so such a cell equals no other.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202c\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]+"
)
_OVERLAID = re.compile(
    "(?:[^\\s\u0335\u0336][\u0335\u0336]++)++"
)  # letters struck through by combining strokes
_ENCLOSED = re.compile("[\u2460-\u249b\u24ea-\u24ff\u2776-\u2793]")  # ①, ⑴, ⒈, ❶: marks of notes and of items
_VULGAR = re.compile("(?:(\\d)\\s?)?([¼½¾⅐-⅞↉])")
_BUILT = re.compile("(?:(\\d)\\s?)?([⁰¹²³⁴-⁹]++)\\s?[⁄/]\\s?([₀-₉]++)")
_RAISED = re.compile("(?<![^\\W\\d_])[⁺⁻]?[⁰¹²³⁴-⁹]++")
_LOWERED = re.compile("(?<=\\d)[₀-₉]++")
_POWER_OF_WORD = re.compile(r"(?<=[^\W\d_])\^(?=-?\d)")
_BEFORE = str.maketrans({"″": '"', "´": "'", "×": "x", "✕": "x", "✖": "x", "⨯": "x", "˚": "°"})


def visible(text: str) -> str:
    """`text` without characters that nobody sees, and without letters that are struck through by combining strokes."""
    text = _INVISIBLE.sub("", text)
    if "\u0335" in text or "\u0336" in text:
        kept = _OVERLAID.sub(" ", text)
        text = kept if any(map(str.isalnum, kept)) else text
    return text


def is_visible(text: str) -> bool:
    """Whether `visible` leaves `text` unchanged."""
    return _INVISIBLE.search(text) is None and "\u0335" not in text and "\u0336" not in text


def fold(text: str) -> str:
    """`text` with one width for each character, in Unicode's form NFKC, but without joining numbers that are apart.

    ``10⁶`` becomes ``10^6``, ``m²`` and ``m^2`` become ``m2``, ``1½`` becomes ``1 1/2``, and ``5①`` becomes ``5``.
    """
    if not text.isascii():
        if _ENCLOSED.search(text) is not None:
            kept = _ENCLOSED.sub(" ", text)
            text = " ".join(kept.split()) if any(map(str.isalnum, kept)) else text
        text = _BUILT.sub(_built, text)
        text = _VULGAR.sub(_vulgar, text)
        text = _LOWERED.sub(lambda digits: "_" + unicodedata.normalize("NFKC", digits[0]), text)
        text = _RAISED.sub(_power, text)
        text = unicodedata.normalize("NFKC", text.translate(_BEFORE))
    return _POWER_OF_WORD.sub("", text) if "^" in text else text


def _power(raised: re.Match[str]) -> str:
    return "^" + unicodedata.normalize("NFKC", raised[0]).replace("−", "-")


def _built(fraction: re.Match[str]) -> str:
    top, bottom = (unicodedata.normalize("NFKC", fraction[part]) for part in (2, 3))
    return f"{fraction[1]} {top}/{bottom}" if fraction[1] else f"{top}/{bottom}"


def _vulgar(fraction: re.Match[str]) -> str:
    ratio = unicodedata.normalize("NFKC", fraction[2]).replace("⁄", "/")
    return f"{fraction[1]} {ratio}" if fraction[1] else ratio
