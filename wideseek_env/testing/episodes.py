"""Ended episodes of every kind, to check code that reads episodes, such as rewards."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.game import GameConfig
from wideseek_env.testing.doubles import NoOpTools, example_task

_DELEGATE = (
    '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["one half", "the other"]}}</tool_call>'
)
_SEARCH = '<tool_call>{"name": "search", "arguments": {"query": "entities"}}</tool_call>'
_BROWSE = '<tool_call>{"name": "browse", "arguments": {"url": "https://a.example/"}}</tool_call>'


def ended_episodes() -> dict[str, EpisodeRun]:
    """One ended and scored episode of each kind, by name. The task of all episodes is `example_task`.

    * "perfect" and "half": a right and a half right answer, with and without delegation.
    * "researched": an answer after searching and browsing.
    * "none", "malformed" and "empty": an answer that contains nothing that can be scored.
    * "out of turns" and "aborted": no answer.
    * "long": a perfect answer after a very long text.
    * "hostile": an answer of unusual characters.
    """
    task = example_task(4)
    game = GameConfig(tasks=[task], executor=NoOpTools(), rules={"lead_turns": 3, "subagent_turns": 3}).open()
    assert task.gold is not None
    perfect = task.gold.to_markdown()
    half = "\n".join(perfect.split("\n")[:4])

    def episode(lead: Sequence[str], subagents: Sequence[str] = ("a report",)) -> EpisodeRun:
        run = EpisodeRun(game, task, 0)
        while not run.done:
            acts = {}
            for agent in run.episode.ready():
                conversation = run.episode.conversation(agent)
                said = lead if conversation.role == "lead" else subagents
                acts[agent] = said[min(conversation.turns, len(said) - 1)]
            run.step(acts)
        return run

    aborted = EpisodeRun(game, task, 0)
    aborted.step({"lead": _DELEGATE})
    aborted.abort("the engine is gone")
    return {
        "perfect": episode([perfect]),
        "half": episode([_DELEGATE, half]),
        "researched": episode([_DELEGATE, perfect], [_SEARCH, _BROWSE, "a report"]),
        "none": episode(["I do not know."]),
        "malformed": episode(["| Name |\n|"]),
        "empty": episode([""]),
        "out of turns": episode([_DELEGATE]),
        "aborted": aborted,
        "long": episode(["word " * 12_000 + "\n\n" + perfect]),
        "hostile": episode(["\x00\x1b[2J\u202e" + half]),
    }
