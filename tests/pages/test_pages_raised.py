"""Raised, lowered and struck text, fractions and formulas: what a person reads in plain text."""

from __future__ import annotations

import pytest

from wideseek_env.pages import plain_text, to_document
from wideseek_env.pages.from_markdown import markdown_to_html

EXPONENTS = [
    ("5 × 10<sup>6</sup>", "5 × 10^6"),
    ("5×10<sup>6</sup>", "5×10^6"),
    ("10<sup>−3</sup> m", "10^-3 m"),
    ("10<sup>-3</sup>", "10^-3"),
    ("1.5·10<sup>23</sup> kg", "1.5·10^23 kg"),
    ("6.02 x 10<sup> 23 </sup>", "6.02 x 10^23"),
    ("10<sup>6</sup>5", "10^6 5"),
    ("<b>10</b><sup><i>6</i></sup>", "10^6"),
    ("10<sup><a href='/six'>6</a></sup>", "10^[6](https://e.example/six)"),
    ("<a href='/x'>10<sup>6</sup></a>", "[10^6](https://e.example/x)"),
    ("<a href='/x'>10</a><sup>6</sup>", "[10](https://e.example/x)^6"),
    ("25 m<sup>2</sup>", "25 m^2"),
    ("25&nbsp;km<sup>2</sup>", "25 km^2"),
    ("120/km<sup>2</sup>, 5", "120/km^2, 5"),
    ("9.81 m s<sup>−2</sup>", "9.81 m s^-2"),
    ("ft<sup>3</sup>/s", "ft^3/s"),
    ("E = mc<sup>2</sup>", "E = mc^2"),
    ("x<sup>2</sup>y", "x^2 y"),
    ("x<sup>n</sup>", "x^n"),
    ("e<sup>x+1</sup>", "e^(x+1)"),
    ("2<sup>n</sup>", "2^n"),
    ("2<sup>10</sup> = 1024", "2^10 = 1024"),
    ("3<sup>2</sup> + 4<sup>2</sup>", "3^2 + 4^2"),
    ("(x+1)<sup>2</sup>", "(x+1)^2"),
    ("<span class='texhtml'>7<sup>5</sup></span>", "7^5"),
    ("10<span style='vertical-align: super'>6</span>", "10^6"),
    ("10<span style='font-size:80%;vertical-align:super;'>6</span>", "10^6"),
    ("10<span class='superscript'>6</span>", "10^6"),
    ("x<sup>2<sup>3</sup></sup>", "x^(2^3)"),
    ("10<SUP>6</SUP>", "10^6"),
    ("10<sup>6", "10^6"),
]
NOTES = [
    ("1,234<sup>1</sup>", "1,234 [1]"),
    ("1,234<sup>a</sup>", "1,234 [a]"),
    ("1,234<sup>1,2</sup>", "1,234 [1,2]"),
    ("1,234<sup>1</sup>5", "1,234 [1] 5"),
    ("1,234<sup>†</sup>", "1,234 †"),
    ("1,234<sup>*</sup>", "1,234 *"),
    ("1,234<sup>(1)</sup>", "1,234 (1)"),
    ("1,234<sup>[1]</sup>", "1,234"),
    ("1,234<sup>[a]</sup> and", "1,234 and"),
    ("1,234<sup>[note 1][2]</sup>", "1,234"),
    ("1,234<sup class='reference'><a href='#cite_note-1'>[1]</a></sup>", "1,234"),
    ("1,234<sup><a href='#fn1'>1</a></sup>", "1,234"),
    ("1,234<sup id='cite_ref-3'><a href='/w#cite_note-3'>3</a></sup>", "1,234"),
    ("1,234<sup>[<a href='#n2'>2</a>]</sup>", "1,234"),
    ("1,234<sup><small><a href='#n2'>2</a></small></sup>", "1,234"),
    ("1,234<a href='#n2'><sup>2</sup></a>", "1,234"),
    ("1,234<sup class='footnote-ref'>2</sup>", "1,234"),
    ("1,234<sup role='doc-noteref'>2</sup>", "1,234"),
    ("1,234<sub><a href='#n2'>2</a></sub>", "1,234"),
    ("1,234<a href='#fn1'>1</a>", "1,234 [1]"),
    ("1,234<span style='vertical-align:super'>1</span>", "1,234 [1]"),
    ("2010<sup>2</sup>", "2010 [2]"),
    ("5<sup>1</sup>", "5 [1]"),
    ("5.10<sup>2</sup>", "5.10 [2]"),
    ("12%<sup>2</sup>", "12% [2]"),
    ("Germany<sup>2</sup>", "Germany [2]"),
    ("Germany<sup>b</sup>", "Germany [b]"),
    ("US<sup>1</sup>", "US [1]"),
    ("Fargo (1996)<sup>1</sup>", "Fargo (1996) [1]"),
    ("John<sup>†</sup>", "John†"),
    ("1,234<sup>est</sup>", "1,234 est"),
    ("<sup>1</sup>In 1990", "[1] In 1990"),
    ("<sup>12</sup>In 1990", "[12] In 1990"),
    ("<sup>a</sup> Estimated", "a Estimated"),
]
JOINED = [
    ("1<sup>st</sup>", "1st"),
    ("the 2<sup>nd</sup> of", "the 2nd of"),
    ("21<sup>ST</sup>", "21ST"),
    ("XIX<sup>e</sup> siècle", "XIXe siècle"),
    ("1<sup>er</sup>", "1er"),
    ("M<sup>lle</sup>", "Mlle"),
    ("N<sup>o</sup> 5", "No 5"),
    ("D<sup>r</sup>", "Dr"),
    ("7–6<sup>(7–2)</sup>, 6–4", "7–6(7–2), 6–4"),
    ("7–6<sup>5</sup>", "7–6(5)"),
    ("C<sup>7</sup>, D♭<sup>7</sup>", "C7, D♭7"),
    (
        "a decay product of <sup>227</sup><a href='/Ac'>Ac</a>.",
        "a decay product of 227[Ac](https://e.example/Ac).",
    ),
    ("<sup>238</sup>U was", "238U was"),
    ("AA<sup>+</sup>", "AA+"),
    ("5<sup>+</sup>", "5+"),
    ("Foo<sup>TM</sup>", "Foo™"),
    ("Foo<sup>®</sup>", "Foo®"),
    ("20<sup>o</sup>C", "20°C"),
    ("20<sup>°</sup>", "20°"),
    ("5<sup>h</sup>30<sup>m</sup>", "5h 30m"),
    ("Na<sup>+</sup>", "Na+"),
    ("Ca<sup>2+</sup>", "Ca^2+"),
    ("SO<sub>4</sub><sup>2−</sup>", "SO4^2-"),
    ("CO<sub>2</sub>", "CO2"),
    ("H<sub>2</sub>O", "H2O"),
    ("Ca(OH)<sub>2</sub>", "Ca(OH)2"),
    ("CO<sub>2</sub>5", "CO_2 5"),
    ("log<sub>10</sub> 5", "log10 5"),
    ("v<sub>max</sub>", "v_max"),
    ("x<sub>i</sub>", "x_i"),
    ("x<sub>i,j</sub>", "x_(i,j)"),
    ("101<sub>2</sub>", "101_2"),
    ("1,234<sub>(est.)</sub>", "1,234 (est.)"),
    ("<sup>14</sup>C", "14C"),
    ("of <sup>238</sup>U.", "of 238U."),
    ("<sup>3</sup>He", "3He"),
    ("5<sup></sup>6", "56"),
    ("5<sup> </sup>6", "5 6"),
]
FRACTIONS = [
    ("5<sup>1</sup>⁄<sub>2</sub>", "5 1/2"),
    ("5<sup>1</sup>/<sub>2</sub>", "5 1/2"),
    ("5<sup>1</sup>&frasl;<sub>2</sub>in", "5 1/2 in"),
    ("5 <sup>1</sup>⁄<sub>2</sub>", "5 1/2"),
    ("5<sup>1</sup>⁄2", "5 1/2"),
    ("<sup>3</sup>⁄<sub>8</sub>", "3/8"),
    ("5<sup>1</sup>⁄<sub>2</sub>6", "5 1/2 6"),
    ("<span class='frac'>5<span class='num'>1</span>⁄<span class='den'>2</span></span>", "5 1/2"),
    ("<span class='frac nowrap'>5<sup class='num'>1</sup>&frasl;<sub class='den'>2</sub></span>", "5 1/2"),
    (
        "5<span class='sfrac'><i class='num'>1</i><i class='sr-only'>/</i><i class='den'>2</i></span>",
        "5 1/2",
    ),
    ("5<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math>", "5 1/2"),
    ("<math><mn>5</mn><mfrac><mn>1</mn><mn>2</mn></mfrac></math>", "5 1/2"),
    ("5&frac12;", "5½"),
    ("m<sup>2</sup>/s", "m^2/s"),
]
STRUCK = [
    ("<del>5</del><ins>6</ins>", "~~5~~ 6"),
    ("<del>5</del> <ins>6</ins>", "~~5~~ 6"),
    ("<s>5</s>6", "~~5~~ 6"),
    ("<strike>5</strike> 6", "~~5~~ 6"),
    ("1<del>5</del>", "1 ~~5~~"),
    ("<del> 5 </del>6", "~~5~~ 6"),
    ("<span style='text-decoration: line-through'>5</span>6", "~~5~~ 6"),
    ("<span style='TEXT-DECORATION-LINE:line-through'>5</span>6", "~~5~~ 6"),
    ("<b style='text-decoration:underline line-through'>5</b>6", "~~5~~ 6"),
    ("<span class='line-through'>5</span>6", "~~5~~ 6"),
    ("<del><b>5</b> apples</del> 6", "~~5 apples~~ 6"),
    ("<del>5<br>6</del> 7", "~~5~~\n~~6~~ 7"),
    ("<del></del>6", "6"),
    ("<del>10<sup>6</sup></del> 5", "~~10^6~~ 5"),
    ("<del><a href='/x'>5</a></del> 6", "[~~5~~](https://e.example/x) 6"),
]
FORMULAS = [
    ("<msup><mn>10</mn><mn>6</mn></msup>", "10^6"),
    ("<mn>5</mn><mo>×</mo><msup><mn>10</mn><mrow><mo>−</mo><mn>6</mn></mrow></msup>", "5×10^-6"),
    ("<msub><mi>x</mi><mn>1</mn></msub>", "x_1"),
    ("<msubsup><mi>x</mi><mn>1</mn><mn>2</mn></msubsup>", "x_1^2"),
    ("<mfrac><mi>a</mi><mi>b</mi></mfrac>", "a/b"),
    ("<mfrac><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow><mi>b</mi></mfrac>", "(a+1)/b"),
    ("<mi>E</mi><mo>=</mo><mi>m</mi><msup><mi>c</mi><mn>2</mn></msup>", "E = mc^2"),
    ("<msqrt><mi>x</mi><mo>+</mo><mn>1</mn></msqrt>", "√(x+1)"),
    ("<mroot><mi>x</mi><mn>3</mn></mroot>", "x^(1/3)"),
    ("<semantics><mi>x</mi><annotation encoding='TeX'>\\x</annotation></semantics>", "x"),
    ("<semantics><mi>x</mi><annotation-xml encoding='text/html'><p>no</p></annotation-xml></semantics>", "x"),
    ("<mn>2</mn><mo>&#x2062;</mo><mi>x</mi>", "2x"),
    ("<mtable><mtr><mtd>1</mtd><mtd>2</mtd></mtr><mtr><mtd>3</mtd></mtr></mtable>", "1, 2; 3"),
    ("<mi>x</mi><mphantom><mn>9</mn></mphantom>", "x"),
]
MARKDOWN = [
    ("10^6^ m", "10^6 m"),
    ("1,234^1^", "1,234 [1]"),
    ("H~2~O", "H2O"),
    ("~~5~~ 6", "~~5~~ 6"),
    ("~~5~~6", "~~5~~ 6"),
    ("5 × 10<sup>6</sup>", "5 × 10^6"),
    ("5<sup>1</sup>⁄<sub>2</sub>", "5 1/2"),
    ("1,234<sup>1</sup>", "1,234 [1]"),
    ("<del>5</del><ins>6</ins>", "~~5~~ 6"),
    ("a<br/>b", "a\nb"),
    ("1,234[^1]", "1,234[^1]"),
    ("5&frac12; &amp; x", "5½ & x"),
    ("~5 and ~6", "~5 and ~6"),
    ("x^2 + y^2", "x^2 + y^2"),
    ("`10<sup>6</sup>` &lt;", "`10<sup>6</sup>` <"),
    ("1 < 2, a <sup> b", "1 < 2, a <sup> b"),
    ("| A | B |\n| --- | --- |\n| 10<sup>6</sup> | ~~5~~6 |", "| A | B |\n| --- | --- |\n| 10^6 | ~~5~~ 6 |"),
    (
        "<table><tr><th>A<th>B</tr>\n\n<tr><td>1<td>2</tr></table>\n\nx",
        "| A | B |\n| --- | --- |\n| 1 | 2 |\n\nx",
    ),
]


