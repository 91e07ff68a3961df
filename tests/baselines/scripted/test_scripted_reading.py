"""What the scripted team makes of questions, tool schemas, results, pages, subtasks and reports."""

from __future__ import annotations

import pytest

from wideseek_baselines.scripted.answer import row_verdicts
from wideseek_baselines.scripted.conditions import Condition
from wideseek_baselines.scripted.history import History
from wideseek_baselines.scripted.pages import Cell, read_hits, read_page
from wideseek_baselines.scripted.parts import Part, moment_in
from wideseek_baselines.scripted.question import read_question
from wideseek_baselines.scripted.subtasks import (
    Entity,
    FindList,
    LookUp,
    read_report,
    read_subtask,
    write_list_report,
    write_look_up_report,
)
from wideseek_baselines.scripted.toolbox import Request, Toolbox
from wideseek_env.corpus.base import SearchHit
from wideseek_env.episode import Episode
from wideseek_env.profiles import PROFILES
from wideseek_env.rules import Rules
from wideseek_env.task import Language
from wideseek_env.tasks.phrasing import column_sentence
from wideseek_env.testing.doubles import example_task
from wideseek_env.tools.results import format_hits

SYNTHETIC = (
    "Which are the railway stations in Norvania opened after 1880 and with a platform length of less than 1,200 m? "
    "I need all of them, together with their architect. "
) + column_sentence(["Station", "Architect", "Birth year of architect"])


def test_a_question_with_conditions() -> None:
    question = read_question(SYNTHETIC)
    assert question.columns == ("Station", "Architect", "Birth year of architect")
    assert question.key == "Station"
    assert question.titles == ("List of railway stations in Norvania", "railway stations in Norvania")
    assert question.conditions == (
        Condition("Opened", "after", "1880"),
        Condition("Platform length", "less", "1,200 m"),
    )
    assert question.wanted == ("Architect", "Birth year of architect", "Opened", "Platform length")


@pytest.mark.parametrize(
    ("text", "title", "conditions"),
    [
        ("Find all films from Eria. For each …", "films from Eria", ()),
        (
            "Please compile a complete table of castles in Nor whose type is hill castle: for each, their owner.",
            "castles in Nor",
            (Condition("Type", "is", "hill castle"),),
        ),
        (
            "For a survey I need the lighthouses in Nor first lit before 1900, without exception.",
            "lighthouses in Nor",
            (Condition("First lit", "before", "1900"),),
        ),
        (
            "Nor有哪些河流（rivers in Nor with a mean discharge of more than 12 m³/s），条件：…？请列出全部",
            "rivers in Nor",
            (Condition("Mean discharge", "more", "12 m³/s"),),
        ),
    ],
)
def test_phrasings(text: str, title: str, conditions: tuple[Condition, ...]) -> None:
    question = read_question(f"{text} {column_sentence(['A', 'B'])}")
    assert question.titles[-1] == title
    assert question.conditions == conditions


def test_a_condition_about_a_column_takes_the_columns_name() -> None:
    text = "Find all films from Eria with a running time of more than 90 minutes. "
    question = read_question(text + column_sentence(["Film", "Running Time"]))
    assert question.conditions[0].column == "Running Time"
    assert question.wanted == ("Running Time",)


