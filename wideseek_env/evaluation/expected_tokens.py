"""How many requests and tokens a run will need from services that charge for them, before the first request.

The prompts of the game are measured, and the rules limit the turns. Everything else is an assumption, so the result is
a range (`Range`): the least, a usual and the largest load. `assumptions` says what is assumed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, fsum

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import WideSeekError
from wideseek_env.game import Game
from wideseek_env.llm.budget import CHARACTERS_PER_TOKEN
from wideseek_env.policy import Turn
from wideseek_env.rules import Rules
from wideseek_env.scoring.judged import judged_cells
from wideseek_env.task import Task

_MEASURED = 8
"""The number of tasks whose first prompts are measured."""
_MESSAGE = 200
"""Tokens that a usual message of an agent has."""
_RESULT = 1_000
"""Tokens that the results of a usual turn have."""
_TURN_TOKENS = 2_048
"""The longest message in tokens, if the policy has another limit or none."""
_JUDGE_PROMPT = 600
_JUDGE_CELL, _JUDGE_REPLY = 60, 40
"""Tokens of two cells in a question to a judge, and of the judge's words on them."""
_JUDGE_BATCH = 50
_SUMMARY, _SUMMARY_MOST = 300, 1_024
"""Tokens of a usual summary of a page, and the most."""


