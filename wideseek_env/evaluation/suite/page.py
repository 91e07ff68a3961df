"""The page of a card: one HTML file without scripts that needs no network. The same cards give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wideseek_env.evaluation.coverage import FATES, LABELS
from wideseek_env.evaluation.curves import Curve
from wideseek_env.evaluation.drawing import INSTALL, plot_available
from wideseek_env.evaluation.plot import draw_cost, draw_metric
from wideseek_env.evaluation.plot_rows import draw_rows, has_rows
from wideseek_env.evaluation.report.html import Markup, figure, heading, interval, items, table, text
from wideseek_env.evaluation.report.page import POLICY
from wideseek_env.evaluation.report.style import STYLE
from wideseek_env.evaluation.suite.card import SINGLE, Card, KindCard, Point
from wideseek_env.evaluation.suite.definition import Suite
from wideseek_env.evaluation.suite.digests import PARTS
from wideseek_env.evaluation.suite.expect import CHARACTERS_PER_TOKEN
from wideseek_env.evaluation.suite.references import ALONE, REFERENCES, TEAM, fitting
from wideseek_env.evaluation.summary import Summary
from wideseek_env.files import write_whole
from wideseek_env.version import __version__

PAGE = "card.html"
MARK = "<!-- made by wideseek bench suite -->"

_STYLE = """
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 360px), 1fr)); gap: 12px; }
.pictures figure { margin: 4px 0; padding: 8px; }
@media (max-width: 600px) { body { padding: 14px 12px 40px; } }
"""
_SCORE = "mean over widths"


def card_page(suite: Suite, card: Card, references: Mapping[str, Card]) -> str:
    """The page of a card as HTML. `references` are the reference cards of its suite and size."""
    fit, told = fitting(card, references)
    title = text(card.name, 120)
    scoring = card.scoring.get("table", "lenient")
    about = f"Width card of {card.name}: suite {card.suite}, size {card.size}, policy {card.policy}, {scoring} scoring"
    head = (
        f"<!doctype html>\n{MARK}\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title} – width card</title>\n<style>{STYLE}{_STYLE}</style></head>\n<body>\n"
    )
    links = [("overview", "Overview"), *((f"kind-{name}", kind.title) for name, kind in card.kinds.items())]
    links += [("reading", "How to read this"), ("settings", "Settings and digests")]
    parts = [
        Markup(f"<h1>{title}</h1>"),
        Markup(f'<p class="soft">{text(about)}. Made by wideseek {text(__version__)}.</p>'),
        Markup(
            '<nav aria-label="Contents"><ul>'
            + "".join(f'<li><a href="#{anchor}">{text(name)}</a></li>' for anchor, name in links)
            + "</ul></nav>"
        ),
        _notes(suite, card, told),
        _overview(card, fit),
        *(_kind(suite, card, name, fit, number) for number, name in enumerate(card.kinds)),
        _reading(card),
        _settings(card),
    ]
    return head + "\n".join(part for part in parts if part) + "\n</body></html>\n"


def write_page(suite: Suite, card: Card, references: Mapping[str, Card], folder: Path) -> Path:
    """Write ``card.html`` into `folder`. A reader never sees half a page."""
    write_whole(folder / PAGE, card_page(suite, card, references))
    return folder / PAGE


def _notes(suite: Suite, card: Card, told: Sequence[str]) -> Markup:
    titles = {kind.name: kind.title for kind in suite.kinds}
    lines = [f"{titles.get(kind, kind)} was not run: {why}" for kind, why in card.absent.items()]
    if not card.complete:
        lines.append("the run is not complete; the same command resumes it")
    for kind in card.kinds.values():
        lines += [
            f"{kind.title}, {_called(size)}: {_missing(kind, point)}"
            for size, point in kind.points.items()
            if point.failed or point.episodes < kind.tasks * card.trials
        ]
    lines += told
    if not lines:
        return Markup("")
    return Markup(f'<div class="note" id="notes"><b>Read this first:</b>{items(lines)}</div>')


def _missing(kind: KindCard, point: Point) -> str:
    told = []
    if point.episodes < kind.tasks:
        told.append(f"{point.episodes} of {kind.tasks} episodes")
    if point.failed:
        told.append(f"episodes that failed and count with score 0: {point.failed}")
    return ", ".join(told)


def _overview(card: Card, references: Mapping[str, Card]) -> Markup:
    sizes = list(dict.fromkeys(size for kind in card.kinds.values() for size in kind.points))
    rows: list[list[object]] = []
    marked = []
    for name, kind in card.kinds.items():
        marked.append(len(rows))
        rows.append([kind.title, card.name, *_scores(kind, sizes)])
        rows += [["", called, *_scores(other, sizes)] for called, other in _joined(name, references).items()]
    header = ["tasks", "", *sizes, _SCORE]
    about = (
        "Item-F1 from 0 to 100 at each width. The single agent works alone. The marked lines are this card."
    )
    return Markup(
        f'{heading(2, "Overview", "overview")}<p class="soft">{about}</p>{table(header, rows, marked)}'
    )


def _joined(name: str, references: Mapping[str, Card]) -> dict[str, KindCard]:
    """The references of a kind by their names in figures. The scripted team has the points of the single agent too."""
    found = {key: each.kinds[name] for key, each in references.items() if name in each.kinds}
    team, alone = found.get(TEAM), found.get(ALONE)
    if team is not None and alone is not None:
        found[TEAM] = replace(team, points={**alone.points, **team.points})
        del found[ALONE]
    return {REFERENCES.get(key, key): each for key, each in found.items()}


def _scores(kind: KindCard, sizes: Sequence[str]) -> list[object]:
    found: list[object] = [
        f"{100 * kind.points[size].item_f1:.1f}" if size in kind.points else "–" for size in sizes
    ]
    score = kind.width_score
    return [*found, f"{100 * score:.1f}" if score is not None else "–"]


def _kind(suite: Suite, card: Card, name: str, references: Mapping[str, Card], number: int) -> Markup:
    kind = card.kinds[name]
    about = next((each.about for each in suite.kinds if each.name == name), "")
    parts = [heading(2, kind.title, f"kind-{name}"), Markup(f'<p class="soft">{text(about)}</p>')]
    parts += [_pictures(card.name, kind, _joined(name, references), number), _details(kind)]
    return Markup("\n".join(parts))


def _pictures(name: str, kind: KindCard, references: Mapping[str, KindCard], number: int) -> Markup:
    if not plot_available():
        return Markup(f"<p>No figures were drawn, because matplotlib is not installed: {text(INSTALL)}</p>")
    curves = []
    for called, each in ((name, kind), *references.items()):
        # a card may have the name of a reference
        curve = _curve(each, f"{called} (reference)" if called == name and each is not kind else called)
        if curve is None and each is kind:
            return Markup("")
        curves += [curve] if curve is not None else []
    found = [
        figure(draw_metric(curves), "Item-F1, with 95 % intervals over tasks", f"figure-{number}-f1"),
        figure(draw_cost(curves, "critical-path"), "Critical path", f"figure-{number}-path"),
    ]
    if all(each.against("tokens", lambda _: ()) for each in curves):
        caption = "Written tokens" + ("" if _reported(kind) else " (estimated from characters)")
        found.append(figure(draw_cost(curves, "tokens"), caption, f"figure-{number}-tokens"))
    if has_rows(curves[0]):
        found.append(figure(draw_rows(curves[0]), "Where gold rows were lost", f"figure-{number}-rows"))
    return Markup('<div class="pictures">' + "\n".join(found) + "</div>")


def _curve(kind: KindCard, name: str) -> Curve | None:
    """The curve of a kind. Tokens that were not reported are estimated from characters."""
    curve = kind.curve(name)
    if curve is None:
        return None
    single = kind.points.get(SINGLE)
    return replace(
        curve,
        points=tuple((size, _with_tokens(kind.points[str(size)], summary)) for size, summary in curve.points),
        single=_with_tokens(single, curve.single)
        if single is not None and curve.single is not None
        else None,
    )


def _with_tokens(point: Point, summary: Summary) -> Summary:
    if point.tokens is not None or "written" not in point.characters:
        return summary
    written = point.characters["written"] / CHARACTERS_PER_TOKEN
    return replace(summary, metered=summary.episodes, usage={"completion_tokens": written})


def _details(kind: KindCard) -> Markup:
    rows_known = any(point.rows for point in kind.points.values())
    header = [
        "width",
        "item-F1",
        "success",
        "critical path",
        "turns",
        "calls",
        "tokens written",
        "tokens read",
    ]
    if rows_known:
        header += ["covered", *(LABELS[fate] for fate in FATES)]
    lines = []
    for size, point in kind.points.items():
        line: list[object] = [
            size,
            interval(*(f"{100 * x:.1f}" for x in (point.item_f1, point.item_f1_low, point.item_f1_high))),
            f"{100 * point.success:.1f}",
            f"{point.critical_path:.1f}",
            f"{point.turns:.1f}",
            f"{point.calls:.1f}",
            _tokens(point, "written"),
            _tokens(point, "read"),
        ]
        if rows_known:
            shares = (point.rows.get(name) for name in ("coverage", *FATES))
            line += ["–" if share is None else f"{100 * share:.1f}" for share in shares]
        lines.append(line)
    return table(header, lines)


def _tokens(point: Point, what: str) -> str:
    if point.tokens is not None:
        return f"{point.tokens[what]:,.0f}"
    if what in point.characters:
        return f"≈\u00a0{point.characters[what] / CHARACTERS_PER_TOKEN:,.0f}"
    return "–"


def _reported(kind: KindCard) -> bool:
    return all(point.tokens is not None for point in kind.points.values())


def _called(size: str) -> str:
    return "the single agent" if size == SINGLE else f"width {size}"


def _reading(card: Card) -> Markup:
    judge = card.scoring.get("judge", "")
    lines = [
        "The width is the number of subagents that one delegation may start. Every agent has the same small budget of "
        "turns and calls at every width, so a wider team can look up more.",
        f"Item-F1 scores the cells of the answer's table against the gold table, with the {card.scoring.get('table')} "
        f"score and the {judge} judge. For a question with a short answer, it is 100 or 0. The bands are 95 % "
        "bootstrap intervals over tasks.",
        "The critical path is the number of turns until the answer. Turns that agents take at the same time count "
        "once. All costs are per episode.",
        "A gold row is covered if the answer has its key. The shares from right to not found sum to 100.",
        f"Tokens with ≈ are estimated: {CHARACTERS_PER_TOKEN} characters are one token. Each turn reads the whole "
        "conversation, without a prefix cache.",
        f"{_SCORE[0].upper()}{_SCORE[1:]} is the mean of item-F1 over all widths, without the single agent.",
        "Every run of this suite has the same tasks, pages, prompts, rules and seeds. Cards compare only if their "
        "digests are equal.",
    ]
    return Markup(f"{heading(2, 'How to read this', 'reading')}{items(lines)}")


def _settings(card: Card) -> Markup:
    facts: list[list[object]] = [["suite", card.suite], ["size", card.size], ["policy", card.policy]]
    facts.append(["model", card.model or "–"])
    facts += [
        [f"policy option {name}", json.dumps(value, ensure_ascii=False)]
        for name, value in card.policy_options.items()
    ]
    facts += [["seed", card.seed], ["episodes per task", card.trials]]
    facts += [[f"version of {name}", version] for name, version in card.versions.items()]
    for kind in list(card.kinds.values())[:1]:
        facts += [[f"rule {name}", value] for name, value in kind.rules.items()]
    digests: list[list[object]] = [
        [kind.title, kind.tasks, *(kind.digests.get(part, "–") for part in PARTS)]
        for kind in card.kinds.values()
    ]
    command = Markup(f"<pre>{text(card.command, 4000)}</pre>") if card.command else Markup("")
    return Markup(
        f"{heading(2, 'Settings and digests', 'settings')}{table(['kind', 'tasks', *PARTS], digests)}"
        f"{table(['', ''], facts)}{command}"
    )
