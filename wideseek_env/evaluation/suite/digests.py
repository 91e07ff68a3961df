"""Digests of a suite: hashes of its tasks, pages, prompts, results and rules.

The digests of a version are committed with it. If a digest changes, scores do not compare with earlier ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, MutableMapping
from typing import Any

from wideseek_env.corpus.base import Corpus
from wideseek_env.errors import SuiteError
from wideseek_env.evaluation.labels import task_digest
from wideseek_env.evaluation.suite.definition import Suite, SuiteKind
from wideseek_env.game import Game
from wideseek_env.messages import ROLES, ToolCall
from wideseek_env.profile_texts import profile_texts
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tools.executor import CorpusTools

Digests = Mapping[str, str]

FILE = "digests.json"
PARTS: Mapping[str, str] = {
    "tasks": "the questions, gold tables, columns and how they are compared",
    "pages": "all pages of the corpus",
    "prompts": "the prompts, tool schemas and other texts that agents see",
    "results": "what a search for each question, and the first page that it finds, show to an agent",
    "rules": "the limits, the seed and the score",
}
"""What each digest covers."""


def digests_of(
    suite: Suite, kind: SuiteKind, game: Game, pages: MutableMapping[str, str] | None = None
) -> dict[str, str]:
    """The digests of one kind.

    Args:
        suite: The suite.
        kind: The kind.
        game: The opened `Suite.game`.
        pages: The digests of pages that are known already, by the name of the corpus. To read all pages of HybridQA
            takes seconds, and several kinds have the same corpus.
    """
    tasks = suite.chosen(kind, game.tasks, suite.most_tasks)
    tools = game.executor
    if not isinstance(tools, CorpusTools):
        raise SuiteError("a suite is played on a corpus, not with an executor of its own")
    known = pages if pages is not None else {}
    if tools.corpus.name not in known:
        known[tools.corpus.name] = _pages(tools.corpus)
    return {
        "tasks": _tasks(tasks),
        "pages": known[tools.corpus.name],
        "prompts": _prompts(game, tasks),
        "results": _results(tools, tasks),
        "rules": _rules(suite, game),
    }


def committed(suite: Suite) -> dict[str, Digests]:
    """The committed digests of every kind of a suite.

    Raises:
        SuiteError: The file cannot be read.
    """
    file = suite.folder / FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return {str(kind): dict(found) for kind, found in data["kinds"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SuiteError(f"{file} cannot be read ({error}); install the package again") from error


def check_digests(suite: Suite, kind: SuiteKind, found: Digests) -> None:
    """Check that the tasks, pages and prompts are those of the suite.

    Raises:
        SuiteError: A digest differs from the committed one. The message names what differs.
    """
    expected = committed(suite).get(kind.name)
    if expected is None:
        raise SuiteError(f"suite {suite.version} has no digests of the kind {kind.name}: commit them first")
    if different := changed(expected, found):
        told = "; ".join(f"{name} ({PARTS.get(name, name)})" for name in different)
        advice = " or get the data that docs/hybridqa.md names" if kind.needs_data else ""
        raise SuiteError(
            f"{kind.title}: these are not the tasks of suite {suite.version}. Different: {told}. Use the package as it "
            f"was released{advice}. A change of the suite makes {_next(suite.version)}"
        )


def changed(one: Digests, other: Digests) -> list[str]:
    """The names of the digests that differ."""
    return [name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name)]


def _next(version: str) -> str:
    number = version.removeprefix("v")
    return f"v{int(number) + 1}" if number.isdigit() else "another version"


def _hash(*values: Any) -> str:
    sha = hashlib.sha256()
    for value in values:
        sha.update(json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        sha.update(b"\n")
    return sha.hexdigest()[:16]


def _tasks(tasks: TaskSet) -> str:
    return _hash(*([task.id, task_digest(task)] for task in tasks))


def _pages(corpus: Corpus) -> str:
    urls = getattr(corpus, "urls", None)
    if urls is None:
        raise SuiteError(f"the corpus {corpus.name} cannot list its pages, so it has no digest")
    sha = hashlib.sha256()
    for url in urls():
        page = corpus.fetch(url)
        if page is not None:
            for text in (page.url, page.title, page.html):
                sha.update(text.encode("utf-8", "surrogatepass"))
                sha.update(b"\0")
    return sha.hexdigest()[:16]


def _prompts(game: Game, tasks: TaskSet) -> str:
    texts = profile_texts(game.profile)
    languages = sorted({game.profile.language_for(task) for task in tasks})
    schemas = {
        language: {role: game.profile.schemas(role, game.rules, language) for role in ROLES}
        for language in languages
    }
    told = {language: texts[language] for language in languages}
    return _hash(told, texts["results"], schemas, game.profile.protocol.to_dict())


def _results(tools: CorpusTools, tasks: TaskSet) -> str:
    """What an agent sees if it searches for each question and opens the first result."""
    searches, pages = [], []
    hits = tools.corpus.search([task.question for task in tasks], 1)
    for number, (task, found) in enumerate(zip(tasks, hits, strict=True)):
        asked = {"query": task.question, "count": 3}
        searches.append(ToolCall(f"suite/1/{number}", "suite", "search", asked))
        for hit in found:
            opened = {"url": hit.url, "chunk": 1, "focus": ""}
            pages.append(ToolCall(f"suite/2/{number}", "suite", "browse", opened))
    return _hash(*(result.text for result in tools.run([*searches, *pages])))


def _rules(suite: Suite, game: Game) -> str:
    record = game.record()
    return _hash(
        game.rules.to_dict(),
        suite.seed,
        suite.trials,
        suite.split,
        record["judge"],
        record["roster"],
        "lenient",
    )
