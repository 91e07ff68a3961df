"""Pages outside the Almanack: official sites, register, archived copies, an unchecked wiki, news, travel notes."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.corpus.synthetic.articles import (
    ALMANACK_SITE,
    infobox_rows,
    lead,
    tell,
    value_piece,
    write_entity,
)
from wideseek_env.corpus.synthetic.dice import Dice
from wideseek_env.corpus.synthetic.markup import Inline, PageWriter, WorldPage
from wideseek_env.corpus.synthetic.model import (
    ANYWIKI,
    ARCHIVE,
    GAZETTE,
    NOW,
    WAYFARER,
    Entity,
    EntityList,
    Region,
    Thing,
)
from wideseek_env.corpus.synthetic.names import person_name, slug
from wideseek_env.corpus.synthetic.values import MONTHS
from wideseek_env.corpus.synthetic.wording import HEADLINES, TOPICS, TRENDS


def official_site(seed: int, entity_list: EntityList, entity: Entity) -> WorldPage:
    """The entity's website. The website repeats one or two values of the Almanack, without errors."""
    dice = Dice(seed, "site", entity.name)
    url = entity.values["Website"].text
    writer = PageWriter(url, f"{entity.name} – official website", entity.name)
    writer.paragraph(f"Welcome! This is the official website of {entity.name}, {entity_list.region.name}.")
    for a in entity.attributes:
        if a.drifts:
            writer.paragraph(
                *tell(dice.below(12), a, value_piece(entity, a.label, entity.values), entity_list.kind.it)
            )
    writer.paragraph(
        dice.pick(
            (
                "Write to the front desk for anything else.",
                "Our newsletter appears four times a year.",
                "Groups are asked to announce themselves a week ahead.",
            )
        )
    )
    return writer.page(f"© {NOW} {entity.name}")


def register_entry(entry: Thing, region: Region) -> WorldPage:
    """An entry of the register of monuments."""
    entity = entry.seen_in[0]
    title = f"Register entry {entry.name}"
    writer = PageWriter(entry.url, title, "Register of Monuments")
    writer.paragraph("Entry for ", (entity.name, entity.url), f", {region.name}.")
    writer.infobox(infobox_rows(entry, entry.values))
    return writer.page(f"Register of Monuments, official record, {NOW}.")


def archived_copy(seed: int, entity_list: EntityList, at: int) -> WorldPage:
    """An old copy of an article. Values that change with time have the value of the copy's year."""
    entity = entity_list.entities[at]
    year = entity.stale_year
    dice = Dice(seed, "archived", entity.name)
    url = f"{ARCHIVE}/{year}/almanack.example/wiki/{slug(entity.name)}"
    writer = PageWriter(url, f"{entity.name} (archived copy of {year})", "Web archive")
    writer.paragraph(
        f"This is an archived copy, saved on {dice.between(1, 28)} {dice.pick(MONTHS)} {year}. "
        "The live article may have changed since: ",
        (entity.name, entity.url),
        ".",
    )
    write_entity(writer, dice, entity_list, at, {**entity.values, **entity.old})
    return writer.page(f"Archived copy. {ALMANACK_SITE}; figures are as of {year}.")


def unchecked_page(seed: int, entity_list: EntityList, entity: Entity) -> WorldPage:
    """A page of the wiki that anybody may edit. Some of its values are wrong."""
    dice = Dice(seed, "anywiki", entity.name)
    values = {**entity.values, **entity.mistakes}
    url = f"{ANYWIKI}/{slug(entity.name)}"
    writer = PageWriter(url, f"{entity.name} – Anywiki", "Anywiki, the wiki without rules")
    writer.paragraph("This page cites no sources and has not been checked by anybody.")
    writer.paragraph(*lead(entity_list.kind, entity_list.region, entity, values))
    shown = [row for row in infobox_rows(entity, values) if row[0] in entity.mistakes or dice.chance(0.4)]
    writer.infobox(shown)
    told = [a for a in entity.attributes if a.label in entity.mistakes and a.label in entity.in_prose]
    for a in told:
        writer.paragraph(*tell(dice.below(12), a, value_piece(entity, a.label, values), entity_list.kind.it))
    return writer.page("Anybody may edit Anywiki. Its contents are unverified and may be wrong.")


