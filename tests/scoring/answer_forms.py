"""Forms in which models write a table, each as a function from the table's Markdown to the text of an answer."""

from __future__ import annotations

import json
from collections.abc import Callable

Form = Callable[[str], str]


def each_line(change: Callable[[str], str]) -> Form:
    return lambda table: "\n".join(map(change, table.split("\n")))


def numbered(table: str) -> str:
    return "\n".join(f"{number}. {line}" for number, line in enumerate(table.split("\n"), 1))


def after_row(number: int, remark: str) -> Form:
    """Put `remark` under the row `number`, counted from 1. A short table has it under its last row."""

    def insert(table: str) -> str:
        lines = table.split("\n")
        return "\n".join([*lines[: number + 2], remark, *lines[number + 2 :]])

    return insert


def other_pipes(pipe: str) -> Form:
    return lambda table: table.replace("\\|", "\0").replace("|", pipe).replace("\0", "\\|")


def mixed_pipes(table: str) -> str:
    lines = table.split("\n")
    return "\n".join(other_pipes("｜")(line) if number % 2 else line for number, line in enumerate(lines))


def grid(table: str) -> str:
    header, rule, *rows = table.split("\n")
    line = rule.replace(" ", "").replace("|", "+")
    return "\n".join([line, header, line.replace("-", "="), *[f"{row}\n{line}" for row in rows]])


AROUND: dict[str, Form] = {
    "nothing": lambda table: table,
    "a sentence": lambda table: f"Here is the table: {table}",
    "a sentence with pipes": lambda table: f"The columns are a | b | c. The table: {table}\n",
    "Chinese": lambda table: f"最终答案：{table}",
    "bold": lambda table: f"**Answer:** {table}",
    "a tag": lambda table: f"<answer>{table}</answer>",
    "a tag with spaces": lambda table: f"<final_answer> {table} </final_answer>",
    "HTML": lambda table: f"<div><p>{table}</p></div>",
    "a box": lambda table: f"\\boxed{{{table}}}",
    "a box with text": lambda table: f"$\\boxed{{\\text{{{table}}}}}$",
    "display mathematics": lambda table: f"\\[{table}\\]",
    "quotation marks": lambda table: f'"{table}"',
    "curly quotation marks": lambda table: f"“{table}”",
    "brackets": lambda table: f"({table})",
    "a bullet": lambda table: f"- {table}",
    "a number": lambda table: f"1. {table}",
    "a list item": lambda table: "1. " + table.replace("\n", "\n   "),
    "a later paragraph of an item": lambda table: "- Result:\n\n  " + table.replace("\n", "\n  "),
    "a fence": lambda table: f"```markdown\n{table}\n```",
    "a fence on the lines of the table": lambda table: f"```markdown {table}```",
    "a fence after a sentence": lambda table: f"Sure!```md\n{table}\n```",
    "tildes": lambda table: f"~~~\n{table}\n~~~",
    "the end of a thought": lambda table: f"Let me see | so</think>{table}",
    "a thought": lambda table: f"<think>| x | y |\n|---|---|\n| 1 | 2 |</think>{table}",
    "control tokens": lambda table: f"<|assistant|>{table}<|im_end|>",
    "full-width control tokens": lambda table: f"<｜Assistant｜>{table}<｜end▁of▁sentence｜>",
    "a JSON object": lambda table: json.dumps({"answer": table}),
    "a JSON string": lambda table: json.dumps(table, ensure_ascii=False),
    "JSON in JSON": lambda table: json.dumps({"a": json.dumps({"b": table})}),
    "JSON with line breaks": lambda table: f'{{"answer": "{table}"}}',
    "a JSON list of lines": lambda table: json.dumps(table.split("\n"), indent=1, ensure_ascii=False),
    "prose after": lambda table: f"{table}\nSources: a | b\n\nHope this helps | bye",
    "prose on the last line": lambda table: f"{table} That is all.",
    "a comment": lambda table: f"<!-- | old | -->\n{table}\n<!-- | new |\n| row | -->",
}  # fmt: skip

