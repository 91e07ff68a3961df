"""The synthetic world: its knobs and spec, its determinism, and what its pages may and may not say."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys

import pytest
from honest_reader import parse

from wideseek_env.corpus.synthetic import SyntheticWorld, WorldConfig
from wideseek_env.corpus.synthetic.model import ANYWIKI, ARCHIVE
from wideseek_env.errors import ConfigError
from wideseek_env.pages.document import to_document

SMALL = "synthetic:seed=7,pages=400,rows=8-14,lists_per_region=2,stale=0.3,conflicts=0.3,near_duplicates=0.3"


@pytest.fixture(scope="module")
def small() -> SyntheticWorld:
    return SyntheticWorld.from_spec(SMALL)


@pytest.fixture(scope="module")
def default() -> SyntheticWorld:
    return SyntheticWorld()


@pytest.mark.parametrize(
    ("spec", "canonical"),
    [
        ("synthetic", "synthetic:seed=0,pages=2000"),
        ("synthetic:seed=3", "synthetic:seed=3,pages=2000"),
        ("synthetic: rows=30 , hops=3,pages=900", "synthetic:seed=0,pages=900,rows=30,hops=3"),
        ("synthetic:columns=1-3,stale=0", "synthetic:seed=0,pages=2000,columns=1-3,stale=0.0"),
        ("synthetic:seed=-2,gone=1", "synthetic:seed=-2,pages=2000,gone=1.0"),
    ],
)
def test_spec_round_trip(spec: str, canonical: str) -> None:
    world = SyntheticWorld.from_spec(spec)
    assert world.spec == canonical
    assert SyntheticWorld.from_spec(canonical) == world


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("hybridqa:x", "must start with 'synthetic:'"),
        ("synthetic:row=30", "unknown setting 'row'; known are seed, pages, rows"),
        ("synthetic:rows=many", "rows must be an integer or a range"),
        ("synthetic:rows=30-20", "rows must be a pair"),
        ("synthetic:rows=1", "rows must be from 3"),
        ("synthetic:pages=2.5", "pages must be an integer"),
        ("synthetic:pages=10", "pages must be from"),
        ("synthetic:hops=4", "hops must be from 1 to 3"),
        ("synthetic:stale=1.5", "stale must be a number from 0 to 1"),
        ("synthetic:stale=nan", "stale must be a number from 0 to 1"),
        ("synthetic:distractors=0.95", "distractors must be a number from 0 to 0.9"),
        ("synthetic:seed=1,seed=2", "given twice"),
        ("synthetic:seed", "seed needs a value"),
    ],
)
def test_bad_specs_are_refused(spec: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        SyntheticWorld.from_spec(spec)


def test_bad_types_are_refused() -> None:
    with pytest.raises(ConfigError, match="pair of integers"):
        WorldConfig(rows=[3, 4])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="seed must be an integer"):
        SyntheticWorld("1")  # type: ignore[arg-type]


def test_digest_is_pinned(small: SyntheticWorld) -> None:
    """A change of a single byte of any page shows here: it makes recorded runs of old worlds unrepeatable."""
    assert small.digest() == "bfe30cf28c0d2283527e09337010455964e7835120151d25f0a511fe4c3cf265"


def test_digest_does_not_depend_on_the_hash_seed() -> None:
    code = f"from wideseek_env.corpus.synthetic import SyntheticWorld as W; print(W.from_spec('{SMALL}').digest())"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_seeds_give_different_worlds(small: SyntheticWorld) -> None:
    assert SyntheticWorld(8, small.config).digest() != small.digest()


def test_pickles_as_seed_and_config(small: SyntheticWorld) -> None:
    assert len(small.pages) == 400
    data = pickle.dumps(small)
    assert len(data) < 1000
    assert pickle.loads(data) == small
    assert pickle.loads(data).digest() == small.digest()


@pytest.mark.parametrize(
    "settings", ["", ",rows=48", ",hops=1", ",lists_per_region=10", ",stale=1,conflicts=1"]
)
def test_as_many_pages_as_asked_for(settings: str) -> None:
    for pages in (1000, 1003):
        world = SyntheticWorld.from_spec(f"synthetic:pages={pages}{settings}")
        assert len(world.pages) == pages
        assert len({page.url for page in world.pages}) == pages


@pytest.mark.parametrize("rows", ["3", "48", "100"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_smallest_world_has_a_list(rows: str, seed: int) -> None:
    tight = "distractors=0.1,stale=1,conflicts=1,near_duplicates=0.5,gone=0"
    smallest = SyntheticWorld.from_spec(f"synthetic:rows={rows},{tight}").config.smallest
    world = SyntheticWorld.from_spec(f"synthetic:seed={seed},rows={rows},{tight},pages={smallest}")
    assert len(world.lists) >= 1
    assert len(world.pages) <= smallest


def test_every_link_leads_to_a_page_or_is_known_to_be_gone(default: SyntheticWorld) -> None:
    pages = {page.url for page in default.pages}
    gone = set(default.gone)
    assert gone
    assert not pages & gone
    linked = {url for page in default.pages for url in parse(page.html).links.values()}
    assert linked <= pages | gone
    assert gone <= linked


def test_names_are_unique_and_the_ambiguous_ones_told_apart(small: SyntheticWorld) -> None:
    names = [entity.name.casefold() for each in small.lists for entity in each.entities]
    assert len(set(names)) == len(names)
    groups = [group for each in small.lists for group in each.ambiguous]
    assert groups
    for group in groups:
        for entity in group:
            assert entity.name == f"{group[0].base} ({entity.links[entity.attributes[0].label].name})"


def test_lists_carry_names_only(default: SyntheticWorld) -> None:
    for each in default.lists[:6]:
        pages = [default.page(each.page_url(n)) for n in range(1, each.page_count(15) + 1)]
        text = "\n".join(page.text for page in pages)
        linked = [item for page in pages for item in parse(page.html).items]
        assert linked == [(entity.name, entity.url) for entity in each.entities]
        for entity in each.entities:
            for attribute in entity.attributes:
                value = entity.values[attribute.label].text
                if attribute.type not in ("town", "number") or " " in value:
                    assert value not in text


def test_no_page_gives_attributes_of_more_than_a_few_entities(default: SyntheticWorld) -> None:
    """Only list and disambiguation pages and town-less link lists name many; none of those has a value."""
    names = {e.name: each for each in default.lists for e in each.entities}
    lists = {each.page_url(n) for each in default.lists for n in range(1, each.page_count(15) + 1)}
    for page in default.pages:
        if page.url in lists or page.title.endswith("(disambiguation)"):
            continue
        assert len(names.keys() & parse(page.html).links.keys()) <= 4


def test_articles_give_every_attribute_by_the_documented_rules(default: SyntheticWorld) -> None:
    in_prose = 0
    for each in default.lists:
        for entity in each.entities:
            article = parse(default.page(entity.url).html)
            for attribute in entity.attributes:
                assert article.value(attribute.label) == entity.values[attribute.label].text
                in_prose += attribute.label not in article.infobox
        for thing in (*each.people, *each.register_entries, *each.region.towns):
            article = parse(default.page(thing.url).html)
            for label, value in thing.values.items():
                assert article.value(label) == value.text
    assert in_prose > 500


def test_values_are_plausible(default: SyntheticWorld) -> None:
    for each in default.lists:
        for person in each.people:
            born = person.values["Birth year"].order
            for entity in person.seen_in:
                made = next(a.label for a in entity.attributes if a.type in ("year", "date"))
                year = int(entity.values[made].text[-4:])
                assert 20 < year - born < 140


def test_stale_and_conflicting_pages_differ_from_the_truth_and_say_so(small: SyntheticWorld) -> None:
    entities = {entity.name: entity for each in small.lists for entity in each.entities}
    stale = [page for page in small.pages if page.url.startswith(ARCHIVE)]
    unchecked = [page for page in small.pages if page.url.startswith(ANYWIKI)]
    assert len(stale) > 10
    assert len(unchecked) > 10
    for page in stale:
        name, _, year = page.title.rpartition(" (archived copy of ")
        assert "This is an archived copy" in page.text
        assert f"figures are as of {year.rstrip(')')}" in page.text
        assert _disagreements(page.html, entities[name])
    for page in unchecked:
        assert "cites no sources" in page.text
        assert _disagreements(page.html, entities[page.title.removesuffix(" – Anywiki")])


def _disagreements(html: str, entity: object) -> list[str]:
    article = parse(html)
    wrong = []
    for label, value in entity.values.items():  # type: ignore[attr-defined]
        try:
            if article.value(label) != value.text:
                wrong.append(label)
        except KeyError:
            continue
    return wrong


def test_official_sites_and_the_register_agree_with_the_almanack(default: SyntheticWorld) -> None:
    checked = 0
    for each in default.lists:
        for entity in each.entities:
            site = entity.values.get("Website")
            if site is not None and not entity.site_is_gone:
                article = parse(default.page(site.text).html)
                for attribute in entity.attributes:
                    if attribute.drifts:
                        assert article.value(attribute.label) == entity.values[attribute.label].text
                        checked += 1
    assert checked > 50


def test_html_and_text_say_the_same(small: SyntheticWorld) -> None:
    for page in small.pages:
        article = parse(page.html)
        for sentence in article.sentences:
            assert sentence in page.text
        for label, value in article.infobox.items():
            assert f"{label}: {value}" in page.text


def test_one_hop_worlds_have_no_pages_for_people() -> None:
    world = SyntheticWorld.from_spec("synthetic:pages=400,rows=10,hops=1")
    assert all(not person.url for each in world.lists for person in each.people)
    assert all("register.example" not in page.url for page in world.pages)


def test_lists_may_be_numbered_through_all_their_pages() -> None:
    settings = "synthetic:pages=400,rows=8,page_size=5"
    bullets, numbers, mixed = (
        SyntheticWorld.from_spec(f"{settings},numbered={share}") for share in ("0", "1", "0.5")
    )
    for plain, numbered in zip(bullets.lists, numbers.lists, strict=True):
        names = [entity.name for entity in plain.entities]
        for page, first in ((1, 0), (2, 5)):
            shown = enumerate(names[first : first + 5], first + 1)
            read = to_document(numbers.page(numbered.page_url(page)).html).markdown
            assert [line.split("](")[0] for line in read.splitlines() if re.match(r"\d+\. ", line)] == [
                f"{place}. [{name}" for place, name in shown
            ]
            assert "<ol" not in bullets.page(plain.page_url(page)).html
    kinds = ["<ol" in mixed.page(each.page_url()).html for each in mixed.lists]
    assert 0 < sum(kinds) < len(kinds)


def test_corpus_finds_serves_and_knows_what_is_gone(small: SyntheticWorld) -> None:
    corpus = small.corpus()
    assert corpus.name == small.spec
    page = corpus.fetch(small.pages[0].url)
    assert page is not None
    assert page.html == small.pages[0].html
    gone = corpus.fetch(small.gone[0])
    assert gone is not None
    assert (gone.status, gone.html) == (410, "")
    assert corpus.fetch("https://almanack.example/wiki/nothing-of-the-kind") is None
