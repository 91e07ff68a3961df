"""What a person sees on a page, and what the Markdown and the index show: kind by kind."""

from __future__ import annotations

import pytest

from wideseek_env.pages import plain_text, to_document

INLINE = [
    # hidden text
    ("<span style='display:none'>0012</span>12", "12"),
    ("<span class='sortkey'>0012</span>12", "12"),
    ("<span style='visibility:collapse'>x</span>12", "12"),
    ("<span hidden>0012</span>12", "12"),
    ("<span data-sort-value='0012'>12</span>", "12"),
    ("a <span class='sr-only'>hidden</span>b", "a b"),
    ("a <span class='visually-hidden'>hidden</span>b", "a b"),
    ("<i aria-hidden=true>★★★</i><span class='sr-only'>3 of 5</span>", "3 of 5"),
    ("<span class='sr-only'>$12.99</span><span aria-hidden=true>$12<sup>99</sup></span>", "$12.99"),
    ("<sup style='display:none'>3</sup>5", "5"),
    ("a<noscript>no</noscript><template>no</template>b", "ab"),
    # characters that only say where a line may break
    ("1<wbr>234", "1234"),
    ("5&shy;678", "5678"),
    ("1&#8203;000", "1000"),
    ("1&NoBreak;000", "1000"),
    ("1&#xFEFF;000", "1000"),
    # spaces in numbers
    ("1&nbsp;234&thinsp;567", "1 234 567"),
    ("1&#8239;234", "1 234"),
    # tags inside words and numbers
    ("<span>12</span><span>34</span>", "1234"),
    ("<b>5</b>6", "56"),
    ("<font size=+2>H</font>ello", "Hello"),
    ("<kbd>5</kbd><tt>6</tt>", "56"),
    ("5<!-- x -->6", "56"),
    # what an element shows beyond its text
    ("He said <q>yes, <q>no</q></q>.", "He said “yes, ‘no’”."),
    ("<meter value=3 max=5></meter>", "3/5"),
    ("<progress value=70 max=100></progress>", "70/100"),
    ("<meter value=0.6>60%</meter>", "60%"),
    ("<bdo dir=rtl>321</bdo>", "123"),
    ("<bdi>x</bdi>", "x"),
    ("<abbr title='United Nations'>UN</abbr>", "UN"),
    ("<time datetime='2020-01-05'>5 Jan</time>", "5 Jan"),
    ("<data value='42'>forty-two</data>", "forty-two"),
    ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>字", "漢字"),
    ("a<svg><title>t</title><text>x</text></svg>b", "ab"),
    ("<img class=tex alt='x^2'> is", "x^2 is"),
    ("<input value=42> <select><option selected>a</select>", ""),
    # character references
    ("5 &times 3 &lt 20 &frac12", "5 × 3 < 20 ½"),
    ("a&#0;b&#x80;c", "a�b€c"),
    ("x<![CDATA[y]]>z", "xz"),
]

CELLS = [
    ("1<br>2", "1 2"),
    ("<ul><li>a<li>b</ul>", "a b"),
    ("<div>1</div><div>2</div>", "1 2"),
    ("1<div>2</div>3", "1 2 3"),
    ("<span style='display:block'>1</span><span style='display:block'>2</span>", "1 2"),
    ("<img alt='France' src=f.png>", "France"),
    ("<span class=flagicon><img alt='France' width=23 height=15></span>", "France"),
    ("<a href='/France'><img alt='France' width=23></a>", "[France](https://e.example/France)"),
    ("<span class=flagicon><img alt='France' width=23></span> Paris", "Paris"),
    ("<img alt='A portrait' width=220>x", "x"),
    ("<input type=checkbox checked>", "[x]"),
    ("<input type=checkbox>", "[ ]"),
    ("<input value=42>", "42"),
    ("<input type=hidden value=9>5", "5"),
    ("<input type=password value=pw>5", "5"),
    ("<select><option>a<option selected>b</select>", "b"),
    ("<select><option>a<option>b</select>5", "5"),
    ("a<table><tr><td>1<td>2<tr><td>3<td>4</table>", "a 1 2 3 4"),
    ("<p>10<sup>6</sup></p><p>5<sup>1</sup></p>", "10^6 5 [1]"),
]

