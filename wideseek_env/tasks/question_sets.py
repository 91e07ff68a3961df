"""The seven question answering sets with which search agents are compared, and how their files and folders are named.

Source: the sets of Search-R1 and ASearcher (``ASearcher-test-data``). FlashRAG publishes the same sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wideseek_env.errors import TaskError

Hops = Literal["single-hop", "multi-hop"]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """One set: its name in data and labels, its name in tables, and whether one document answers its questions."""

    name: str
    title: str
    hops: Hops
    pattern: str
    """A regular expression for the name in names of files and folders."""


SETS = (
    QuestionSet("nq", "NQ", "single-hop", r"nq(?:[\W_]*(?:open|search))?|natural[\W_]*questions?"),
    QuestionSet("triviaqa", "TriviaQA", "single-hop", r"trivia[\W_]*qa"),
    QuestionSet("popqa", "PopQA", "single-hop", r"pop[\W_]*qa"),
    QuestionSet("hotpotqa", "HotpotQA", "multi-hop", r"hotpot[\W_]*qa"),
    QuestionSet("2wikimultihopqa", "2WikiMultiHopQA", "multi-hop", r"2[\W_]*wiki(?:[\W_]*multi[\W_]*hop)?(?:qa)?"),
    QuestionSet("musique", "Musique", "multi-hop", r"musique"),
    QuestionSet("bamboogle", "Bamboogle", "multi-hop", r"bamboogle"),
)  # fmt: skip
BY_NAME = {each.name: each for each in SETS}

_PATTERNS = [(each, re.compile(rf"(?<![a-z0-9])(?:{each.pattern})(?![a-z])", re.IGNORECASE)) for each in SETS]
_ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
_SPLITS = ("test", "dev", "validation", "val")
"""Names of files in the folder of a set, best first. Sets without a public test split are tested on another one."""


def set_named(text: str) -> QuestionSet | None:
    """The set that a name contains, such as ``HotpotQA_rand1000``. None if there is none or more than one."""
    found = [each for each, pattern in _PATTERNS if pattern.search(text) is not None]
    return found[0] if len(found) == 1 else None


def default_set(file: Path) -> str:
    """The name of the set of a file if neither its name nor its rows say it: that of its folder, or else its name."""
    folder = file.resolve().parent.name
    if (found := set_named(folder)) is not None:
        return found.name
    stem = _stem(file)
    return folder if stem.lower() in _SPLITS and folder else stem or "qa"


def set_files(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The file of each set in `folder`, by the set's name in the order of `SETS`, and the names of other entries.

    The folder has a file or a folder for each set, or it is the folder of one set. The folder of a set has one file,
    or files named after splits, of which the test split is used.

    Raises:
        TaskError: The folder cannot be read, has no set, or two entries are the same set.
    """
    entries = _entries(folder)
    found: dict[str, Path] = {}
    others: list[str] = []
    for entry in entries:
        if not entry.is_dir() and not entry.name.lower().endswith(_ENDINGS):
            continue
        chosen = set_named(_stem(entry))
        if chosen is None:
            others.append(entry.name)
        elif chosen.name in found:
            raise TaskError(
                f"{folder} has {chosen.title} twice: {found[chosen.name].name} and {entry.name}; remove one of them"
            )
        else:
            found[chosen.name] = entry
    if not found and (own := set_named(folder.resolve().name)) is not None:
        return {own.name: _file_of(folder)}, []
    if not found:
        names = ", ".join(each.title for each in SETS)
        has = f"it has {_listed(others)}" if others else "it has no .jsonl or .json file and no folder"
        raise TaskError(
            f"{folder} has none of the sets {names} ({has}); name a file or folder after its set, such as "
            "nq.jsonl or NQ_rand1000/test.jsonl"
        )
    chosen_files = {name: found[name] for name in BY_NAME if name in found}
    return {name: _file_of(each) if each.is_dir() else each for name, each in chosen_files.items()}, others


def _file_of(folder: Path) -> Path:
    files = [each for each in _entries(folder) if each.is_file() and each.name.lower().endswith(_ENDINGS)]
    if len(files) == 1:
        return files[0]
    for split in _SPLITS:
        named = [each for each in files if _stem(each).lower() == split]
        if len(named) == 1:
            return named[0]
    if not files:
        raise TaskError(f"{folder} has no .jsonl or .json file; put the questions there as test.jsonl")
    raise TaskError(
        f"{folder} has {_listed(each.name for each in files)}, and it is not clear which has the questions; "
        "name one file test.jsonl"
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if not each.name.startswith((".", "_")))
    except OSError as error:
        raise TaskError(f"cannot read the folder {folder}: {error.strerror or error}") from error


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".gz", ".jsonl", ".json"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name
