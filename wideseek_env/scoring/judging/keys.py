"""Aligns the rows whose keys no rule could match. A judge decides whether two keys are names of the same thing.

In the WideSearch benchmark, a model maps every key of an answer to a reference key before rows are joined
(`primary_key_preprocess`). Here rules align rows first. The judge sees only the remaining rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.errors import WideSeekError
from wideseek_env.scoring.cells import key_of
from wideseek_env.scoring.judges import KeyAligner
from wideseek_env.scoring.markup import plain_text
from wideseek_env.scoring.text import is_empty, lenient_key
from wideseek_env.task import ColumnSpec

Rows = Sequence[tuple[str, ...]]


def align_by_judge(
    gold: Rows,
    predicted: Rows,
    names: Sequence[str],
    specs: Sequence[ColumnSpec],
    keys: Sequence[int],
    aligned: list[int | None],
    candidates: Sequence[int],
    aligner: KeyAligner,
) -> bool:
    """Fill gaps in the list `aligned`, which has the predicted row of each gold row. Returns whether the judge was
    asked.

    `keys` are the positions of the key columns. The answer must have all of them. Only gold rows without a predicted
    row are considered. Only the predicted rows in `candidates` are considered. A candidate is left out if its key is
    the key of a gold row or a looser spelling of an aligned key. The judge is asked about text columns (`exact_match`
    and `llm_judge`) only, because dates, numbers and URLs are compared by value. If the judge maps several predicted
    rows to the same key, only the first is aligned. A gold row is aligned with at most one predicted row.

    Raises `WideSeekError` when the judge returns a key that is not in the question.
    """
    known = {_key(row, specs, keys) for row in gold}
    free_gold = [number for number, at in enumerate(aligned) if at is None]
    done = {_lenient(gold[number], specs, keys) for number, at in enumerate(aligned) if at is not None}
    free = [
        at
        for at in candidates
        if not any(is_empty(predicted[at][key]) for key in keys)
        and _key(predicted[at], specs, keys) not in known
        and _lenient(predicted[at], specs, keys) not in done
    ]
    translated: dict[int, dict[str, str]] = {}
    for key in keys:
        if not _is_text(specs[key]):
            continue
        offered = list(dict.fromkeys(plain_text(gold[number][key]) for number in free_gold))
        offered = [cell for cell in offered if not is_empty(cell)]
        there = {key_of(row[key], specs[key]) for row in gold}
        asked = [
            cell
            for cell in dict.fromkeys(plain_text(predicted[at][key]) for at in free)
            if key_of(cell, specs[key]) not in there
        ]
        if not offered or not asked:
            continue
        mapping = dict(aligner.align_keys(names[key], asked, offered))
        if unknown := [cell for cell in mapping.values() if cell not in offered]:
            raise WideSeekError(
                f"the judge {aligner.name} aligned a key of column {names[key]!r} with {unknown[0]!r}, "
                "which it was not offered"
            )
        translated[key] = mapping
    places: dict[tuple[str, ...], list[int]] = {}
    for number in free_gold:
        places.setdefault(_key(gold[number], specs, keys), []).append(number)
    for at in free:
        row = predicted[at]
        cells = [translated.get(key, {}).get(plain_text(row[key]), row[key]) for key in keys]
        found = places.get(tuple(key_of(cell, specs[key]) for cell, key in zip(cells, keys, strict=True)))
        if found:
            aligned[found.pop(0)] = at
    return bool(translated)


def _key(row: Sequence[str], specs: Sequence[ColumnSpec], keys: Sequence[int]) -> tuple[str, ...]:
    return tuple(key_of(row[key], specs[key]) for key in keys)


def _lenient(row: Sequence[str], specs: Sequence[ColumnSpec], keys: Sequence[int]) -> tuple[str, ...]:
    return tuple(
        lenient_key(row[key]) if _is_text(specs[key]) else key_of(row[key], specs[key]) for key in keys
    )


def _is_text(spec: ColumnSpec) -> bool:
    """Whether a key of this column is compared as text, so that another name for it may be right."""
    metrics = spec.metrics or ("exact_match",)
    return not {"extract_number", "norm_date"} & set(spec.preprocess) and bool(
        {"exact_match", "llm_judge"} & set(metrics)
    )
