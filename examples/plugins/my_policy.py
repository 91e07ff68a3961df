"""A policy to start from: a small team whose score rises with its width.

1. The lead starts a subagent, which searches for the list of rows and reports the links on it.
2. The lead divides these links among as many subagents as it may start.
3. Each of them reads its pages and reports a row for each page, with the values in the tables on the page.
4. The lead answers with all rows.

wideseek eval --policy my_policy:ListReaders --limit 20        (in this folder)
python my_policy.py                                            measures three widths and checks the policy
"""

import json
import re

from wideseek_env import GameConfig, evaluate
from wideseek_env.testing import check_policy

TASKS = "synthetic:rows=10-14,columns=2,hops=1,prose=0"  # all values are in tables on pages
LINK = re.compile(r"\[([^\]]+)\]\((\S+?)\)")


def call(tool, **arguments):
    return f"<tool_call>{json.dumps({'name': tool, 'arguments': arguments})}</tool_call>"


def table(columns, rows):
    return "\n".join([f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|", *rows])


class ListReaders:
    name = "list-readers"  # its name in records

    def reset(self, seed):
        """Called before each episode. A policy with memory of the last episode clears it here."""

    def act(self, turns):
        """One message for each agent whose turn it is. A message without tool calls ends its agent."""
        return [self.lead(turn) if turn.role == "lead" else self.subagent(turn) for turn in turns]

    def lead(self, turn):
        results = [message["content"] for message in turn.messages if message["role"] == "tool"]
        links = LINK.findall(results[0]) if results else []
        if not results:
            subject = re.search(
                r"\w+ (in|from) [A-Z]\w+", turn.messages[1]["content"]
            )  # such as: rivers in Gudtonia
            return call("delegate", subtasks=[f"Find: List of {subject[0] if subject else 'all rows'}"])
        if len(results) == 1 and links:
            subtasks = turn.tools[0]["function"]["parameters"]["properties"]["subtasks"]
            parts = [links[start :: subtasks["maxItems"]] for start in range(subtasks["maxItems"])]
            texts = [" ".join(f"[{name}]({url})" for name, url in part) for part in parts if part]
            return call("delegate", subtasks=[f"Read these pages: {text}" for text in texts])
        rows = re.findall(r"^\|.*\|$", "\n".join(results[1:]), re.MULTILINE)
        return table(columns_of(turn), rows)

    def subagent(self, turn):
        task = turn.messages[1]["content"]
        results = [message["content"] for message in turn.messages if message["role"] == "tool"]
        if "Read these pages: " in task:
            pages = LINK.findall(task.rpartition("Read these pages: ")[2])
            if len(results) < len(pages) and turn.turns_left > 1:
                return call("browse", url=pages[len(results)][1])
            facts = [dict(re.findall(r"^\| (.+?) \| (.+?) \|$", page, re.MULTILINE)) for page in results]
            cells = [[found.get(column, "") for column in columns_of(turn)[1:]] for found in facts]
            return "\n".join(
                f"| {page[0]} | {' | '.join(row)} |" for page, row in zip(pages, cells, strict=False)
            )
        if not results:
            return call("search", query=task.rpartition("Find: ")[2])
        hit = LINK.search(results[0])
        if len(results) == 1 and hit:
            return call("browse", url=hit[2])  # the first result
        return "\n".join(re.findall(r"^(?:-|\d+\.|\|) (\[.+?\]\(\S+?\))", results[-1], re.MULTILINE))


def columns_of(turn):
    """The columns that the question asks for."""
    question = next(line for line in turn.messages[1]["content"].split("\n") if "| " in line)
    return [name.strip() for name in question.partition("|")[2].rstrip(" |").split("|")]


if __name__ == "__main__":
    for width in (1, 2, 4):
        summary = evaluate(ListReaders(), tasks=TASKS, rules="width-benchmark", width=width, limit=10)
        print(f"width {width}: item-F1 {summary.item_f1:.2f}")
    check_policy(ListReaders, GameConfig(tasks=TASKS, rules="width-benchmark").open())