def shown(html: str) -> str:
    return to_document(f"<p>{html}</p>", "https://e.example/").markdown.removesuffix("\n")


@pytest.mark.parametrize(("html", "text"), [*EXPONENTS, *NOTES, *JOINED, *FRACTIONS, *STRUCK])
def test_what_a_person_reads(html: str, text: str):
    assert shown(html) == text


@pytest.mark.parametrize(("html", "text"), [*EXPONENTS, *NOTES, *JOINED, *FRACTIONS, *STRUCK])
def test_cells_and_the_index_read_the_same(html: str, text: str):
    cell = text.replace("\n", " ")
    table = f"<table><tr><th>A<th>B</tr><tr><td>{html}</td><td>x</td></tr></table>"
    assert to_document(table, "https://e.example/").markdown == f"| A | B |\n| --- | --- |\n| {cell} | x |\n"
    if "](" not in text and "<br>" not in html and "<a href='#fn1'>1</a>" not in html[:30]:
        assert plain_text(f"<p>{html}</p>")[1] == cell


@pytest.mark.parametrize(("formula", "text"), FORMULAS)
def test_formulas(formula: str, text: str):
    assert shown(f"<math>{formula}</math>") == text
    assert plain_text(f"<math>{formula}</math>")[1] == text


@pytest.mark.parametrize(("source", "text"), MARKDOWN)
def test_markdown_sources(source: str, text: str):
    assert to_document(markdown_to_html(source)).markdown == text + "\n"


