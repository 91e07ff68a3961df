"""Text for display, and what counts as a text stating a value."""

from __future__ import annotations

from datetime import date

import pytest

from wideseek_env.corpus.hybridqa.text import clean_cell, clean_heading, detokenize
from wideseek_env.corpus.hybridqa.values import column_kind, forms, is_empty, normalize, parse_date, states


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("Eek ! The Cat", "Eek! The Cat"),
        ("Joshua Cheptegei ( UGA )", "Joshua Cheptegei (UGA)"),
        ("Yankovic 's album , did n't it ?", "Yankovic's album, didn't it?"),
        ("12 million ( as of 2007 [ update ] ) , and", "12 million (as of 2007), and"),
        ("cities . [ note 1 ] The City [ citation needed ] holds", "cities. The City holds"),
        ("Doha [ 12 ] is", "Doha is"),
        ("Bastia ( French : [ bastja ] ( listen ) ) is", "Bastia (French: [bastja]) is"),
        ("Olga Abramova ( ; born 15 September 1988 )", "Olga Abramova (born 15 September 1988)"),
        ("Bowdoin College ( ) is a college", "Bowdoin College is a college"),
        ("the Winners ' Cup and Lupita Nyong ' o", "the Winners' Cup and Lupita Nyong'o"),
        ("6 ' 4 , 225 lbs", "6' 4, 225 lbs"),
        ("the 'distance double ' at", "the 'distance double' at"),
        ("$ 3,908 or US $ 1.1 million", "$3,908 or US$1.1 million"),
        ("X-Men # 1 , the", "X-Men #1, the"),
        ("Jan . ) and U.S . 's", "Jan.) and U.S.'s"),
        ("`` Donna '' peaked", '"Donna" peaked'),
        ("Developer ( s )", "Developer(s)"),
        ("Houston Colt .45s", "Houston Colt .45s"),
        ("Already detokenised, isn't it? (Yes!)", "Already detokenised, isn't it? (Yes!)"),
        ("", ""),
    ],
)
def test_detokenize(stored: str, shown: str) -> None:
    assert detokenize(stored) == shown
    assert detokenize(shown) == shown


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("December 27 , 1974 ( # 74000146 )", "December 27, 1974"),
        ("align=right| 0", "0"),
        ("Harold Gonsalves †", "Harold Gonsalves"),
        ("* Ricardo Clark", "Ricardo Clark"),
        ("II*", "II*"),
        ("Survivor Survivor", "Survivor"),
        ("Talk Talk", "Talk Talk"),  # too short to tell from a name
        ("Jung , Helge General Helge Jung ( 1886-1978 )", "General Helge Jung (1886-1978)"),
        ("Smith , John", "Smith, John"),
        (
            "St. Louis 38°38′14″N 90°12′54″W / 38.6371°N 90.2151°W / 38.6371 ; -90.2151 ( Joplin House )",
            "St. Louis",
        ),
        ("14°37′N 35°43′E / 14.61°N 35.71°E / 14.61 ; 35.71", "14°37′N 35°43′E"),
    ],
)
def test_clean_cell(stored: str, shown: str) -> None:
    assert clean_cell(stored) == shown


def test_clean_heading_joins_levels() -> None:
    assert clean_heading("Team Results -- Men 's") == "Team Results – Men's"
    assert clean_heading("") == ""


def test_column_kinds() -> None:
    assert column_kind(["1999", "2001"]) == "year"
    assert column_kind(["1,999", "12.5", "-3", "$4"]) == "number"
    assert column_kind(["50%", "12"]) == "text"  # a share and a count cannot be compared
    assert column_kind(["007", "123"]) == "text"  # an identifier
    assert column_kind(["May 3, 1999", "3 May 1999", "1999-05-03"]) == "date"
    assert column_kind(["6/7/2015"]) == "text"
    assert column_kind(["1999", "May 3, 1999"]) == "text"


def test_parse_date() -> None:
    assert parse_date("Sep 12, 1996") == parse_date("12 September 1996") == date(1996, 9, 12)
    assert parse_date("31 February 1999") is None
    assert parse_date("12 Ma 1999") is None
    assert parse_date("Jux 12, 1999") is None


def test_states_whole_values_only() -> None:
    text = normalize("Born 12 September 1996 in Newcastle, she earned $1,250,000; it is 12 metres.")
    assert states(text, "September 12, 1996", "date")
    assert not states(text, "September 2, 1996", "date")
    assert states(text, "1250000", "number")
    assert states(text, "newcastle", "text")
    assert not states(text, "castle", "text")
    assert not states(text, "12", "number")  # short numbers occur in any text
    assert forms("F", "text") == ()


def test_normalize_agrees_on_ascii_and_other_text() -> None:
    assert normalize("A_b, c-1,000!") == " a b c 1000 "
    assert normalize("Á_b, c-1,000!") == " á b c 1000 "


def test_placeholders_are_empty() -> None:
    assert all(map(is_empty, ["", " - ", "N/A", "—", "TBD"]))
    assert not is_empty("0")
