"""Compares every message that agents see with those of the published WideSeek-R1, on scripted episodes.

    git clone https://github.com/RLinf/RLinf
    python benchmarks/rlinf_fidelity.py --checkout RLinf

There are two scripted episodes: one of a team and one of a single agent. In the team, one subagent reports, and the
other one uses up its turns. Both episodes are played in English and in Chinese, with a table and with a short answer.
Each episode runs here with ``--profile wideseek-r1`` and the texts of the checkout. It also runs in the checkout's own
agent loop (`rlinf_loop.py`). Here, the tools are those of every game (`CorpusTools`), over a scripted corpus and with a
scripted summariser. The output is a Markdown table of hashes and lengths. It contains none of the texts.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wideseek_env.corpus.base import Page, SearchHit
from wideseek_env.episode import Episode
from wideseek_env.messages import ToolCall
from wideseek_env.profiles import PROFILES, Profile
from wideseek_env.rlinf.convert import from_rlinf
from wideseek_env.rules import PRESETS
from wideseek_env.summaries.base import Summary, SummaryRequest
from wideseek_env.summaries.prompts import SummaryTexts, conversation
from wideseek_env.task import Language, Table, Task
from wideseek_env.tools.executor import CorpusTools

TURNS = {"lead": 10, "subagent": 3, "single": 50}
QUESTION = "Which {rivers} flow through Mirel?\nGive name and length."
SUBTASKS = ("List the rivers of Mirel {north}.\nOnly names.", "Find the length of each river of Mirel.")
HITS = {
    "rivers of Mirel": [
        {"url": "https://mirel.example/rivers", "text": "Mirel has the rivers Ona and Tesk {both long}."},
        {"url": "https://mirel.example/ona", "text": "The Ona is 81 km long."},
    ],
    "length of the Ona": [{"url": "https://mirel.example/ona", "text": "The Ona is 81 km long."}],
}
PAGES = {"https://mirel.example/rivers": "Rivers\n\n- Ona\n- Tesk\n", "https://mirel.example/empty": " \n"}
HTML = {
    "https://mirel.example/rivers": "<p>Rivers</p><ul><li>Ona</li><li>Tesk</li></ul>",
    "https://mirel.example/empty": " \n",
}
SUMMARIES = {PAGES["https://mirel.example/rivers"]: "- Ona\n- Tesk (see {list})"}


def call(name: str, arguments: dict[str, Any], thought: str = "I look.") -> str:
    """A message with one call, as the published model writes it."""
    written = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<think>\n{thought}\n</think>\n\n<tool_call>\n{written}\n</tool_call>"


SEARCH = {"queries": [{"query": "rivers of Mirel"}, {"query": "nothing {at} all\nis found"}]}
ACCESS = {
    "urls": [
        {"url": "https://mirel.example/rivers", "info_to_extract": "The {names}\nof the rivers"},
        {"url": "https://mirel.example/empty", "info_to_extract": "Anything"},
        {"url": "https://mirel.example/none", "info_to_extract": "Anything else"},
        {"url": "https://mirel.example/rivers"},
    ]
}
ANSWER = "<think>\nDone.\n</think>\n\n```markdown\n| name | length |\n| --- | --- |\n| Ona | 81 |\n```\n\\boxed{Ona}"
TEAM = {
    SUBTASKS[0]: [call("search", SEARCH), call("access", ACCESS), "<think>\nx\n</think>\n\nOna and Tesk. "],
    SUBTASKS[1]: [call("search", {"queries": [{"query": "length of the Ona", "count": 5}]})],
    "": [call("create_sub_agents", {"sub_agents": [{"prompt": each} for each in SUBTASKS]}), ANSWER],
}
SINGLE = {
    "": [call("search", SEARCH["queries"][0]), *(call("access", each) for each in ACCESS["urls"][:2]), ANSWER]
}

Conversation = dict[str, Any]


def published(
    checkout: Path, language: Language, table: bool, team: bool
) -> tuple[list[Conversation], list[Any]]:
    """The conversations of the checkout's own loop, and its requests to the summariser."""
    scenario = {
        "question": QUESTION,
        "role": "planner" if team else "single",
        "table": table,
        "language": language,
        "turns": TURNS,
        "scripts": TEAM if team else SINGLE,
        "hits": HITS,
        "pages": PAGES,
        "summaries": SUMMARIES,
    }
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("rlinf_loop.py"), checkout],
        input=json.dumps(scenario), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the loop of {checkout} cannot be run:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    return found["conversations"], found["summaries"]


