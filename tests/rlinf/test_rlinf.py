"""The texts of a checkout of RLinf, with a small imitation of its modules."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))  # for the modules of this folder

from imitation import DESCRIPTIONS, EARLIER, FUNCTIONS, LATER, LOOP, PROMPTS, TOOLS, checkout

from wideseek_env.cli.app import app
from wideseek_env.corpus.stored import MemoryCorpus, SourcePage
from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.profiles import PROFILES, Profile
from wideseek_env.rlinf.convert import from_rlinf
from wideseek_env.rules import Rules
from wideseek_env.summaries.base import Summary, SummaryRequest
from wideseek_env.summaries.prompts import SummaryTexts, conversation
from wideseek_env.task import Language, Task
from wideseek_env.testing import example_task
from wideseek_env.tools.executor import CorpusTools


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def profile_of(folder: Path, language: Language = "en") -> Profile:
    profile = PROFILES["wideseek-r1"].with_texts(from_rlinf(folder).texts)
    return dataclasses.replace(profile, language=language)


@pytest.fixture(params=[EARLIER, LATER], ids=["earlier", "later"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return checkout(tmp_path, request.param)


def test_both_layouts_have_the_same_texts(tmp_path: Path) -> None:
    earlier, later = (from_rlinf(checkout(tmp_path / name, files)) for name, files in
                      (("a", EARLIER), ("b", LATER)))  # fmt: skip
    assert earlier.texts == later.texts
    assert earlier.missing == later.missing == []
    assert earlier.differences == []


SYSTEM = {
    ("lead", "en", False): 'Split it up. Example: {"name": "x", "arguments": {"n": [1, 2]}}\nThen:\n'
    "Use\n```markdown\n{rows}\n```",
    ("lead", "en", True): "Split it up, then: Put it in \\boxed{}.",
    ("lead", "zh", False): "拆分。示例 {一}\n用\n```markdown\n{rows}\n``` ",
    ("lead", "zh", True): "拆分。\n写在 \\boxed{} 里。",
    ("subagent", "en", False): 'Do one part. A brace stays: {x} \\ and a quote ".',
    ("subagent", "en", True): 'Do one part. A brace stays: {x} \\ and a quote ".',
    ("subagent", "zh", True): "做一部分。",
    ("single", "en", False): "Alone, with {braces}. Use\n```markdown\n{rows}\n```",
    ("single", "en", True): "Alone, with {braces}. Put it in \\boxed{}.",
    ("single", "zh", True): "独自工作。写在 \\boxed{} 里。",
}


@pytest.mark.parametrize("case", SYSTEM)
def test_system_prompts(case: tuple[Any, Language, bool], folder: Path) -> None:
    role, language, short = case
    task = Task(id="t", question="Q?", answers=("a",)) if short else example_task()
    assert profile_of(folder, language).system_prompt(role, Rules(), task) == SYSTEM[case]


def test_an_episode(folder: Path) -> None:
    task = Task(id="t", question="Who {is} it?", answers=("a",))
    rules = Rules(lead_turns=4, subagent_turns=2)
    episode = Episode(task, profile=profile_of(folder), rules=rules)
    assert episode.messages("lead")[1]["content"] == "Job: \nWho {is} it?\n\nFirst of 4 {turns}"
    episode.act("lead", call("create_sub_agents", sub_agents=[{"prompt": "one\n{1}"}, {"prompt": "two"}]))
    first = episode.messages("subagent_0")[1]["content"]
    assert first == "Whole: Who {is} it?\nPart: one\n{1}\n\nFirst of 2 {turns}"
    search, again = episode.act("subagent_0", call("search", queries=[{"query": "x\ny"}, {"query": "z"}]))
    episode.deliver(search, "hits")
    episode.deliver(again, "more")
    assert episode.messages("subagent_0")[-1]["content"] == "# Q x\ny\nhits\n\n# Q z\nmore\n\nNext is 2 of 2."
    urls = [{"url": "u", "info_to_extract": "all\nof it"}, {"url": "v"}]
    for each in episode.act("subagent_1", call("access", urls=urls)):
        episode.deliver(each, "page")
    told = episode.messages("subagent_1")[-1]["content"]
    assert told == "# U u\n? all\nof it\npage\n\n# U v\n? None\npage\n\nNext is 2 of 2."
    episode.act("subagent_0", "found it")
    episode.act("subagent_1", call("access", urls=urls))
    for pending in episode.pending():
        episode.deliver(pending, "page")
    told = episode.messages("lead")[-1]["content"]
    assert told == (
        "# Part 1\none\n{1}\n= Found\nfound it\n\n# Part 2\ntwo\n= Found\nIt failed {badly}.\n\nNext is 2 of 4."
    )


def test_results_and_summariser(folder: Path) -> None:
    texts = from_rlinf(folder).texts
    results = PROFILES["wideseek-r1"].with_texts(texts).results
    assert results.hit.format(number=2, url="u", passage="p", title="t") == "<2> u:\np"
    assert results.between_hits.format() == "\n--\n"
    assert results.no_hits.format() == "Nothing {found}."
    assert results.empty_page.format(title="") == results.no_page.format() == "No useful {thing}."
    assert results.page.format(title="x", text="y") == "y"
    assert results.tool_failed.format(error="e") == "It broke: e"
    summariser = {name: text.format(page="P", question="Q") for name, text in texts["summariser"].items()}
    assert summariser == {
        "system": "Extract {what} is asked.\nNothing else.",
        "user": "WANTED: Q\nPAGE: P\nEnd.",
    }


class Extractor:
    """A summariser that says what it was asked."""

    name = "extractor"

    def __init__(self, texts: SummaryTexts) -> None:
        self.texts = texts

    def summarise(self, requests: Sequence[SummaryRequest]) -> list[Summary]:
        return [Summary(conversation(self.texts, each)[-1]["content"]) for each in requests]

    def close(self) -> None: ...


@pytest.mark.parametrize("page_chars", [1000, 10])
def test_a_summary_is_shown_as_published(page_chars: int, folder: Path) -> None:
    """Through the executor of every game: nothing but the summary is below the heading."""
    texts = from_rlinf(folder).texts
    profile = PROFILES["wideseek-r1"].with_texts(texts)
    corpus = MemoryCorpus([SourcePage("https://a.example/", "A title", "<p>Short page.</p>", "page")], "one")
    tools = CorpusTools(
        corpus,
        texts=profile.results,
        page_chars=page_chars,
        summariser=Extractor(SummaryTexts(**texts["summariser"])),
    )
    asked: list[dict[str, Any]] = [
        {"url": "https://a.example/", "info_to_extract": " all {names}\n\nand  years"},
        {"url": "https://a.example/"},
        {"url": "https://a.example/", "info_to_extract": None},
        {"url": "https://a.example/", "info_to_extract": 5},
        {"url": "https://a.example/none", "info_to_extract": "x"},
    ]
    page = "Short page.\n"[:page_chars]
    told = [
        f"# U https://a.example/\n? {wanted}\nWANTED: {wanted}\nPAGE: {page}\nEnd."
        for wanted in (" all {names}\n\nand  years", "None", "None", "5")
    ]
    told.append("# U https://a.example/none\n? x\nNo useful {thing}.")
    task = Task(id="t", question="Who?", answers=("a",))
    team = Episode(task, profile=profile)
    team.act("lead", call("create_sub_agents", sub_agents=[{"prompt": "one"}]))
    calls = team.act("subagent_0", call("access", urls=asked))
    for each, result in zip(calls, tools.run(calls), strict=True):
        team.deliver(each, result)
    assert team.messages("subagent_0")[-1]["content"].rpartition("\n\n")[0] == "\n\n".join(told)
    for given, expected in zip(asked, told, strict=True):
        alone = Episode(task, profile=profile, team=False)
        (each,) = alone.act("agent", call("access", **given))
        alone.deliver(each, *tools.run([each]))
        assert alone.messages("agent")[-1]["content"].rpartition("\n\n")[0] == expected


def test_tool_schemas_have_the_descriptions(folder: Path) -> None:
    profile = profile_of(folder, "zh")
    names: dict[str, Any] = {}
    exec(compile(DESCRIPTIONS, "imitation", "exec"), names)
    known = names["tools_description_zh"]
    rules = Rules(results_per_query=3)
    for role, keys in (
        ("lead", ["create_sub_agents"]),
        ("subagent", ["search", "access"]),
        ("single", ["search_single_agent", "access_single_agent"]),
    ):
        schemas = profile.schemas(role, rules, "zh")  # type: ignore[arg-type]
        assert json.dumps(schemas) == json.dumps([known[key] for key in keys])


def test_a_moved_folder_is_found(tmp_path: Path) -> None:
    made = checkout(tmp_path / "here")
    (tmp_path / "repo" / "deep").mkdir(parents=True)
    (made / "rlinf" / "agents" / "wideseek_r1").rename(tmp_path / "repo" / "deep" / "wideseek_r1")
    for given in (tmp_path / "repo", tmp_path / "repo" / "deep" / "wideseek_r1"):
        assert from_rlinf(given).texts == from_rlinf(checkout(tmp_path / "again")).texts


ASKED = (
    'return [{"role": "system", "content": text}, {"role": "user", "content": ASK_LEAD_EN.format(question)}]'
)
FAULTS: list[tuple[str, dict[str, str], str]] = [
    ("a constant is missing", {"utils/prompt.py": PROMPTS.replace("LEAD_ZH =", "LEAD =")}, r"LEAD_ZH is not there"),
    ("a function is renamed", {"utils/utils.py": FUNCTIONS.replace("get_prompt_worker", "worker")},
     r"get_prompt_worker.*is not there"),
    ("a syntax error", {"utils/prompt.py": "X = ("}, r"prompt\.py cannot be read as Python"),
    ("a parameter is new", {"utils/utils.py": FUNCTIONS.replace("subtask: str, language", "subtask, tone, language")},
     r"unknown parameter tone"),
    ("a parameter is gone", {"utils/utils.py": FUNCTIONS.replace("subtask: str, language", "part, language")},
     r"unknown parameter part"),
    ("tools in one language", {"utils/tool_description.py": DESCRIPTIONS.partition("\n")[0]},
     r"tools_description_zh"),
    ("a tool is missing", {"utils/tool_description.py": DESCRIPTIONS.replace('"search_single_agent"', '"other"')},
     r"the schema of search_single_agent"),
    ("a description is no text", {"utils/tool_description.py": DESCRIPTIONS.replace('"Up to 9"', "9")},
     r"description that is no text"),
    ("a template does not fit", {"utils/prompt.py": PROMPTS.replace("Job: ", "Job: {} ")}, r"does not fit"),
    ("a loop", {"utils/utils.py": FUNCTIONS.replace("    shots =", "    for x in y: pass\n    shots =")},
     r"For is not read"),
    ("one message", {"utils/utils.py": FUNCTIONS.replace(ASKED, "return [text]")},
     r"system message and a user message"),
    ("calls itself", {"utils/utils.py": FUNCTIONS.replace("return planner_zh(question, is_markdown)",
     "return get_prompt_planner(question, is_markdown, language)")}, r"calls itself"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "files", "told"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_faults_are_told(fault: str, files: dict[str, str], told: str, tmp_path: Path) -> None:
    assert all(EARLIER[name] != code for name, code in files.items())
    with pytest.raises(ConfigError, match=told):
        from_rlinf(checkout(tmp_path, {**EARLIER, **files}))


def test_wrong_folders(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    (empty / "rlinf" / "agents" / "wideseek_r1").mkdir(parents=True)
    with pytest.raises(ConfigError, match="no Python files"):
        from_rlinf(empty)
    (tmp_path / "other").mkdir()
    with pytest.raises(ConfigError, match="has no folder wideseek_r1"):
        from_rlinf(tmp_path / "other")
    with pytest.raises(ConfigError, match="is no folder"):
        from_rlinf(tmp_path / "nowhere")


MISSING: list[tuple[dict[str, str], str]] = [
    ({"wideseek_r1.py": LOOP.replace("turn_idx + 2", "turn")}, r"turn notice \(en\): is not there"),
    ({"wideseek_r1.py": LOOP.replace("\\n\\nNext", "Next")}, r"turn notice \(en\): does not begin with an empty line"),
    ({"wideseek_r1.py": LOOP.replace("{tool_response.text}", "{tool_response.text}!")}, "search heading"),
    ({"wideseek_r1.py": LOOP.replace("= Found\\nIt", "It")}, r"failed-subtask message \(en\)"),
    ({"wideseek_r1.py": LOOP.replace("max_turns} {{", "turns} {{")}, r"first-turn notice \(en\)"),
    ({"wideseek_r1.py": LOOP + LOOP.replace("# U", "# V")}, r"access heading \(en\): is there with different texts"),
    ({"tools.py": TOOLS.replace("doc_id", "number")}, "template of a search result"),
    ({"tools.py": TOOLS.replace("len(documents) > 0", "documents")}, "sentence for a search without results"),
    ({"tools.py": TOOLS.replace("page.strip()", "page")}, "sentence for a page without text"),
    ({"tools.py": TOOLS.replace("str(e)", "e")}, "sentence for a tool that failed"),
    ({"utils/utils.py": FUNCTIONS.replace("get_access_summary_messages", "summary")}, "prompt of the summariser"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "told"), MISSING)
def test_a_missing_text_is_named(files: dict[str, str], told: str, tmp_path: Path) -> None:
    assert all(EARLIER[name] != code for name, code in files.items())
    checkout(tmp_path / "a", {**EARLIER, **files})
    out = tmp_path / "texts.toml"
    result = CliRunner().invoke(app, ["texts", "from-rlinf", str(tmp_path / "a"), "--out", str(out)])
    assert result.exit_code == 0, result.output
    found = from_rlinf(tmp_path / "a")
    assert any(re.search(told, each) for each in found.missing)
    assert all(
        f"Warning: not found, so the profile's text is used: {each}" in result.output
        for each in found.missing
    )
    PROFILES["wideseek-r1"].with_texts(tomllib.loads(out.read_text("utf-8")))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"type": "integer", "description"', '"type": "number", "description"'),
        ('"description": "Up to 9", "default": 3', '"default": 3, "description": "Up to 9"'),
        ("['query']", "[]"),
        ('"info_to_extract":', '"info":'),
        ('"type": "array", ', ""),
    ],
)
def test_differences_of_schemas_are_named(before: str, after: str, tmp_path: Path) -> None:
    code = DESCRIPTIONS.replace(before, after)
    assert code != DESCRIPTIONS
    found = from_rlinf(checkout(tmp_path, {**EARLIER, "utils/tool_description.py": code}))
    assert found.differences
    PROFILES["wideseek-r1"].with_texts(found.texts)


def test_no_code_of_the_checkout_is_run(tmp_path: Path) -> None:
    trap = f"\nopen({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit\n"
    from_rlinf(checkout(tmp_path / "a", {name: code + trap for name, code in EARLIER.items()}))
    assert not (tmp_path / "ran").exists()


def test_the_command_writes_a_file_that_loads(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "texts.toml"
    command = ["texts", "from-rlinf", str(folder), "--out", str(out)]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert tomllib.loads(out.read_text("utf-8")) == from_rlinf(folder).texts
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "exists" in result.output
    assert CliRunner().invoke(app, [*command, "--overwrite"]).exit_code == 0