def test_a_hidden_formula_with_a_picture_is_read():
    """Wikipedia hides the MathML and shows a picture of it."""
    html = (
        '<span class="mwe-math-element"><span class="mwe-math-mathml-inline mwe-math-mathml-a11y" '
        'style="display: none;"><math alttext="x^{2}"><msup><mi>x</mi><mn>2</mn></msup></math></span>'
        '<img src="x.svg" class="mwe-math-fallback-image-inline" aria-hidden="true" alt="x^{2}"></span>'
    )
    assert shown(f"a {html} b") == "a x^2 b"


def test_struck_blocks_stay_blocks():
    rows = "<tr><th>A<th>B<tr style='text-decoration:line-through'><td>1<td>2"
    html = f"<del><p>one</p><ul><li>two</ul></del><table>{rows}</table>"
    assert to_document(html).markdown == (
        "~~one~~\n\n- ~~two~~\n\n| A | B |\n| --- | --- |\n| ~~1~~ | ~~2~~ |\n"
    )


def test_titles_and_headings_are_read_in_the_same_way():
    assert to_document("<h1>10<sup>6</sup> years</h1><p>x").title == "10^6 years"
    assert plain_text("<h1>10<sup>6</sup> years</h1><p>x") == ("10^6 years", "10^6 years x")