def ours(profile: Profile, table: bool, team: bool) -> tuple[list[Conversation], list[Any]]:
    """The same conversations in this package."""
    form: dict[str, Any] = {"answers": ("Ona",)}
    if table:
        columns = ("name", "length")
        form = {"columns": columns, "key_columns": ("name",), "gold": Table(columns, (("Ona", "81"),))}
    task = Task(id="rivers", question=QUESTION, language=profile.language or "en", **form)
    rules = dataclasses.replace(
        PRESETS["wideseek-r1"],
        lead_turns=TURNS["lead"],
        subagent_turns=TURNS["subagent"],
        single_turns=TURNS["single"],
    )
    episode = Episode(task, rules=rules, profile=profile, team=team)
    scripts = TEAM if team else SINGLE
    summariser = Scripted(SummaryTexts(**(profile.loaded or {})["summariser"]))
    tools = CorpusTools(
        Stored(), texts=profile.results, passage_chars=rules.passage_chars, page_chars=rules.page_chars,
        summariser=summariser,
    )  # fmt: skip
    while not episode.done:
        calls: list[ToolCall] = []
        for agent in episode.ready():
            conversation = episode.conversation(agent)
            script = scripts[conversation.subtask]
            calls += episode.act(agent, script[min(conversation.turns, len(script) - 1)])
        for each, result in zip(calls, tools.run(calls), strict=True):
            if each.id in episode.pending():
                episode.deliver(each, result)
    found = [
        {
            "tools": episode.tools(conversation.role),
            "messages": [message for message in conversation.messages if message["role"] != "assistant"],
        }
        for conversation in episode.conversations
    ]
    return found, summariser.requests


class Stored:
    """A corpus with the scripted search results and pages."""

    name, blocking = "scripted", False

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The scripted results of each query."""
        return [
            [SearchHit(hit["url"], "", hit["text"], 1.0) for hit in HITS.get(query, [])] for query in queries
        ]

    def fetch(self, url: str) -> Page | None:
        """The page as HTML whose Markdown is the scripted text."""
        return Page(url, "", HTML[url]) if url in HTML else None

    def close(self) -> None:
        """Nothing to close."""


class Scripted:
    """A summariser that keeps its requests, and gives the scripted summary of each page."""

    name = "scripted"

    def __init__(self, texts: SummaryTexts) -> None:
        self.texts = texts
        self.requests: list[Any] = []

    def summarise(self, requests: Sequence[SummaryRequest]) -> list[Summary]:
        """The scripted summaries."""
        self.requests += [conversation(self.texts, request) for request in requests]
        return [Summary(SUMMARIES[request.page]) for request in requests]

    def close(self) -> None:
        """Nothing to close."""


def cell(here: Any, there: Any) -> str:
    """Whether two texts are the same, with hash and length."""
    texts = [
        json.dumps(each, ensure_ascii=False) if not isinstance(each, str) else each for each in (here, there)
    ]
    hashes = [hashlib.sha256(text.encode()).hexdigest()[:8] for text in texts]
    if texts[0] == texts[1]:
        return f"same {hashes[0]} ({len(texts[0]):,})"
    return f"**different** {hashes[0]} ({len(texts[0]):,}), published {hashes[1]} ({len(texts[1]):,})"


def rows(
    names: Sequence[str], here: tuple[list[Any], list[Any]], there: tuple[list[Any], list[Any]]
) -> dict[str, str]:
    """One cell for each schema list, each message and each request to the summariser."""
    found: dict[str, str] = {}
    for number in range(max(len(here[0]), len(there[0]))):
        name = names[number]
        pair = [side[0][number] if number < len(side[0]) else {} for side in (here, there)]
        found[f"{name}: tool schemas"] = cell(*(each.get("tools") for each in pair))
        lists = [each.get("messages", []) for each in pair]
        for at in range(max(map(len, lists))):
            both = [each[at] if at < len(each) else {"role": "none", "content": ""} for each in lists]
            role = "/".join(dict.fromkeys(each["role"] for each in both))
            found[f"{name}: message {at + 1} ({role})"] = cell(*(each["content"] for each in both))
    for at in range(max(len(here[1]), len(there[1]))):
        both = [sorted(map(json.dumps, side[1]))[at : at + 1] for side in (here, there)]
        found[f"{names[0]}: summary request {at + 1}"] = cell(*("".join(each) for each in both))
    return found


def main() -> None:
    """Compare all episodes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkout", type=Path, required=True, help="a checkout of RLinf")
    checkout = parser.parse_args().checkout
    found = from_rlinf(checkout)
    profile = PROFILES["wideseek-r1"].with_texts(found.texts)
    columns: dict[str, dict[str, str]] = {}
    for language in ("en", "zh"):
        for table in (True, False):
            spoken = dataclasses.replace(profile, language=language)
            cells: dict[str, str] = {}
            for team, names in ((True, ("lead", "subagent 1", "subagent 2")), (False, ("single agent",))):
                there = published(checkout, language, table, team)
                cells |= rows(names, ours(spoken, table, team), there)
            columns[f"{language}, {'table' if table else 'short answer'}"] = cells
    print(f"| message | {' | '.join(columns)} |\n| --- |{' --- |' * len(columns)}")
    names = list(dict.fromkeys(name for cells in columns.values() for name in cells))
    for name in names:
        print(f"| {name} | {' | '.join(cells.get(name, '') for cells in columns.values())} |")
    every = [each for cells in columns.values() for each in cells.values()]
    same = sum(each.startswith("same") for each in every)
    print(f"\n{same} of {len(every)} texts are the same.")
    for each in (*found.missing, *(f"the schema of {name} differs" for name in found.differences)):
        print(f"- {each}")


if __name__ == "__main__":
    main()
