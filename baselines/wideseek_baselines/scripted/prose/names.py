"""Finds names by their role: who directed, sang, wrote or published something, or for whom a person plays."""

from __future__ import annotations

import re

from wideseek_baselines.scripted.prose.gazetteer import NATIONALITIES
from wideseek_baselines.scripted.prose.subject import Reader, Subject, first

_CAP = r"[A-Z0-9À-ÖØ-ÞĀ-Ž$!][^\s,;()\"]*"
_JOINT = r"(?:,? (?:&|and the|of the|of|the|de|la|van|von|der|den|da|del|di|al|bin|and|'n'|\+) | )"
PROPER = rf"{_CAP}(?:{_JOINT}{_CAP}){{0,9}}"
"""A pattern for a sequence of capitalised words, with the small words that may be between them."""
_PART = r"(?:(?:[A-Z]\.(?:-?[A-Z]\.)*|[JSDM]r\.|St\.)|[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’-]*)"
_PERSON = re.compile(
    rf"{_PART}(?: (?:(?:de|la|van|von|der|den|da|del|di|al|bin|le|dos) ){{0,2}}{_PART}){{0,6}}"
)
_LEADING = re.compile(PROPER)
_TRAILING = re.compile(rf"^(?:[^()]*?\b[a-z][\w/-]*,? )(?:the )?(?P<name>{PROPER})$")
_END = re.compile(
    r"[,;()]|(?<!\b[A-Z])\.(?:\s|$)| (?:from|featuring|feat\.|released|which|that|who|as|for|on|in|at|with|taken|"
    r"under|is|was|it|through|via|written|produced|starring|about|during|since|until|after|before|between|when|where|"
    r"while|to)\b"
)
_WINDOW = 120
"""The name must be within this many characters after the pattern."""


def described(phrase: str) -> str:
    """The name in "American country singer Anne Murray" or "the Japanese Baystate label", or ""."""
    for part in phrase.split(", ")[:2]:
        words = _END.split(part, maxsplit=1)[0].strip().removeprefix("the ").split(" ")
        while words and words[0] in NATIONALITIES:
            words.pop(0)
        bare = " ".join(words).removeprefix("the ")
        if trailing := _TRAILING.match(bare):
            return trailing["name"]
        if leading := _LEADING.match(bare):
            return leading[0]
    return ""


def named(*patterns: str) -> Reader:
    """A reader that finds the first of `patterns` with a name after it, and returns the name. It may have a
    description.
    """
    compiled = [re.compile(pattern) for pattern in patterns]

    def read(subject: Subject) -> str:
        for pattern in compiled:
            for match in pattern.finditer(subject.text):
                if name := described(subject.text[match.end() : match.end() + _WINDOW]):
                    return name
        return ""

    return read


def person(*patterns: str) -> Reader:
    """A reader that finds the first of `patterns` with a person's name directly after it, and returns the name."""
    compiled = [re.compile(pattern) for pattern in patterns]
    other = named(*patterns)

    def read(subject: Subject) -> str:
        for pattern in compiled:
            for match in pattern.finditer(subject.text):
                if name := _PERSON.match(subject.text, match.end()):
                    return name[0]
        return other(subject)

    return read


_SUNG_BY = named(
    r"\b(?:recorded|performed|sung|released)(?: and \w+)?(?: \w+)? by ",
    r"\b(?:song|single|album|EP|track|mixtape|video|ballad|hit|record|anthem|release|compilation|soundtrack|written)"
    r"\b[^.;]{0,40}? by ",
    r"\bby ",
    r"\b(?:album|single|song|release|EP) (?:from|of) ",
    r"\b(?=[A-Z][^.]{0,40}'s (?:\w+ ){0,3}(?:album|single|song))",
)
_PLAYS_FOR = named(
    r"\bhome (?:ground |stadium |venue |arena |field |games? )?(?:of|to|for) (?:the )?(?:\w+ ){0,3}?"
    r"(?:club |team |side )?(?=[A-Z])",
    r"\b(?:home|matches|games) of (?:the )?",
    r"\b(?:plays?|playing|played|manages?|coach(?:es|ed)?|coach of|manager of|appeared|pitched) (?:\w+ ){0,6}?"
    r"(?:for|with|at|of) (?:the )?(?:\w+ ){0,4}?(?=[A-Z])",
    r"\bfor (?:the )?(?:\w+ ){0,4}?(?:club|side|team) ",
    r"\bfor (?:the )?(?=[A-Z])",
)
_STUDIED_AT = named(
    r"\bcollege (?:football|basketball|baseball|soccer|hockey|career)\b[^.;]{0,30}? (?:at|for) (?:the )?",
    r"\b(?:football|basketball|baseball)\b[^.;]{0,20}? (?:at|for) (?:the )?"
    r"(?=University|[A-Z][\w ]+(?:University|College|State))",
    r"\b(?:attended|graduated from|student at|played (?:\w+ ){0,4}(?:at|for)) (?:the )?",
)