IN_EACH_LINE: dict[str, Form] = {
    "quote signs": each_line(lambda line: f"> {line}"),
    "bullets": each_line(lambda line: f"- {line}"),
    "stars": each_line(lambda line: f"* {line}"),
    "numbers": numbered,
    "indentation": each_line(lambda line: f"\t{line}"),
    "bold": each_line(lambda line: f"**{line}**"),
    "quotation marks": each_line(lambda line: f'"{line}",'),
    "table rows": each_line(lambda line: f"<tr>{line}</tr>"),
    "blank lines": lambda table: table.replace("\n", "\n\n"),
    "blank lines, glued": lambda table: "Table: " + table.replace("\n", "\n\n"),
    "windows line ends": lambda table: table.replace("\n", "\r\n"),
    "full-width pipes": other_pipes("｜"),
    "drawn pipes": other_pipes("│"),
    "broken bars": other_pipes("¦"),
    "pipes of two kinds": mixed_pipes,
    "full-width pipes after a word": lambda table: "答案：" + other_pipes("｜")(table),
    "a grid": grid,
}

REMARKS = {
    "continued": "(continued)",
    "continued, bold": "**Continued:**",
    "continued, Chinese": "（续表）",
    "a section": "**2020s**",
    "a heading": "### 2020s",
    "a comment": "<!-- page 2 -->",
    "a comment with pipes": "<!-- | a | b | -->",
    "dots": "...",
    "an ellipsis": "⋮",
    "a note": "Note: the next rows are older.",
    "a note with a pipe": "Note: a | b",
    "a ruling line": "---",
    "a picture": "![map](map.png)",
    "blank lines": "\n",
    "a section between blank lines": "\n**2020s**\n",
    "three lines": "The next rows\nare from the\nsecond page.",
}
IN_THE_MIDDLE = {name: after_row(1, remark) for name, remark in REMARKS.items()}

NEXT_TO = {
    "sources after": "{table}\n\n| Source | URL |\n|---|---|\n| a | https://a.org |",
    "sources with a heading": "{table}\n\n## Sources\n| Source | URL |\n|---|---|\n| a | https://a.org |",
    "sources without an alignment row": "{table}\n\nSources:\n| Source | URL |\n| a | https://a.org |",
    "a legend before": "| Symbol | Meaning |\n|---|---|\n| * | estimate |\n\n{table}",
    "a legend directly before": "| Symbol | 1 | 2 | 3 | 4 | 5 | 6 |\n|---|---|---|---|---|---|---|\n| * |\n{table}",
    "a draft before": "{header}\n{rule}\n| x | y |\n\nThe final table:\n\n{table}",
    "only a header after": "{table}\n\nTemplate:\n\n{header}\n{rule}",
    "only a header before": "Template:\n\n{header}\n{rule}\n\n{table}",
    "statistics after": "{table}\n\n| Statistic | Value |\n|:--|--:|\n| rows | 3 |",
}  # fmt: skip


def next_to(pattern: str) -> Form:
    def place(table: str) -> str:
        header, rule = table.split("\n")[:2]
        return pattern.replace("{header}", header).replace("{rule}", rule).replace("{table}", table)

    return place


FORMS: dict[str, Form] = {
    **{f"around: {name}": form for name, form in AROUND.items()},
    **{f"each line: {name}": form for name, form in IN_EACH_LINE.items()},
    **{f"in the middle: {name}": form for name, form in IN_THE_MIDDLE.items()},
    **{f"next to: {name}": next_to(pattern) for name, pattern in NEXT_TO.items()},
}


def without_outer_pipes(table: str) -> str:
    """The table without the first and last pipe of each line. No first or last cell may be blank."""
    return "\n".join(line.removeprefix("| ").removesuffix(" |") for line in table.split("\n"))


BARE_AROUND = (
    *(
        "nothing",
        "a tag",
        "a box",
        "a box with text",
        "display mathematics",
        "a fence",
        "a fence after a sentence",
    ),
    *(
        "the end of a thought",
        "a JSON object",
        "a JSON string",
        "JSON with line breaks",
        "a comment",
        "bold",
        "Chinese",
    ),
    *("a sentence", "a list item"),
)
BARE_LINES = (
    "quote signs",
    "bullets",
    "stars",
    "numbers",
    "indentation",
    "windows line ends",
    "full-width pipes",
)
BARE_FORMS: dict[str, Form] = {
    **{f"around: {name}": AROUND[name] for name in BARE_AROUND},
    **{f"each line: {name}": IN_EACH_LINE[name] for name in BARE_LINES},
    **{f"in the middle: {name}": form for name, form in IN_THE_MIDDLE.items() if "pipe" not in name},
    **{f"next to: {name}": next_to(pattern) for name, pattern in NEXT_TO.items()},
}
"""Forms of a table without outer pipes."""
