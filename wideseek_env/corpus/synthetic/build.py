"""Makes regions, lists and entities from a seed and a configuration, with their names and true values, and decides
which noise pages they have."""

from __future__ import annotations

from wideseek_env.corpus.synthetic.attributes import Attribute
from wideseek_env.corpus.synthetic.config import WorldConfig
from wideseek_env.corpus.synthetic.dice import Dice
from wideseek_env.corpus.synthetic.kinds import (
    KINDS,
    LINKED_ATTRIBUTES,
    PERSON_ATTRIBUTES,
    REGISTER_ATTRIBUTES,
    TOWN_ATTRIBUTES,
    Kind,
)
from wideseek_env.corpus.synthetic.model import (
    ALMANACK,
    GAZETTE,
    NOW,
    REGISTER,
    Entity,
    EntityList,
    Region,
    Split,
    Thing,
)
from wideseek_env.corpus.synthetic.names import NameBook, base_name, one_vowel_off, person_name, slug
from wideseek_env.corpus.synthetic.values import Value, draw, older, wrong, year_of

TOWNS_PER_REGION = 8

SPLIT_PATTERN: tuple[Split, ...] = (
    "train", "test", "validation", "train", "train", "train", "test", "train", "train", "train",
)  # fmt: skip
"""The split of the n-th region, repeated: 70 % training, 10 % validation, 20 % test. All three splits occur among the
first regions."""