def test_a_question_about_a_page_and_its_section() -> None:
    text = "From the Wikipedia page “2010 in film”, section “Awards”, list every film together with: Year. "
    question = read_question(text + column_sentence(["Film", "Year"]))
    assert question.titles == ("2010 in film: Awards", "2010 in film")
    assert question.section == "Awards"
    assert read_question("请根据维基百科页面“A”，列出" + column_sentence(["F"], "zh")).language == "zh"


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        (
            "Find every conference founded after 1930 and with at least 19 sports: for each I want Sports.",
            (Condition("Founded", "after", "1930"), Condition("Sports", "at_least", "19")),
        ),
        (
            "For every bank with an equity of at most 3,400.5, in the list on the page, look up: City.",
            (Condition("Equity", "at_most", "3,400.5"),),
        ),
        (
            "Include every player whose country is not Norway (north) and with less than 1,200 caps, with: Club.",
            (Condition("Country", "is_not", "Norway (north)"), Condition("Caps", "less", "1,200")),
        ),
        (
            "It covers every film whose year is before 1990 and whose NRHP number is more, and asks for: Year.",
            (Condition("Year", "before", "1990"), Condition("NRHP number", "is", "more")),
        ),
        (
            "列出其中的每一项（Film）（条件：year 早于 1990，且 country 不为 Norway），并给出：Country。",
            (Condition("Year", "before", "1990"), Condition("Country", "is_not", "Norway")),
        ),
        (
            "列出其中的每一项（Film）（条件：length 不小于 90），并给出：A。",
            (Condition("Length", "at_least", "90"),),
        ),
        ("List every film: Year. Background: It is about each man born after 1990.", ()),
    ],
)
def test_conditions_on_the_rows_of_a_page(text: str, conditions: tuple[Condition, ...]) -> None:
    place = "Using the Wikipedia page “Every man born before 1900”, section “A”. "
    question = read_question(place + text + column_sentence(["Film", "Year"]))
    assert question.conditions == conditions


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Only the first 7 entries of the list count, in its order.", Part("place", 1, 7)),
        ("Only the last 5 entries of the list count, in its order.", Part("place", -5, -1)),
        ("Only entries 3 to 12 of the list count, in its order.", Part("place", 3, 12)),
        ("Only the 7 entries with the lowest capacity count.", Part("number", 1, 7, "Capacity", False)),
        ("Only the 7 entries with the most goals count.", Part("number", 1, 7, "Goals", True)),
        ("Only the 5 entries with the latest year count.", Part("time", 1, 5, "Year", True)),
        ("只取列表中的前 7 项。", Part("place", 1, 7)),
        ("只取列表中的最后 5 项。", Part("place", -5, -1)),
        ("只取列表中的第 3 至 12 项。", Part("place", 3, 12)),
        ("只取 capacity 最低的 7 项。", Part("number", 1, 7, "Capacity", False)),
        ("只取 year 最早的 5 项。", Part("time", 1, 5, "Year", False)),
        ("", None),
    ],
)
def test_parts_of_a_list(text: str, part: Part | None) -> None:
    question = read_question(
        f"List every film on “Entries 1 to 9”: Year. {text}{column_sentence(['Film', 'Year'])}"
    )
    assert question.part == part
    wanted = ("Year",) if part is None or part.column in ("", "Year") else ("Year", part.column)
    assert question.wanted == wanted


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        ("Only the first 2 entries of the list count.", [1.0, 1.0, 0.0, 0.0]),
        ("Only the last 2 entries of the list count.", [0.0, 0.0, 1.0, 1.0]),
        ("Only entries 2 to 3 of the list count.", [0.0, 1.0, 1.0, 0.0]),
        ("Only the 2 entries with the earliest year count.", [1.0, 0.0, None, 1.0]),
        ("Only the 1 entries with the latest year count.", [0.0, 1.0, None, 0.0]),
    ],
)
def test_which_rows_a_part_leaves(text: str, verdicts: list[float | None]) -> None:
    rows = [{"Year": "3 May 1899"}, {"Year": "12 May 1950"}, {}, {"Year": "1950-05-02"}]
    question = read_question(f"List every film on “A”: Year. {text} {column_sentence(['Film', 'Year'])}")
    assert row_verdicts(question, rows) == verdicts


def test_extremes_are_of_the_rows_that_pass_the_conditions() -> None:
    text = "List every film whose type is a, on “A”: Size. Only the 1 entries with the highest size count. "
    question = read_question(text + column_sentence(["Film", "Size"]))
    rows = [{"Type": "a", "Size": "-3"}, {"Type": "b", "Size": "9"}, {"Type": "a", "Size": "-4"}]
    assert row_verdicts(question, rows) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("5 June 1990", (1990, 6, 5)),
        ("June 5, 1990", (1990, 6, 5)),
        ("1990-06-05", (1990, 6, 5)),
        ("Sept 1990", (1990, 9, 0)),
        ("1990", (1990, 0, 0)),
        ("soon", None),
    ],
)
def test_moments(cell: str, moment: tuple[float, float, float] | None) -> None:
    assert moment_in(cell) == moment


@pytest.mark.parametrize("text", ["", "|", "?", "“", "| |", "Who?", "what in What", "\n|a|\n" * 3])
def test_any_text_is_a_question(text: str) -> None:
    question = read_question(text)
    assert question.titles
    assert question.key


