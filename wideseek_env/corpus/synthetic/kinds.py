"""The kinds of entities and their attributes: museums, films and others, and people, towns and register entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wideseek_env.corpus.synthetic.attributes import (
    Attribute,
    AttributeType,
    category,
    date,
    number,
    person,
    text,
    town,
    year,
)

Sort = Literal["place", "water", "firm", "film", "person"]


@dataclass(frozen=True)
class Kind:
    """One kind of entity.

    `key` is the header of the key column. `plural` and `preposition` make the phrase of a list ("museums in Norvania").
    `names` are patterns for an entity's name, with ``{b}`` for an invented name. For people `names` is empty. `lead` is
    the first sentence, with labels of attributes in braces. `it` has the pronouns. `sort` chooses the phrases of
    articles and news. The first attribute is always the town, which distinguishes entities with the same name.
    """

    key: str
    plural: str
    zh: str
    names: tuple[str, ...]
    lead: str
    attributes: tuple[Attribute, ...]
    preposition: str = "in"
    it: tuple[str, str, str, str] = ("It", "it", "Its", "its")
    sort: Sort = "place"


_WEBSITE = Attribute("Website", "url", boxed=True)
_REGISTER = Attribute("Register entry", "register", boxed=True)

MUSEUM = Kind(
    "Museum", "museums", "博物馆",
    ("{b} Museum", "Museum of {b}", "{b} House Museum", "{b} Gallery", "{b} Collection"),
    "{name} is {a Type} in {town}, {region}.",
    (
        town(),
        category("Type", "art museum", "natural history museum", "maritime museum", "folk museum",
                  "railway museum"),
        year("Founded", 1790, 1990, "{It} was founded in {v}.",
              "A citizens' society saw to it that {it} was founded in {v}.",
              "{It} was founded in {v}; a fire soon after spared the rooms."),
        person("Architect"),
        number("Floor area", 400, 24000, 10, "m²"),
        number("Collection size", 900, 180000, 100, "objects"),
        number("Annual attendance", 4000, 640000, 100, "visitors", drifts=True),
        text("Director", "{person}", drifts=True),
        _WEBSITE,
    ),
)  # fmt: skip

LIGHTHOUSE = Kind(
    "Lighthouse", "lighthouses", "灯塔",
    ("{b} Point Light", "{b} Lighthouse", "{b} Head Light", "{b} Rock Light"),
    "{name} is a lighthouse near {town} on the coast of {region}.",
    (
        town("Nearest town"),
        category("Construction", "stone tower", "cast-iron tower", "brick tower", "concrete tower", "timber tower"),
        date("First lit", 1760, 1930, "The lamp was first lit on {v}.", "{It} was first lit on {v}.",
              "After two winters of building, {it} was first lit on {v}."),
        person("Engineer"),
        number("Tower height", 80, 640, 1, "m", tenths=True),
        number("Light range", 6, 29, 1, "nautical miles", drifts=True),
        number("Step count", 28, 340),
        text("Keeper", "{person}", drifts=True),
        _REGISTER,
    ),
)  # fmt: skip

BRIDGE = Kind(
    "Bridge", "bridges", "桥梁",
    ("{b} Bridge", "Old {b} Bridge", "{b} Viaduct", "{b} Crossing"),
    "{name} is {a Structure} near {town}, {region}.",
    (
        town("Nearest town"),
        category("Structure", "arch bridge", "suspension bridge", "truss bridge", "cantilever bridge", "beam bridge"),
        date("Opened", 1790, 1985, "{It} opened on {v}.", "{It} was ceremonially opened on {v}.",
              "Delayed by a flood, {it} opened on {v}."),
        person("Designer"),
        number("Total length", 420, 2900, 1, "m"),
        number("Main span", 120, 4100, 1, "m", tenths=True),
        number("Daily traffic", 600, 48000, 100, "vehicles", drifts=True),
        text("River crossed", "{river}"),
        _REGISTER,
    ),
)  # fmt: skip

COMPANY = Kind(
    "Company", "companies", "公司",
    ("{b} Works", "{b} Group", "{b} and Daughters", "{b} Industries", "{b} Trading"),
    "{name} is a company of {region} with its head office in {town}; its trade is {Industry}.",
    (
        town("Headquarters"),
        category("Industry", "shipbuilding", "textiles", "glassmaking", "machine tools", "food processing"),
        year("Founded", 1820, 1995, "{It} was founded in {v}.", "The firm was founded in {v}.",
              "{It} was founded in {v}; its first workshop had one room."),
        person("Founder"),
        number("Workforce", 60, 21000, 10, "people", drifts=True),
        number("Turnover", 2_000_000, 940_000_000, 100_000, "crowns", drifts=True),
        text("Chief executive", "{person}", drifts=True),
        text("Best-known product", "{b} lamp", "{b} loom", "{b} lathe", "{b} biscuit", "{b} bicycle"),
        _WEBSITE,
    ),
    sort="firm",
)  # fmt: skip

FILM = Kind(
    "Film", "films", "电影",
    ("The Road to {b}", "{b} in Winter", "Letters from {b}", "The {b} Affair", "A Summer in {b}", "Goodnight, {b}"),
    "{name} is {a Genre} from {region} that had its first showing in {town}.",
    (
        town("Premiere town"),
        category("Genre", "drama film", "comedy film", "crime film", "war film", "musical film"),
        date("Released", 1931, 2004, "{It} was released on {v}.", "The film was released on {v}.",
              "After a dispute about its ending, {it} was released on {v}."),
        person("Director"),
        number("Running time", 61, 204, 1, "minutes"),
        number("Budget", 40_000, 4_200_000, 1000, "crowns"),
        number("Review count", 12, 940, drifts=True),
        text("Lead actor", "{person}"),
        _WEBSITE,
    ),
    preposition="from",
    sort="film",
)  # fmt: skip

COMPOSER = Kind(
    "Composer", "composers", "作曲家", (),
    "{name} was a composer from {town}, {region}.",
    (
        town("Birthplace"),
        category("Main genre", "chamber music", "opera", "church music", "symphonic music", "piano music"),
        date("Born", 1710, 1930, "The parish book says that the composer was born on {v}.",
              "The composer was born on {v}.",
              "The third of five children, the composer was born on {v}."),
        person("Teacher"),
        number("Work count", 60, 720, drifts=True),
        number("Opera count", 1, 46),
        text("Best-known work", "The {b} Mass", "{b} Suite", "Songs of {b}", "The Maid of {b}", "{b} Variations"),
        text("Patron", "{person}"),
        text("Archive keeper", "{person}", drifts=True),
    ),
    preposition="from",
    it=("The composer", "the composer", "The composer's", "the composer's"),
    sort="person",
)  # fmt: skip

RIVER = Kind(
    "River", "rivers", "河流",
    ("River {b}", "{b} Water", "{b} River"),
    "{name} is {a Class} in {region} that reaches its mouth at {town}.",
    (
        town("Mouth town"),
        category("Class", "lowland river", "mountain river", "karst river", "tidal river", "bog river"),
        year("Surveyed", 1740, 1930, "{It} was fully surveyed in {v}.", "Its course was surveyed in {v}.",
              "By order of the estates, {it} was surveyed in {v}."),
        person("Surveyor"),
        number("Length", 90, 6400, 1, "km", tenths=True),
        number("Basin area", 40, 38000, 10, "km²"),
        number("Mean discharge", 8, 9200, 1, "m³/s", tenths=True, drifts=True),
        number("Lock count", 1, 38),
        text("Source", "{b} Spring", "{b} Moor", "Lake {b}", "Mount {b}"),
    ),
    sort="water",
)  # fmt: skip

STATION = Kind(
    "Station", "railway stations", "火车站",
    ("{b} station", "{b} Road station", "{b} Junction", "{b} Harbour station"),
    "{name} is {a Station type} serving {town}, {region}.",
    (
        town(),
        category("Station type", "country station", "junction station", "terminal station", "suburban station",
                  "border station"),
        date("Opened", 1838, 1960, "{It} opened on {v}.", "{It} was opened on {v}.",
              "With a brass band in attendance, {it} opened on {v}."),
        person("Architect"),
        number("Platform count", 1, 24),
        number("Platform length", 60, 460, 1, "m"),
        number("Daily ridership", 90, 64000, 10, "passengers", drifts=True),
        number("Elevation", 2, 1480, 1, "m"),
        text("Railway line", "{b} Main Line", "{b} Branch", "{b} Valley Line"),
    ),
)  # fmt: skip

CASTLE = Kind(
    "Castle", "castles", "城堡",
    ("{b} Castle", "Castle of {b}", "{b} Keep", "{b} Tower House"),
    "{name} is {a Type} above {town}, {region}.",
    (
        town("Nearest town"),
        category("Type", "hill castle", "water castle", "tower castle", "palace castle", "ruined castle"),
        year("Restored", 1810, 1980, "{It} was restored in {v}.", "After long neglect, {it} was restored in {v}.",
              "{It} was last restored in {v}; the chapel was left as it was."),
        person("Restorer"),
        number("Keep height", 90, 520, 1, "m", tenths=True),
        number("Room count", 9, 310),
        number("Entrance fee", 2, 38, 1, "crowns", drifts=True),
        text("Owner", "{b} Foundation", "House of {b}", "{b} Savings Bank", drifts=True),
        _REGISTER,
    ),
)  # fmt: skip

OBSERVATORY = Kind(
    "Observatory", "observatories", "天文台",
    ("{b} Observatory", "{b} Hill Observatory", "Observatory of {b}"),
    "{name} is {a Field} near {town}, {region}.",
    (
        town("Nearest town"),
        category("Field", "optical observatory", "solar observatory", "radio observatory", "meteor observatory"),
        year("Founded", 1770, 1990, "{It} was founded in {v}.", "By royal letter, {it} was founded in {v}.",
              "{It} was founded in {v}; the first dome was of wood."),
        person("Founder"),
        number("Elevation", 40, 3900, 1, "m"),
        number("Largest aperture", 12, 640, 1, "cm"),
        number("Staff size", 3, 420, 1, "people", drifts=True),
        text("Director", "{person}", drifts=True),
        _WEBSITE,
    ),
)  # fmt: skip

KINDS = (MUSEUM, LIGHTHOUSE, BRIDGE, COMPANY, FILM, COMPOSER, RIVER, STATION, CASTLE, OBSERVATORY)
"""All kinds, in a fixed order."""

PERSON_ATTRIBUTES = (
    Attribute("Birth year", "year"),
    Attribute("Birthplace", "town", boxed=True),
    Attribute("School", "text", options=("Academy of {b}", "{b} Polytechnic", "College of {b}", "{b} Institute"),
              sentences=("The school attended was {v}.",
                         "Of several places of study, the school that mattered was {v}.",
                         "The school, by all accounts, was {v}.")),
)  # fmt: skip
"""The attributes on people's pages."""

TOWN_ATTRIBUTES: tuple[Attribute, ...] = (
    number("Population", 900, 310000, 1, drifts=True),
    Attribute("Charter year", "year", 1120, 1690),
    number("Altitude", 1, 900, 1, "m"),
)
"""The attributes on towns' pages."""

REGISTER_ATTRIBUTES = (
    date("Protection date", 1948, 2008),
    category("Grade", "Grade A", "Grade B", "Grade C", "Grade D"),
    text("Inspector", "{person}"),
)
"""The attributes on pages of the register of monuments."""

LINKED_ATTRIBUTES: dict[AttributeType, tuple[Attribute, ...]] = {
    "person": PERSON_ATTRIBUTES,
    "town": TOWN_ATTRIBUTES,
    "register": REGISTER_ATTRIBUTES,
}
"""The attributes on the page that a value of a linked type links to."""
