"""Both layouts give the same tables and passages, and bad data is refused with its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hybridqa_data import dataset, lighthouses, write_jsonl, write_ottqa

from wideseek_env.corpus.hybridqa import DataFolder
from wideseek_env.errors import CorpusError


def test_reads_tables_ready_for_display(small: Path) -> None:
    first, *rest = DataFolder.find(small).tables()
    assert (first.uid, first.number, first.path) == ("List_of_lighthouses_0", 0, "/wiki/List_of_lighthouses")
    assert first.section == "Coasts – Men's lights"
    assert first.header == ("No", "Lighthouse", "Country", "Lamp by")
    assert first.rows[0][1] == ("Alder Bay Light", ("/wiki/Alder_Bay_Light",))
    assert [table.number for table in rest] == [0, 3]


def test_both_layouts_agree(small: Path, tmp_path: Path) -> None:
    tables, passages = dataset()
    other = DataFolder.find(write_ottqa(tmp_path / "repository" / "data", tables, passages).parent)
    assert other.layout == "ottqa"
    mine = DataFolder.find(small)
    assert sorted(other.tables(), key=lambda t: t.uid) == sorted(mine.tables(), key=lambda t: t.uid)
    linked = {link for table in mine.tables() for row in table.rows for cell in row for link in cell.links}
    assert dict(other.passages()) == {path: text for path, text in mine.passages() if path in linked}


def test_a_table_crawled_under_two_names_comes_once(tmp_path: Path) -> None:
    record, passages = lighthouses()
    again = {**record, "uid": "Lighthouse_list_0"}
    folder = DataFolder.find(write_jsonl(tmp_path, [record, again], passages))
    assert [table.uid for table in folder.tables()] == [record["uid"]]


def test_the_first_of_two_passages_counts(tmp_path: Path) -> None:
    write_jsonl(tmp_path, [], {"/wiki/A": "first"})
    with (tmp_path / "passages.jsonl").open("a") as file:
        file.write('\n{"url": "/wiki/A", "text": "second"}\n')
    assert list(DataFolder.find(tmp_path).passages()) == [("/wiki/A", "first")]


def test_no_data_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"tables\.jsonl.*traindev_tables_tok"):
        DataFolder.find(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{oops", "not valid JSON"),
        ("[1, 2]", "expected an object"),
        ('{"uid": "A_0", "title": "A"}', "not a table"),
        (
            '{"uid": "A", "title": "A", "url": "https://en.wikipedia.org/wiki/A", "header": [], "data": []}',
            "not a table",
        ),
        (
            json.dumps(
                {
                    "uid": "A_0",
                    "title": "A",
                    "url": "https://en.wikipedia.org/wiki/A",
                    "header": [["a", []], ["b", []]],
                    "data": [[["1", []]]],
                }
            ),
            "row 0 has 1 cells, but the header has 2",
        ),
    ],
)
def test_bad_tables_are_named_by_line(tmp_path: Path, line: str, message: str) -> None:
    record, passages = lighthouses()
    write_jsonl(tmp_path, [record], passages)
    with gzip.open(tmp_path / "tables.jsonl.gz", "at", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(CorpusError, match=rf"tables\.jsonl\.gz:2: {message}"):
        list(DataFolder.find(tmp_path).tables())


def test_a_uid_that_comes_twice_is_refused(tmp_path: Path) -> None:
    record, passages = lighthouses()
    with pytest.raises(CorpusError, match=r":2: the table 'List_of_lighthouses_0' occurs a second time"):
        list(DataFolder.find(write_jsonl(tmp_path, [record, record], passages)).tables())


@pytest.mark.parametrize("line", ['{"url": "Alder", "text": "x"}', '{"url": "/wiki/A"}'])
def test_bad_passages_are_named_by_line(tmp_path: Path, line: str) -> None:
    write_jsonl(tmp_path, [], {"/wiki/A": "x"})
    with (tmp_path / "passages.jsonl").open("a") as file:
        file.write(line)
    with pytest.raises(CorpusError, match=r"passages\.jsonl:2: a passage needs"):
        list(DataFolder.find(tmp_path).passages())


def test_a_truncated_download_is_named(small: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path, *dataset())
    file = tmp_path / "tables.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(CorpusError, match=r"tables\.jsonl\.gz:\d+: cannot be read.*download"):
        list(DataFolder.find(tmp_path).tables())


def test_bad_ottqa_files_are_named(tmp_path: Path) -> None:
    tables, passages = dataset()
    folder = write_ottqa(tmp_path, tables, passages)
    (folder / "traindev_request_tok" / "Z_0.json").write_text('{"/wiki/A": "x",\n oops}')
    with pytest.raises(CorpusError, match=r"Z_0\.json:2: not a readable JSON file"):
        list(DataFolder.find(tmp_path).passages())
    (folder / "traindev_tables_tok" / "Z_0.json").write_text("[]")
    with pytest.raises(CorpusError, match=r"Z_0\.json:1: expected a JSON object"):
        list(DataFolder.find(tmp_path).tables())
