"""Finds the predicted column and row that match each gold column and row."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from wideseek_env.scoring.text import lenient_key, squash, text_key

_LARGEST_GROUP = 32
_REMARK = re.compile(r"[(\[{【〔][^()\[\]{}【】〔〕]*+[)\]}】〕]")
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_RAISED_TAG = re.compile(r"<sup>[^<>]*+</sup>|</?(?:t[hd]|center)>", re.IGNORECASE)
_LATEX = re.compile(r"\\[a-z]{1,20}\{([^{}]*+)\}", re.IGNORECASE)
_NUMBER = re.compile(r"\(?\d{1,2}[.):、]\s*+(?=\D)")
_POSSESSIVE = re.compile(r"(?<=\w)'s?(?!\w)|(?<=[a-z])'s")
_Y_PLURAL = re.compile(r"(?<=[a-z]{2})ies\b")
_PLURAL = re.compile(r"(?<=[a-z]{3})s\b(?<!ss)(?<!us)(?<!is)")
_SECOND_NAME = re.compile(r"\s*+[/／|]\s*+|<br\s*+/?>", re.IGNORECASE)
_UNIT = re.compile(
    r"(?:\s*+[,，:：]|\s[-–—])\s*+(?:in\s|单位|[^\w\s]|(?:[kmcμ]?m|mi|ft|ha|k?g|t|lbs?|usd|eur|gbp|cny|rmb|jpy"
    r"|years?|days?|minutes?|hours?|thousands?|millions?|billions?|percent|[万亿]?[元人米年])[²³23]?(?!\w))",
    re.IGNORECASE,
)
_LONGEST_NAME = 200
_LONG_NAME = 12
_MOST_TYPOS = 2500
_ARTICLE = re.compile(r"(?:the|an?) (?=\w)")
_SQUEEZED_ARTICLES = (("the", 3), ("an", 5), ("a", 5))
"""Articles, and the least number of characters after an article that was joined to the next word."""


def match_columns(required: Sequence[str], header: Sequence[str]) -> dict[str, int]:
    """The index in `header` of each required column. A column that is not found is left out.

    Names are compared in several ways. The first is as written. The second ignores case, spaces, underscores,
    diacritics and punctuation. The third also ignores remarks in brackets, a number before the name and raised numbers
    at the end (``Area (km²)`` and ``1. Area``). Then a leading article is ignored, then a possessive or plural ending.
    Then one part of a name with two languages (``名称 / Name``) or with a unit (``Area, km²``) is enough. At last, one
    letter in the middle of a long name may be missing, because some questions misspell a column. From the third way on,
    a column counts only if no other column matches. If a name occurs twice, the first column with this name is used. No
    column of the header matches two required columns.
    """
    found: dict[str, int] = {}
    taken: set[int] = set()
    for form in (_as_written, squash, _column_key):
        index: dict[str, list[int]] = {}
        for at, name in enumerate(header):
            if at not in taken:
                index.setdefault(form(name), []).append(at)
        for name in required:
            if name not in found and (places := index.get(form(name))):
                found[name] = places.pop(0)
                taken.add(found[name])
    for of_required, of_header in _LOOSE_FORMS:
        names = [name for name in required if name not in found]
        if not names:
            break
        left = [at for at in range(len(header)) if at not in taken]
        keys = [of_required(name) for name in names], [of_header(header[at]) for at in left]
        for one, other in _unique_pairs(*keys):
            found[names[one]] = left[other]
            taken.add(left[other])
    names = [name for name in required if name not in found]
    left = [at for at in range(len(header)) if at not in taken]
    if names and left:
        parts = [(at, part) for at in left for part in _parts(header[at])]
        pairs = _unique_pairs(
            [_key_of_stem(name) for name in names], [_key_of_stem(part) for _, part in parts]
        )
        places = [parts[other][0] for _, other in pairs]
        found |= {names[one]: at for (one, _), at in zip(pairs, places, strict=True) if places.count(at) == 1}
    names = [name for name in required if name not in found]
    left = [at for at in range(len(header)) if at not in found.values()]
    if names and left and len(names) * len(left) <= _MOST_TYPOS:
        misspelt = [
            (name, at)
            for name, key in [(name, _bare_column_key(name)) for name in names]
            for at in left
            if _lacks_a_letter(key, _bare_column_key(header[at]))
        ]
        ones, places = [name for name, _ in misspelt], [at for _, at in misspelt]
        found |= {name: at for name, at in misspelt if ones.count(name) == places.count(at) == 1}
    return found


def align_rows(
    gold_keys: Sequence[str],
    predicted_keys: Sequence[str],
    gold_lenient: Callable[[], Sequence[str]],
    predicted_lenient: Callable[[], Sequence[str]],
    likeness: Callable[[int, int], tuple[int, int]],
    *,
    only_unique: bool = False,
) -> list[int | None]:
    """The predicted row of each gold row, or None. No predicted row is used twice.

    First, rows with equal keys are paired. If several predicted rows have the key of one gold row, only the first is
    paired, so an answer does not profit from a list of alternatives. If several gold rows share a key, they are paired
    with predicted rows by `likeness` (any comparable measure), best pair first. The remaining rows are paired by the
    lenient keys, where these are unique on both sides.

    With `only_unique`, rows with equal keys are paired only if the key is unique. Use this option if the answer lacks
    one of several key columns. The lenient keys are computed only when they are needed.
    """
    aligned: list[int | None] = [None] * len(gold_keys)
    predicted: dict[str, list[int]] = {}
    for at, key in enumerate(predicted_keys):
        predicted.setdefault(key, []).append(at)
    gold: dict[str, list[int]] = {}
    for at, key in enumerate(gold_keys):
        gold.setdefault(key, []).append(at)
    for key, rows in gold.items():
        places = predicted.get(key)
        if not places or (only_unique and (len(rows) > 1 or len(places) > 1)):
            continue
        if len(rows) == 1:
            aligned[rows[0]] = places[0]
        else:
            for row, at in _pair_group(rows, places[: len(rows)], likeness):
                aligned[row] = at
    used = {at for at in aligned if at is not None}
    free_gold = [row for row, at in enumerate(aligned) if at is None]
    free_predicted = [
        at for at in range(len(predicted_keys)) if at not in used and predicted_keys[at] not in gold
    ]
    if free_gold and free_predicted:
        gold_forms, predicted_forms = gold_lenient(), predicted_lenient()
        ambiguous = {gold_forms[row] for row in range(len(aligned)) if aligned[row] is not None}
        for row, at in _unique_pairs(
            [gold_forms[row] for row in free_gold], [predicted_forms[at] for at in free_predicted]
        ):
            if gold_forms[free_gold[row]] not in ambiguous:
                aligned[free_gold[row]] = free_predicted[at]
    return aligned


def _pair_group(
    rows: Sequence[int], places: Sequence[int], likeness: Callable[[int, int], tuple[int, int]]
) -> list[tuple[int, int]]:
    """Pairs of rows with the same key. The most similar rows are paired first. In a large group, rows are paired in
    their order."""
    if len(rows) > _LARGEST_GROUP:
        return list(zip(rows, places, strict=False))
    ranked = sorted(
        ((likeness(row, at), row, at) for row in rows for at in places),
        key=lambda pair: (-pair[0][0], -pair[0][1], pair[1], pair[2]),
    )
    pairs: list[tuple[int, int]] = []
    seen_rows: set[int] = set()
    seen_places: set[int] = set()
    for _, row, at in ranked:
        if row not in seen_rows and at not in seen_places:
            pairs.append((row, at))
            seen_rows.add(row)
            seen_places.add(at)
    return pairs


def _unique_pairs(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int]]:
    """The indices of equal texts that occur once in each sequence."""
    places: dict[str, list[int]] = {}
    for at, text in enumerate(other):
        places.setdefault(text, []).append(at)
    counts: dict[str, int] = {}
    for text in one:
        counts[text] = counts.get(text, 0) + 1
    return [
        (at, places[text][0])
        for at, text in enumerate(one)
        if text and counts[text] == 1 and len(places.get(text, ())) == 1
    ]


def _lacks_a_letter(one: str, other: str) -> bool:
    """Whether one of two long names is the other one without one letter. The letter must not be near the beginning or
    the end, where prefixes and endings are."""
    short, long = sorted((one, other), key=len)
    if len(long) != len(short) + 1 or len(short) < _LONG_NAME:
        return False
    at = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return long[at].isalpha() and at >= 3 and len(short) - at >= 3 and short[at:] == long[at + 1 :]


def _as_written(name: str) -> str:
    return " ".join(name.split())


def _column_key(name: str) -> str:
    """A column name without case, spaces, underscores, diacritics and punctuation.

    Spaces are removed first, because the WideSearch benchmark writes its column names without spaces. Otherwise
    `lenient_key` would remove an article from one of two names only.
    """
    return lenient_key("".join(squash(name).replace("_", " ").split()))


def _bare_column_key(name: str) -> str:
    text = _without_remarks(name)
    return _column_key(text) if text else text_key(name)


def _key_without_article(name: str) -> str:
    text = _without_remarks(name)
    return _column_key(_ARTICLE.sub("", text, count=1) if _ARTICLE.match(text) else text)


def _key_without_squeezed_article(name: str) -> str:
    return _after_article(_bare_column_key(name))


def _stem_without_squeezed_article(name: str) -> str:
    return _after_article(_key_of_stem(name))


def _after_article(key: str) -> str:
    for article, least in _SQUEEZED_ARTICLES:
        if key.startswith(article) and len(key) - len(article) >= least:
            return key[len(article) :]
    return ""


def _key_of_stem(name: str) -> str:
    """A column name without a leading article and without possessive and plural endings."""
    text = _without_remarks(name)
    text = _ARTICLE.sub("", text, count=1) if _ARTICLE.match(text) else text
    return _column_key(_PLURAL.sub("", _Y_PLURAL.sub("y", _POSSESSIVE.sub("", text))))


def _parts(name: str) -> list[str]:
    """The parts of a column name that may be the name without a translation or a unit.

    Two names of one script are no translation: ``City / Town`` is another column than ``City``.
    """
    name = unicodedata.normalize("NFKC", name[:_LONGEST_NAME])
    parts = [] if (unit := _UNIT.search(name)) is None else [name[: unit.start()]]
    if name.isascii():
        return parts
    two = _SECOND_NAME.split(name)
    if (bracket := _REMARK.search(name)) is not None:
        two = [name[: bracket.start()], bracket[0][1:-1]]
    return [*parts, *two] if len(two) == 2 and two[0].isascii() != two[1].isascii() else parts


def _without_remarks(name: str) -> str:
    if "<" in name:
        name = _RAISED_TAG.sub(" ", name)
    if "\\" in name:
        name = _LATEX.sub(r"\1", _LATEX.sub(r"\1", name))
    if (number := _NUMBER.match(name)) is not None:
        name = name[number.end() :]
    return _REMARK.sub(" ", squash(name.rstrip(_RAISED))).replace("_", " ").lstrip("#").strip()


_LOOSE_FORMS: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (_bare_column_key, _bare_column_key),
    (_key_without_article, _key_without_article),
    (_key_without_squeezed_article, _bare_column_key),
    (_key_of_stem, _key_of_stem),
    (_stem_without_squeezed_article, _key_of_stem),
)
"""Forms of a required name and of a name in the header that must be equal, strictest first."""
