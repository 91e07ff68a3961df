"""The approximate topic of a table, from the words of its title, section and headers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

DOMAINS: Mapping[str, str] = {
    "sports": (
        "olympics league cup championships championship championnat football hockey basketball baseball "
        "rugby cricket tennis golf draft season athletics swimming cycling tour race racing prix marathon "
        "boxing wrestling skating ski skiing gymnastics volleyball handball team squad coach coaches "
        "stadium stadiums games medal medals athlete player players club nfl nba nhl mlb fifa uefa nascar "
        "formula motorsport champion champions sport sports bowl rider driver drivers goals referee "
        "superbike snooker darts badminton judo fencing rowing sailing archery shooting curling "
        "equestrian paralympics transfers ligue liga serie"
    ),
    "film, television and music": (
        "film films television tv series episode episodes album albums song songs single singles chart "
        "band music musical actor actress director cinema discography filmography video game anime manga "
        "network channel broadcast runway contestants contestant oscar grammy actors billboard soundtrack "
        "radio cast dance theatre opera hits award awards"
    ),
    "politics and military": (
        "election elections party minister ministers senate senator parliament congress president "
        "presidents governor mayor cabinet politician constituency council military army navy regiment "
        "battle war squadron ambassador ambassadors embassy monarch king queen legislature assembly "
        "candidates political office medal-of-honor uss hms lieutenant commander battalion legislative"
    ),
    "buildings and places": (
        "historic places heritage building buildings church churches castle museum museums bridge bridges "
        "tower tallest skyscrapers lighthouse hotel house cathedral monument national-register listed "
        "park parks temple landmarks village villages"
    ),
    "geography and nature": (
        "river rivers lake lakes mountain mountains peak island islands city cities town towns "
        "municipality county counties district province country countries population capital region "
        "species genus bird birds fish plant animal flora fauna volcano crater glacier geography "
        "earthquake hurricane storm dinosaur formation mammals demographics climate"
    ),
    "transport": (
        "ship ships cruise railway station stations airport airports airline airlines aircraft locomotive "
        "train metro highway route road bus car cars automobile engine rail line subway tram ferry"
    ),
    "education": (
        "university universities college colleges school schools alumni education faculty library academy "
        "students"
    ),
    "business and technology": (
        "company companies corporation bank business industry brand software computer internet mobile "
        "processor economy store stores mall restaurant manufacturer billionaires brewery power-station "
        "newspaper magazine"
    ),
    "science and people": (
        "scientist nobel mathematician physicist chemist astronomy planet asteroid star space satellite "
        "mission prize philosopher writer author novel book books poet artist painter people notable "
        "saints bishop bishops medicine disease language languages chemical element"
    ),
}
"""Topics and the words that indicate them. A table that matches no topic has the topic ``other``."""

OTHER = "other"
_WORDS = {word: name for name in list(DOMAINS)[::-1] for word in DOMAINS[name].split()}
_WORD = re.compile(r"[a-z]+")


def domain_of(title: str, section: str, header: Sequence[str]) -> str:
    """The topic with the most matching words in title, section and headers, or ``other`` when no word matches.

    Words of the title count twice.
    """
    scores: dict[str, int] = {}
    for text, weight in ((title, 2), (section, 1), (" ".join(header), 1)):
        for word in _WORD.findall(text.casefold()):
            name = _WORDS.get(word)
            if name is not None:
                scores[name] = scores.get(name, 0) + weight
    return max(scores, key=lambda name: (scores[name], -list(DOMAINS).index(name)), default=OTHER)
