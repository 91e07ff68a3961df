"""Tables of cards: one row for each card in a CSV file, and a Markdown table."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from wideseek_env.errors import SuiteError
from wideseek_env.evaluation.suite.card import SINGLE, Card, KindCard, check_comparable, same_names
from wideseek_env.evaluation.suite.definition import Suite
from wideseek_env.evaluation.suite.digests import changed, committed
from wideseek_env.files import write_whole
from wideseek_env.render.printable import one_line

_ABOUT = ("suite", "size", "name", "policy", "model", "mean_score")
_WIDEST = ("critical_path", "tokens_written", "coverage")


def columns(suite: Suite) -> list[str]:
    """The columns of a leaderboard of `suite`.

    Each kind has its digest, its score (the mean item-F1 over widths), item-F1 of the single agent and of each width,
    and three metrics of the largest width. Scores and shares are points out of 100.
    """
    widths = sorted({width for size in suite.sizes.values() for width in size.widths})
    found = list(_ABOUT)
    for kind in suite.kinds:
        names = ("digest", "score", SINGLE, *(f"width_{width}" for width in widths), *_WIDEST)
        found += [f"{kind.name}_{name}" for name in names]
    return found


def row(card: Card) -> dict[str, str]:
    """One card as a row. Values that are not known are left out."""
    mean = mean_score(card)
    found = {
        "suite": card.suite,
        "size": card.size,
        "name": card.name,
        "policy": card.policy,
        "model": card.model or "",
        "mean_score": _points(mean) if mean is not None else "",
    }
    for name, kind in card.kinds.items():
        found[f"{name}_digest"] = _digest(kind)
        if kind.width_score is not None:
            found[f"{name}_score"] = _points(kind.width_score)
        for size, point in kind.points.items():
            found[f"{name}_{size}" if size == SINGLE else f"{name}_width_{size}"] = _points(point.item_f1)
        if (widest := _widest(kind)) is None:
            continue
        point = kind.points[widest]
        found[f"{name}_critical_path"] = f"{point.critical_path:.1f}"
        if point.tokens is not None:
            found[f"{name}_tokens_written"] = f"{point.tokens['written']:.0f}"
        if "coverage" in point.rows:
            found[f"{name}_coverage"] = _points(point.rows["coverage"])
    return found


def write_rows(suite: Suite, cards: Sequence[Card], file: Path) -> None:
    """Write the rows of cards into a CSV file. A row replaces the row of the same suite, size and name.

    Nothing is written if one of the cards is refused.

    Raises:
        SuiteError: A card is not a finished card of this suite. Or the file is not a leaderboard of this suite, or a
            row has other tasks.
    """
    for card in cards:
        check_card(suite, card)
    names = columns(suite)
    rows = read_rows(suite, file)
    for card in cards:
        _put(rows, card, names, file)
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, out.getvalue())


def _put(rows: list[dict[str, str]], card: Card, names: Sequence[str], file: Path) -> None:
    new = row(card)
    for other in rows:
        if (other["suite"], other["size"]) != (card.suite, card.size):
            continue
        for kind, each in card.kinds.items():
            if (digest := other[f"{kind}_digest"]) and digest != new[f"{kind}_digest"]:
                raise SuiteError(
                    f"{file}: {other['name']} was run on other tasks or pages of the kind {each.title}, so the rows do "
                    "not compare; give another file"
                )
    key = ("suite", "size", "name")
    at = next((at for at, old in enumerate(rows) if all(old[name] == new[name] for name in key)), len(rows))
    rows[at : at + 1] = [{name: new.get(name, "") for name in names}]


def check_card(suite: Suite, card: Card) -> None:
    """Check that a card is a finished card of `suite`, with the tasks, widths, seed and trials of its size.

    Raises:
        SuiteError: It is not. The message says what is wrong.
    """
    if not card.complete:
        raise SuiteError(f"the card {card.name} is not complete: run the suite to its end first")
    wrong = _faults(suite, card)
    if wrong:
        raise SuiteError(
            f"the card {card.name!r} gets no row in a leaderboard of suite {suite.version}: {wrong}. Run "
            "`wideseek bench suite` of this version"
        )


def _faults(suite: Suite, card: Card) -> str:
    """What is wrong with a finished card, or ""."""
    if not card.name.strip() or not card.name.isprintable() or card.name[0] in "=+-@":
        return "its name must be one line of text that begins with a letter or a digit"
    if card.suite != suite.version:
        return f"it is of suite {card.suite}"
    if card.size not in suite.sizes:
        return f"there is no size {card.size}"
    if (card.seed, card.trials) != (suite.seed, suite.trials):
        return f"its seed is {card.seed} and its number of trials is {card.trials}"
    if set(card.kinds) | set(card.absent) != {kind.name for kind in suite.kinds}:
        return f"its kinds are {', '.join((*card.kinds, *card.absent))}"
    size = suite.sizes[card.size]
    known = committed(suite)
    for name, kind in card.kinds.items():
        if set(kind.points) != {SINGLE, *map(str, size.widths)}:
            return f"the kind {name} has the points {', '.join(kind.points)}"
        if kind.tasks != size.tasks:
            return f"the kind {name} has {kind.tasks} tasks"
        if different := changed(kind.digests, known[name]):
            return f"the kind {name} was run on other tasks or pages ({', '.join(different)} differ)"
    return ""


def read_rows(suite: Suite, file: Path) -> list[dict[str, str]]:
    """The rows of a leaderboard. Empty if there is no file yet.

    Raises:
        SuiteError: The file is not a leaderboard of this suite.
    """
    if not file.exists():
        return []
    try:
        with open(file, newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines, strict=True)
            header, found = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SuiteError(f"{file} cannot be read as a leaderboard ({error}); give another file") from error
    whole = all(None not in each and None not in each.values() for each in found)
    if header != columns(suite) or not whole:
        raise SuiteError(f"{file} is not a leaderboard of this suite: its columns differ; give another file")
    return found


def cards_table(cards: Sequence[Card]) -> str:
    """Cards as a Markdown table, best mean score first.

    The cell of a kind has the score, item-F1 at the smallest and the largest width, and item-F1 of the single agent.

    Raises:
        SuiteError: There is no card, or two cards do not compare.
        ConfigError: Two cards have one name.
    """
    if not cards:
        raise SuiteError("give at least one card")
    same_names(cards)
    for one, other in combinations(cards, 2):
        check_comparable(one, other)
    kinds = {name: kind.title for card in cards for name, kind in card.kinds.items()}
    header = ["card", "mean", *kinds.values()]
    lines = [header, ["---", *("---:" for _ in header[1:])]]
    ordered = sorted(cards, key=lambda card: -(mean_score(card) or 0.0))
    for card in ordered:
        mean = mean_score(card)
        cells = [_cell(card.kinds.get(name)) for name in kinds]
        lines.append([_markdown(card.name), f"{_points(mean)}" if mean is not None else "–", *cells])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    about = (
        f"Suite {cards[0].suite}, size {cards[0].size}. Each cell: mean item-F1 over widths, then item-F1 at the "
        "smallest → the largest width, then in brackets that of the single agent. Points out of 100. "
        f"{cards[0].scoring.get('table', 'lenient').capitalize()} scoring."
    )
    return f"{table}\n\n{about}"


def mean_score(card: Card) -> float | None:
    """The mean of the kinds' scores. None if a kind is absent or has no width."""
    scores = [kind.width_score for kind in card.kinds.values()]
    known = [score for score in scores if score is not None]
    if card.absent or not known or len(known) < len(scores):
        return None
    return sum(known) / len(known)


def _cell(kind: KindCard | None) -> str:
    if kind is None:
        return "–"
    if kind.width_score is None:
        return f"({_points(kind.points[SINGLE].item_f1)})" if SINGLE in kind.points else "–"
    sizes = [size for size in kind.points if size != SINGLE]
    ends = " → ".join(_points(kind.points[size].item_f1) for size in dict.fromkeys((sizes[0], sizes[-1])))
    single = f" ({_points(kind.points[SINGLE].item_f1)})" if SINGLE in kind.points else ""
    return f"**{_points(kind.width_score)}** {ends}{single}"


def _widest(kind: KindCard) -> str | None:
    return next((size for size in reversed(list(kind.points)) if size != SINGLE), None)


def _digest(kind: KindCard) -> str:
    text = " ".join(f"{name}={value}" for name, value in sorted(kind.digests.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _markdown(text: str) -> str:
    return one_line(text, 80).replace("\\", "\\\\").replace("|", "\\|")