@pytest.mark.parametrize("text", ["\x01", "\x05", "\x01r6", "\x01r\x05", "\x05\x05\x01s", "1\x01q2\x05"])
def test_characters_of_marks_in_a_page_do_no_harm(text: str):
    assert "kept" in shown(f"{text}kept{text}<sup>2</sup>")
    assert "kept" in plain_text(f"{text}kept{text}<sup>2</sup>")[1]


@pytest.mark.parametrize(
    "piece",
    [
        "<sup>",
        "1<sup>2</sup>",
        "<sup></sup>",
        "<del>",
        "<del>1",
        "<sup>1</sup>⁄<sub>",
        "<math><mtext>",
        "<math><mfrac>",
        "<q>",
        "<bdo dir=rtl>",
        "<meter value=1>",
        "<ol reversed><li>",
        "<span class=frac><span class=num>1</span>",
        "<span class='frac'><i class=num></i><i class=den>",
        "<td><img alt=x>",
        "<table><td><img alt=x>",
        "<input type=checkbox>",
        "<sup><a href=#x>",
        "<span class=sr-only>",
        "<i aria-hidden=true></i><span class=sr-only>x</span>",
        "<span style='vertical-align:super'>",
        "<a href=#x>1</a>1",
        "&lt;sup&gt;",
    ],
)
def test_the_time_is_linear(piece: str):
    html = "<div>" + piece * 20_000 + "bottom"
    assert "bottom" in to_document(html).markdown + "bottom" * (
        "sr-only" in piece or "math" in piece or "<sup><a" in piece
    )
    plain_text(html)


