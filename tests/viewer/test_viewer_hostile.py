"""Texts of agents and pages are texts: nothing in them runs, nothing is loaded, nothing breaks out of its place."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from viewer_runs import TASK, call, play, write_run

from wideseek_env.messages import ToolResult
from wideseek_env.task import ColumnSpec, Table
from wideseek_env.viewer import RunReader, write_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


class Trap:
    """A server that counts who asks it for anything."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        trap = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                trap.hits.append(self.path)
                self.send_error(404)

            do_POST = do_HEAD = do_OPTIONS = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Nothing to say."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def trap() -> Iterator[Trap]:
    trap = Trap()
    thread = threading.Thread(target=trap.server.serve_forever)
    thread.start()
    yield trap
    trap.server.shutdown()
    thread.join()
    trap.server.server_close()


def poison(trap: str, place: str) -> str:
    """Everything that has ever run in somebody's page; `place` says where it was put."""
    did = f"window.pwned='{place}'"
    return (
        f'{place}: </script><script>{did}</script><img src={trap}/img onerror="{did}"><svg onload={did}>'
        f'<iframe srcdoc="<script>parent.{did}</script>"></iframe><link rel=stylesheet href={trap}/css>'
        f"<style>@import url({trap}/import);*{{display:none!important}}</style><base href={trap}/base/>"
        f'<meta http-equiv=refresh content="0;url={trap}/refresh"><form action={trap}/form>'
        f"<button autofocus onfocus={did}>"
        f"</td></tr></table></title></textarea></noscript></svg><!-- --!> ]]> <![CDATA[ \u2028\u2029\x00\x1b[31m\u202e"
        f"[a](javascript:{did}) [b](data:text/html,<script>{did}</script>) ![c]({trap}/markdown) javascript:{did}// "
        f"{{{{constructor.constructor('{did}')()}}}} ${{{did}}} `+{did}+` \"'><x onclick={did}>"
        f" &lt;b&gt; \\u003cscript\\u003e"
    )


@pytest.fixture
def hostile(tmp_path: Path, trap: Trap) -> Path:
    """A run in which every text that comes from outside is poisoned, twice, so that it can be compared as well."""

    def bad(place: str) -> str:
        return poison(trap.address, place)

    columns = (bad("key column"), bad("column"))
    task = dataclasses.replace(
        TASK,
        id=bad("task id"),
        question=bad("question"),
        columns=columns,
        key_columns=columns[:1],
        gold=Table(columns, ((bad("gold key"), bad("gold")), ("plain", bad("gold 2")))),
        specs={columns[1]: ColumnSpec(("exact_match",), ("norm_str",))},
        source=bad("source"),
        meta={"difficulty": bad("label"), "nested": {bad("meta key"): [bad("meta")]}},
    )
    answer = Table(columns, (("plain", bad("answer")), (bad("extra key"), bad("extra")))).to_markdown()
    script = {
        "lead": (
            f"<think>{bad('thinking')}</think>{bad('lead text')} {call('delegate', subtasks=[bad('subtask'), 'b'])}",
            f"{bad('before the table')}\n\n{answer}",
        ),
        "subagent_0": (
            call("search", query=bad("query")) + call("browse", url=bad("url"), focus=bad("focus"))
            + call("browse", url=f"javascript:window.pwned='link'//{trap.address}"),
            bad("report"),
        ),
        "subagent_1": (f"{bad('problem')} <tool_call>{{{bad('broken call')}</tool_call>", bad("report 2")),
    }  # fmt: skip
    hits = f'1. [{bad("hit")}]({trap.address}/hit"onmouseover=alert(1))\n   {bad("snippet")}'
    results = {"search": hits, "browse": ToolResult(bad("page"), ok=False)}
    one = play(
        script, task, web=lambda request: results[request.name], reward_parts={bad("part"): 0.5, "b": 0.1}
    )
    native = one.conversations[0]["messages"][2]
    native["tool_calls"] = [
        {
            "id": bad("id"),
            "type": "function",
            "function": {"name": bad("tool"), "arguments": bad("arguments")},
        }
    ]
    one = dataclasses.replace(
        one,
        profile=bad("profile"),
        corpus=bad("corpus"),
        reward_name=bad("reward"),
        meta={"policy": bad("policy"), bad("meta name"): bad("meta value"), "lone": "\ud800"},
        outcome={**one.outcome, "ending": bad("ending"), "detail": bad("detail")},
        score=dataclasses.replace(one.score, message=bad("message"), judge=bad("judge")),
    )
    one.conversations[1]["ending"] = bad("agent ending")
    for conversation in one.conversations:
        for message in conversation["messages"]:
            if message["role"] == "system":
                message["content"] = bad("system prompt")
    other = dataclasses.replace(one, meta={**one.meta, "trial": 1})
    folders = [
        write_run(tmp_path / name, [one, other], policy=bad("run policy"))
        for name in ("<img src=x onerror=alert(1)>", "b")
    ]  # fmt: skip
    readers = [RunReader(folder) for folder in folders]
    for reader in readers:
        reader.refresh()
    write_page(readers, tmp_path / "page.html")
    return tmp_path / "page.html"


