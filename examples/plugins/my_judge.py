"""A judge for columns that rules cannot compare. Here two cells agree if they name the same chemical element.

    wideseek eval --judge my_judge:ElementJudge --tasks …         (in this folder)
    wideseek score --judge my_judge:ElementJudge --tasks … --responses …
    python my_judge.py                                            scores an answer and checks the judge

The judge decides about columns whose metric is "llm_judge". A judge that uses a model should ask it at temperature 0
and cache its verdicts, so that a pair always gets the same verdict.
"""

from wideseek_env import Table, Task, score_response
from wideseek_env.tasks import ColumnSpec
from wideseek_env.testing import check_judge

SYMBOLS = {"h": "hydrogen", "he": "helium", "fe": "iron", "na": "sodium", "ag": "silver"}
OTHER_NAMES = {"natrium": "sodium", "ferrum": "iron", "argentum": "silver"}


class ElementJudge:
    name = "elements-1"  # scores contain this name: change it when the judge changes

    def judge(self, column, criterion, pairs):
        """A verdict for each pair of (predicted, gold) cells, in order."""
        return [self.element(predicted) == self.element(gold) for predicted, gold in pairs]

    def element(self, cell):
        word = cell.strip().lower()
        return OTHER_NAMES.get(word) or SYMBOLS.get(word, word)


if __name__ == "__main__":
    gold = Table(("Coin", "Metal"), (("Denarius", "silver"), ("Obol", "iron")))
    task = Task(
        id="coins", question="Coins and their metal. Columns: | Coin | Metal |", columns=gold.header,
        key_columns=("Coin",), gold=gold, specs={"Metal": ColumnSpec(metrics=("llm_judge",))},
    )  # fmt: skip
    score = score_response(
        "| Coin | Metal |\n|---|---|\n| Denarius | Ag |\n| Obol | copper |", task, ElementJudge()
    )
    print(f"item-F1 {score.f1_by_item:.2f}, judged by {score.judge}")
    check_judge(
        ElementJudge(), agree=[("Ag", "silver"), ("natrium", "Na")], differ=[("iron", "silver"), ("H", "He")]
    )