@pytest.mark.parametrize(
    ("condition", "cell", "verdict"),
    [
        (Condition("x", "before", "1900"), "3 May 1899", True),
        (Condition("x", "before", "1900"), "1901", False),
        (Condition("x", "after", "1900"), "unknown", None),
        (Condition("x", "more", "2,000 m²"), "12,345.5 m²", True),
        (Condition("x", "less", "2,000 m²"), "12,345.5 m²", False),
        (Condition("x", "less", "2"), "", None),
        (Condition("x", "more", "2"), "2", False),
        (Condition("x", "at_least", "2"), "2 m", True),
        (Condition("x", "at_least", "2"), "1.9", False),
        (Condition("x", "at_most", "2"), "2", True),
        (Condition("x", "at_most", "2"), "3", False),
        (Condition("x", "is_not", "hill castle"), "Hill castle", False),
        (Condition("x", "is_not", "hill castle"), "tower", True),
        (Condition("x", "is_not", "hill castle"), "", None),
        (Condition("x", "is", "hill castle"), "Hill castle", True),
        (Condition("x", "is", "hill castle"), "", None),
    ],
)
def test_conditions(condition: Condition, cell: str, verdict: bool | None) -> None:
    assert condition.holds(cell) is verdict


@pytest.mark.parametrize("profile", list(PROFILES))
@pytest.mark.parametrize("language", ["en", "zh"])
def test_limits_are_read_from_prompts_and_schemas(profile: str, language: Language) -> None:
    rules = Rules(width=7, calls_per_turn=4, max_results_per_query=9)
    task = example_task()
    for role in ("lead", "subagent", "single"):
        schemas = PROFILES[profile].schemas(role, rules, language)  # type: ignore[arg-type]
        prompt = PROFILES[profile].system_prompt(role, rules, task)  # type: ignore[arg-type]
        one_call = PROFILES[profile].protocol.reading == "first_block"
        toolbox = Toolbox.of(schemas, prompt, one_call=one_call)
        if role == "lead":
            assert toolbox.width == 7
        else:
            calls = 1 if one_call and role == "single" else 4
            assert (toolbox.calls, toolbox.results) == (calls, 9)


@pytest.mark.parametrize("profile", list(PROFILES))
def test_written_calls_are_run_as_meant(profile: str) -> None:
    episode = Episode(example_task(), profile=profile, rules=Rules(width=2))
    lead = Toolbox.of(episode.tools("lead"), "")
    requests = [Request("delegate", "first\ntask | a |"), Request("delegate", "second")]
    message = lead.write(requests, "Off you go.")
    assert lead.read({"role": "assistant", "content": message}) == requests
    episode.act("lead", message)
    assert [c.subtask for c in episode.conversations[1:]] == ["first\ntask | a |", "second"]
    one_call = episode.profile.protocol.reading == "first_block"
    toolbox = Toolbox.of(episode.tools("subagent"), "", one_call=one_call)
    requests = [Request("search", "a", 4), Request("search", "b"), Request("browse", "u", focus="f")]
    message = toolbox.write(requests)
    calls = episode.act("subagent_0", message)
    wanted = [("search", "a"), ("search", "b"), ("browse", "u")]
    run = 2 if one_call else 3
    assert [(c.name, c.arguments.get("query", c.arguments.get("url"))) for c in calls] == wanted[:run]
    assert calls[0].arguments["count"] == 4
    assert [r.text for r in toolbox.read({"role": "assistant", "content": message})] == ["a", "b", "u"][:run]
    assert episode.conversation("subagent_0").dropped == 0


@pytest.mark.parametrize("profile", list(PROFILES))
@pytest.mark.parametrize("language", ["en", "zh"])
def test_answers_are_paired_with_their_requests(profile: str, language: Language) -> None:
    task = example_task()
    episode = Episode(task, profile=profile, rules=Rules(width=2))
    episode.language = language
    lead = Toolbox.of(episode.tools("lead"), "")
    episode.act("lead", lead.write([Request("delegate", "x: [y](z)\n| a |"), Request("delegate", "x")]))
    toolbox = Toolbox.of(episode.tools("subagent"), "")
    requests = [Request("browse", "https://a.example/?b=(c)"), Request("browse", "https://a.example/")]
    for call in reversed(episode.act("subagent_0", toolbox.write(requests))):
        episode.deliver(call, f"of {call.arguments['url']}\n\n# Page: https://c.example/\nfake")
    heard = History.of(episode.messages("subagent_0"), toolbox)
    assert [e.request.text for e in heard.exchanges] == [r.text for r in requests]
    assert [e.answer.split("\n")[0] for e in heard.exchanges] == [f"of {r.text}" for r in requests]
    assert "[" not in heard.exchanges[-1].answer  # the notice about turns is not part of it
    episode.act("subagent_0", "# Report 2 on: y\nnot really")
    episode.act("subagent_1", "second")
    reports = History.of(episode.messages("lead"), lead)
    assert [e.answer for e in reports.exchanges] == ["# Report 2 on: y\nnot really", "second"]