def artist(subject: Subject) -> str:
    """The artist of a song or album. A title may name the artist, as in "All Over Me (Blake Shelton song)"."""
    return first(r"\(([^()]+?) (?:song|album|EP|single)\)$", subject.title) or _SUNG_BY(subject)


def club(subject: Subject) -> str:
    """The team that plays at this place, or for which this person plays."""
    return _PLAYS_FOR(subject).removesuffix(" Football Club")


def college(subject: Subject) -> str:
    """The college that a person played for, in the short form of sports pages."""
    name = _STUDIED_AT(subject).removeprefix("University of ")
    return re.sub(r" (?:University|College)$", "", name)


drafted_by = named(
    r"\b(?:drafted|selected|signed|claimed|chosen|picked)(?: \w+){0,5}? by (?:the )?",
    r"\b(?:plays?|playing|played)(?: \w+){0,8}? (?:for|with) (?:the )?",
    r"\b(?:for|with) (?:the )?(?=[A-Z])",
)
"""The team that drafted or signed a person."""

director = person(
    r"\bdirected(?:[\w, -]{0,60}?)? by (?:the )?",
    r"\bdirector(?:ial debut)? (?:of |is |was )?",
    r"\bfilm by ",
    r"\bby ",
)
author = person(r"\b(?:written|authored|novel|book)\b[\w, -]{0,40}? by ", r"\bby (?:\w+ ){0,4}?(?=[A-Z])")
producer = person(r"\bproduced\b[\w, -]{0,40}? by ")
architect = person(
    r"\b(?:designed|architects?|built)\b[\w, -]{0,40}? by (?:\w+ ){0,4}?(?=[A-Z])",
    r"\barchitects? (?=[A-Z])",
)
composer = person(r"\b(?:composed|music|written|score)\b[\w, -]{0,40}? by ")
developer = named(r"\bdeveloped(?:[\w, -]{0,60}?)? by ", r"\bby ")
publisher = named(r"\bpublished(?:[\w, -]{0,60}?)? by ", r"\breleased by ", r"\bby ")
operator = named(r"\boperated\b[\w, -]{0,30}? by ", r"\bowned\b[\w, -]{0,30}? by ")
owner = named(r"\bowned\b[\w, -]{0,30}? by ")
record_label = named(
    r"\b(?:on|for) (?:the )?(?:\w+ ){0,2}?(?=[A-Z][^.;,]{0,30} (?:label|Records))",
    r"\b(?:by|through|via|under) (?=[A-Z][^.;,]{0,30}Records)",
    r"\breleased[^.;]{0,60}? (?:on|by|through|via) (?:the )?",
)
network = named(
    r"\b(?:broadcast|aired|airs|airing|premiered|televised|developed|produced)\b[^.;]{0,50}? (?:by|on|for) "
    r"(?:the )?(?:\w+ ){0,3}?(?=[A-Z])",
    r"\bon (?:the )?(?=[A-Z])",
)
constituency = named(
    r"\b(?:constituency|riding|district|electorate|division|seat) of ",
    r"\brepresent(?:ed|ing|s)(?: \w+){0,6}? (?:of|for) ",
    r"\brepresent(?:ed|ing|s) (?:the )?",
    r"\b(?:member|MP|MPP|MLA)[^.;]{0,40}? for ",
)
local_government = named(
    r"\b(?:Shire|City|Town|Municipality|District|Rural City|Borough|Region) of (?:the )?",
    r"\blocal government areas? of (?:the )?",
    r"\bcouncil area of (?:the )?",
    r"\bsuburb of ",
)
