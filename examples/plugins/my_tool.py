"""Two custom tools: one for subagents that converts units, and one for the lead that counts the rows of a table.

    wideseek run --tool my_tool:convert --tool my_tool:count_rows      (in this folder)
    wideseek run --tool lead=my_tool:convert                           the first tool for the lead
    python my_tool.py                                                  calls them and checks them

A model reads only a tool's docstring. So the docstring must describe what the tool does and what each argument is.
Arguments are text, numbers, truth values or lists of texts. An argument with a default is optional. If the function
raises an error, the agent gets it as an error message.
"""

from wideseek_env import GameConfig, run_episode
from wideseek_env.testing import check_tool
from wideseek_env.tools.custom import tool

FACTORS = {"m": 1.0, "km": 1000.0, "mi": 1609.344, "ft": 0.3048}


def convert(value: float, source: str, target: str = "m") -> str:
    """Convert a length from one unit to another.

    Args:
        value: The length in the unit that you have.
        source: The unit that you have: m, km, mi or ft.
        target: The unit that you want: m, km, mi or ft.
    """
    for unit in (source, target):
        if unit not in FACTORS:
            return f"Unknown unit {unit}; there are: {', '.join(FACTORS)}"
    return f"{value:g} {source} = {value * FACTORS[source] / FACTORS[target]:.6g} {target}"


def _count_rows(table: str) -> str:
    """Count the rows of a Markdown table, its header not included.

    Args:
        table: The whole table, as you would write it in your answer.
    """
    rows = [line for line in table.splitlines() if line.strip().startswith("|")]
    return f"{max(0, len(rows) - 2)} rows"


count_rows = tool(_count_rows, name="count_rows", roles=["lead"])  # not with the default settings
lengths = tool(convert)


class Converter:
    """A policy that calls the tool once and answers with its result."""

    name = "converter"

    def reset(self, seed):
        pass

    def act(self, turns):
        return [self.answer(turn) for turn in turns]

    def answer(self, turn):
        if turn.messages[-1]["role"] == "tool":
            return turn.observation.splitlines()[1]  # the line after the heading of the result
        arguments = '{"value": 26.2, "source": "mi", "target": "km"}'
        return f'<tool_call>{{"name": "convert", "arguments": {arguments}}}</tool_call>'


if __name__ == "__main__":
    game = GameConfig(tasks="synthetic:pages=800", tools=[lengths, count_rows], team=False).open()
    print(run_episode(game, Converter(), game.tasks[0]).episode.outcome.answer)
    check_tool(lengths, [{"value": 3, "source": "km"}, {"value": 1, "source": "mi", "target": "ft"}])
    check_tool(count_rows, [{"table": "| A |\n| --- |\n| 1 |"}, {"table": "no table"}])
