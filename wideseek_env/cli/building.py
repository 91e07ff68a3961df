"""The work of the corpus commands: build a corpus from any source, embed it, and run a tool as an agent would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wideseek_env import catalog
from wideseek_env.cli.world import open_corpus
from wideseek_env.errors import ConfigError, CorpusError
from wideseek_env.messages import ToolCall
from wideseek_env.tools.executor import CorpusTools

if TYPE_CHECKING:
    from wideseek_env.corpus.stored import StoredCorpus


def build_corpus(
    source: str, out: Path, *, name: str | None, overwrite: bool, progress: Callable[[int], None]
) -> StoredCorpus:
    """Build the corpus that `source` names into the folder `out`.

    Args:
        source: A folder, a .jsonl file, ``synthetic:…`` or ``hybridqa:…``.
        out: Folder of the new corpus.
        name: The corpus name in recorded runs. With None, the name is derived from the source.
        overwrite: Replace a corpus that exists in `out`.
        progress: Called with the number of indexed pages.

    Raises:
        ConfigError: `name` is given for a HybridQA corpus, which has a fixed name.
        CorpusError: The source does not exist or has an unknown format.
    """
    from wideseek_env.corpus.stored import SourcePage, StoredCorpus

    kind, _, _ = source.partition(":")
    if kind == "hybridqa":
        from wideseek_env.corpus.hybridqa import build_hybridqa

        if name is not None:
            raise ConfigError(
                "the HybridQA corpus has a fixed name, which its tasks refer to: leave --name out"
            )
        return build_hybridqa(
            catalog.hybridqa_world(source).folder, out, overwrite=overwrite, progress=progress
        )
    if kind == "synthetic":
        world = catalog.synthetic_world(source)
        pages = (SourcePage(*page) for page in world.pages)
        return StoredCorpus.build(
            out, pages, name=name or world.spec, gone=world.gone, overwrite=overwrite, progress=progress
        )
    from wideseek_env.corpus.files import pages_from_folder, pages_from_jsonl

    path = Path(source)
    if path.is_dir():
        found = pages_from_folder(path)
    elif path.is_file() and path.name.endswith((".jsonl", ".jsonl.gz")):
        found = pages_from_jsonl(path)
    elif path.is_file():
        raise CorpusError(
            f"{path} is not a .jsonl file; give one, or a folder of HTML, Markdown or text files"
        )
    else:
        raise CorpusError(
            f"there is no file or folder {path}; give a file, a folder, synthetic:… or hybridqa:…"
        )
    called = name or path.resolve().name.removesuffix(".gz").removesuffix(".jsonl")
    return StoredCorpus.build(out, found, name=called, overwrite=overwrite, progress=progress)


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