BLOCKS = [
    ("<ol start=3><li>a<li value=10>b<li>c</ol>", "3. a\n10. b\n11. c\n"),
    ("<ol start=-1><li>a<li>b</ol>", "-1. a\n0. b\n"),
    ("<ol reversed><li>a<li>b<li>c</ol>", "3. a\n2. b\n1. c\n"),
    ("<ol reversed start=10><li>a<li>b</ol>", "10. a\n9. b\n"),
    ("<ol type=A><li>a<li>b</ol>", "A. a\nB. b\n"),
    ("<ol type=a start=26><li>a<li>b</ol>", "z. a\naa. b\n"),
    ("<ol type=i start=4><li>a<li>b</ol>", "iv. a\nv. b\n"),
    ("<ol type=I start=4000><li>a</ol>", "4000. a\n"),
    ("<ul><li><input type=checkbox checked>a<li><input type=checkbox>b</ul>", "- [x] a\n- [ ] b\n"),
    ("<details><summary>S</summary>in</details>", "S\n\nin\n"),
    ("a<span style='display:block'>b</span>c", "a\n\nb\n\nc\n"),
    ("<p>5<div>6</div>", "5\n\n6\n"),
]

TABLES = [
    (
        "<thead><tr><th>A<th>B</thead><tfoot><tr><td>T<td>9</tfoot><tbody><tr><td>1<td>2</tbody>",
        "A B, 1 2, T 9",
    ),
    ("<tfoot><tr><td>T<td>9</tfoot><tr><th>A<th>B<tr><td>1<td>2", "A B, 1 2, T 9"),
    (
        "<tfoot><tr><th>T<th>9</tfoot><thead><tr><th>A<th>B</thead><tbody><tr><td>1<td>2</tbody>",
        "A B, 1 2, T 9",
    ),
    ("<tbody><tr><td>1<td>2</tbody><thead><tr><th>A<th>B</thead>", "A B, 1 2"),
    (
        "<thead><tr><th>A<th>B</thead><tbody><tr><td>1<td>2</tbody><tfoot><tr><td>T<td>9</tfoot>",
        "A B, 1 2, T 9",
    ),
    (
        "<thead><tr><th>A<th>B</thead><tfoot><tr><td>T<td>9</tfoot><tfoot><tr><td>U<td>8</tfoot><tr><td>1<td>2",
        "A B, U 8, 1 2, T 9",
    ),
    ("<tr><th>A<th>B<tr><td rowspan=-1 colspan=x>1<td>2", "A B, 1 2"),
    ("<tr><th>A<th>B<tr><td colspan=0>1<td>2", "A B, 1 2"),
    ("<tr><th>A<th>B<tr><td rowspan=0>1<td>2<tr><td>3", "A B, 1 2, 1 3"),
    ("<tr><th>A<th>B<tr><th>1<td>2<tr><th>3<td>4", "A B, 1 2, 3 4"),
    ("<tr><th>A<sup>1</sup><th>B<tr><td>1<td>2", "A [1] B, 1 2"),
    ("<tr style='display:none'><td>no<td>no<tr><th>A<th>B<tr><td>1<td>2", "A B, 1 2"),
]


def markdown(html: str) -> str:
    return to_document(html, "https://e.example/").markdown


@pytest.mark.parametrize(("html", "text"), INLINE)
def test_text_in_a_line(html: str, text: str):
    assert markdown(f"<p>{html}</p>").strip() == text
    assert plain_text(f"<p>{html}</p>")[1] == text


