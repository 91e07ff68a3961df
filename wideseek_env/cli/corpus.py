"""`wideseek corpus`: build a corpus, search it, and show its pages as agents see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wideseek_env.cli.effects import refuse
from wideseek_env.cli.output import ResultGroup, result


@click.group(cls=ResultGroup)
def corpus() -> None:
    """Build, search and show corpora."""


@corpus.command()
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the new corpus."
)
@click.option("--name", help="Name of the corpus in recorded runs. Default: derived from the source.")
@click.option("--overwrite", is_flag=True, help="Replace a corpus that exists in the folder.")
def build(sources: tuple[str, ...], out: Path, name: str | None, overwrite: bool) -> None:
    """Index pages into a folder.

    SOURCE is a folder of HTML, Markdown or text files, a .jsonl, .jsonl.gz or .parquet file, a folder or
    a pattern of such files, - for JSON Lines in standard input, synthetic[:key=value,…] or hybridqa:FOLDER.
    Several files are the shards of one corpus.

    \b
    Examples:
      wideseek corpus build my-pages/ --out my-corpus
      wideseek corpus build pages.jsonl --out my-corpus --name handbook-2024
      wideseek corpus build 'shards/*.parquet' --out my-corpus
      zstdcat wiki-18.jsonl.zst | wideseek corpus build - --out wiki-18
      wideseek corpus build synthetic:seed=3,pages=10000 --out world-3
      wideseek corpus build hybridqa:data/hybridqa --out wiki
    """
    from wideseek_env.cli.building import build_corpus
    from wideseek_env.cli.console import say
    from wideseek_env.cli.progress import PageBar
    from wideseek_env.files import unfinished

    with unfinished(out, [*sources, name]) as again, PageBar() as bar:
        built, skipped = build_corpus(sources, out, name=name, overwrite=overwrite or again, bar=bar)
    about: dict[str, Any] = {
        "corpus": out,
        "name": built.name,
        "pages": len(built),
        "passages": built.passages,
    }
    built.close()
    pages = f"{about['pages']:,} pages"
    if about["passages"] > about["pages"]:
        pages += f" with {about['passages']:,} passages"
    if skipped.counts:
        say(f"Skipped: {skipped}")
    result(lambda: {**about, "skipped": dict(skipped.counts)}, f"{out}: {pages}, called {about['name']}")


@corpus.command()
@click.argument("corpus", metavar="DIR_OR_NAME")
@click.option(
    "--model",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of an embedding model: sentence-transformers, or a static model.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of the dense index.",
)
@click.option("--overwrite", is_flag=True, help="Replace an index that exists in the folder.")
def embed(corpus: str, model: Path, out: Path, overwrite: bool) -> None:
    """Embed the pages of a corpus for dense and hybrid search.

    \b
    Examples:
      wideseek corpus embed my-corpus --model models/all-MiniLM-L6-v2 --out my-dense
      wideseek corpus search hybrid:my-corpus+my-dense who designed the tower
    """
    from wideseek_env.cli.building import embed_corpus
    from wideseek_env.cli.progress import PageBar
    from wideseek_env.files import unfinished

    with unfinished(out, [corpus, str(model)]) as again, PageBar("Embedding") as bar:
        passages = embed_corpus(corpus, model, out, overwrite=overwrite or again, progress=bar)
    result(lambda: {"index": out, "pages": passages}, f"{out}: {passages:,} pages embedded")


@corpus.command()
@click.argument("corpus", metavar="DIR_OR_NAME")
@click.argument("queries", metavar="QUERY…", nargs=-1, required=True)
@click.option(
    "-k", "--count", type=click.IntRange(1, 100), default=3, show_default=True, help="Number of results."
)
def search(corpus: str, queries: tuple[str, ...], count: int) -> None:
    """Show search results as agents see them. The words of QUERY are one query.

    \b
    Examples:
      wideseek corpus search synthetic list of museums
      wideseek corpus search my-corpus -k 10 "annual report"
    """
    from wideseek_env.cli.building import run_tool

    query = " ".join(queries)
    text = run_tool(corpus, "search", {"query": query, "count": count})
    result(lambda: {"query": query, "text": text}, text)


@corpus.command()
@click.argument("corpus", metavar="DIR_OR_NAME")
@click.argument("url")
@click.option(
    "--chunk", type=click.IntRange(min=1), default=1, show_default=True, help="Chunk of a long page to show."
)
@click.option("--focus", default="", help="Show only the parts of the page about this topic.")
def show(corpus: str, url: str, chunk: int, focus: str) -> None:
    """Show a page as agents see it.

    \b
    Examples:
      wideseek corpus show my-corpus https://example.org/handbook
      wideseek corpus show my-corpus https://example.org/handbook --chunk 2
      wideseek corpus show my-corpus https://example.org/handbook --focus "holidays"
    """
    if chunk > 1:
        refuse(f"with --chunk {chunk}", "focus")
    from wideseek_env.cli.building import run_tool

    text = run_tool(corpus, "browse", {"url": url, "chunk": chunk, "focus": focus})
    result(lambda: {"url": url, "chunk": chunk, "text": text}, text)