def distractor(seed: int, number: int, lists: Sequence[EntityList]) -> WorldPage:
    """The distractor with this number. Its topic is one of the lists, but it has no answer to any question about that
    list."""
    dice = Dice(seed, "distractor", number)
    write = (_event, _trend, _travel, _old_figures, _advice)[number % 5]
    return write(dice, number, dice.pick(lists))


def _story_writer(dice: Dice, number: int, title: str, year: int) -> PageWriter:
    writer = PageWriter(f"{GAZETTE}/{year}/{slug(title)}-{number}", title, "The Provincial Gazette")
    writer.paragraph(f"By {person_name(dice)}, {dice.between(1, 28)} {dice.pick(MONTHS)} {year}")
    return writer


def _event(dice: Dice, number: int, entity_list: EntityList) -> WorldPage:
    entity = dice.pick(entity_list.entities)
    year = NOW - dice.between(0, 15)
    headline = dice.pick(HEADLINES[entity_list.kind.sort]).replace("{e}", entity.name)
    writer = _story_writer(dice, number, headline, year)
    writer.paragraph(
        "It was the talk of the week in ",
        (entity_list.region.name, entity_list.region.url),
        f": about {dice.between(2, 90) * 10} people came to hear the news of ",
        (entity.name, entity.url),
        f", and the mayor, {person_name(dice)}, spoke for {dice.between(5, 55)} minutes.",
    )
    writer.paragraph(f"“We had waited long enough,” said {person_name(dice)}, a neighbour.")
    return writer.page("The Provincial Gazette")


def _trend(dice: Dice, number: int, entity_list: EntityList) -> WorldPage:
    kind, phrase = entity_list.kind, entity_list.phrase
    year = NOW - dice.between(0, 12)
    head = dice.pick(TRENDS)
    writer = _story_writer(dice, number, head.replace("{p}", phrase), year)
    writer.paragraph(
        f"The council has set aside {dice.between(2, 60)} million crowns, of which {dice.between(5, 45)} per "
        f"cent may go to {kind.plural}. A decision is expected by {dice.pick(MONTHS)}."
    )
    writer.paragraph(f"Critics such as {person_name(dice)} call the plan a drop in the ocean.")
    return writer.page("The Provincial Gazette")


def _travel(dice: Dice, number: int, entity_list: EntityList) -> WorldPage:
    region = entity_list.region.name
    chosen = dice.sample(entity_list.entities, 3)
    title = f"Three {entity_list.phrase} that we liked"
    writer = PageWriter(f"{WAYFARER}/{slug(title)}-{number}", title, "Wayfarer, a travel diary")
    writer.paragraph(f"Rain all week in {region}, and yet we would go again. In no special order:")
    praise = ["our favourite", "not what we had thought", "underrated", "worth a second look", "overrated"]
    items: list[list[Inline]] = [
        [entity.name, f": {remark}."] for entity, remark in zip(chosen, dice.shuffled(praise), strict=False)
    ]
    writer.bullets(items)
    return writer.page("Opinions are our own.")


def _old_figures(dice: Dice, number: int, entity_list: EntityList) -> WorldPage:
    entity = dice.pick(entity_list.entities)
    year = NOW - dice.between(8, 20)
    writer = _story_writer(dice, number, f"From our files of {year}: {entity.name}", year)
    writer.paragraph(f"Reprinted from our issue of {year}; figures were those of the day.")
    drifting = [a for a in entity.attributes if a.label in entity.old]
    for a in drifting[:1]:
        old = entity.old[a.label].text
        writer.paragraph(*tell(dice.below(12), a, old, entity_list.kind.it))
    writer.paragraph("So we reported at the time about ", (entity.name, entity.url), ".")
    return writer.page("The Provincial Gazette")


def _advice(dice: Dice, number: int, entity_list: EntityList) -> WorldPage:
    kind = entity_list.kind
    title = dice.pick(TOPICS).replace("{k}", kind.plural)
    writer = PageWriter(f"{WAYFARER}/{slug(title)}-{number}", title, "Wayfarer, a travel diary")
    noun = kind.key.lower()
    writer.paragraph(
        f"There is no such thing as a typical {noun}, says {person_name(dice)}, who has seen "
        f"{dice.between(40, 400)} of them. The oldest accounts say little of what matters today."
    )
    writer.paragraph(
        dice.pick(
            (
                "Bring a notebook, a thermos flask and patience.",
                "Most guides repeat each other; the exceptions are out of print.",
                "Ask the old people first; they know better than any book.",
            )
        )
    )
    return writer.page("Opinions are our own.")
