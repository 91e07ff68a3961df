"""`wideseek serve`: serve a corpus or episodes to other programs."""

from __future__ import annotations

import click

from wideseek_env.cli.output import ResultGroup
from wideseek_env.cli.serve_agents import agents, announce, mcp


class ServeGroup(ResultGroup):
    """The group `serve`.

    If the first argument is not the name of a subcommand, the group runs `corpus` with that argument.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert ``corpus`` if the subcommand's name was left out."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["corpus", *args]
        return super().parse_args(ctx, args)


@click.group(cls=ServeGroup, short_help="Serve a corpus or episodes to other programs.")
def serve() -> None:
    """Serve a corpus over HTTP, or episodes to agents of other programs.

    \b
    Examples:
      wideseek serve corpus my-corpus --workers 4       search and pages over HTTP
      wideseek serve mcp --role lead --policy scripted  an agent's tools over the Model Context Protocol
      wideseek serve agents --policy scripted           episodes over HTTP, and a team as a chat model
    """


@serve.command(short_help="Serve a corpus over HTTP.")
@click.argument("corpus", metavar="DIR_OR_NAME")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. 0.0.0.0 listens on all addresses.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    show_default=True,
    help="Port. With 0, the server uses a free port.",
)
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that share one index."
)
@click.option(
    "--max-k", type=click.IntRange(1), default=100, show_default=True, help="Maximum results per query."
)
@click.option(
    "--passage-chars",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Characters of a page in a search result. With 0, a result has only the matching passage.",
)
@click.option("--require-key", is_flag=True, help="Refuse to start if WIDESEEK_SERVE_KEY is not set.")
def corpus(
    corpus: str, host: str, port: int, workers: int, max_k: int, passage_chars: int, require_key: bool
) -> None:
    """Serve a corpus: POST /retrieve and /access, GET /health and /metrics.

    The server also understands the clients of Search-R1, ASearcher and RLinf. WideSeek's commands use the
    server with --corpus remote:URL. After Ctrl-C, the server finishes the open requests and stops.

    \b
    Examples:
      wideseek serve corpus my-corpus
      WIDESEEK_SERVE_KEY=… wideseek serve corpus my-corpus --host 0.0.0.0 --workers 4 --require-key
      wideseek eval --policy scripted --tasks my-tasks.jsonl --corpus remote:http://127.0.0.1:8000
    """
    from wideseek_env.cli.world import open_corpus
    from wideseek_env.serve import ServeSettings, run_server

    settings = ServeSettings(
        max_k=max_k, default_k=min(3, max_k), passage_chars=passage_chars, require_key=require_key
    )
    if settings.key() is None and host not in ("127.0.0.1", "::1", "localhost"):
        click.echo(
            f"Warning: anyone who can reach {host} can search. Set {settings.key_variable} to require a key.",
            err=True,
        )
    opened = open_corpus(corpus)
    try:
        run_server(opened, settings, host=host, port=port, workers=workers, announce=announce)
    finally:
        opened.close()


serve.add_command(mcp)
serve.add_command(agents)
