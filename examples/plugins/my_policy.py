"""A policy in ten lines. The lead delegates the question, and the subagent reports the titles that a search found.

wideseek eval --policy my_policy:FirstSearch --limit 20        (in this folder)
python my_policy.py                                            runs one task and checks the policy
"""

import json
import re

from wideseek_env import GameConfig, run_episode
from wideseek_env.testing import check_policy

DELEGATE = (
    '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["Find what is asked for."]}}</tool_call>'
)


class FirstSearch:
    name = "first-search"  # its name in records

    def reset(self, seed):
        """Called before each episode. A policy with memory of the last episode clears it here."""

    def act(self, turns):
        """One message for each agent whose turn it is. A message without tool calls ends its agent."""
        return [self.answer(turn) for turn in turns]

    def answer(self, turn):
        first = turn.messages[-1]["role"] != "tool"  # no result has arrived yet
        if turn.role == "lead":
            return DELEGATE if first else turn.observation  # the report: its table is the answer
        question = turn.messages[1]["content"]
        if first:
            search = {"name": "search", "arguments": {"query": question[:300], "count": 10}}
            return f"<tool_call>{json.dumps(search)}</tool_call>"
        key = re.search(r"\| (.+?) \|", question)[1]  # the first column of the question
        titles = re.findall(r"^\d+\. \[(.+?)\]", turn.observation, re.MULTILINE)
        return "\n".join([f"| {key} |", "| --- |", *(f"| {title} |" for title in titles)])


if __name__ == "__main__":
    game = GameConfig(tasks="synthetic:pages=800,rows=6", rules="width-benchmark").open()
    play = run_episode(game, FirstSearch(), game.tasks[0], seed=1)
    print(f"{play.task.question}\n{play.episode.outcome.answer}\nitem-F1 {play.score.f1_by_item:.3f}")
    check_policy(FirstSearch, game)
