"""Texts that are loaded from a file: how they are checked, where they are used, and where they are kept."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from wideseek_env import GameConfig, evaluate
from wideseek_env.cli.app import app
from wideseek_env.corpus.base import FailedSearch, Page, SearchHit
from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.messages import ToolCall
from wideseek_env.profile_texts import profile_texts
from wideseek_env.profiles import PROFILES
from wideseek_env.prompts import RESULTS
from wideseek_env.prompts.loading import checked_texts
from wideseek_env.rules import Rules
from wideseek_env.task import Task
from wideseek_env.testing import example_task
from wideseek_env.toml_text import toml_tables
from wideseek_env.tools import tool
from wideseek_env.tools.executor import CorpusTools
from wideseek_env.trajectory import Trajectory, load_trajectories

TEXTS: dict[str, Any] = {
    "en": {
        "system": {"lead": "Lead {width} of {turns}. {answer} End {{x}}.", "single": "Alone."},
        "system_short": {"lead": "Short: {answer}"},
        "first": {"lead": "Q: {question} ({turns})", "subagent": "{subtask} of {question} ({turns})"},
        "answer_table": "Write {{a table}}.",
        "answer_short": "Write \\boxed{{}}.",
        "report": "R{number} {subtask}",
        "no_report": {"failed": "It {{failed}}."},
        "result": {"search": "S {query} x{count}", "browse": "B {url}", "browse_focus": "F {url} {focus}"},
        "turns_left": "T{turn}/{turns}",
        "last_turn": "",
        "cut": "[{limit}]",
        "problems": {"unknown_tool": "What is {detail}?"},
        "tools": {
            "lead": {"delegate": {"description": "At most {width}, {{ok}}.", "parameters": {"subtasks": "Parts"}}}
        },
    },
    "results": {"no_hits": "Nothing {{here}}.", "hit": "{title}: {passage}", "between_hits": " | "},
}  # fmt: skip


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def saved(folder: Path, text: str | bytes, name: str = "my.toml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# --- checking --------------------------------------------------------------------------------------------------------

WRONG: list[tuple[str, str]] = [
    ("[fr]\n", r"has no text 'fr'; there are: en, zh, results, summariser"),
    ("[en.sytem]\nlead = 'x'", r"en has no text 'sytem'; did you mean 'system'\?"),
    ("[en.system]\nleed = 'x'", r"en\.system has no text 'leed'; did you mean 'lead'\?"),
    ("[en]\nsystem = 'x'", r"en\.system must be a table of texts, not 'x'"),
    ("en = 3", r"en must be a table of texts, not 3"),
    ("[en]\ncut = 3", r"en\.cut must be a text, not 3"),
    ("[en]\ncut = ['x']", r"en\.cut must be a text"),
    ("[en.cut]\na = 'x'", r"en\.cut must be a text"),
    ("[en]\ncut = 1979-05-27", r"en\.cut must be a text"),
    ("[en]\nreport = '{nomber}'", r"en\.report has no field \{nomber\}; did you mean \{number\}\?"),
    ("[en]\nreport = '{}'", r"en\.report has no field \{\}.*written twice"),
    ("[en]\nreport = '{0}'", r"en\.report has no field \{0\}"),
    ("[en]\nreport = '{number.real}'", r"has no field \{number\.real\}"),
    ("[en]\nreport = '{subtask[0]}'", r"has no field \{subtask\[0\]\}"),
    ("[en]\nreport = '{number:>5}'", r"without a format"),
    ("[en]\nreport = '{number!r}'", r"without a format"),
    ("[en]\nreport = '{'", r"en\.report: the braces do not match"),
    ("[en]\nreport = '}'", r"en\.report: the braces do not match"),
    ("[en]\nanswer_short = '\\boxed{}'", r"answer_short has no field \{\}; the fields of this text are: none"),
    ("[en.first]\nlead = 'Go.'", r"en\.first\.lead must contain \{question\}"),
    ("[zh.first]\nsubagent = '{question}'", r"zh\.first\.subagent must contain \{subtask\}"),
    ("[results]\npage = '{title}'", r"results\.page must contain \{text\}"),
    ("[results]\nhits = 'x'", r"results has no text 'hits'; did you mean 'hit'\?"),
    ("[results]\nhit = '{snippet}'", r"results\.hit has no field \{snippet\}"),
    ("[summariser]\nuser = 'Read.'", r"summariser\.user must contain \{page\}"),
    ("[en.problems]\nodd = 'x'", r"en\.problems has no text 'odd'"),
    ("[en.no_report]\nlate = 'x'", r"en\.no_report has no text 'late'"),
    ("[en.tools.boss.search]\ndescription = 'x'", r"en\.tools has no text 'boss'"),
    ("[en.tools.lead.search]\nabout = 'x'", r"en\.tools\.lead\.search has no text 'about'"),
    ("[en.tools.lead.search]\nparameters = 'x'", r"parameters must be a table"),
    ("[en.tools.lead.search.parameters]\nquery = '{with}'", r"parameters\.query has no field \{with\}; did you mean"),
    ("[en.system]\nlead = 'x'\nlead = 'y'", r"this is no TOML"),
    ("lead", r"this is no TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_a_wrong_file_is_refused(text: str, told: str, tmp_path: Path) -> None:
    path = saved(tmp_path, text)
    with pytest.raises(ConfigError, match=told) as found:
        GameConfig(texts=str(path))
    assert str(path) in str(found.value)
    assert "\n" not in str(found.value).replace("\n(", "")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, told in (
        (tmp_path / "none.toml", "No such file"),
        (tmp_path, "Is a directory"),
        (saved(tmp_path, b"[en]\ncut = '\xff'"), "this is not UTF-8"),
        ("a\0b", "null"),
        ("~nobody-of-this-name/x", "cannot be read"),
        ("", "Is a directory"),
    ):
        with pytest.raises(ConfigError, match=told):
            GameConfig(texts=path)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="this is no JSON"):
        GameConfig(texts="{nonsense")
    for value in (3, ["x"], object(), True):
        with pytest.raises(ConfigError, match="must be a TOML file or a mapping"):
            GameConfig(texts=value)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="lone surrogate"):
        GameConfig(texts={"en": {"cut": "\ud800"}})
    with pytest.raises(ConfigError, match="has no text 3"):
        GameConfig(texts={3: {}})  # type: ignore[dict-item]


def test_tools_and_parameters_must_exist() -> None:
    for name, told in (
        (
            {"lead": {"create_sub_agents": {"description": "x"}}},
            r"the profile default has no such tool.*delegate",
        ),
        ({"subagent": {"serch": {"description": "x"}}}, r"did you mean 'search'\?"),
        (
            {"single": {"search": {"parameters": {"querry": "x"}}}},
            r"no such parameter; did you mean 'query'\?",
        ),
        ({"single": {"search": {"parameters": {"query.x": "x"}}}}, r"no such parameter"),
    ):
        with pytest.raises(ConfigError, match=told):
            GameConfig(texts={"en": {"tools": name}}).open()


def test_paths_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, toml_tables(TEXTS).encode("utf-8-sig").replace(b"\n", b"\r\n"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for given in (path, str(path), "my.toml", Path("my.toml"), "~/my.toml", json.dumps(TEXTS), TEXTS):
        assert GameConfig(texts=given).texts == TEXTS  # type: ignore[arg-type]
    assert GameConfig(texts={}).texts is None
    assert GameConfig(texts=str(saved(tmp_path, "", "empty.toml"))).texts is None


# --- use -------------------------------------------------------------------------------------------------------------


def profile() -> Any:
    return PROFILES["default"].with_texts(checked_texts(TEXTS))


def test_prompts_and_first_messages() -> None:
    rules, task = Rules(width=3, lead_turns=4), example_task()
    short = Task(id="s", question="Who {x}?", answers=("a",))
    mine, usual = profile(), PROFILES["default"]
    told = mine.system_prompt("lead", rules, task)
    assert told.startswith("Lead 3 of 4. Write {a table}. End {x}.\n\nTools\n")
    assert '"At most 3, {ok}."' in told
    assert mine.system_prompt("lead", rules, short).startswith("Short: Write \\boxed{}.\n\nTools\n")
    assert mine.system_prompt("single", rules, task).startswith("Alone.\n\nWrite {a table}.\n\nTools\n")
    assert mine.system_prompt("subagent", rules, task) == usual.system_prompt("subagent", rules, task)
    episode = Episode(short, rules=rules, profile=mine)
    assert episode.messages("lead")[1]["content"] == "Q: Who {x}? (4)"
    schema = mine.schemas("lead", rules, "en")[0]
    before = usual.schemas("lead", rules, "en")[0]
    assert schema["function"]["description"] == "At most 3, {ok}."
    assert schema["function"]["parameters"]["properties"]["subtasks"]["description"] == "Parts"
    assert list(schema["function"]) == list(before["function"])
    assert usual.schemas("lead", rules, "en")[0] == before
    assert mine.schemas("lead", rules, "zh") == usual.schemas("lead", rules, "zh")


def test_messages_of_an_episode() -> None:
    episode = Episode(example_task(), profile=profile(), rules=Rules(lead_turns=3, subagent_turns=2))
    episode.act("lead", call("delegate", subtasks=["find {it}", "other"]))
    question = example_task().question
    assert episode.messages("subagent_0")[1]["content"] == f"find {{it}} of {question} (2)"
    written = (
        call("search", query="a {b}", count=2) + call("browse", url="u") + call("browse", url="v", focus="w")
    )
    for number, each in enumerate(episode.act("subagent_0", written + call("fly"))):
        episode.deliver(each, str(number))
    told = episode.messages("subagent_0")[-1]["content"]
    assert told.startswith("S a {b} x2\n0\n\nB u\n1\n\nF v w\n2\n\nWhat is 'fly'?")
    assert not told.endswith("\n")  # there is no notice before the last turn
    episode.act("subagent_0", "done")
    episode.fail("subagent_1")
    assert episode.messages("lead")[-1]["content"] == "R1 find {it}\ndone\n\nR2 other\nIt {failed}.\n\nT2/3"


class Few:
    """A corpus with one page and one passage."""

    name, blocking = "few", False

    def search(self, queries: list[str], k: int) -> list[Any]:
        hits = [SearchHit("u", "T", "one\ntwo {x}", 1.0), SearchHit("v", "", "", 0.5)]
        return [FailedSearch("busy") if q == "fails" else hits if q == "some" else [] for q in queries]

    def fetch(self, url: str) -> Page | None:
        long = "".join(f"<p>Part {n} is long enough. " + "w " * 60 for n in range(60))
        pages = {
            "gone": Page("gone", "", "", 410, "Moved {x}."),
            "bad": Page("bad", "", "", 500, ""),
            "empty": Page("empty", "E", "<title>E</title>"),
            "one": Page("one", "One", "<title>One {1}</title><p>Text {t}"),
            "long": Page("long", "L", f"<title>L</title>{long}"),
        }
        return pages.get(url)


def ran(texts: dict[str, str], name: str, **arguments: Any) -> str:
    results = PROFILES["default"].with_texts(checked_texts({"results": texts})).results
    executor = CorpusTools(Few(), texts=results)  # type: ignore[arg-type]
    usual = {"count": 3} if name == "search" else {"chunk": 1, "focus": ""}
    for each in (executor, copy.deepcopy(executor), pickle.loads(pickle.dumps(executor))):
        found = each.run([ToolCall("c", "a", name, {**usual, **arguments})])[0].text
    return found


RESULT_TEXTS: list[tuple[dict[str, str], str, dict[str, Any], str]] = [
    ({"no_hits": "0 {{x}}"}, "search", {"query": "none"}, "0 {x}"),
    ({"hit": "{number}|{title}|{url}|{passage}", "between_hits": "\n\n"}, "search", {"query": "some"},
     "1|T|u|one two {x}\n\n2. [v](v)"),
    ({"hit": "H", "hit_without_passage": "W {number} {title} {url}"}, "search", {"query": "some"}, "H\nW 2 v v"),
    ({"search_failed": "F {error}"}, "search", {"query": "fails"}, "F busy"),
    ({"page": "<{title}>{text}"}, "browse", {"url": "one"}, "<One {1}>Text {t}\n"),
    ({"empty_page": "{title} is empty"}, "browse", {"url": "empty"}, "E is empty"),
    ({"no_page": "No {{page}}"}, "browse", {"url": "x"}, "No {page}"),
    ({"page_gone": "Gone: {error}"}, "browse", {"url": "gone"}, "Gone: Moved {x}."),
    ({"page_failed": "{status}: {error}", "no_reason": "why?"}, "browse", {"url": "bad"}, "500: why?"),
    ({"no_chunk": "only {chunks}"}, "browse", {"url": "long", "chunk": 99}, "only 3"),
    ({"no_second_chunk": "one"}, "browse", {"url": "one", "chunk": 2}, "one"),
    ({"no_tool": "no {name}"}, "other", {}, "no other"),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "name", "arguments", "wanted"), RESULT_TEXTS)
def test_texts_of_results(texts: dict[str, str], name: str, arguments: dict[str, Any], wanted: str) -> None:
    assert ran(texts, name, **arguments).strip() == wanted.strip()


def test_texts_of_long_pages() -> None:
    texts = {
        "chunk": "C{chunk}/{chunks}>{next} {title}: {text}",
        "last_chunk": "L{chunk}/{chunks} {title}: {text}",
        "focus": "F {focus}/{chunks} {title}: {text}",
    }
    assert ran(texts, "browse", url="long").startswith("C1/3>2 L: Part 0")
    assert ran(texts, "browse", url="long", chunk=3).startswith("L3/3 L: Part")
    assert ran(texts, "browse", url="long", focus="Part 7 {x}").startswith("F Part 7 {x}/3 L: ")


def test_every_text_is_used() -> None:
    """A text that nothing uses would be changed without an effect."""
    fields = set(RESULTS.__dataclass_fields__)
    tried = {name for texts, *_ in RESULT_TEXTS for name in texts} | {"chunk", "last_chunk", "focus"}
    elsewhere = {"no_title", "tool_failed", "no_time"}  # see test_executor
    elsewhere |= {"summary", "summary_of_beginning", "summary_failed"}  # see test_summaries_game and _tools
    assert fields - tried == elsewhere


def test_a_custom_tool_can_be_described() -> None:
    @tool
    def area(place: str) -> str:
        """The area of a place {in braces}.

        Args:
            place: Its name.
        """
        return place

    texts = {"en": {"tools": {"single": {"area": {"parameters": {"place": "Where, one of {results}?"}}}}}}
    game = GameConfig(tools=[area], texts=texts).open()
    schema = game.profile.schemas("single", Rules(results_per_query=4), "en")[-1]["function"]
    assert schema["description"].startswith("The area of a place {in braces}")
    assert schema["parameters"]["properties"]["place"]["description"] == "Where, one of 4?"
    shown = profile_texts(game.profile)["en"]["tools"]["single"]["area"]
    assert shown["description"].startswith("The area of a place {{in braces}}")


@pytest.mark.parametrize("name", list(PROFILES))
def test_printed_texts_change_nothing(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["texts", "show", "--profile", name])
    assert result.exit_code == 0
    path = saved(tmp_path, result.output)
    usual, loaded = PROFILES[name], GameConfig(profile=name, texts=str(path)).open().profile
    assert loaded.texts == {
        language: texts.__class__(**{**{f: getattr(texts, f) for f in texts.__dataclass_fields__},
                                     "tools": loaded.texts[language].tools})
        for language, texts in usual.texts.items()
    }  # fmt: skip
    assert loaded.results == usual.results
    for rules in (Rules(), Rules(width=3, calls_per_turn=2, results_per_query=4, max_results_per_query=6)):
        for language in ("en", "zh"):
            for role in ("lead", "subagent", "single"):
                ours, theirs = (json.dumps(each.schemas(role, rules, language)) for each in (loaded, usual))
                assert ours == theirs
    again = CliRunner().invoke(app, ["texts", "show", "--profile", name, "--texts", str(path)])
    assert again.output == result.output


@pytest.mark.parametrize(
    "text",
    [
        "", "a\nb", '"""', 'x\n"""y""""', 'end"\n"', "\\n\n\\", "\r\n\t\x00\x7f\n",
        "# x\n[y]\n", " \n ", "\n\n", "}{\n'''", 'a\n"""', '\n""""', '\n"', '\n""', '"""\n"""""', '\n\\"""', '\n\\"',
    ],
)  # fmt: skip
def test_toml_gives_the_text_back(text: str) -> None:
    record = {"a b": text, "t": {"x.y": {"z": text}, "v": text}, "empty": {}}
    assert tomllib.loads(toml_tables(record)) == record
    assert tomllib.loads(toml_tables(record, "game", "texts")) == {"game": {"texts": record}}


