"""Almost-JSON that says what is meant is read, and text whose end is missing is not completed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wideseek_env.parsing.lenient_json import load_lenient, load_object, load_value

MEANT = {"name": "search", "arguments": {"query": "x", "count": 3}}
ALMOST = {
    "escaped newlines between tokens": '{\\n  "name": "search",\\n  "arguments": {"query": "x", "count": 3}\\n}',
    "raw newlines between tokens": '{\n\n"name"\n:\n"search",\n"arguments":\n{"query":\n"x",\n"count":\n3}\n}',
    "single quotes": "{'name': 'search', 'arguments': {'query': 'x', 'count': 3}}",
    "mixed quotes": "{'name': \"search\", 'arguments': {\"query\": 'x', 'count': 3}}",
    "typographic quotes": "{“name”: “search”, “arguments”: {“query”: “x”, “count”: 3}}",
    "back quotes": "{`name`: `search`, `arguments`: {`query`: `x`, `count`: 3}}",
    "triple quotes": '{"name": """search""", "arguments": {"query": """x""", "count": 3}}',
    "names without quotes": '{name: "search", arguments: {query: "x", count: 3}}',
    "equals signs": '{name="search", arguments={query="x", count=3}}',
    "arrows": '{"name" => "search", "arguments" => {"query" => "x", "count" => 3}}',
    "trailing commas": '{"name": "search", "arguments": {"query": "x", "count": 3,},}',
    "double commas": '{"name": "search",, "arguments": {"query": "x", "count": 3}}',
    "leading comma": '{, "name": "search", "arguments": {"query": "x", "count": 3}}',
    "missing comma": '{"name": "search" "arguments": {"query": "x" "count": 3}}',
    "missing comma on lines": '{"name": "search"\n"arguments": {"query": "x"\n"count": 3}}',
    "missing closers": '{"name": "search", "arguments": {"query": "x", "count": 3',
    "one closer missing": '{"name": "search", "arguments": {"query": "x", "count": 3}',
    "wrong closer": '{"name": "search", "arguments": {"query": "x", "count": 3]}',
    "line comments": '{"name": "search", // the tool\n "arguments": {"query": "x", "count": 3}}',
    "block comments": '{"name": /* the tool */ "search", "arguments": {"query": "x", "count": 3}}',
    "full-width marks": '{"name"："search"，"arguments"：{"query"："x"，"count"：3}}',
    "full-width braces": '｛"name": "search", "arguments": ｛"query": "x", "count": 3｝｝',
    "byte order mark": '\ufeff{"name": "search", "arguments": {"query": "x", "count": 3}}',
    "zero-width spaces": '{"name":\u200b "search",\u200b "arguments": {"query": "x", "count": 3}}',
    "no-break spaces": '{"name":\u00a0"search",\u3000"arguments": {"query": "x", "count": 3}}',
    "escaped quotes": '{\\"name\\": \\"search\\", \\"arguments\\": {\\"query\\": \\"x\\", \\"count\\": 3}}',
    "plus sign": '{"name": "search", "arguments": {"query": "x", "count": +3}}',
    "text after it": '{"name": "search", "arguments": {"query": "x", "count": 3}} and so on',
}


@pytest.mark.parametrize("text", ALMOST.values(), ids=ALMOST)
def test_almost_json_is_read(text: str) -> None:
    assert load_lenient(text) == (MEANT, "")


STRINGS = {
    r'"it\'s"': "it's",
    r'"a\_b"': "a_b",
    r'"50\%"': "50%",
    r'"\$5"': "$5",
    r'"\d+"': r"\d+",
    r'"\x41"': "A",
    r'"\u00e9"': "é",
    r'"\u12"': r"\u12",
    r'"a\|b"': "a|b",
    "'it\\'s'": "it's",
    "'say \"hi\"'": 'say "hi"',
    '"films "A" and "B""': 'films "A" and "B"',
    '"the "Big", a museum"': 'the "Big", a museum',
    '"a 5" screen"': 'a 5" screen',
    '"first\nsecond"': "first\nsecond",
    '"tab\there"': "tab\there",
    "'first\nsecond'": "first\nsecond",
    '"True"': "True",
    '"a // b"': "a // b",
    '"a, }"': "a, }",
    '"“quoted”"': "“quoted”",
}


@pytest.mark.parametrize(("written", "meant"), STRINGS.items())
def test_strings_are_read(written: str, meant: str) -> None:
    assert load_lenient(f'{{"query": {written}}}') == ({"query": meant}, "")
    assert load_lenient(f'{{"query": {written}, "count": 1,}}') == ({"query": meant, "count": 1}, "")


@pytest.mark.parametrize("times", range(4))
def test_arguments_that_were_encoded_again_are_decoded_as_often(times: int) -> None:
    text = json.dumps(MEANT)
    for _ in range(times):
        text = json.dumps(text)
    assert load_object(text) == (MEANT, "")


@pytest.mark.parametrize(
    "text",
    ['{"query": "mus', "{'query': 'mus", '{"query": “mus', '["a", "b', '{"a": "x", "b', '{"query": """mus"'],
)
def test_a_string_without_an_end_is_not_completed(text: str) -> None:
    assert load_lenient(text) == (None, "it ends in the middle of a string")


@pytest.mark.parametrize("text", ["", "what?", "{query}", '{"query": museum of art}', "<a>", "{a b c}"])
def test_other_text_is_an_error_that_says_where(text: str) -> None:
    value, error = load_lenient(text)
    assert value is None
    assert "character" in error


def test_a_value_ends_where_it_ends() -> None:
    text = 'Call {"a": 1} and {"b": [2,],} then'
    assert load_value(text, 5)[:2] == ({"a": 1}, 13)
    value, end, error = load_value(text, 18)
    assert (value, text[end:], error) == ({"b": [2]}, " then", "")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_the_repair_does_not_change_valid_json(value: object) -> None:
    from wideseek_env.parsing.lenient_json import _Repair

    repair = _Repair(json.dumps(value), inner_quotes=False)
    assert repair.run() == ""
    assert json.loads("".join(repair.out), strict=False) == value


@given(values.filter(lambda value: isinstance(value, (dict, list))))
def test_python_literals_are_read(value: object) -> None:
    assert load_lenient(repr(value)) == (value, "") or "\\" in repr(value)


@given(st.text("{}[]\"'\\,:abn1 \n“”`/*", max_size=200))
def test_no_text_raises(text: str) -> None:
    load_lenient(text)
    load_object(text)
    load_value(text)
