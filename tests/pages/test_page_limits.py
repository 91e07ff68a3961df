"""Pages have a size limit and a time limit, wherever they come from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from wideseek_env.corpus.base import Page, SearchHit
from wideseek_env.errors import TimeLimitError
from wideseek_env.messages import ToolCall
from wideseek_env.pages import focus, plain_text, to_document
from wideseek_env.pages.document import CUT
from wideseek_env.pages.from_markdown import markdown_to_html
from wideseek_env.pages.links import Resolver
from wideseek_env.pages.walk import Walker
from wideseek_env.timeouts import check_time, time_limit
from wideseek_env.tools.executor import CorpusTools

HTML = "<h1>Title</h1>" + "<p>Some words. More words.</p>" * 50
PASSED = -1.0  # seconds


class Endless:
    """A corpus whose pages take forever, as far as the time limit lets them."""

    name = "endless"

    def __init__(self, blocking: bool) -> None:
        self.blocking = blocking
        self.done = threading.Event()
        self.ended = False

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        return [[] for _ in queries]

    def fetch(self, url: str) -> Page | None:
        try:
            for _ in range(20_000_000):
                check_time()
        except TimeLimitError:
            self.ended = True
            raise
        finally:
            self.done.set()
        return None

    def close(self) -> None:
        pass


def test_a_long_page_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("document", "visible"):
        monkeypatch.setattr(f"wideseek_env.pages.{module}.MAX_CHARS", 100)
    document = to_document(HTML)
    assert document.chunks[-1].endswith(CUT + "\n")
    assert document.markdown.count("Some words") == 3
    assert plain_text(HTML)[1].count("Some words") == 3
    assert CUT not in to_document(HTML[:100]).markdown


@pytest.mark.parametrize(
    "work",
    [
        lambda: to_document(HTML),
        lambda: plain_text(HTML),
        lambda: markdown_to_html("# a\n\nb\n"),
    ],
    ids=["to_document", "plain_text", "markdown_to_html"],
)
def test_reading_ends_when_the_time_has_passed(work: Callable[[], object]) -> None:
    with time_limit(PASSED), pytest.raises(TimeLimitError, match="longer than its time limit"):
        work()
    work()


def test_focus_and_the_walk_over_tags_end_when_the_time_has_passed() -> None:
    document = to_document(HTML)
    with time_limit(PASSED), pytest.raises(TimeLimitError):
        focus(document, "words", 100)
    with time_limit(PASSED), pytest.raises(TimeLimitError):
        Walker(Resolver("")).walk("<p>a</p>")


def test_the_earlier_of_nested_limits_counts() -> None:
    with time_limit(PASSED), pytest.raises(TimeLimitError), time_limit(100.0):
        check_time()
    with time_limit(100.0):
        with time_limit(PASSED), pytest.raises(TimeLimitError):
            check_time()
        check_time()
    check_time()


@pytest.mark.parametrize("blocking", [False, True], ids=["stored", "live"])
def test_a_page_that_outlasts_its_time_is_ended(blocking: bool) -> None:
    corpus = Endless(blocking)
    tools = CorpusTools(corpus, timeout=0.05)
    (result,) = tools.run(
        [ToolCall("1", "a", "browse", {"url": "https://w.example/", "chunk": 1, "focus": ""})]
    )
    assert not result.ok
    assert "0.05" in result.text
    assert corpus.done.wait(20)
    assert corpus.ended


@pytest.mark.parametrize("attribute", ["class", "style"])
def test_long_names_and_styles_are_not_kept(attribute: str) -> None:
    from wideseek_env.pages import visible

    plain_text(f'<p {attribute}="note">a</p>')
    assert visible._meaning.cache_info().currsize + visible._style_of.cache_info().currsize > 0
    assert plain_text(f'<p {attribute}="{"x" * 600}">a</p><p>b</p>')[1] == "a b"
    assert visible._meaning.cache_info().currsize + visible._style_of.cache_info().currsize == 0