# --- records ---------------------------------------------------------------------------------------------------------


def test_the_configuration_keeps_the_content(tmp_path: Path) -> None:
    path = saved(tmp_path, toml_tables(TEXTS))
    config = GameConfig(texts=str(path), split="test", limit=1)
    path.unlink()
    for again in (
        GameConfig.from_dict(config.to_dict()),
        GameConfig.from_json(config.to_json()),
        GameConfig.from_toml(config.to_toml()),
        pickle.loads(pickle.dumps(config)),
        copy.deepcopy(config),
        config.replace(width=config.width),
        pickle.loads(pickle.dumps(config.open())).config,
    ):
        assert again == config
        assert again.texts == TEXTS
    game = pickle.loads(pickle.dumps(config.open()))
    assert game.profile.texts == config.open().profile.texts
    assert len(config.to_args()) == len(GameConfig(split="test", limit=1).to_args()) + 1
    assert len(repr(config)) < 300


def test_a_change_of_the_given_mapping_changes_nothing() -> None:
    given = copy.deepcopy(TEXTS)
    config = GameConfig(texts=given)
    given["en"]["system"]["lead"] = "x"
    assert config.texts == TEXTS


def test_profiles_and_episodes_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(PROFILES["wideseek-r1"])) is PROFILES["wideseek-r1"]
    mine = pickle.loads(pickle.dumps(profile()))
    assert mine.texts == profile().texts
    assert mine.loaded == TEXTS
    texts = {"en": {"tools": {"lead": {"create_sub_agents": {"description": "x"}}}}}
    r1 = PROFILES["wideseek-r1"].with_texts(checked_texts(texts))
    assert pickle.loads(pickle.dumps(r1)).schemas("lead", Rules(), "en") == r1.schemas("lead", Rules(), "en")
    episode = Episode(example_task(), profile=profile())
    for again in (pickle.loads(pickle.dumps(episode)), episode.copy()):
        again.act("lead", call("delegate", subtasks=["x"]))
        assert again.messages("subagent_0")[1]["content"].startswith("x of ")


