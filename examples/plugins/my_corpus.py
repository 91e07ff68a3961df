"""A custom corpus: a folder of text files, searched by the words that a file shares with the query.

    wideseek corpus search my_corpus:TextFolder,folder=notes rivers           (in this folder)
    wideseek eval --corpus my_corpus:TextFolder,folder=notes --tasks …
    python my_corpus.py                                                       searches three notes and checks the corpus

A corpus over your database or service has the same four methods. Set `blocking = True` if a call waits for a network.
WideSeek then runs the calls on threads with a timeout.
"""

import html
import tempfile
from collections import Counter
from pathlib import Path

from wideseek_env import Page, SearchHit
from wideseek_env.testing import check_corpus


class TextFolder:
    blocking = False  # everything is in memory, so calls do not wait

    def __init__(self, folder):
        self.name = f"text:{Path(folder).name}"  # its name in records
        paths = sorted(Path(folder).glob("*.txt"))
        self._texts = {f"https://notes.example/{path.stem}": path.read_text("utf-8") for path in paths}
        self._words = {url: Counter(text.lower().split()) for url, text in self._texts.items()}

    def search(self, queries, k):
        """The best k pages for each query, best first. Any text is a valid query."""
        return [self._search(query, k) for query in queries]

    def _search(self, query, k):
        wanted = set(query.lower().split())
        scores = {url: sum(words[word] for word in wanted) for url, words in self._words.items()}
        best = sorted(
            scores, key=lambda url: (-scores[url], url)
        )  # pages with equal scores are sorted by address, so the order is always the same
        return [self._hit(url, scores[url]) for url in best[:k] if scores[url]]

    def _hit(self, url, score):
        title, _, text = self._texts[url].partition("\n")
        return SearchHit(url=url, title=title, snippet=text.strip()[:200], score=float(score))

    def fetch(self, url):
        """The page at an address, or None if there is none. Pages are HTML."""
        if url not in self._texts:
            return None
        title, _, text = self._texts[url].partition("\n")
        body = "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n"))
        return Page(url=url, title=title, html=f"<h1>{html.escape(title)}</h1>{body}")

    def close(self):
        """Close files and connections. This corpus has none."""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for river, length in (("Elbe", 1094), ("Oder", 840), ("Spree", 400)):
            Path(folder, f"{river.lower()}.txt").write_text(
                f"{river}\nThe {river} is a river of {length} km.\n"
            )
        corpus = TextFolder(folder)
        for hit in corpus.search(["length of the river Oder"], 2)[0]:
            print(f"{hit.score:g}  {hit.url}  {hit.snippet}")
        check_corpus(corpus, ["the river Elbe", "Spree"])
