"""Invents names of places, people and titles from syllable grammars. No spelling is used twice."""

from __future__ import annotations

import re

from wideseek_env.corpus.synthetic.dice import Dice

_ONSETS = ("b", "br", "c", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kl", "l", "m", "n", "p", "pr",
           "qu", "r", "s", "sk", "st", "t", "th", "tr", "v", "w", "z")  # fmt: skip
_VOWELS = ("a", "a", "e", "e", "i", "o", "o", "u", "ae", "ei", "ou")
_CODAS = ("", "", "l", "n", "r", "s", "m", "nd", "rn", "lt", "sk", "th", "st")
_TOWN_ENDINGS = ("ford", "holm", "wick", "by", "burg", "stead", "mouth", "haven", "ley", "mar", "dal", "ton")
_REGION_JOINTS = ("v", "t", "d", "m", "g", "est")
_REGION_ENDINGS = ("ania", "ovia", "essia", "eria", "adia", "ona", "aland", "ewald", "emark", "urias")
_FIRST_ENDINGS = ("a", "en", "ia", "o", "us", "in", "ette", "ar", "is", "elle", "an", "ric")
_SURNAME_ENDINGS = (
    "sen",
    "ovic",
    "mann",
    "ier",
    "ström",
    "ley",
    "ani",
    "aux",
    "wright",
    "quist",
    "er",
    "ska",
)
_ASCII = str.maketrans("öéñ", "oen")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def slug(name: str) -> str:
    """`name` as part of a URL: lower-case ASCII letters, digits and hyphens."""
    return _NOT_SLUG.sub("-", name.lower().translate(_ASCII)).strip("-")


def _syllable(dice: Dice) -> str:
    return dice.pick(_ONSETS) + dice.pick(_VOWELS) + dice.pick(_CODAS)


def _stem(dice: Dice) -> str:
    return dice.pick(_ONSETS) + dice.pick(_VOWELS) + dice.pick(("l", "n", "r", "s", "m", "v", "d", "k"))


class NameBook:
    """Makes names and remembers their slugs, so that no two things of a world share a name or a URL."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def claim(self, name: str) -> bool:
        """Reserve `name`. Returns False when a name with the same slug is reserved already."""
        key = slug(name)
        if key in self._taken:
            return False
        self._taken.add(key)
        return True

    def town(self, dice: Dice) -> str:
        """A new name of a town, such as Brelford."""
        while not self.claim(name := (_stem(dice) + dice.pick(_TOWN_ENDINGS)).capitalize()):
            pass
        return name

    def region(self, dice: Dice) -> str:
        """A new name of a region, such as Norvania."""
        while not self.claim(
            name := (_stem(dice) + dice.pick(_REGION_JOINTS) + dice.pick(_REGION_ENDINGS)).capitalize()
        ):
            pass
        return name

    def person(self, dice: Dice) -> str:
        """A new name of a person, such as Maren Dolquist."""
        while not self.claim(name := person_name(dice)):
            pass
        return name


def person_name(dice: Dice) -> str:
    """A name of a person. The name is not reserved, so two people may have the same name."""
    first = _stem(dice) + dice.pick(_FIRST_ENDINGS)
    return f"{first.capitalize()} {(_syllable(dice) + dice.pick(_SURNAME_ENDINGS)).capitalize()}"


def base_name(dice: Dice) -> str:
    """The proper name inside an entity's name, such as Kelmar in Kelmar Museum."""
    return (_stem(dice) + dice.pick(_VOWELS) + dice.pick(_CODAS[2:])).capitalize()


def one_vowel_off(dice: Dice, name: str) -> str:
    """`name` with another vowel in place of one lower-case vowel."""
    places = [i for i, letter in enumerate(name) if letter in "aeiou"]
    if not places:
        return name + "a"
    at = dice.pick(places)
    return name[:at] + dice.pick([v for v in "aeiou" if v != name[at]]) + name[at + 1 :]