class Builder:
    """Adds lists, region by region, until the next list would not fit into the pages for lists."""

    def __init__(self, seed: int, config: WorldConfig) -> None:
        self._seed = seed
        self._config = config
        self._names = NameBook()
        self._country = ""

    def regions(self) -> tuple[Region, ...]:
        """All regions with at least one list."""
        config = self._config
        left = config.pages - round(config.pages * config.distractors) - 1  # one page is the front page
        regions: list[Region] = []
        lists_of_kind = dict.fromkeys((kind.key for kind in KINDS), 0)
        last = ""
        while True:
            region = self._region(len(regions), last)
            last = region.name
            left -= 1 + len(region.towns)
            dice = Dice(self._seed, "kinds", len(regions))
            for kind in dice.shuffled(KINDS)[: config.lists_per_region]:
                entity_list = self._list(kind, region)
                # A category page is needed for every `page_size` lists of a kind.
                cost = pages_of(entity_list, config) + (lists_of_kind[kind.key] % config.page_size == 0)
                if cost > left:
                    break
                left -= cost
                lists_of_kind[kind.key] += 1
                region.lists.append(entity_list)
            if region.lists:
                regions.append(region)
            if len(region.lists) < config.lists_per_region:
                return tuple(regions)

    def _region(self, number: int, previous: str) -> Region:
        dice = Dice(self._seed, "region", number)
        if number % 3 == 0:
            self._country = self._names.region(dice)
        name = ""
        if previous and dice.chance(self._config.near_duplicates * 2):
            name = one_vowel_off(dice, previous)
        if not name or not self._names.claim(name):
            name = self._names.region(dice)
        towns = []
        for _ in range(TOWNS_PER_REGION):
            town = self._names.town(dice)
            thing = Thing(town, f"{ALMANACK}/wiki/{slug(town)}", TOWN_ATTRIBUTES, about=f"a town in {name}")
            thing.values = {a.label: draw(dice, a) for a in TOWN_ATTRIBUTES}
            thing.in_prose = self._in_prose(dice, TOWN_ATTRIBUTES)
            towns.append(thing)
        return Region(name, self._country, SPLIT_PATTERN[number % len(SPLIT_PATTERN)], tuple(towns))

    def _in_prose(self, dice: Dice, attributes: tuple[Attribute, ...]) -> frozenset[str]:
        """The labels of the attributes that pages of one kind give only in a sentence."""
        return frozenset(a.label for a in attributes if not a.boxed and dice.chance(self._config.prose))

    def _list(self, kind: Kind, region: Region) -> EntityList:
        config = self._config
        dice = Dice(self._seed, "list", region.name, kind.key)
        in_prose = self._in_prose(dice, kind.attributes)
        rows = dice.between(*config.rows)
        named = self._entity_names(dice, kind, region, rows)
        entities = []
        for name, base, town in named:
            entity = Entity(
                name, f"{ALMANACK}/wiki/{slug(name)}", kind.attributes, base=base, in_prose=in_prose
            )
            entity.link(kind.attributes[0].label, town)
            for a in kind.attributes:
                if a.type == "url":
                    entity.values[a.label] = Value(f"https://www.{slug(name)}.example")
                    entity.site_is_gone = dice.chance(config.gone)
                elif a.type not in LINKED_ATTRIBUTES:
                    entity.values[a.label] = draw(dice, a)
            self._add_noise(dice, entity)
            entities.append(entity)
        people = self._link_people(dice, kind, region, entities)
        entries = self._link_register_entries(dice, kind, entities)
        entities.sort(key=lambda e: e.name)
        groups: dict[str, list[Entity]] = {}
        for entity in entities:
            groups.setdefault(entity.base, []).append(entity)
        ambiguous = tuple(tuple(group) for group in groups.values() if len(group) > 1)
        return EntityList(kind, region, tuple(entities), people, entries, ambiguous)

    def _entity_names(
        self, dice: Dice, kind: Kind, region: Region, rows: int
    ) -> list[tuple[str, str, Thing]]:
        """The name, base name and town of every entity of a list. Names are unique in the whole world."""
        made: list[tuple[str, str, Thing]] = []  # pattern, invented part, town
        used: set[tuple[str, str]] = set()
        while len(made) < rows:
            town = dice.pick(region.towns)
            near = bool(made) and dice.chance(self._config.near_duplicates)
            if near and dice.chance(0.5):
                pattern, proper, _ = dice.pick(made)  # the same name, told apart by the town
                base = pattern.replace("{b}", proper)
                if (base, town.name) in used:
                    continue
            else:
                if near:
                    pattern, proper, _ = dice.pick(made)
                    proper = one_vowel_off(dice, proper)
                else:
                    pattern = dice.pick(kind.names) if kind.names else "{b}"
                    proper = base_name(dice) if kind.names else person_name(dice)
                base = pattern.replace("{b}", proper)
                if not self._names.claim(base):
                    continue
            used.add((base, town.name))
            made.append((pattern, proper, town))
        bases = [pattern.replace("{b}", proper) for pattern, proper, _ in made]
        out = []
        for base, (_, _, town) in zip(bases, made, strict=True):
            name = base if bases.count(base) == 1 else f"{base} ({town.name})"
            self._names.claim(name)
            out.append((name, base, town))
        return out

    def _link_people(
        self, dice: Dice, kind: Kind, region: Region, entities: list[Entity]
    ) -> tuple[Thing, ...]:
        """Link about four entities of the same time to one person, who was born about a generation before them."""
        role = next(a.label for a in kind.attributes if a.type == "person")
        year = next(a for a in kind.attributes if a.type in ("year", "date"))
        by_time = sorted(entities, key=lambda e: e.values[year.label].order)
        count = max(1, len(entities) // 4)
        in_prose = self._in_prose(dice, PERSON_ATTRIBUTES)
        people = []
        for number in range(count):
            theirs = by_time[number * len(by_time) // count : (number + 1) * len(by_time) // count]
            name = self._names.person(dice)
            url = f"{ALMANACK}/wiki/{slug(name)}" if self._config.hops > 1 else ""
            person = Thing(name, url, PERSON_ATTRIBUTES, in_prose=in_prose, about=role.lower())
            for a in PERSON_ATTRIBUTES:
                if a.type == "town":
                    person.link(a.label, dice.pick(region.towns))
                elif a.type == "year":
                    born = year_of(year, theirs[0].values[year.label]) - dice.between(24, 50)
                    person.values[a.label] = Value(str(born), born)
                else:
                    person.values[a.label] = draw(dice, a)
            for entity in theirs:
                entity.link(role, person)
            people.append(person)
        return tuple(people)

    def _link_register_entries(self, dice: Dice, kind: Kind, entities: list[Entity]) -> tuple[Thing, ...]:
        """Link every entity to a new register entry, if the kind has register entries."""
        labels = [a.label for a in kind.attributes if a.type == "register"]
        entries = []
        for entity in entities if labels else ():
            while not self._names.claim(number := f"No. {dice.between(10000, 999999)}"):
                pass
            url = f"{REGISTER}/entry/{number[4:]}" if self._config.hops > 1 else ""
            entry = Thing(number, url, REGISTER_ATTRIBUTES, about=entity.name)
            entry.values = {a.label: draw(dice, a) for a in REGISTER_ATTRIBUTES}
            entity.link(labels[0], entry)
            entries.append(entry)
        return tuple(entries)

    def _add_noise(self, dice: Dice, entity: Entity) -> None:
        config = self._config
        for a in entity.attributes:
            if a.drifts:
                entity.old[a.label] = older(dice, a, entity.values[a.label])
        if dice.chance(config.stale):
            entity.stale_year = NOW - dice.between(6, 18)
        if dice.chance(config.conflicts):
            drawable = [a for a in entity.attributes if a.type not in LINKED_ATTRIBUTES and a.type != "url"]
            for a in dice.sample(drawable, 4):
                entity.mistakes[a.label] = wrong(dice, a, entity.values[a.label])
        if dice.chance(config.gone / 3):
            entity.lost_story = f"{GAZETTE}/{NOW - dice.between(1, 20)}/{slug(entity.name)}-anniversary"


def pages_of(entity_list: EntityList, config: WorldConfig) -> int:
    """The number of pages that this list adds to the world, without its region and category."""
    return (
        len(entity_list.entities)
        + entity_list.page_count(config.page_size)
        + len(entity_list.ambiguous)
        + sum(1 for person in entity_list.people if person.url)
        + sum(1 for entry in entity_list.register_entries if entry.url)
        + sum(has_site(e) + bool(e.stale_year) + bool(e.mistakes) for e in entity_list.entities)
    )


def has_site(entity: Entity) -> bool:
    """Whether the entity's official website exists."""
    return "Website" in entity.values and not entity.site_is_gone
