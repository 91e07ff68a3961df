"""A policy without a model, for questions with short answers. It searches for the question, and answers with a name or
number from the sentence that shares most words with it. If too few words are shared, it searches once more.

In this folder (the documentation page "Question answering" explains the result):

    wideseek corpus build pages.jsonl --out corpus
    wideseek eval --tasks qa:questions --corpus corpus --policy reader:Reader --trials 4 --out run
    wideseek bench report run --out report.html
    python reader.py                      runs one task and checks the policy
"""

import json
import random
import re

from wideseek_env import GameConfig, run_episode
from wideseek_env.corpus import MemoryCorpus, pages_from_jsonl
from wideseek_env.testing import check_policy

HIT = re.compile(r"^\d+\. \[(.+?)\]\(.*?\)\n(.*)$", re.MULTILINE)
PHRASE = re.compile(r"\d[\d,]*(?: metres)?|[A-Z][a-z]+(?: [A-Z][a-z]+)*")
COUNTS = re.compile(r"\b(?:when|year|deep|high|many)\b", re.IGNORECASE)
ENOUGH = 0.6  # the share of the question's words that a sentence must have to end the search


def call(name, **arguments):
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def words(text):
    return {word[:5] for word in re.findall(r"\w{4,}", text.lower())}


class Reader:
    name = "reader"

    def reset(self, seed):
        self.random = random.Random(seed)  # trials of a task read different numbers of results

    def act(self, turns):
        return [self.answer(turn) for turn in turns]

    def answer(self, turn):
        question = str(turn.messages[1]["content"]).strip().rpartition("\n")[2]
        results = [str(m["content"]) for m in turn.messages if m["role"] == "tool"]
        if turn.role == "lead":
            report = re.search(r"\\boxed\{.*?\}", "\n".join(results))
            return (
                call("delegate", subtasks=[question]) if not results else report[0] if report else "unknown"
            )
        if not results:
            return call("search", query=question[:300], count=self.random.choice((1, 3)))
        share, found = best(question, results[:1])
        if share >= ENOUGH or len(results) > 1:
            return f"\\boxed{{{found if share >= ENOUGH else best(f'{question} {found}', results)[1]}}}"
        return call("search", query=f"{found} {question}"[:300], count=2)


def best(question, results):
    """The name or number in the sentence that shares most words with the question, after the share."""
    wanted, found = words(question), (0.0, "")
    for title, snippet in HIT.findall("\n".join(results)):
        for sentence in snippet.strip().split(". "):
            share = len(words(f"{title} {sentence}") & wanted) / max(1, len(wanted))
            for phrase in PHRASE.findall(sentence.partition(" ")[2]):
                fits = phrase[0].isdigit() == bool(COUNTS.search(question))
                if share > found[0] and fits and phrase.lower() not in question.lower():
                    found = share, phrase
    return found


if __name__ == "__main__":
    from pathlib import Path

    folder = Path(__file__).parent
    corpus = MemoryCorpus(pages_from_jsonl(folder / "pages.jsonl"), "quiz")
    game = GameConfig(tasks=f"qa:{folder / 'questions'}", corpus=corpus).open()
    play = run_episode(game, Reader(), game.tasks[0], seed=1)
    print(f"{play.task.question}: {play.episode.outcome.answer} {dict(play.score.extra)}")
    check_policy(Reader, game)
