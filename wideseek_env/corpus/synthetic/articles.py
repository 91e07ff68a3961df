"""The Almanack's articles about entities, people, towns and regions. They state only true values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wideseek_env.corpus.synthetic.attributes import Attribute, article
from wideseek_env.corpus.synthetic.dice import Dice
from wideseek_env.corpus.synthetic.kinds import Kind
from wideseek_env.corpus.synthetic.markup import Inline, PageWriter, WorldPage
from wideseek_env.corpus.synthetic.model import ALMANACK, NOW, Entity, EntityList, Region, Thing
from wideseek_env.corpus.synthetic.names import slug
from wideseek_env.corpus.synthetic.values import MONTHS, Value
from wideseek_env.corpus.synthetic.wording import FILLERS

ALMANACK_SITE = "The Almanack of the Provinces"


def revised(dice: Dice, year: int = NOW) -> str:
    """The closing line of a checked article."""
    day, month = dice.between(1, 28), MONTHS[dice.below(6)]
    return (
        f"{ALMANACK_SITE}. Checked against the official registers; figures are as of {year}. "
        f"Last revised on {day} {month} {year}."
    )


def value_piece(thing: Thing, label: str, values: Mapping[str, Value]) -> Inline:
    """The value of `label`. The result is a link if the value is a URL or the name of a thing with a page. Otherwise
    the result is a text."""
    text = values[label].text
    target = thing.links.get(label)
    if target is not None and target.url and text == target.name:
        return (text, target.url)
    return (text, text) if text.startswith("https://") else text


def infobox_rows(thing: Thing, values: Mapping[str, Value]) -> Iterable[tuple[str, Inline]]:
    """Label and value of the attributes in the infobox, in order."""
    for attribute in thing.attributes:
        if attribute.label not in thing.in_prose:
            yield attribute.label, value_piece(thing, attribute.label, values)


def tell(at: int, attribute: Attribute, value: Inline, it: tuple[str, str, str, str]) -> list[Inline]:
    """The sentence number `at` (modulo the number of sentences) of the attribute, with `value` filled in.

    `it` is the subject and its genitive, each with and without a capital letter.
    """
    templates = attribute.templates()
    before, _, after = templates[at % len(templates)].partition("{v}")
    return [_pronouns(before, it), value, after]


def _pronouns(text: str, it: tuple[str, str, str, str]) -> str:
    if "{" in text:
        for hole, word in zip(("{It}", "{it}", "{Its}", "{its}"), it, strict=True):
            text = text.replace(hole, word)
    return text


def told(
    dice: Dice, thing: Thing, values: Mapping[str, Value], it: tuple[str, str, str, str]
) -> list[list[Inline]]:
    """A sentence for every attribute that `thing` has in prose."""
    at = dice.below(12)
    telling = [a for a in thing.attributes if a.label in thing.in_prose]
    # The numbers follow each other, so that a sentence form is repeated only after all other forms have been used.
    return [tell(at + n, a, value_piece(thing, a.label, values), it) for n, a in enumerate(telling)]


def lead(kind: Kind, region: Region, entity: Entity, values: Mapping[str, Value]) -> list[Inline]:
    """The first sentence of an article: what the thing is and where."""
    pieces: list[Inline] = []
    rest = kind.lead
    while rest:
        before, _, rest = rest.partition("{")
        pieces.append(before)
        hole, _, rest = rest.partition("}")
        if hole == "name":
            pieces.append(entity.name)
        elif hole == "region":
            pieces.append((region.name, region.url))
        elif hole.startswith("a "):
            pieces.append(f"{article(values[hole[2:]].text)} {values[hole[2:]].text}")
        elif hole == "town":
            pieces.append(value_piece(entity, kind.attributes[0].label, values))
        elif hole:
            pieces.append(values[hole].text)
    return pieces


def write_entity(
    writer: PageWriter, dice: Dice, entity_list: EntityList, at: int, values: Mapping[str, Value]
) -> None:
    """The body of an entity's article with the given values. An archived copy has older values."""
    kind, region = entity_list.kind, entity_list.region
    entity = entity_list.entities[at]
    neighbours = [entity_list.entities[at - 1], entity_list.entities[(at + 1) % len(entity_list.entities)]]
    town = entity.links[kind.attributes[0].label]
    writer.paragraph(*lead(kind, region, entity, values))
    writer.infobox(infobox_rows(entity, values))
    sentences = told(dice, entity, values, kind.it)
    for filler in dice.sample(FILLERS[kind.sort], dice.between(2, 4)):
        sentences.append(_filler(filler, town, neighbours[0], region))
    sentences = dice.shuffled(sentences)
    half = (len(sentences) + 1) // 2
    writer.paragraph(*_joined(sentences[:half]))
    writer.heading("Background")
    writer.paragraph(*_joined(sentences[half:]))