def test_a_record_is_replayed_without_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path, toml_tables(TEXTS))
    evaluate("random", texts=str(path), split="test", limit=2, out=tmp_path / "run")
    path.unlink()
    for trajectory in load_trajectories(tmp_path / "run" / "trajectories.jsonl"):
        assert trajectory.texts == TEXTS
        episode = trajectory.replay()
        assert episode.messages("lead")[1]["content"].startswith("Q: ")
        with pytest.raises(Exception, match="other messages"):
            Trajectory.from_dict({**trajectory.to_dict(), "texts": None}).replay()
        with pytest.raises(Exception, match="not a trajectory"):
            Trajectory.from_dict({**trajectory.to_dict(), "texts": {"en": {"cut": 3}}})
    evaluate("random", split="test", limit=1, out=tmp_path / "plain")
    (plain,) = load_trajectories(tmp_path / "plain" / "trajectories.jsonl")
    assert plain.texts is None
    assert "texts" not in plain.to_dict()


def test_a_run_with_other_texts_is_not_resumed(tmp_path: Path) -> None:
    def run(texts: Any) -> None:
        evaluate("random", texts=texts, split="test", limit=1, out=tmp_path / "run")

    run(TEXTS)
    run(json.dumps(TEXTS))  # the same content
    changed = copy.deepcopy(TEXTS)
    changed["en"]["turns_left"] = "T {turn}"
    for other in (changed, None, {"results": TEXTS["results"]}):
        with pytest.raises(ConfigError, match=r"contains a run with other settings.*texts: "):
            run(other)
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert settings["game"]["texts"] == TEXTS


def test_another_process_needs_no_file(tmp_path: Path) -> None:
    path = saved(tmp_path, toml_tables(TEXTS))
    config = GameConfig(texts=str(path), limit=1)
    path.unlink()
    code = (
        "import pickle, sys; game = pickle.load(sys.stdin.buffer).open(); "
        "print(game.episode(game.tasks[0]).messages('lead')[1]['content'][:3])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(config), capture_output=True, check=True
    )
    assert done.stdout.strip() == b"Q:"


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, toml_tables(TEXTS))
    monkeypatch.chdir(tmp_path)
    run = ["eval", "--policy", "random", "--limit", "1", "--out", "run", "--texts", "my.toml"]
    assert CliRunner().invoke(app, run).exit_code == 0
    saved(tmp_path, "[en]\ncutt = 'x'")
    result = CliRunner().invoke(app, run)
    assert result.exit_code == 2
    assert result.output.strip() == "Error: texts in my.toml: en has no text 'cutt'; did you mean 'cut'?"
