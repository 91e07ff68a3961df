"""The scripted team at play: scores, width, honesty, and independence of the driver."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from statistics import mean

import pytest

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.corpus.stored import MemoryCorpus, SourcePage
from wideseek_env.corpus.synthetic import SyntheticWorld
from wideseek_env.episode_run import Action, EpisodeRun, run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.game import Game, GameConfig
from wideseek_env.messages import Message
from wideseek_env.policy import Policy, Turn, make_policy
from wideseek_env.rules import Rules
from wideseek_env.task import Table, Task
from wideseek_env.tasks.phrasing import column_sentence
from wideseek_env.tasks.synthetic import synthetic_tasks
from wideseek_env.testing import check_policy

WORLD = SyntheticWorld.from_spec("synthetic:seed=11,pages=900,rows=20-30")


@cache
def corpus() -> MemoryCorpus:
    return WORLD.corpus()


def setup(rules: str | Rules = "default", *, language: str = "en", count: int = 6, **options: object) -> Game:
    tasks = synthetic_tasks(WORLD, "test", count, language=language)  # type: ignore[arg-type]
    return GameConfig(tasks=tasks, corpus=corpus(), rules=rules, **options).open()  # type: ignore[arg-type]


def plays(game: Game, policy: Policy | None = None) -> list[EpisodeRun]:
    return [run_episode(game, policy or ScriptedPolicy(), task) for task in game.tasks]


def item_f1(played: Sequence[EpisodeRun]) -> float:
    return mean(play.score.f1_by_item for play in played if play.score is not None)


def test_a_wider_team_covers_more_on_a_small_budget() -> None:
    scores = [item_f1(plays(setup("width-benchmark", width=width))) for width in (1, 2, 4, 8)]
    assert scores == sorted(scores)
    assert scores[0] > 0.25
    assert scores[-1] > 0.95
    assert scores[-1] - scores[0] > 0.3


def test_with_time_every_width_finds_all_and_a_wide_team_is_sooner_done() -> None:
    narrow, wide = (plays(setup(width=width)) for width in (1, 8))
    assert item_f1(narrow) > 0.99
    assert item_f1(wide) > 0.99
    for slow, quick in zip(narrow, wide, strict=True):
        assert slow.episode.outcome is not None
        assert quick.episode.outcome is not None
        assert quick.episode.outcome.critical_path < slow.episode.outcome.critical_path


@pytest.mark.parametrize("profile", ["default", "terse", "wideseek-r1"])
@pytest.mark.parametrize("team", [True, False])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_profile_and_language(profile: str, team: bool, language: str) -> None:
    played = plays(setup(profile=profile, team=team, language=language, count=2))
    assert item_f1(played) > 0.99
    for play in played:
        assert play.episode.outcome is not None
        assert play.episode.outcome.errors == 0
        assert play.score is not None
        assert play.score.well_formed


def test_chains_of_two_links() -> None:
    world = SyntheticWorld.from_spec("synthetic:seed=3,pages=700,rows=12-16,hops=3")
    tasks = [task for task in synthetic_tasks(world, "train") if task.meta["hops"] == 3][:3]
    assert tasks
    assert item_f1(plays(GameConfig(tasks=tasks, corpus=world.corpus()).open())) > 0.99


def test_a_list_longer_than_one_report() -> None:
    world = SyntheticWorld.from_spec("synthetic:seed=2,pages=2200,rows=220,lists_per_region=1")
    tasks = synthetic_tasks(world, "train", 1)
    (play,) = plays(GameConfig(tasks=tasks, corpus=world.corpus(), width=8).open())
    assert play.score is not None
    assert play.score.f1_by_item > 0.95


def test_delegate_limit() -> None:
    game = setup(width=8, count=1)
    (play,) = plays(game, ScriptedPolicy(delegate_limit=2))
    assert play.episode.outcome is not None
    assert play.episode.outcome.subagents == 3  # one for the list, two for its entries
    with pytest.raises(ConfigError, match="delegate_limit"):
        ScriptedPolicy(delegate_limit=0)
    with pytest.raises(ConfigError, match="context"):
        ScriptedPolicy(context=0)


def test_a_small_context_is_not_overrun() -> None:
    game = setup(Rules(context=40_000), width=1, count=2)
    for play in plays(game, ScriptedPolicy(context=40_000)):
        assert all(c.ending in ("answered", "reported") for c in play.episode.conversations)
        assert play.score is not None
        assert play.score.f1_by_item > 0.8


@pytest.mark.parametrize(
    "rules",
    [
        Rules(lead_turns=1),
        Rules(lead_turns=2),
        Rules(subagent_turns=1),
        Rules(calls_per_turn=1),
        Rules(context=9000),
    ],
)
def test_hopeless_rules_end_quietly(rules: Rules) -> None:
    for play in plays(setup(rules, count=1, width=3)):
        assert play.done


def test_it_is_found_by_name_and_passes_the_policy_check() -> None:
    assert isinstance(make_policy("scripted", delegate_limit=3), ScriptedPolicy)
    check_policy(ScriptedPolicy, setup("width-benchmark", width=4), episodes=2)


class Forgetful:
    """A fresh policy for every turn, which gets nothing but what JSON can carry of the conversation."""

    name = "forgetful"

    def reset(self, seed: int) -> None:
        pass

    def act(self, turns: Sequence[Turn]) -> Sequence[Action]:
        actions = {}
        for turn in sorted(turns, key=lambda t: t.agent, reverse=True):
            messages: list[Message] = json.loads(json.dumps(list(turn.messages)))
            tools = json.loads(json.dumps(list(turn.tools)))
            copy = Turn("somebody", turn.role, "", messages, tools, turn.turns_left)
            (actions[turn.agent],) = ScriptedPolicy().act([copy])
        return [actions[turn.agent] for turn in turns]


@pytest.mark.parametrize("team", [True, False])
def test_it_decides_from_the_conversation_alone(team: bool) -> None:
    game = setup("width-benchmark", width=5, team=team, count=3)
    for usual, forgetful in zip(plays(game), plays(game, Forgetful()), strict=True):
        assert usual.episode.events == forgetful.episode.events


def test_it_knows_no_world() -> None:
    code = (
        "import sys; import wideseek_baselines.scripted; "
        "print([m for m in sys.modules if m.startswith(('wideseek_env.corpus.', 'wideseek_env.tasks.'))])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("synthetic", "hybridqa", "index"):
        assert name not in loaded


def test_the_order_of_turns_and_results_makes_no_difference() -> None:
    game = setup("width-benchmark", width=5, count=2)
    for number, task in enumerate(game.tasks):
        expected = run_episode(game, ScriptedPolicy(), task).episode
        episode = game.episode(task)
        dice = random.Random(number)
        policy = ScriptedPolicy()
        waiting = []
        while not episode.done:
            ready = episode.ready()
            if ready and (not waiting or dice.random() < 0.5):
                agent = dice.choice(ready)
                conversation = episode.conversation(agent)
                turn = Turn(
                    agent,
                    conversation.role,
                    "",
                    episode.messages(agent),
                    episode.tools(conversation.role),
                    conversation.limit - conversation.turns,
                )
                (action,) = policy.act([turn])
                waiting += episode.act(agent, action)
            else:
                call = waiting.pop(dice.randrange(len(waiting)))
                episode.deliver(call, game.executor.run([call])[0])
        assert [list(c.messages) for c in episode.conversations] == [
            list(c.messages) for c in expected.conversations
        ]


def wiki(name: str, body: str) -> SourcePage:
    html = f"<html><head><title>{name}</title></head><body><h1>{name}</h1>{body}</body></html>"
    return SourcePage(f"https://wiki.example/{name.replace(' ', '_')}", name, html, body)


def table(rows: Sequence[Sequence[str]]) -> str:
    return (
        "<table>" + "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>" for row in rows) + "</table>"
    )


FILMS = [
    (f"Lake {letter * 2}", str(1950 + n), f"{letter}ora Kent") for n, letter in enumerate("ABCDEFGHIJKL")
]


def encyclopedia() -> MemoryCorpus:
    """An article with two tables on pages of their own; one has further pages, and keys only."""
    links = [f'<a href="/{name.replace(" ", "_")}">{name}</a>' for name, _, _ in FILMS]
    base = "https://wiki.example/2001_in_film"
    header = ["<b>Film</b>"]
    pages = [
        wiki(
            "2001 in film",
            f'<p>A year.</p><ul><li><a href="{base}?table=0">Deaths</a></li>'
            f'<li><a href="{base}?table=1">Awards</a></li></ul>',
        )
    ]
    for number in (0, 1):
        rows = [[link] for link in links[number * 6 : number * 6 + 6]]
        here = f"{base}?table=1" + ("&page=2" if number else "")
        there = f"{base}?table=1" + ("" if number else "&page=2")
        text = "Previous page" if number else "Next page"
        body = (
            f"<p>Page {number + 1} of 2: rows {number * 6 + 1} to {number * 6 + 6} of 12.</p>"
            f'<table class="wikitable"><tr><th>{header[0]}</th></tr>'
            + "".join(f"<tr><td>{row[0]}</td></tr>" for row in rows)
            + f'</table><p><a href="{there}">{2 - number}</a> | <a href="{there}">{text}</a></p>'
        )
        name = "2001 in film: Awards" + (" (page 2)" if number else "")
        pages.append(wiki(name, body)._replace(url=here))
    pages.append(wiki("2001 in film: Deaths", "<p>Nobody.</p>")._replace(url=f"{base}?table=0"))
    for name, year, director in FILMS:
        pages.append(
            wiki(name, f"<p>{name} is a {year} Irish drama film directed by {director}. It rained.</p>")
        )
    return MemoryCorpus(pages, "encyclopedia")


@pytest.mark.parametrize("team", [True, False])
def test_an_encyclopedia_of_prose(team: bool) -> None:
    columns = ("Film", "Year", "Director")
    question = (
        "From the page “2001 in film”, section “Awards”, list every film together with: Year and Director. "
    )
    task = Task(
        "wiki", question + column_sentence(columns), columns, columns[:1], Table(columns, tuple(FILMS))
    )
    game = GameConfig(
        tasks=[task], corpus=encyclopedia(), rules="width-benchmark" if team else None, width=4, team=team
    ).open()
    (play,) = plays(game)
    assert play.score is not None
    assert play.score.score == 1.0, play.score.message


def test_a_question_without_columns_is_answered_somehow() -> None:
    task = Task("short", "Who built Kelmar Museum?", answers=("Ann",))
    for team in (True, False):
        assert plays(GameConfig(tasks=[task], corpus=corpus(), team=team).open())[0].done
