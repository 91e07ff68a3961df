"""Reads pages of a synthetic world by nothing but the documented rules of what they look like."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import html as lxml_html

from wideseek_env.corpus.base import Corpus, Page
from wideseek_env.task import Task
from wideseek_env.tasks.synthetic import Filter, parse_question

_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z“])")


@dataclass
class Article:
    """A parsed page: infobox, sentences, the links by their text, and the items of its bulleted lists."""

    infobox: dict[str, str]
    sentences: list[str]
    links: dict[str, str]
    items: list[tuple[str, str]]

    def value(self, label: str) -> str:
        """The value of an attribute by the rules; `KeyError` when the page does not give it."""
        for name, text in self.infobox.items():
            if name.lower() == label.lower():
                return text
        pattern = re.compile(
            rf"\b{re.escape(label.lower())}\b.*?\b(?:is|was|at|on|in|of) ([^;]+?)(?:;.*)?\.$"
        )
        for sentence in self.sentences:
            if (found := pattern.search(sentence)) is not None:
                return found[1]
        raise KeyError(label)


def parse(html: str) -> Article:
    main = lxml_html.fromstring(html).find(".//main")
    assert main is not None
    infobox = {row.findtext("th"): row.find("td").text_content() for row in main.iter("tr")}
    sentences = [s for p in main.iter("p") for s in _SENTENCE.split(p.text_content())]
    links = {a.text_content(): a.get("href") for a in main.iter("a")}
    items = [(a.text_content(), a.get("href")) for a in main.findall("./ul/li/a")]
    return Article(infobox, sentences, links, items)


def read(corpus: Corpus, url: str) -> Article:
    page = corpus.fetch(url)
    assert isinstance(page, Page), url
    assert page.status == 200, url
    return parse(page.html)


def members(corpus: Corpus, list_url: str) -> list[tuple[str, str]]:
    """Names and URLs of a list, over all of its pages."""
    found: list[tuple[str, str]] = []
    url: str | None = list_url
    while url is not None:
        page = read(corpus, url)
        found += page.items
        url = page.links.get("Next page")
    return found


def follow(corpus: Corpus, article: Article, labels: list[str]) -> str:
    """The value at the end of a chain of labels, each but the last one a link."""
    for label in labels[:-1]:
        article = read(corpus, article.links[article.value(label)])
    return article.value(labels[-1])


def passes(value: str, condition: Filter) -> bool:
    if condition.relation == "is":
        return value == condition.value
    if condition.relation in ("before", "after"):
        year, limit = int(value[-4:]), int(condition.value)
        return year < limit if condition.relation == "before" else year > limit
    size, limit_size = (float(v.split()[0].replace(",", "")) for v in (value, condition.value))
    return size > limit_size if condition.relation == "more" else size < limit_size


def solve(corpus: Corpus, task: Task) -> list[tuple[str, ...]]:
    """The rows of the task's table, found from its question by searching and reading alone."""
    wanted = parse_question(task.question)
    assert wanted is not None, task.question
    title = f"List of {wanted.phrase}"
    hits = corpus.search([wanted.phrase], 5)[0]
    list_url = next(hit.url for hit in hits if hit.title == title)
    rows = []
    for name, url in members(corpus, list_url):
        article = read(corpus, url)
        if all(passes(article.value(f.label), f) for f in wanted.filters):
            chains = [column.split(" of ")[::-1] for column in task.columns[1:]]
            rows.append((name, *(follow(corpus, article, chain) for chain in chains)))
    return rows
