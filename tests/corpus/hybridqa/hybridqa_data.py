"""A small data set made by hand, writers for the two layouts, and a reader of pages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from wideseek_env.corpus.base import Page
from wideseek_env.corpus.stored import StoredCorpus

Record = dict[str, Any]


def cell(text: str, *links: str) -> list[Any]:
    return [text, list(links)]


def table(title: str, number: int, header: list[str], data: list[list[Any]], **more: str) -> Record:
    name = title.replace(" ", "_")
    texts = {"intro": "", "section_title": "", "section_text": "", **more}
    return {
        "uid": f"{name}_{number}",
        "title": title,
        "url": f"https://en.wikipedia.org/wiki/{name}",
        "header": [cell(text) for text in header],
        "data": data,
        **texts,
    }


BAYS = [
    "Alder",
    "Birch",
    "Cedar",
    "Dogwood",
    "Elm",
    "Fir",
    "Ginkgo",
    "Hazel",
    "Ivy",
    "Juniper",
    "Katsura",
    "Larch",
]
COUNTRIES = ["Norway", "Chile", "Japan", "Ghana"]


def lighthouses() -> tuple[Record, dict[str, str]]:
    """Twelve lighthouses whose pages state the country (but for one) and never the lamp's maker."""
    rows, passages = [], {}
    for number, bay in enumerate(BAYS):
        country = COUNTRIES[number % 4]
        path = f"/wiki/{bay}_Bay_Light"
        rows.append(
            [
                cell(str(number + 1)),
                cell(f"{bay} Bay Light", path),
                cell(country, f"/wiki/{country}"),
                cell(f"Maker {number % 5} & Sons"),
            ]
        )
        where = "an unknown land" if bay == "Elm" else country
        passages[path] = f"{bay} Bay Light ( built c. 1900 ) is a lighthouse in {where} . It 's white ."
    for country in COUNTRIES:
        passages[f"/wiki/{country}"] = f"{country} is a country ."
    return (
        table(
            "List of lighthouses",
            0,
            ["No", "Lighthouse", "Country", "Lamp by"],
            rows,
            intro="This is a list of lighthouses that somebody once counted with care. It is short.",
            section_title="Coasts -- Men 's lights",
        ),
        passages,
    )


def races(number: int, section: str, size: int = 13) -> tuple[Record, dict[str, str]]:
    """Riders with a time and a rank that no rider's page states."""
    rows, passages = [], {}
    for place in range(size):
        path = f"/wiki/Rider_{section}_{chr(65 + place)}son"
        rows.append(
            [
                cell(f"{place + 1}"),
                cell(f"Rider {section} {chr(65 + place)}son", path),
                cell(f"1:0{place}.{place}5"),
            ]
        )
        passages[path] = f"Rider {section} {chr(65 + place)}son is a rider ."
    return table("Bay Race", number, ["Rank", "Rider", "Time"], rows, section_title=section), passages


def dataset() -> tuple[list[Record], dict[str, str]]:
    tables, passages = [], {}
    for record, texts in (lighthouses(), races(0, "Women"), races(3, "Men")):
        tables.append(record)
        passages.update(texts)
    passages["/wiki/Bay_Race"] = "The Bay Race is a race . It has one passage , and two tables ."
    passages['/wiki/Who_is_"Ed"?'] = "Who is `` Ed '' ? is a film ."
    return tables, passages


def write_jsonl(folder: Path, tables: list[Record], passages: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / "tables.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in tables)
    with (folder / "passages.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"url": url, "text": text}) + "\n" for url, text in passages.items())
    return folder


def write_ottqa(folder: Path, tables: list[Record], passages: dict[str, str]) -> Path:
    for name in ("traindev_tables_tok", "traindev_request_tok"):
        (folder / name).mkdir(parents=True)
    for record in tables:
        (folder / "traindev_tables_tok" / f"{record['uid']}.json").write_text(
            json.dumps(record), encoding="utf-8"
        )
        links = {link for row in record["data"] for _, links in row for link in links}
        texts = {path: text for path, text in passages.items() if path in links}
        (folder / "traindev_request_tok" / f"{record['uid']}.json").write_text(
            json.dumps(texts), encoding="utf-8"
        )
    return folder


def fetch(corpus: StoredCorpus, url: str) -> Page:
    page = corpus.fetch(url)
    assert page is not None, url
    return page


def html_rows(page: Page) -> list[list[str]]:
    rows = BeautifulSoup(page.html, "lxml").select("table tr")
    return [[cell.get_text() for cell in row.select("td, th")] for row in rows]


def links(page: Page, within: str = "body") -> dict[str, str]:
    anchors = BeautifulSoup(page.html, "lxml").select(f"{within} a")
    return {anchor.get_text(): str(anchor["href"]) for anchor in anchors}


def walk(corpus: StoredCorpus, url: str) -> list[Page]:
    """The page at `url` and those that `Next page` leads to."""
    pages = [fetch(corpus, url)]
    while following := links(pages[-1]).get("Next page"):
        pages.append(fetch(corpus, following))
    return pages
