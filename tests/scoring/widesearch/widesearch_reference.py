"""The WideSearch evaluation once more, with pandas and dateparser, step by step and as slow as the original.

Written from the published evaluation (ByteDance-Seed/WideSearch, ``src/evaluation``) to check the fast one. A model's
part (aligning names, `llm_judge`) is left out, as it is there when the model answers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import dateparser
import pandas as pd

MEASURES = (
    *("score", "precision_by_row", "recall_by_row", "f1_by_row"),
    *("precision_by_item", "recall_by_item", "f1_by_item"),
)
NOTHING = (0.0,) * len(MEASURES)
NUMBER = re.compile(r"[-+]?\d*\.\d+%?|[-+]?\d+\.?\d*%?")
ADDRESS = re.compile(r"http[s]?://(?:[a-zA-Z]|[0-9]|[$-_@.&+]|[!*\\(\\),]|(?:%[0-9a-fA-F][0-9a-fA-F]))+")


def evaluate(evaluation: Mapping[str, Any], gold: Path, response: str) -> tuple[float, ...]:
    """The seven measures in the order of `MEASURES`."""
    required, keys = list(evaluation["required"]), list(evaluation["unique_columns"])
    pipeline = evaluation["eval_pipeline"]
    try:
        expected = pd.read_csv(gold)
        expected.columns = [squeeze(name) for name in expected.columns]
        expected = expected[required].copy()
        given = table_of(response)
        if given is None:
            return NOTHING
        given.columns = [squeeze(name) for name in given.columns]
        if set(given.columns) != set(required):
            return NOTHING
        for name in required:
            expected[name] = expected[name].astype(str)
            given[name] = given[name].astype(str)
        given = given.drop_duplicates(subset=keys)
        expected = expected.drop_duplicates(subset=keys)
        for name in keys:
            if {"llm_judge", "exact_match"} & set(pipeline.get(name, {}).get("metric", [])):
                given[f"{name}_before_map"] = given[name]
        for name, item in pipeline.items():
            for step in item.get("preprocess", []):
                given[name] = given[name].apply(PREPROCESSORS[step])
                expected[name] = expected[name].apply(PREPROCESSORS[step])
        success = 0.0
        if expected.shape == given.shape:
            one, other = (
                frame.sort_values(by=required).reset_index(drop=True) for frame in (expected, given)
            )
            success = 1.0 if one.equals(other) else 0.0
        inner = pd.merge(expected, given, on=keys, how="inner", suffixes=("_gold", "_given"))
        pd.merge(expected, given, on=keys, how="outer", suffixes=("_gold", "_given"))
        scores = pd.DataFrame(index=inner.index)
        for name in required:
            if name in keys:
                scores[name] = 1.0
                continue
            item = pipeline[name]
            for metric in item.get("metric", []):

                def verdict(row: Any, name: str = name, metric: str = metric, item: Any = item) -> Any:
                    arguments = (row[f"{name}_given"], row[f"{name}_gold"])
                    if metric == "number_near":
                        return (number_near(*arguments, item.get("criterion")), "")
                    return (METRICS[metric](*arguments), "")

                column = inner.apply(verdict, axis=1)
                scores[f"{name} {metric}"] = column.apply(lambda pair: pair[0])
        rows, items = scores.min(axis=1).sum(), scores.sum().sum()
        by_row = measures(rows, len(given), len(expected))
        by_item = measures(items, len(given) * len(required), len(expected) * len(required))
        if by_row == by_item == (1.0, 1.0, 1.0):
            success = 1.0
        return (success, *by_row, *by_item)
    except Exception:
        return NOTHING


def measures(right: float, given: int, expected: int) -> tuple[float, float, float]:
    precision = float(right / given) if given else 0.0
    recall = float(right / expected) if expected else 0.0
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total > 1e-9 else 0.0


def squeeze(name: str) -> str:
    return name.strip().lower().replace(" ", "")


def table_of(response: str) -> pd.DataFrame | None:
    found = re.findall(r"```markdown(.*?)```", response, re.DOTALL)
    if not found:
        pipes = [place for place, char in enumerate(response) if char == "|"]
        if len(pipes) < 4:
            return None
        start, end = response.rfind("\n", 0, pipes[0]), response.find("\n", pipes[-1])
        part = response[max(start, 0) : len(response) if end == -1 else end]
        found = re.findall(r"((?:\|.*\n?)+)", part)
    lines = found[0].strip().split("\n")
    lines[0] = lines[0].replace(" ", "").lower()
    kept = []
    for line in lines:
        bare = line.strip()
        if "|" in bare and not set(bare) <= set("|- :"):
            kept.append("|".join(cell.strip() for cell in bare.split("|")))
    frame = pd.read_csv(StringIO("\n".join(kept)), sep="|")
    return frame.loc[:, ~frame.columns.str.startswith("Unnamed")].copy()


def norm_str(cell: str) -> str:
    return str(cell).lower().strip().replace(" ", "").replace("*", "")


def extract_number(cell: str) -> str:
    numbers = NUMBER.findall(str(cell).replace(",", ""))
    return numbers[0] if numbers else "NULL"


def date_of(cell: str) -> Any:
    return dateparser.parse(cell, settings={"PREFER_DAY_OF_MONTH": "first"})


def norm_date(cell: str) -> str:
    date = date_of(cell)
    return cell if date is None else date.strftime("%Y-%m-%d")


def exact_match(given: str, gold: str) -> float:
    return 1.0 if given.lower() == gold.lower() else 0.0


def in_match(given: str, gold: str) -> float:
    return 1.0 if given in gold else 0.0


def url_match(given: str, gold: str) -> float:
    one, other = ({urlparse(url).netloc for url in ADDRESS.findall(cell)} for cell in (given, gold))
    return 1.0 if one == other else 0.0


def number_of(cell: str) -> float | None:
    try:
        return float(cell.replace("%", "")) / 100.0 if "%" in cell else float(cell)
    except ValueError:
        return None


def number_near(given: str, gold: str, criterion: Any) -> float:
    one, other = number_of(given), number_of(gold)
    if one is None or other is None:
        return 1.0 if one is None and other is None and given == gold else 0.0
    return 1.0 if abs(one - other) <= abs(other) * criterion else 0.0


def date_near(given: str, gold: str) -> float:
    dates = []
    for cell in (given, gold):
        try:
            dates.append(date_of(cell))
        except Exception:
            dates.append(None)
    one, other = dates
    if one is None or other is None:
        return 1.0 if one is None and other is None else 0.0
    return 1.0 if abs((one - other).days) <= 31 else 0.0


PREPROCESSORS = {"norm_str": norm_str, "extract_number": extract_number, "norm_date": norm_date}
METRICS = {
    "exact_match": exact_match,
    "in_match": in_match,
    "url_match": url_match,
    "date_near": date_near,
}
