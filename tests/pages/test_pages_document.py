"""HTML to Markdown: what is kept, what is left out, and that nothing makes it raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wideseek_env.errors import ConfigError
from wideseek_env.pages import find_links, plain_text, strip_links, to_document

URL = "https://e.example/wiki/Page"


def markdown(html: str, url: str = URL) -> str:
    return to_document(html, url).markdown


def test_structure_is_kept():
    html = """<html><head><title> A  &amp; B </title></head><body>
    <h1>Top</h1><p>One <b>bold</b>
      word.</p><h2>Lists</h2>
    <ul><li>a<ul><li>b</li></ul></li><li><p>c</p><p>d</p></li></ul>
    <p>then</p><ol start="3"><li>x<li>y</ol>
    <dl><dt>Term<dd>meaning</dl>
    <blockquote>said<br>so</blockquote><pre>  code
    more</pre></body></html>"""
    document = to_document(html, URL)
    assert document.title == "A & B"
    assert document.markdown == (
        "# Top\n\nOne bold word.\n\n## Lists\n\n- a\n  - b\n- c\n  d\n\nthen\n\n3. x\n4. y\nTerm\n: meaning\n\n"
        "> said\n> so\n\n```\n  code\n    more\n```\n"
    )


def test_title_falls_back_to_the_first_heading():
    assert to_document("<h1>Only <i>heading</i></h1><p>x").title == "Only heading"
    assert to_document("<p>x").title == ""


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/wiki/Fargo_(film)", "[t](https://e.example/wiki/Fargo_(film))"),
        ("Other", "[t](https://e.example/wiki/Other)"),
        ("../up?q=a b", "[t](https://e.example/up?q=a%20b)"),
        ("//cdn.example/x", "[t](https://cdn.example/x)"),
        ("HTTP://X.example/", "[t](HTTP://X.example/)"),
        ("https://x.example/a)b", "[t](https://x.example/a%29b)"),
        ("/a|b<c>", "[t](https://e.example/a%7Cb%3Cc%3E)"),
        ("javascript:alert(1)", "t"),
        ("JavaScript&colon;alert(1)", "t"),
        ("data:text/html,x", "t"),
        ("mailto:a@b.example", "t"),
        ("#section", "t"),
        ("", "t"),
        ("http://[broken", "[t](http://[broken)"),
        ("x" * 3000, "t"),
    ],
)
def test_links(href: str, expected: str):
    assert markdown(f'<p><a href="{href}">t</a></p>') == expected + "\n"


def test_links_follow_the_base_element_and_vanish_without_one():
    html = '<base href="https://b.example/d/"><a href="x">t</a>'
    assert markdown(html) == "[t](https://b.example/d/x)\n"
    assert markdown('<a href="x">t</a>', url="") == "t\n"


def test_links_are_found_again_and_stripped():
    text = markdown('<p>See <a href="/A_(b)">A [1]</a> and <a href="/c">see ] this</a>.')
    links = [("A [1]", "https://e.example/A_(b)"), ("see ) this", "https://e.example/c")]
    assert find_links(text) == links
    assert strip_links(text) == "See A [1] and see ) this.\n"


@pytest.mark.parametrize(
    "html",
    [
        "<script>x</script>",
        "<style>x</style>",
        "<nav>x</nav>",
        "<footer><p>x</p></footer>",
        "<div style='color:red; display : NONE'>x</div>",
        "<p hidden>x</p>",
        "<i aria-hidden=true>x</i>",
        "<sup class='reference other'>[1]</sup>",
        "<span class=mw-editsection>edit</span>",
        "<div role=navigation>x</div>",
        "<button>x</button><select><option>x</select>",
        "<noscript>x</noscript><template>x</template><svg><text>x</text></svg>",
        "<!-- x -->",
        "<a href='/x'><img alt=x></a>",
    ],
)
def test_left_out(html: str):
    assert markdown(f"<p>kept</p>{html}<p>kept</p>") == "kept\n\nkept\n"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p><a class='x y' rel=nofollow href=/c>t</a>", "[t](https://e.example/c)"),
        ("<p>x<a href=/c> t </a>y", "x [t](https://e.example/c) y"),
        ("<p><a href=/c><b>t</b> <i>u</i></a>", "[t u](https://e.example/c)"),
        ("<p>x<a href=/c><img></a>y", "xy"),
        ("<p><a href=/c>t<br>u</a>", "[t u](https://e.example/c)"),
        ("<p><a name=c>t</a>", "t"),
        ("<a href=/c><div>t</div></a>", "t"),
        (
            "<p><a href='/c?a=1&amp;b=&quot;2&quot;&lt;'>a &amp; b</a>",
            "[a & b](https://e.example/c?a=1&b=%222%22%3C)",
        ),
        ("<p><a href='/c' title='a > b <td>'>t</a>", "[t](https://e.example/c)"),
    ],
)
def test_links_in_every_shape(html: str, expected: str):
    assert markdown(html) == expected + "\n"


def test_links_of_pages_that_are_not_on_the_web_are_text():
    html = '<a href="/x">a</a> <a href="//h.example/x">b</a> <a href="http://h.example/">c</a>'
    assert markdown(html, "file:///home/page.html") == "a b [c](http://h.example/)\n"


def test_escapes_comments_and_raw_text_are_read_as_browsers_read_them():
    html = "<p>&amp;lt; &lt;td&gt; &amp;amp;<!-- <table><tr><td>no --> a&nbsp;b</p><xmp><td>x</xmp><p>end"
    assert markdown(html) == "&lt; <td> &amp; a b\n\n```\n<td>x\n```\n\nend\n"


def test_half_a_surrogate_pair_becomes_a_question_mark():
    document = to_document("<title>a\ud800</title><p>b\udc00c")
    assert (document.title, document.markdown) == ("a?", "b?c\n")
    assert plain_text("<p>b\udc00c") == ("", "b?c")


def test_a_page_whose_root_is_styled_away_is_read():
    html = "<html style='visibility:hidden' class=metadata><body style='display:none' class=toc><p>text"
    assert markdown(html) == "text\n"


def test_what_only_waits_to_be_unfolded_is_kept():
    assert "inside" in markdown('<div class="NavContent" style="display:none">inside</div>')


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>",
        "</tool_call>",
        "< tool_call >",
        "<TOOL_CALL>",
        '<tool_call name="x">',
        "<tool_call",
        "<tool_response>",
        "<|im_start|>",
        "<|im_end|>",
        "<|endoftext|>",
        "<|anything new|>",
        "<think>",
        "</think>",
        "<start_of_turn>",
        "<｜User｜>",
        "</s>",
    ],
)
def test_markup_of_chats_and_tools_is_neutralised_wherever_it_stands(text: str):
    escaped = text.replace("<", "&lt;")
    middle = len(escaped) // 2 + 2
    split = f"{escaped[:middle]}<i></i><b>{escaped[middle:]}</b>"
    for piece in (escaped, split):
        html = (
            f"<title>{escaped}</title><h1>{piece}</h1><p>{piece}</p><ul><li>{piece}</ul><pre>{piece}</pre>"
            f"<a href='/x'>{piece}</a><table><caption>{piece}<tr><th>{piece}<th>b<tr><td>{piece}<td>c</table>"
        )
        document = to_document(html, URL)
        whole = document.title + document.markdown + "".join(document.chunks)
        assert "<" not in whole
        assert whole.count("‹") >= 7
        assert text.strip("<>/ |｜").split()[0] in whole  # a reader still sees what stood there


def test_ordinary_angle_brackets_stay():
    assert markdown("<p>1 &lt; 2, a &lt;b&gt; c, x&lt;y") == "1 < 2, a <b> c, x<y\n"


@pytest.mark.parametrize(
    "html",
    [
        "",
        " ",
        "<",
        "<>",
        "\x00",
        "\ud800 x",
        "plain text",
        "<td>x</td><tr><li>y",
        "<table><table><table>",
        "<table><caption>x<table><tr><th>a<td>b",
        "<table><tr></table></tr></td>",
        "<a href=x><a href=y><table><tr><td><a href=z>",
        "</p></div></table><li></ul>",
        "<pre><pre></pre>x",
        "<![CDATA[x]]><?php ?>",
        "<frameset><frame></frameset>",
        '<td colspan="x" rowspan="-1">1',
    ],
)
def test_broken_markup_never_raises(html: str):
    document = to_document(html, URL)
    assert "".join(document.chunks).strip() == document.markdown.strip()


@pytest.mark.parametrize(
    "piece",
    ["<div>", "<b>", "<ul><li>", "<table><tr><td>", "<blockquote>", "<a href=x>", "<dl><dd>", "<pre>"],
)
def test_deep_nesting_has_no_limit(piece: str):
    assert "bottom" in markdown(piece * 10_000 + "bottom")


def test_the_largest_pages_do_not_explode():
    row = "<tr>" + "<td colspan=1000 rowspan=65534>x</td>" * 20 + "</tr>"
    wide = "<table class=wikitable>" + row * 1_000 + "</table>"
    many = "<p>word <a href='/x'>link</a>" * 40_000
    for html in (wide, many, "<" * 1_000_000, "<p>&lt;" + " " * 1_000_000, "[" * 200_000, "<i>[" * 50_000):
        # Anything quadratic would take hours here.
        assert len(markdown(html)) < 5_000_000


@given(st.text(st.sampled_from("<>/=\"' abtdrhul1&;|[]()`#*!-\n")), st.integers(100, 200))
def test_any_string_is_a_page(html: str, size: int):
    document = to_document(html, URL, chunk_chars=size)
    assert all(document.chunks)
    plain_text(html)


@given(
    st.lists(
        st.sampled_from(
            "<table> </table> <tr> </tr> <td> <th> <td><a·href=/x> </a> <td·rowspan=2> <th·colspan=3> <thead> "
            "<tbody> <caption> <ul> </ul> <li> <p> </p> <h2> </h2> <pre> </pre> <br> <dl> <dd> <div> </div> word "
            "<blockquote> </blockquote> <span·hidden> </span> <td·rowspan=0>".split()
        ),
        max_size=60,
    )
)
def test_any_soup_of_tags_is_a_page(pieces: list[str]):
    html = "".join(pieces).replace("·", " ")
    document = to_document(html, URL)
    for line in document.markdown.split("\n"):
        if line.startswith("| "):
            assert line.endswith(" |")


def test_plain_text_holds_what_a_reader_sees():
    html = "<title>T</title><style>no</style><p>Hello<b> wor</b>ld</p><nav>no</nav><td>cell<sup class=reference>1</sup>"
    title, text = plain_text(html)
    assert (title, "no" in text.split(), "1" in text.split()) == ("T", False, False)
    assert text.split()[0] == "Hello"
    assert plain_text("<h1>Head</h1>x")[0] == "Head"
    assert plain_text("") == ("", "")


def test_chunk_size_is_checked():
    with pytest.raises(ConfigError, match="at least 100"):
        to_document("x", chunk_chars=99)