@pytest.mark.parametrize(
    "piece", ["<sup>", "~~a", "~a", "^a", "10^", "`", "&amp;", "<table>\n", "<sup>1</sup>"]
)
def test_the_time_for_markdown_is_linear(piece: str):
    assert markdown_to_html(piece * 20_000)


SEEN = [
    # a footnote mark after a number that stands in a formula at first sight
    ("−5.3<sup>2</sup>", "−5.3 [2]"),
    ("+5.2<sup>3</sup>", "+5.2 [3]"),
    ("±5<sup>1</sup>", "±5 [1]"),
    ("(1,234<sup>2</sup>)", "(1,234 [2])"),
    ("(2018<sup>2</sup>)", "(2018 [2])"),
    ("2018/19<sup>2</sup>", "2018/19 [2]"),
    ("3/4<sup>2</sup>", "3/4 [2]"),
    ("1,234<sup>2</sup> + 5", "1,234 [2] + 5"),
    ("2010<sup>2</sup> - 2015", "2010 [2] - 2015"),
    ("n = 45<sup>2</sup>", "n = 45 [2]"),
    ("12<sup>1</sup>+13<sup>2</sup>", "12 [1]+13 [2]"),
    ("45<sup>2</sup>*", "45 [2]*"),
    ("5×10<sup>6</sup><sup>2</sup>", "5×10^6 [2]"),
    ("m<sup>2</sup><sup>1</sup>", "m^2 [1]"),
    ("km<sup>2 [1]</sup>", "km^2"),
    ("km<sup>2<a href='#cite_note-1'>[1]</a></sup>", "km^2"),
    ("kg<sup>1</sup>", "kg [1]"),
    ("N/A<sup>2</sup>", "N/A [2]"),
    ("$5M<sup>2</sup>", "$5M [2]"),
    ("Group A<sup>2</sup>", "Group A [2]"),
    ("C<sup>(P)</sup>", "C (P)"),
    ("12,345<sup>p</sup>", "12,345 [p]"),
    ("2018<sup>e</sup>", "2018 [e]"),
    ("1.5<sup>e</sup>", "1.5 [e]"),
    ("1234<sup>［1］</sup>", "1234"),
    ("1234<sup>【注1】</sup>", "1234"),
    ("13亿<sup>1</sup>", "13亿 [1]"),
    ("5平方公里<sup>2</sup>", "5平方公里 [2]"),
    ("5千米<sup>2</sup>", "5千米^2"),
    # still exponents
    ("10<sup>10<sup>100</sup></sup>", "10^(10^100)"),
    ("10<!-- c --><sup>6</sup>", "10^6"),
    ("10<sup> <!-- c --> 6 </sup>", "10^6"),
    ("3+5<sup>2</sup>", "3+5^2"),
    ("144 = 12<sup>2</sup>", "144 = 12^2"),
    ("2<sup>31</sup> − 1", "2^31 − 1"),
    ("e<sup>iπ</sup>", "e^iπ"),
    ("sin<sup>2</sup>x", "sin^2 x"),
    ("5 Km<sup>2</sup>", "5 Km^2"),
    # prices and other decimals
    ("$9<sup>99</sup>", "$9.99"),
    ("$1,299<sup>00</sup>", "$1,299.00"),
    ("<sup>$</sup>12<sup>99</sup>", "$12.99"),
    ("12<sup>99</sup> €", "12.99 €"),
    ("12,<sup>99</sup> €", "12,99 €"),
    ("in 1990.<sup>12</sup>", "in 1990. [12]"),
    ("$9<small>99</small>", "$9.99"),
    ("$10<sup>12</sup>", "$10^12"),
    ("10:23<sup>.45</sup>", "10:23.45"),
    # errors of a value, charges of an ion
    ("93.5<sup>+0.2</sup><sub>−0.3</sub> km", "93.5 +0.2/−0.3 km"),
    (
        "93.5<span style='display:inline-block;vertical-align:-0.4em;font-size:80%'>+0.2<br>−0.3</span>",
        "93.5 +0.2/−0.3",
    ),
    ("SO<span class='template-chem2-su'><span>2−</span><span>4</span></span>", "SO4^2-"),
    # names, ordinals, degrees, fractions
    ("M<sup>c</sup>Donald", "McDonald"),
    ("1.<sup>er</sup> and n.<sup>o</sup> 3", "1.er and n.o 3"),
    ("30<sup>0</sup>C", "30°C"),
    ("<sup>o</sup>C", "°C"),
    ("<sup>99m</sup>Tc", "99mTc"),
    ("1<sup>½</sup>", "1 ½"),
    ("5<small>1/2</small>", "5 1/2"),
    ("1,234<small>1</small>", "1,234 [1]"),
    ("2<small>nd</small>", "2nd"),
    ("1:23<small>.456</small>", "1:23.456"),
    # raised and struck by style or class
    ("1,234<span style='font-size:70%;vertical-align:top'>1</span>", "1,234 [1]"),
    ("1,234<span style='vertical-align:4px;font-size:smaller'>1</span>", "1,234 [1]"),
    ("1,234<span style='position:relative;top:-0.5em;font-size:80%'>1</span>", "1,234 [1]"),
    ("1,234<span class='footnote'>1</span>", "1,234 [1]"),
    ("10<span class='sup'>6</span>", "10^6"),
    ("<span class='text-decoration-line-through'>5</span>6", "~~5~~ 6"),
    ("<s>5<s>6</s></s>7", "~~56~~ 7"),
    # formulas
    ("<math><msup><mi>x</mi><mn>2</mn></msup><mn>3</mn></math>", "x^2 3"),
    ("<math><msqrt><mn>2</mn></msqrt><mn>3</mn></math>", "√2 3"),
    ("<math><mn>5</mn><mo>&#x2062;</mo><mn>3</mn></math>", "5·3"),
    ("<math><mn>5</mn><mo>&#x2062;</mo><mi>x</mi></math>", "5x"),
    ("<math><msup><mn>45</mn><mo>∘</mo></msup></math>", "45°"),
    ("<math><menclose notation='updiagonalstrike'><mn>5</mn></menclose><mn>6</mn></math>", "~~5~~ 6"),
    (
        "<math><mmultiscripts><mi>U</mi><mprescripts/><mn>92</mn><mn>238</mn></mmultiscripts></math>",
        "238U",
    ),
    ("<math><mo>(</mo><mfrac linethickness='0'><mn>5</mn><mn>2</mn></mfrac><mo>)</mo></math>", "(5 over 2)"),
    ("<script type='math/tex'>10^6</script> m", "10^6 m"),
]


