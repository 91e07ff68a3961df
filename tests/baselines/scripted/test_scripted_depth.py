"""The scripted policies on questions with a short answer: every wording, and play over one page and two."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hybridqa_data import write_jsonl
from tasks.hybridqa.wide.wide_data import a_list, names

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_baselines.scripted.depth import ShortQuestion
from wideseek_env.corpus.hybridqa import build_hybridqa
from wideseek_env.corpus.hybridqa.values import Kind
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.episode_run import EpisodeRun, run_episode
from wideseek_env.game import GameConfig
from wideseek_env.rules import Rules
from wideseek_env.task import Language, Task
from wideseek_env.tasks.hybridqa.depth import Ask, Style, ask_question
from wideseek_env.tasks.hybridqa.material import Material

CREWS = names("Crew", 37)
TOWNS = [f"Town {chr(65 + n)}" for n in range(37)]
LISTS = [
    a_list("Bay Race", CREWS, {"Town": TOWNS, "Place (rank)": [str(100 + n) for n in range(37)]}, section="Crews"),
    a_list("Bay Race", names("Umpire", 9), {"Town": TOWNS[20:29]}, section="Umpires", number=1, key="Umpire"),
    a_list("Old Bay Race", CREWS[:12], {"Town": TOWNS[12:24]}, section="Crews"),
    a_list("Old Bay Race", CREWS[12:24], {"Town": TOWNS[:12]}, section="Guests", number=1),
    a_list("Guests", ["Zed Old Crew", *CREWS[:35], "Zed Old"], {"Town": TOWNS}, section="Crews"),
    a_list("Lone Cup", CREWS[:10], {"Town": TOWNS[10:20], "Boat": names("Boat", 10)}, section="Final"),
    a_list("Lone Cup B", CREWS[:10], {"Town": TOWNS[:10]}, section="Final"),
    a_list("Lone Cup B", CREWS[10:20], {"Town": TOWNS[:10]}, section="Heats", number=1),
]  # fmt: skip
HULLS = ("oak", "pine", "ash", "elm")
STYLES: tuple[Style, ...] = ("page", "cell", "reverse", "bridge")
RACE, OLD, LONE = ("Bay Race", "Crews"), ("Old Bay Race", "Crews"), ("Lone Cup", "Final")
ROLES = [("single", 1), ("team", 1), ("team", 4)]


def hull(crew: str) -> str:
    return HULLS[CREWS.index(crew) % 4]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> StoredCorpus:
    folder: Path = tmp_path_factory.mktemp("depth")
    pages = {
        f"/wiki/{crew.replace(' ', '_')}": f"{crew} is a crew . Its hull is {hull(crew)} ." for crew in CREWS
    }
    return build_hybridqa(write_jsonl(folder / "data", LISTS, pages), folder / "corpus")


def wording(
    style: Style, language: Language, where: tuple[str, str], entry: str, label: str, by: str = "", given: str = "",
    *, second: bool = False,
) -> str:  # fmt: skip
    """A question as the generator writes it, in its first or `second` form."""
    table = SimpleNamespace(
        title=where[0], section=where[1], header=["Crew"], rows=[[SimpleNamespace(text=entry)]]
    )
    material = cast(Material, SimpleNamespace(table=table, plan=SimpleNamespace(rows=[0], key=0)))
    kind = cast(Kind, "text")
    asks = (Ask(f"uid {n}", 0, style, 0, label, "", kind, by, given) for n in range(99))
    ask = next(ask for ask in asks if int(ask.name, 16) % 2 == second)
    return ask_question(material, ask, language)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("where", "entry", "label", "by", "given"),
    [
        (RACE, "Crew Aa", "Town", "Rank", "3"),
        (("Cup", ""), 'The "A" for B. What?', "Home (city, state)", "No. of wins. Since 1990", "4.5 for “x"),
        (
            ("Look up (one entry)", "List – Page of A"),
            "What is its name?",
            "2010 club",
            "Given as",
            "as its own page",
        ),
    ],
)
def test_every_wording_is_read(
    style: Style, language: Language, second: bool, where: tuple[str, str], entry: str, label: str, by: str, given: str
) -> None:  # fmt: skip
    given = given.replace("“", "")
    identified = style in ("reverse", "bridge")
    text = wording(style, language, where, entry, label, by if identified else "", given, second=second)
    asked = ShortQuestion.of(text)
    assert asked is not None, text
    assert (asked.title, asked.section) == where
    assert asked.label.casefold() == label.casefold()
    assert asked.own_page == (style in ("page", "bridge"))
    found = (asked.entry, asked.by.casefold(), asked.given)
    assert found == (("", by.casefold(), given) if identified else (entry, "", ""))


@pytest.mark.parametrize(
    "text",
    [
        "List every crew on the list on the Wikipedia page “Bay Race”. Answer with: | Crew | Town |",
        "What is the capital of Norway? Give a short answer in \\boxed{}.",
        "In the list on the Wikipedia page “Bay Race”, which crew is best? Give a short answer in \\boxed{}.",
        "在维基百科页面“Bay Race”的列表中，哪一项最好？请在 \\boxed{} 中给出简短的答案。",
        wording("page", "en", RACE, CREWS[0], "hull") + "\n\nYour subtask:\nFind the page of the list.",
    ],
)
def test_other_texts_are_no_such_question(text: str) -> None:
    assert ShortQuestion.of(text) is None


def play(
    corpus: StoredCorpus, question: str, answer: str, role: str, width: int, language: Language = "en", **more: Any
) -> EpisodeRun:  # fmt: skip
    task = Task("depth/task", question, answers=(answer,), language=language)
    options = {"rules": "width-benchmark", "width": width, "team": role == "team", **more}
    game = GameConfig(tasks=[task], corpus=corpus, **options).open()
    return run_episode(game, ScriptedPolicy(), game.tasks[0])


def is_right(run: EpisodeRun) -> bool:
    assert run.episode.outcome is not None
    assert run.score is not None
    return run.episode.outcome.errors == 0 and run.score.well_formed and run.score.score == 1.0


@pytest.mark.parametrize(("role", "width"), ROLES)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (("cell", RACE, CREWS[2], "Town"), TOWNS[2]),
        (("cell", RACE, CREWS[36], "Place (rank)"), "136"),
        (("cell", OLD, CREWS[2], "Town"), TOWNS[14]),
        (("cell", LONE, CREWS[2], "Town"), TOWNS[12]),
        (("reverse", RACE, "", "Town", "Place (rank)", "130"), TOWNS[30]),
        (("cell", ("Guests", "Crews"), "Zed Old", "Town"), TOWNS[36]),
        (("reverse", LONE, "", "Boat", "Town", TOWNS[19]), names("Boat", 10)[9]),
        (("page", RACE, CREWS[35], "Hull"), hull(CREWS[35])),
        (("page", OLD, CREWS[1], "Hull"), hull(CREWS[1])),
        (("bridge", RACE, "", "Hull", "Place (rank)", "134"), hull(CREWS[34])),
        (("bridge", LONE, "", "Hull", "Town", TOWNS[13]), hull(CREWS[3])),
    ],
)
def test_the_answer_is_found(
    corpus: StoredCorpus, question: Any, answer: str, language: Language, role: str, width: int
) -> None:
    style, where, *rest = question
    for second in (False, True):
        text = wording(style, language, where, *rest, second=second)
        assert is_right(play(corpus, text, answer, role, width, language)), text


@pytest.mark.parametrize("profile", ["default", "terse", "wideseek-r1"])
def test_every_profile_and_one_subagent(corpus: StoredCorpus, profile: str) -> None:
    text = wording("bridge", "en", RACE, "", "Hull", "Town", TOWNS[20])
    run = play(corpus, text, hull(CREWS[20]), "team", 4, profile=profile)
    assert is_right(run)
    lead, *subagents = run.episode.conversations
    assert len(subagents) == 1
    assert f"\\boxed{{{hull(CREWS[20])}}}" in str(subagents[0].messages[-1]["content"])
    assert str(lead.messages[-1]["content"]) == f"The answer is \\boxed{{{hull(CREWS[20])}}}."


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        *((("reverse", RACE, "", "Town", "Place (rank)", str(100 + n)), TOWNS[n]) for n in (0, 12, 24, 36)),
        (("cell", ("Guests", "Crews"), "Zed Old", "Town"), TOWNS[36]),
    ],
)
def test_one_search_result_is_enough(corpus: StoredCorpus, question: Any, answer: str) -> None:
    """The other pages of the list are found by its links."""
    rules = Rules.preset("width-benchmark", results_per_query=1, max_results_per_query=1, single_turns=8)
    style, where, *rest = question
    assert is_right(play(corpus, wording(style, "en", where, *rest), answer, "single", 1, rules=rules))


@pytest.mark.parametrize(("role", "width"), ROLES)
@pytest.mark.parametrize(
    "question",
    [
        ("cell", RACE, "Crew Nobody", "Town"),
        ("cell", RACE, CREWS[1], "Weight"),
        ("reverse", ("No Such Race", "Crews"), "", "Town", "Place (rank)", "999"),
        ("page", RACE, CREWS[1], "Weight"),
    ],
)
def test_without_an_answer_no_box_is_written(
    corpus: StoredCorpus, question: Any, role: str, width: int
) -> None:
    style, where, *rest = question
    run = play(corpus, wording(style, "en", where, *rest), "oak", role, width)
    last = str(run.episode.conversations[0].messages[-1]["content"])
    assert last == "The pages that were opened do not give the answer."
    assert len(run.episode.conversations) <= 2
