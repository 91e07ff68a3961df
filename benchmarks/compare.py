"""Compares two runs of `make bench`: `python benchmarks/compare.py NEW.json [EARLIER.json]`.

Both files are those that pytest-benchmark writes with `--benchmark-json`. The table has the median time of each
benchmark in both files, and the change. Without an earlier file, the table has only the new times.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
MACHINE = ("node", "processor", "cpu", "python_version")
"""Parts of pytest-benchmark's `machine_info` that must agree for times to be comparable."""


def read_medians(path: Path | str) -> tuple[dict[str, float], dict[str, Any]]:
    """The median seconds of each benchmark in a file, and the machine that ran them.

    Raises:
        SystemExit: The file cannot be read, or pytest-benchmark did not write it.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        medians = {item["fullname"]: float(item["stats"]["median"]) for item in data["benchmarks"]}
        return medians, data["machine_info"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} is not a file of pytest-benchmark's --benchmark-json: {error}") from error


def compare(new: dict[str, float], earlier: dict[str, float]) -> list[tuple[str, str, str, str]]:
    """The rows of the table: name, earlier time, new time and change of each benchmark."""
    rows = []
    for name in sorted(new.keys() | earlier.keys()):
        now, before = new.get(name), earlier.get(name)
        if now is None or before is None:
            change = "new" if before is None else "gone"
        else:
            change = f"{now / before - 1:+.1%}" if before else "–"
        rows.append((name, _time(before), _time(now), change))
    return rows


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    size, unit = next((pair for pair in UNITS if seconds >= pair[0]), UNITS[-1])
    return f"{seconds / size:.4g} {unit}"


def main(arguments: list[str]) -> None:
    """Print the table."""
    if not 1 <= len(arguments) <= 2:
        raise SystemExit("usage: python benchmarks/compare.py NEW.json [EARLIER.json]")
    new, machine = read_medians(arguments[0])
    earlier, earlier_machine = read_medians(arguments[1]) if len(arguments) == 2 else ({}, machine)
    rows = [("benchmark (median)", "earlier", "now", "change"), *compare(new, earlier)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, before, now, change in rows:
        print(f"{name:<{widths[0]}}  {before:>{widths[1]}}  {now:>{widths[2]}}  {change:>{widths[3]}}")
    differences = [part for part in MACHINE if machine.get(part) != earlier_machine.get(part)]
    if differences:
        print(f"The two files differ in {', '.join(differences)}: their times are not comparable.")


if __name__ == "__main__":
    main(sys.argv[1:])