def _filler(template: str, town: Thing, neighbour: Entity, region: Region) -> list[Inline]:
    for hole, target in (("{t}", town), ("{n}", neighbour)):
        if hole in template:
            before, _, after = template.partition(hole)
            return [before, (target.name, target.url), after]
    return [template.replace("{r}", region.name)]


def _joined(sentences: list[list[Inline]]) -> Iterable[Inline]:
    for number, sentence in enumerate(sentences):
        if number:
            yield " "
        yield from sentence


def entity_article(seed: int, entity_list: EntityList, at: int) -> WorldPage:
    """The article of the entity at position `at` of its list."""
    entity = entity_list.entities[at]
    dice = Dice(seed, "article", entity.name)
    writer = PageWriter(entity.url, entity.name, ALMANACK_SITE)
    write_entity(writer, dice, entity_list, at, entity.values)
    writer.heading("See also")
    other = entity_list.entities[(at + 1) % len(entity_list.entities)]
    items: list[list[Inline]] = [
        [(other.name, other.url)],
        [(f"List of {entity_list.phrase}", entity_list.page_url())],
    ]
    if entity.lost_story:
        items.append([("The Gazette: an anniversary", entity.lost_story)])
    writer.bullets(items)
    return writer.page(revised(dice))


def person_article(seed: int, person: Thing, region: Region, kind: Kind) -> WorldPage:
    """The article of a person, such as an architect, founder or teacher."""
    dice = Dice(seed, "person", person.name)
    writer = PageWriter(person.url, person.name, ALMANACK_SITE)
    role = person.about
    writer.paragraph(
        f"{person.name} was the {role} of several {kind.plural} and lived mostly in ",
        (region.name, region.url),
        ".",
    )
    writer.infobox(infobox_rows(person, person.values))
    it = (f"The {role}", f"the {role}", f"The {role}'s", f"the {role}'s")
    sentences = told(dice, person, person.values, it)
    known = dice.sample(person.seen_in, 2)
    remembered: list[Inline] = ["The name is chiefly met with in connection with "]
    for number, thing in enumerate(known):
        remembered += [" and "] if number else []
        remembered.append((thing.name, thing.url))
    sentences.append([*remembered, "."])
    sentences.append(
        [
            dice.pick(
                ("No portrait is known.", "A bust stands in the regional library.", "There were no heirs.")
            )
        ]
    )
    writer.paragraph(*_joined(dice.shuffled(sentences)))
    return writer.page(revised(dice))


def town_article(seed: int, town: Thing, region: Region) -> WorldPage:
    """The article of a town."""
    dice = Dice(seed, "town", town.name)
    writer = PageWriter(town.url, town.name, ALMANACK_SITE)
    writer.paragraph(f"{town.name} is a town in ", (region.name, region.url), f", {region.country}.")
    writer.infobox(infobox_rows(town, town.values))
    sentences = told(dice, town, town.values, ("It", "it", "Its", "its"))
    others = dice.sample([t for t in region.towns if t is not town], 2)
    sentences.append(
        ["Roads lead to ", (others[0].name, others[0].url), " and ", (others[1].name, others[1].url), "."]
    )
    sentences.append(
        [dice.pick(("Market day is Thursday.", "The bells are rung at noon.", "A fair is held in autumn."))]
    )
    writer.paragraph(*_joined(dice.shuffled(sentences)))
    return writer.page(revised(dice))


def region_article(seed: int, region: Region) -> WorldPage:
    """The article of a region, with its towns and lists."""
    dice = Dice(seed, "region article", region.name)
    writer = PageWriter(region.url, region.name, ALMANACK_SITE)
    writer.paragraph(f"{region.name} is a region of {region.country}.")
    writer.heading("Towns")
    writer.bullets([[(town.name, town.url)] for town in region.towns])
    writer.heading("Lists")
    writer.bullets([[(f"List of {each.phrase}", each.page_url())] for each in region.lists])
    return writer.page(revised(dice))


def category_url(kind: Kind, number: int = 1) -> str:
    """The URL of a page of the category of all lists of one kind. Pages count from 1."""
    url = f"{ALMANACK}/category/{slug(kind.plural)}"
    return url if number == 1 else f"{url}/page-{number}"
