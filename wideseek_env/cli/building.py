"""The work of the corpus commands: build a corpus from any source, embed it, and run a tool as an agent would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wideseek_env import catalog
from wideseek_env.cli.world import open_corpus
from wideseek_env.errors import ConfigError, CorpusError
from wideseek_env.messages import ToolCall
from wideseek_env.tools.executor import CorpusTools

if TYPE_CHECKING:
    from wideseek_env.cli.progress import PageBar
    from wideseek_env.corpus.sources import Skipped
    from wideseek_env.corpus.stored import StoredCorpus


def build_corpus(
    sources: Sequence[str], out: Path, *, name: str | None, overwrite: bool, bar: PageBar
) -> tuple[StoredCorpus, Skipped]:
    """Build the corpus that `sources` name into the folder `out`. Returns also what was skipped.

    Args:
        sources: Files, folders, patterns or ``-`` (`PageFiles`), or one ``synthetic:…`` or ``hybridqa:…``.
        out: Folder of the new corpus.
        name: The corpus name in recorded runs. With None, the name is derived from the source, or from `out` if there
            are several sources.
        overwrite: Replace a corpus that exists in `out`.
        bar: Shows the progress.

    Raises:
        ConfigError: `name` is given for a HybridQA corpus, which has a fixed name.
        CorpusError: The source does not exist or has an unknown format.
    """
    from wideseek_env.corpus.sources import Skipped, SourcePage
    from wideseek_env.corpus.stored import StoredCorpus

    source = sources[0]
    kind, _, _ = source.partition(":")
    if kind in ("hybridqa", "synthetic") and len(sources) > 1:
        raise ConfigError(f"{source} cannot be combined with other sources")
    if kind == "hybridqa":
        from wideseek_env.corpus.hybridqa import build_hybridqa

        if name is not None:
            raise ConfigError(
                "the HybridQA corpus has a fixed name, which its tasks refer to: leave --name out"
            )
        built = build_hybridqa(catalog.hybridqa_world(source).folder, out, overwrite=overwrite, progress=bar)
        return built, Skipped()
    if kind == "synthetic":
        world = catalog.synthetic_world(source)
        bar.pace.total = len(world.pages)
        pages = (SourcePage(*page) for page in world.pages)
        built = StoredCorpus.build(
            out, pages, name=name or world.spec, gone=world.gone, overwrite=overwrite, progress=bar
        )
        return built, Skipped()
    from wideseek_env.corpus.files import STDIN, PageFiles

    files = PageFiles(*sources)
    bar.share = lambda: files.share
    named = Path(source) if len(sources) == 1 and source != STDIN and Path(source).exists() else out
    called = name or named.resolve().name
    for ending in (".gz", ".jsonl", ".parquet"):
        called = called.removesuffix(ending)
    built = StoredCorpus.build(out, files, name=called, overwrite=overwrite, progress=bar)
    return built, files.skipped


def embed_corpus(
    corpus_name: str, model: Path, out: Path, *, overwrite: bool, progress: Callable[[int], None]
) -> int:
    """Embed every page of a stored corpus into the folder `out`, and return the number of pages.

    Raises:
        ConfigError: The corpus is not a folder on disk.
    """
    from wideseek_env.corpus.dense import DenseIndex, documents_of, load_embedder
    from wideseek_env.corpus.stored import StoredCorpus

    corpus = open_corpus(corpus_name)
    try:
        if not isinstance(corpus, StoredCorpus):
            raise ConfigError(f"{corpus_name} is not a corpus on disk; build one with wideseek corpus build")
        index = DenseIndex.build(
            out,
            documents_of(corpus),
            load_embedder(model),
            name=corpus.name,
            overwrite=overwrite,
            progress=progress,
        )
    finally:
        corpus.close()
    try:
        return len(index)
    finally:
        index.close()


def run_tool(corpus_name: str, tool: str, arguments: dict[str, Any]) -> str:
    """The text that an agent would get if it called the tool with these arguments.

    Raises:
        CorpusError: The tool failed.
    """
    corpus = open_corpus(corpus_name)
    try:
        result = CorpusTools(corpus).run([ToolCall("cli/0/0", "cli", tool, arguments)])[0]
    finally:
        corpus.close()
    if not result.ok:
        raise CorpusError(result.text.removeprefix("Error: "))
    return result.text