@pytest.mark.parametrize(("html", "text"), CELLS)
def test_cells(html: str, text: str):
    page = f"<table><tr><th>A<th>B</tr><tr><td>{html}</td><td>x</td></tr></table>"
    assert markdown(page) == f"| A | B |\n| --- | --- |\n| {text} | x |\n"


@pytest.mark.parametrize(("html", "text"), BLOCKS)
def test_blocks(html: str, text: str):
    assert markdown(html) == text


@pytest.mark.parametrize(("rows", "text"), TABLES)
def test_row_groups_and_spans(rows: str, text: str):
    lines = [line.strip("| ").replace(" | ", " ") for line in markdown(f"<table>{rows}</table>").splitlines()]
    assert ", ".join([lines[0], *lines[2:]]) == text


def test_a_footer_is_never_the_header_of_a_long_table():
    body = "".join(f"<tr><td>{n}<td>{n}" for n in range(500))
    html = f"<table><tfoot><tr><td>T<td>9</tfoot><thead><tr><th>A<th>B</thead><tbody>{body}</tbody></table>"
    chunks = to_document(html, chunk_chars=500).chunks
    assert all(chunk.startswith("| A | B |") for chunk in chunks)
    assert chunks[-1].endswith("| T | 9 |\n")


def test_a_missing_end_tag_of_a_footnote_mark_loses_no_text():
    html = f"<p>1,234<sup><a href='#n1'>1</a> {'and more text ' * 9}"
    assert "and more text and more" in markdown(html)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<table><tr><td><img alt=Yes><img class=tex alt=x></td><td>b</table>", "Yes x b"),
        ("<table><tr><td><img alt=Yes><img class=tex alt=x><img class=tex alt=y></td></table>", "Yes x y"),
        (
            "<span class=frac><span class=num>1</span>/<span class='den template-chem2-su'>2<br>3</span></span>",
            "1/23",
        ),
        (
            "<span class=frac><span class='num template-chem2-su'>1<br>2</span>/<span class=den>3</span></span>",
            "12/3",
        ),
    ],
)
def test_an_element_that_was_replaced_is_not_replaced_again(html: str, text: str) -> None:
    assert plain_text(html)[1] == text
    assert to_document(html).markdown


@pytest.mark.parametrize("doctype", ["", "<!DOCTYPE html>"])
@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("sortkey", True),
        ("x\tsortkey", True),
        ("x\fsortkey\n", True),
        ("x\xa0sortkey", False),
        ("x\x0bsortkey", False),
        ("sortkeys", False),
        ("\u017fortkey", False),
        ("SortKey", None),
    ],
)
def test_names_of_dropped_parts_are_read_as_browsers_do(
    doctype: str, name: str, dropped: bool | None
) -> None:
    """Only pages without a document type ignore the case of class names."""
    if dropped is None:
        dropped = not doctype
    assert plain_text(f'{doctype}<p>a <i class="{name}">b</i></p>')[1] == ("a" if dropped else "a b")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<td aria-hidden=true>x</td>", "| a |  | b |"),
        ("<th aria-hidden=true>x</th>", "| a |  | b |"),
        ("<td style='visibility:hidden'>x</td>", "| a |  | b |"),
        ("<td aria-hidden=true hidden>x</td>", "| a | b |"),
        ("<td aria-hidden=true role=search>x</td>", "| a | b |"),
        ("<td style='display:none'>x</td>", "| a | b |"),
        ("<td role=cell>x</td>", "| a | x | b |"),
        ("<td class=navbox>x</td>", "| a | x | b |"),
    ],
)
def test_hidden_cells(cell: str, text: str) -> None:
    page = f"<table><tr><th>1<th>2<th>3</tr><tr><td>a</td>{cell}<td>b</td></tr><tr><td>c<td>d<td>e</table>"
    line = to_document(page).markdown.splitlines()[2]
    assert line == (text if text.count("|") == 4 else "| a | b |  |")
