"""The text on which a nano model's tokenizer is trained: what agents read and write in the synthetic world.

The scripted team answers one training task in each of many small worlds. It alternates between three forms of the game:
a team with terse prompts, a single agent with terse prompts, and a team with full prompts. A message counts each time
an agent reads or writes it, so frequent text is encoded in few tokens.

Many worlds with one task each are better than few worlds with many tasks. Names differ between worlds, and the
tokenizer should learn how names are built, not single names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.catalog import Split
from wideseek_env.episode_run import run_episode
from wideseek_env.game import GameConfig
from wideseek_env.messages import Message


class Form(NamedTuple):
    """A form of the game: its prompts, and a team or a single agent."""

    profile: str
    team: bool


TERSE_TEAM = Form("terse", True)
FORMS = (TERSE_TEAM, Form("terse", False), Form("default", True))
HELD_OUT = range(1_000_000, 1_000_004)
"""Seeds of worlds on which no tokenizer is trained."""
_WIDTH = 4
_SMALL, _USUAL = (
    400,
    2000,
)  # pages of a world: few, but with every kind of page and quickly built; the default number


def episode_text(seed: int, form: Form, pages: int = _SMALL, split: Split = "train") -> list[list[Message]]:
    """The conversations of one scripted episode in the world with this seed, one per agent."""
    tasks = f"synthetic:seed={seed},pages={pages}"
    game = GameConfig(tasks=tasks, split=split, profile=form.profile, width=_WIDTH, team=form.team).open()
    run = run_episode(game, ScriptedPolicy(), game.tasks[seed % len(game.tasks)], seed=seed)
    return [list(conversation["messages"]) for conversation in run.trajectory().conversations]


def training_text(worlds: int) -> Iterator[list[Message]]:
    """The conversations of one episode in each of `worlds` worlds. They are always the same, in the same order."""
    for seed in range(worlds):
        yield from episode_text(seed, FORMS[seed % len(FORMS)])


def held_out_text() -> Iterator[list[Message]]:
    """Conversations of terse teams on test tasks, in worlds of the default size on which no tokenizer is trained."""
    for seed in HELD_OUT:
        yield from episode_text(seed, TERSE_TEAM, _USUAL, "test")
