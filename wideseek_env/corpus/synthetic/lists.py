"""The Almanack's lists: pages of names with links and without attributes, and the pages that lead to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from wideseek_env.corpus.synthetic.articles import ALMANACK_SITE, category_url, revised
from wideseek_env.corpus.synthetic.config import WorldConfig
from wideseek_env.corpus.synthetic.dice import Dice
from wideseek_env.corpus.synthetic.kinds import KINDS, Kind
from wideseek_env.corpus.synthetic.markup import Inline, PageWriter, WorldPage
from wideseek_env.corpus.synthetic.model import ALMANACK, Entity, EntityList, Region
from wideseek_env.corpus.synthetic.names import slug

NEXT_PAGE = "Next page"
"""The text of the link to the following page of a list or category. The last page has no such link."""

PREVIOUS_PAGE = "Previous page"


def list_pages(seed: int, entity_list: EntityList, config: WorldConfig) -> Iterator[WorldPage]:
    """The pages of a list in alphabetical order, with `config.page_size` names each. The share `config.numbered` of all
    lists has numbered entries."""
    kind, page_size = entity_list.kind, config.page_size
    numbered = Dice(seed, "numbered", entity_list.phrase).chance(config.numbered)
    dice = Dice(seed, "list pages", entity_list.phrase)
    count = len(entity_list.entities)
    pages = entity_list.page_count(page_size)
    title = f"List of {entity_list.phrase}"
    for number in range(1, pages + 1):
        first = (number - 1) * page_size
        shown = entity_list.entities[first : first + page_size]
        writer = PageWriter(entity_list.page_url(number), _numbered(title, number), ALMANACK_SITE)
        if number == 1:
            writer.paragraph(
                f"This is the complete list of {entity_list.phrase}, {count} in all, in alphabetical order. "
                "Particulars are given in the articles."
            )
        writer.paragraph(f"Page {number} of {pages}: entries {first + 1} to {first + len(shown)} of {count}.")
        entries: list[list[Inline]] = [[(entity.name, entity.url)] for entity in shown]
        if numbered:
            writer.numbered(entries, first + 1)
        else:
            writer.bullets(entries)
        _page_links(writer, [entity_list.page_url(n) for n in range(1, pages + 1)], number)
        writer.paragraph("Category: ", (kind.plural.capitalize(), category_url(kind)))
        yield writer.page(revised(dice))


def _numbered(title: str, number: int) -> str:
    return title if number == 1 else f"{title} (page {number})"


def _page_links(writer: PageWriter, urls: Sequence[str], number: int) -> None:
    links: list[Inline] = []
    if number > 1:
        links.append((PREVIOUS_PAGE, urls[number - 2]))
    if 1 < number < len(urls):
        links.append(" | ")
    if number < len(urls):
        links.append((NEXT_PAGE, urls[number]))
    if links:
        writer.paragraph(*links)


def category_pages(seed: int, kind: Kind, lists: Sequence[EntityList], page_size: int) -> Iterator[WorldPage]:
    """The pages of the category of a kind. They link to the lists of this kind in all regions."""
    dice = Dice(seed, "category", kind.key)
    lists = sorted(lists, key=lambda each: each.phrase)
    pages = -(-len(lists) // page_size)
    for number in range(1, pages + 1):
        title = _numbered(f"Category: {kind.plural.capitalize()}", number)
        writer = PageWriter(category_url(kind, number), title, ALMANACK_SITE)
        writer.paragraph("Lists in this category.")
        shown = lists[(number - 1) * page_size : number * page_size]
        writer.bullets([[(f"List of {each.phrase}", each.page_url())] for each in shown])
        _page_links(writer, [category_url(kind, n) for n in range(1, pages + 1)], number)
        yield writer.page(revised(dice))


def disambiguation(seed: int, entity_list: EntityList, group: Sequence[Entity]) -> WorldPage:
    """The page that distinguishes entities with the same name."""
    base = group[0].base
    dice = Dice(seed, "disambiguation", base)
    writer = PageWriter(f"{ALMANACK}/wiki/{slug(base)}", f"{base} (disambiguation)", ALMANACK_SITE)
    writer.paragraph(f"{base} may refer to one of several {entity_list.kind.plural}:")
    writer.bullets([[(entity.name, entity.url)] for entity in group])
    return writer.page(revised(dice))


def front_page(seed: int, regions: Iterable[Region]) -> WorldPage:
    """The Almanack's front page: its categories and regions, and a note on its reliability."""
    regions = list(regions)
    present = {each.kind.key for region in regions for each in region.lists}
    writer = PageWriter(f"{ALMANACK}/", ALMANACK_SITE, ALMANACK_SITE)
    writer.paragraph(
        f"{ALMANACK_SITE} is a reference work. Every article is checked against the official registers once "
        "a year; where another site or an older copy disagrees, the article here is right."
    )
    writer.heading("Categories")
    writer.bullets([[(k.plural.capitalize(), category_url(k))] for k in KINDS if k.key in present])
    writer.heading("Regions")
    writer.bullets([[(region.name, region.url)] for region in sorted(regions, key=lambda r: r.name)])
    return writer.page(revised(Dice(seed, "front page")))
