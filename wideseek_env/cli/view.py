"""`wideseek view`: show recorded runs in the browser, from a file or from a local server."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wideseek_env.cli.effects import refuse
from wideseek_env.cli.output import ResultCommand, result

if TYPE_CHECKING:
    from wideseek_env.viewer import RunReader


@click.command(cls=ResultCommand, short_help="Show recorded episodes in the browser.")
@click.argument("runs", metavar="RUN [RUN…]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The HTML file to write. Default: the name of the run, followed by .html.",
)
@click.option(
    "--serve", is_flag=True, help="Serve the page to this machine. The page updates while a run grows."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8008,
    show_default=True,
    help="Port of --serve. With 0, the server uses a free port.",
)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
def view(runs: tuple[Path, ...], out: Path | None, serve: bool, port: int, show: bool) -> None:
    """Look at recorded episodes in the browser.

    The page shows what each agent did and when. It compares the answer with the gold table, cell by cell.

    RUN is a folder of `wideseek eval` or `wideseek score`, or a file of trajectories (JSONL, .gz). With several runs,
    the page can show two episodes of a task side by side. The page is one file that needs no network. Press ? in the
    page to see its keys.

    \b
    Examples:
      wideseek view runs/a --open
      wideseek view runs/width-1 runs/width-8 --out compared.html
      wideseek view runs/a --serve
    """
    if not serve:
        refuse("without --serve", "port")
    from wideseek_env.cli.progress import working
    from wideseek_env.cli.serve_agents import announce
    from wideseek_env.errors import ConfigError
    from wideseek_env.viewer import RunReader, ViewServer, write_page

    if serve and out is not None:
        raise ConfigError("--serve writes no file: leave out --out or --serve")
    readers = [RunReader(path) for path in runs]
    if serve:
        server = ViewServer(readers, port)
        try:
            announce(server.url)
            if show:
                webbrowser.open(server.url)
            server.serve_forever()
        except KeyboardInterrupt:
            pass  # the usual way to stop the server
        finally:
            server.close()
        return
    for reader in readers:
        with working(f"Reading {reader.path}"):
            reader.refresh()
        if not reader.episodes:
            raise ConfigError(f"{reader.path} has no finished episode yet; use --serve to wait for the first")
    path = out or Path(f"{_stem(readers)}.html")
    with working(f"Writing {path}"):
        write_page(readers, path)
    count, size = sum(len(reader.episodes) for reader in readers), path.stat().st_size
    result(
        lambda: {"file": path, "episodes": count, "bytes": size},
        f"{path}: {count} {'episode' if count == 1 else 'episodes'}, {size / 1e6:.1f} MB",
    )
    if show:
        webbrowser.open(path.resolve().as_uri())


def _stem(readers: list[RunReader]) -> str:
    return "-".join(reader.name.removesuffix(".gz").removesuffix(".jsonl") for reader in readers[:3])
