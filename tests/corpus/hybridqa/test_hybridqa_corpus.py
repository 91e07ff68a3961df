"""The pages: what they show, what they keep back, and that every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from hybridqa_data import fetch, html_rows, links, walk

from wideseek_env.corpus.hybridqa import build_hybridqa, load_plans, open_hybridqa
from wideseek_env.corpus.hybridqa.build import RECORD, read_record
from wideseek_env.corpus.hybridqa.pages import page_count, page_url
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.errors import CorpusError, IndexDamagedError

WIKI = "https://en.wikipedia.org/wiki/"


def test_a_list_whose_values_are_on_the_entities_pages_shows_keys_only(small_corpus: StoredCorpus) -> None:
    pages = walk(small_corpus, WIKI + "List_of_lighthouses")
    tables = [html_rows(page) for page in pages]
    assert [table[0] for table in tables] == [["Lighthouse"]] * 2
    names = [name for table in tables for (name,) in table[1:]]
    # The page of Elm Bay Light does not state its country.
    assert len(names) == 11
    assert "Elm Bay Light" not in names
    assert all("Maker" not in page.html and "Norway" not in page.html for page in pages)


def test_pages_of_a_list_lead_to_each_other(small_corpus: StoredCorpus) -> None:
    first, second = walk(small_corpus, WIKI + "List_of_lighthouses")
    assert second.url == WIKI + "List_of_lighthouses?table=0&page=2"
    assert second.title == "List of lighthouses (page 2)"
    assert "Page 1 of 2: rows 1 to 6 of 11." in first.html
    assert "Page 2 of 2: rows 7 to 11 of 11." in second.html
    assert links(second)["Previous page"] == first.url
    assert "Previous page" not in links(first)
    assert links(first)["2"] == second.url
    assert "once counted with care" in first.html
    assert "<h2>Coasts – Men's lights</h2>" in first.html


def test_entity_pages_hold_their_passage(small_corpus: StoredCorpus) -> None:
    page = fetch(small_corpus, WIKI + "Alder_Bay_Light")
    assert page.title == "Alder Bay Light"
    assert "<p>Alder Bay Light (built c. 1900) is a lighthouse in Norway. It's white.</p>" in page.html


def test_an_article_with_several_tables_links_to_each(small_corpus: StoredCorpus) -> None:
    article = fetch(small_corpus, WIKI + "Bay_Race")
    # It is linked to as an entity too: its passage comes first.
    assert "<p>The Bay Race is a race. It has one passage, and two tables.</p>" in article.html
    assert links(article) == {"Women": WIKI + "Bay_Race?table=0", "Men": WIKI + "Bay_Race?table=3"}
    pages = walk(small_corpus, links(article)["Men"])
    assert [page.title for page in pages] == ["Bay Race: Men", "Bay Race: Men (page 2)"]
    table = html_rows(pages[0])
    assert table[0] == ["Rank", "Rider", "Time"]
    assert table[1] == ["1", "Rider Men Ason", "1:00.05"]
    assert links(pages[0])["Rider Men Ason"] == WIKI + "Rider_Men_Ason"


def test_titles_with_odd_characters(small_corpus: StoredCorpus) -> None:
    assert page_url('/wiki/Who_is_"Ed"?') == WIKI + "Who_is_%22Ed%22%3F"
    page = fetch(small_corpus, WIKI + "Who_is_%22Ed%22%3F")
    assert page.title == 'Who is "Ed"?'
    assert 'Who is "Ed"? is a film.' in page.html


@pytest.mark.parametrize("rows", range(2, 61))
def test_no_page_holds_a_whole_table(rows: int) -> None:
    assert 2 <= page_count(rows) <= 6


def test_search_finds_lists_by_title(small_corpus: StoredCorpus) -> None:
    lighthouses, men = small_corpus.search(["List of lighthouses", "Bay Race Men"], 3)
    assert lighthouses[0].url == WIKI + "List_of_lighthouses"
    assert WIKI + "Bay_Race?table=3" in [hit.url for hit in men]


def test_the_corpus_records_its_plans(small: Path, small_corpus: StoredCorpus) -> None:
    plans = load_plans(small)
    assert small_corpus.name == plans.corpus_name
    assert read_record(small_corpus.path) == dict(plans.by_uid)
    modes = {uid: plan.mode for uid, plan in plans.by_uid.items()}
    assert modes == {"List_of_lighthouses_0": "pages", "Bay_Race_0": "table", "Bay_Race_3": "table"}
    again = open_hybridqa(small_corpus.path)
    assert len(again) == len(small_corpus)
    again.close()


def test_an_incomplete_or_other_corpus_is_refused(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    calls: list[int] = []
    build_hybridqa(small, out, progress=calls.append).close()
    assert calls
    with pytest.raises(CorpusError, match="overwrite"):
        build_hybridqa(small, out)
    record = out / RECORD
    record.write_text(record.read_text().replace('"version": 1', '"version": 0'))
    with pytest.raises(IndexDamagedError, match="another version"):
        open_hybridqa(out)
    record.unlink()
    with pytest.raises(IndexDamagedError, match="build it again"):
        open_hybridqa(out)
    build_hybridqa(small, out, overwrite=True).close()
    open_hybridqa(out).close()


def test_every_link_of_the_real_sample_leads_somewhere(sample: Path, sample_corpus: StoredCorpus) -> None:
    plans = load_plans(sample)
    for table in plans.tables[::25]:
        for page in walk(sample_corpus, page_url(table.path)):
            for text, url in links(page).items():
                assert fetch(sample_corpus, url).status == 200, (page.url, text, url)


def test_real_pages_read_naturally(sample: Path, sample_corpus: StoredCorpus) -> None:
    plans = load_plans(sample)
    spaced = re.compile(r"\w \.|\w ,|\( |\w 's\b|\[citation|\u200b")
    texts = [fetch(sample_corpus, page_url(table.path)).html for table in plans.tables[::5]]
    odd = [text for text in texts if spaced.search(BeautifulSoup(text, "lxml").get_text())]
    assert len(texts) > 100
    assert len(odd) <= 0.05 * len(texts)