@pytest.mark.parametrize(("html", "text"), SEEN)
def test_what_a_person_sees(html: str, text: str) -> None:
    assert to_document(f"<p>{html}</p>", "https://e.example/").markdown.strip() == text
    assert plain_text(f"<p>{html}</p>")[1].split() == text.split()


def test_long_styles_take_linear_time() -> None:
    # Each of these took minutes with a pattern that reads to the end of the style from every place.
    for part in ("list-style", "list-style:", "text-decoration:", "font-size:80%;position:relative "):
        style = part * (1_000_000 // len(part))
        assert "x" in to_document(f"<ol style='{style}'><li><span style='{style}'>x</span></ol>").markdown


ROWS = [  # a cell that shows nothing keeps its place
    ("<td style='visibility:hidden'>x</td>", "| 1 |  | 3 |"),
    ("<td aria-hidden=true>x</td>", "| 1 |  | 3 |"),
    ("<td class='noprint'>x</td>", "| 1 | x | 3 |"),
    ("<td class='reference'>x</td>", "| 1 | x | 3 |"),
    ("<th aria-hidden=true>x</th>", "| 1 |  | 3 |"),
    ("<td><img alt=star src=a.png><img alt=star src=a.png></td>", "| 1 | star star | 3 |"),
    ("<td><b style='display:block'>5</b><b style='display:block'>6</b></td>", "| 1 | 5 6 | 3 |"),
    ("<td><span class='d-none'>9</span>5</td>", "| 1 | 5 | 3 |"),
    ("<td><span class='d-none d-md-inline'>9</span>5</td>", "| 1 | 95 | 3 |"),
]


@pytest.mark.parametrize(("cell", "row"), ROWS)
def test_cells_keep_their_places(cell: str, row: str) -> None:
    table = f"<table><tr><th>A<th>B<th>C<tr><td>1</td>{cell}<td>3<tr><td>4<td>5<td>6</table>"
    assert row in to_document(table).markdown.splitlines()