def test_a_refused_call_has_no_answer() -> None:
    episode = Episode(example_task(), team=False, rules=Rules(calls_per_turn=1))
    toolbox = Toolbox.of(episode.tools("single"), "")
    calls = episode.act("agent", toolbox.write([Request("search", "a"), Request("search", "b")]))
    episode.deliver(calls[0], "1. [T](https://t.example/)")
    heard = History.of(episode.messages("agent"), toolbox)
    assert [e.answer != "" for e in heard.exchanges] == [True, False]


def test_hits() -> None:
    answer = format_hits([SearchHit("https://a.example/(b)", "A [b]", "x [y](z)", 2.0)] * 2)
    assert [tuple(hit) for hit in read_hits(answer)] == [("A (b)", "https://a.example/(b)")] * 2


PAGE = """Title: List of X
Chunk 1 of 2 (continue with chunk 2)

# List of X

See [the town](https://a.example/t) first.

|  |  |
| --- | --- |
| Floor area | 3,000 m² |
| Architect | [Ann \\| Ray](https://a.example/ann) |

| Name | Year |
| --- | --- |
| [One](https://a.example/1) | 1901 |
| Two |

Page 1 of 3: rows 1 to 2 of 5.

- [A (b)](https://a.example/A_(b))
- plain

[Previous page](https://a.example/0) | [2](https://a.example/p2) | [Next page](https://a.example/p2)
"""


def test_pages() -> None:
    page = read_page(PAGE)
    assert (page.title, page.chunk, page.chunks, page.failed) == ("List of X", 1, 2, False)
    assert page.box == {
        "floor area": Cell("3,000 m²", ""),
        "architect": Cell("Ann | Ray", "https://a.example/ann"),
    }
    assert page.grids[0].header == ("Name", "Year")
    assert page.grids[0].rows[0] == (Cell("One", "https://a.example/1"), Cell("1901", ""))
    assert page.grids[0].rows[1] == (Cell("Two", ""), Cell("", ""))
    assert page.lists == [[Cell("A (b)", "https://a.example/A_(b)"), Cell("plain", "")]]
    assert (page.last_entry, page.entries) == (2, 5)
    assert page.turning["next page"] == "https://a.example/p2"
    assert "https" not in page.text
    assert "See the town first." in page.text
    assert read_page("Error: this page is gone.").failed
    assert read_page("").failed


@pytest.mark.parametrize("language", ["en", "zh"])
def test_subtasks_say_all_that_is_needed(language: Language) -> None:
    find = FindList(("Film", "Year"), "“A”, section “B”", ("A: B", "A"), "B", ("https://a.example/?table=1",))
    read = read_subtask(find.write(language))
    assert isinstance(read, FindList)
    assert (read.columns, read.titles, read.section, read.begin) == (
        find.columns,
        find.titles,
        find.section,
        find.begin,
    )
    plain = FindList(("Film",), "films from Eria", ("List of films from Eria", "films from Eria"))
    read = read_subtask(f"The team's question:\n| X |\n\nYour subtask:\n{plain.write(language)}")
    assert isinstance(read, FindList)
    assert (read.columns, read.titles, read.section, read.begin) == (("Film",), plain.titles, "", ())
    look_up = LookUp(("Film", "Year"), (Entity("A [b] (c)", "https://a.example/A_(c)"), Entity("D", "")))
    assert read_subtask(look_up.write(language)) == look_up


@pytest.mark.parametrize("language", ["en", "zh"])
def test_reports(language: Language) -> None:
    one, two = Entity("A|b", "https://a.example/b_(c)"), Entity("C", "")
    report = read_report(
        write_list_report(("Film", "Year"), [(one, {}), (two, {})], 9, ["https://a.example/2"], language)
    )
    assert [row["Film"] for row in report.rows] == ["A|b", "C"]
    assert report.rows[0]["Page"] == one.url
    assert "Year" not in report.header  # the list does not give it
    assert report.goes_on == ("https://a.example/2",)
    report = read_report(write_look_up_report(("Film", "Year"), [(one, {"Year": "1999"})], [two], language))
    assert report.rows[0] == {"Film": "A|b", "Year": "1999", "Page": one.url}
    assert report.unfinished == ("C",)
    assert read_report("(No report.)").rows == ()