@dataclass(frozen=True, slots=True)
class Load:
    """Sums over requests."""

    requests: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0

    def __add__(self, other: Load) -> Load:
        return Load(
            self.requests + other.requests, self.prompt + other.prompt, self.completion + other.completion
        )

    def times(self, factor: float) -> Load:
        """The load of `factor` times as much work."""
        return Load(self.requests * factor, self.prompt * factor, self.completion * factor)

    @property
    def tokens(self) -> float:
        """Prompt and completion together."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Range:
    """The least, a usual and the largest load."""

    least: Load = Load()
    usual: Load = Load()
    most: Load = Load()

    def __add__(self, other: Range) -> Range:
        return Range(self.least + other.least, self.usual + other.usual, self.most + other.most)

    def times(self, factor: float) -> Range:
        """The range of `factor` times as much work."""
        return Range(self.least.times(factor), self.usual.times(factor), self.most.times(factor))


@dataclass(frozen=True, slots=True)
class Prompts:
    """The mean size of the first prompts of an episode in tokens, tool schemas included.

    `first` is that of the lead or the single agent.
    """

    first: float
    subagent: float


@dataclass(frozen=True, slots=True)
class Paid:
    """Which parts of a run use services."""

    policy: bool = False
    judge: bool = False
    summariser: bool = False


def measured_prompts(game: Game, tasks: Sequence[Task]) -> Prompts:
    """The first prompts of at most eight tasks, evenly chosen, at four characters per token. No tool runs."""
    step = max(1, len(tasks) // _MEASURED)
    first: list[float] = []
    subagent: list[float] = []
    for task in list(tasks[::step])[:_MEASURED]:
        run = EpisodeRun(game, task, 0)
        turn = run.turn(run.episode.ready()[0])
        first.append(_prompt(turn))
        subagent.append(_subagent_prompt(run, turn) if game.team else 0.0)
    return Prompts(_mean(first), _mean(subagent))


def episode_range(rules: Rules, team: bool, prompts: Prompts, *, turn_tokens: int = _TURN_TOKENS) -> Range:
    """The load of one episode that an agent's model answers.

    * least: the lead or single agent answers at once.
    * usual: the lead delegates once to as many subagents as the width allows, and every agent uses half of its turns.
    * most: every agent uses all its turns, and the lead delegates in every turn before the last.
    """
    words = min(turn_tokens, rules.action_chars // CHARACTERS_PER_TOKEN)
    context = rules.context / CHARACTERS_PER_TOKEN
    result = min(_RESULT, rules.result_chars / CHARACTERS_PER_TOKEN)
    long = rules.calls_per_turn * rules.result_chars / CHARACTERS_PER_TOKEN

    def usual(turns: int, prompt: float) -> Load:
        return _conversation(ceil(turns / 2), prompt, min(_MESSAGE, words), result, context)

    def most(turns: int, prompt: float) -> Load:
        return _conversation(turns, prompt, words, long, context)

    least = Load(1, min(prompts.first, context), 1)
    if not team:
        return Range(least, usual(rules.single_turns, prompts.first), most(rules.single_turns, prompts.first))
    begun = (rules.lead_turns - 1) * rules.width
    return Range(
        least,
        usual(rules.lead_turns, prompts.first)
        + usual(rules.subagent_turns, prompts.subagent).times(rules.width if rules.lead_turns > 1 else 0),
        most(rules.lead_turns, prompts.first) + most(rules.subagent_turns, prompts.subagent).times(begun),
    )


def judge_range(tasks: Iterable[Task], *, published: bool = False) -> Range:
    """The mean load of a judge for one answer.

    * least: rules and the cache decide every cell.
    * usual: the judge is asked once for each column that it judges.
    * most: it is also asked about every key column, and again about every cell alone, because its replies are
      unreadable.
    """
    found: list[Range] = []
    for task in tasks:
        judged, _ = judged_cells(task, published=published)
        rows = len(task.gold.rows) if task.gold is not None else 1
        columns = judged // rows if rows else 0
        usual = Load(columns, columns * _JUDGE_PROMPT + judged * _JUDGE_CELL, judged * _JUDGE_REPLY)
        asked = (judged + rows * len(task.key_columns)) if judged else 0
        again = ceil(asked / _JUDGE_BATCH) + columns + len(task.key_columns) + asked if asked else 0
        most = Load(again, again * _JUDGE_PROMPT + 2 * asked * _JUDGE_CELL, 2 * asked * _JUDGE_REPLY)
        found.append(Range(Load(), usual, most))
    total = Range()
    for each in found:
        total = total + each
    return total.times(1 / len(found)) if found else total


def summary_range(rules: Rules, team: bool) -> Range:
    """The load of a summariser in one episode: one request for each page that an agent opens with a question."""
    page = rules.page_chars / CHARACTERS_PER_TOKEN
    if team:
        usual = rules.width * ceil(rules.subagent_turns / 2)
        most = (rules.lead_turns - 1) * rules.width * rules.subagent_turns * rules.calls_per_turn
    else:
        usual, most = ceil(rules.single_turns / 2), rules.single_turns * rules.calls_per_turn
    return Range(
        Load(),
        Load(usual / 2, usual / 2 * page / 2, usual / 2 * _SUMMARY),
        Load(most, most * page, most * _SUMMARY_MOST),
    )


def run_range(
    game: Game, tasks: Sequence[Task], episodes: int, paid: Paid, *, turn_tokens: int | None = None
) -> Range:
    """The load of `episodes` episodes of a game.

    Args:
        game: The game, with the width and the team of these episodes.
        tasks: Its tasks. The episodes are spread evenly over them.
        episodes: Number of episodes that are still to be run.
        paid: What uses services.
        turn_tokens: The largest number of tokens of one message, if the policy has a limit.
    """
    if not episodes or not tasks:
        return Range()
    total = Range()
    if paid.policy:
        total += episode_range(
            game.rules, game.team, measured_prompts(game, tasks), turn_tokens=turn_tokens or _TURN_TOKENS
        )
    if paid.judge:
        total += judge_range(tasks)
    if paid.summariser:
        total += summary_range(game.rules, game.team)
    return total.times(episodes)


def assumptions(paid: Paid) -> str:
    """What `run_range` assumes, in sentences."""
    said = [
        f"A token is {CHARACTERS_PER_TOKEN} characters. Repeated requests are not counted, and cached tokens count."
    ]
    if paid.policy:
        said.append(
            "The first prompts are measured. At least: each episode ends with its first message. Usual: the lead "
            "delegates once to the full width, every agent uses half of its turns, a message has "
            f"{_MESSAGE} tokens and the results of a turn {_RESULT:,}. At most: every agent uses all turns, the lead "
            "delegates in each, and messages and results are as long as the rules and the policy allow."
        )
    if paid.judge:
        said.append(
            "Judge: at least nothing, if rules and the cache decide. Usual: one request for each judged column. At "
            "most: also for key columns, and again for each cell."
        )
    if paid.summariser:
        said.append("Summaries: usual is one page in every second turn of a subagent or single agent.")
    return " ".join(said)


def _conversation(turns: int, prompt: float, words: float, results: float, context: float) -> Load:
    """The load of a conversation. Each turn reads everything before it, at most the context."""
    grown = words + results
    read = fsum(min(context, prompt + at * grown) for at in range(turns))
    return Load(turns, read, turns * words)


def _prompt(turn: Turn) -> float:
    tools = "" if turn.tools_in_prompt else json.dumps(list(turn.tools), ensure_ascii=False)
    characters = sum(len(str(message["content"])) for message in turn.messages) + len(tools)
    return characters / CHARACTERS_PER_TOKEN


def _subagent_prompt(run: EpisodeRun, turn: Turn) -> float:
    """The first prompt of a subagent whose subtask is the question. That of the lead if the profile delegates in an
    unusual form."""
    for tool in turn.tools:
        function = tool["function"]
        properties = function["parameters"].get("properties", {})
        for name, schema in properties.items():
            text = run.task.question
            value = [text] if schema.get("type") == "array" else text
            call = {"name": function["name"], "arguments": json.dumps({name: value})}
            message = {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "1", "type": "function", "function": call}],
            }
            try:
                run.act(turn.agent, message)
                subagents = [agent for agent in run.episode.ready() if agent != turn.agent]
                if subagents:
                    return _prompt(run.turn(subagents[0]))
            except WideSeekError:
                pass
            return _prompt(turn)
    return _prompt(turn)


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values) if values else 0.0