UNFOLD = """async () => {
    const closed = "#episode details:not([open]) > summary, #episode .unfold[title]";
    for (const each of document.querySelectorAll(closed)) each.click();
    await new Promise((done) => setTimeout(done, 20));  // what is folded is made when it is opened
    for (const each of document.querySelectorAll("#episode .unfold[aria-expanded]")) each.click();
}"""


def look_at_everything(page: Page) -> str:
    """Open all there is to open, alone and side by side; returns every text that was shown."""
    seen: list[str] = [page.inner_text("body")]
    page.click("tbody tr")
    page.wait_for_selector("#episode h2")
    for beside in (False, True):
        if beside:
            page.keyboard.press("c")
            page.wait_for_selector(".figures.two")
        page.keyboard.press("1")
        for at in range(page.locator("td.cell").count()):
            page.locator("td.cell").nth(at).dispatch_event("click")  # the texts are larger than the screen
            seen.append(page.inner_text(".inspector"))
        for tab in "123":
            page.keyboard.press(tab)
            for _ in range(3):
                page.evaluate(UNFOLD)
                seen.append(page.inner_text("#episode"))
                if tab == "2":
                    page.keyboard.press("]")
    return "\n".join(seen)


def test_nothing_of_it_runs_and_nothing_is_loaded(open_page: Open, hostile: Path, trap: Trap) -> None:
    page = open_page(hostile)
    seen = look_at_everything(page)
    assert page.evaluate("window.pwned") is None
    assert trap.hits == []
    # It is all there, as text (the places of the poison name what was looked at).
    for place in (
        *(
            "task id",
            "question",
            "key column",
            "gold key",
            "answer",
            "extra",
            "thinking",
            "lead text",
            "subtask",
        ),
        *(
            "query",
            "url",
            "focus",
            "report",
            "problem",
            "snippet",
            "page",
            "broken call",
            "system prompt",
            "arguments",
        ),
        *(
            "message",
            "judge",
            "part",
            "reward",
            "corpus",
            "profile",
            "meta value",
            "run policy",
            "meta",
            "detail",
        ),
    ):
        assert f"{place}: </script><script>window.pwned='{place}'</script><img" in seen, place
    assert page.evaluate("document.scripts.length") == 1 + 1 + 4
    tags = page.evaluate("[...new Set([...document.querySelectorAll('body *')].map((e) => e.localName))]")
    assert not {"img", "iframe", "link", "style", "base", "form", "meta", "object", "embed", "x"} & set(tags)
    assert page.evaluate("[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes])"
                         ".filter((a) => a.name.startsWith('on') || a.name === 'srcdoc').length") == 0  # fmt: skip
    links = page.evaluate("[...document.querySelectorAll('a')].map((a) => [a.protocol, a.rel, a.target])")
    assert links
    assert {json.dumps(link) for link in links} == {json.dumps(["http:", "noopener noreferrer", "_blank"])}


def test_an_address_that_is_none_is_no_link(open_page: Open, tmp_path: Path) -> None:
    """What an agent browsed is shown as the page of a value, and may be any text."""
    script = {
        "agent": (call("browse", url="javascript:window.pwned=1"), "| Museum |\n|---|\n| Tower Museum |")
    }
    run = RunReader(write_run(tmp_path / "run", [play(script, team=False, web=lambda _: "Tower Museum")]))
    run.refresh()
    write_page([run], tmp_path / "page.html")
    page = open_page(tmp_path / "page.html")
    page.click("tbody tr")
    page.click("td.cell.right")
    assert "javascript:window.pwned=1" in page.inner_text(".inspector")
    assert page.locator("a").count() == 0


def test_the_page_could_not_run_it_if_it_wanted_to(open_page: Open, hostile: Path, trap: Trap) -> None:
    """The policy holds even where the script would make a mistake."""
    blocked = """
        window.blocked = [];
        document.addEventListener("securitypolicyviolation", (event) => window.blocked.push(event.effectiveDirective));
    """
    page = open_page(hostile, init=blocked, blocked=True)
    attempts = {
        "markup": "document.body.innerHTML = '<b>x</b>'",
        "script": "const s = document.createElement('script'); s.text = 'window.pwned = 1'; document.body.append(s)",
        "eval": "eval('window.pwned = 1')",
        "handler": "document.body.setAttribute('onclick', 'window.pwned = 1'); document.body.click()",
        "image": f"const i = new Image(); i.src = '{trap.address}/image'; document.body.append(i)",
        "fetch": f"fetch('{trap.address}/fetch').catch(() => null)",
    }
    # From a timer of the page's own: what the driver evaluates directly is above the policy.
    run = "(done) => setTimeout(() => {{ try {{ {0}; done('quiet'); }} catch (error) {{ done(error.name); }} }})"
    came = {
        name: page.evaluate(f"() => new Promise({run.format(attempt)})") for name, attempt in attempts.items()
    }
    assert came["markup"] == came["script"] == came["handler"] == "TypeError"  # Trusted Types
    assert came["eval"] == "EvalError"
    page.wait_for_timeout(100)
    assert page.evaluate("window.pwned") is None
    assert trap.hits == []
    assert {"img-src", "connect-src", "require-trusted-types-for"} <= set(page.evaluate("window.blocked"))
