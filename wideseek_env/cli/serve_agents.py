"""`wideseek serve mcp` and `wideseek serve agents`: let agents of other programs act in episodes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wideseek_env.cli import effects, options
from wideseek_env.cli.output import ResultCommand, is_json, result

if TYPE_CHECKING:
    from wideseek_env.serve import ServeSettings
    from wideseek_env.serve.agents import DeskSettings, EpisodeDesk

_common = options.stack(
    options.policy_choice(),
    click.option(
        "--task-id", "--task", "task_id", default="", help="The task. Default: the client's choice, or the first task."
    ),
    click.option("--subtask", default="",
        help="The first subtask that the lead delegates, if the client acts for a subagent."),
    options.seed_option,
    click.option(
        "--out", type=click.Path(dir_okay=False, path_type=Path), help="Append every trajectory to this JSONL file."
    ),
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on (HTTP)."),
    click.option(
        "--max-episodes", type=click.IntRange(1), default=64, show_default=True, help="Maximum number of open episodes."
    ),
    click.option(
        "--idle", type=click.FloatRange(min=1), default=1800.0, show_default=True,
        help="Seconds without a request after which the server closes an episode.",
    ),
    click.option("--require-key", is_flag=True, help="Refuse to start if WIDESEEK_SERVE_KEY is not set."),
)  # fmt: skip


@click.command(cls=ResultCommand, short_help="Let a client act as one agent over MCP.")
@options.game_options("wideseek serve mcp")
@_common
@click.option(
    "--role", type=click.Choice(("lead", "subagent", "single", "tools")), default="lead", show_default=True,
    help="Role of the client's agent. tools starts no episode: it offers search, browse and the custom tools "
    "of a single agent.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65_535),
    help="Serve streamable HTTP at this port. With 0, the server uses a free port. Default: stdin and stdout.",
)  # fmt: skip
@click.option(
    "--gather", type=click.FloatRange(0, 10), default=0.05, show_default=True,
    help="Calls that arrive within this many seconds of each other form one turn.",
)  # fmt: skip
def mcp(role: str, port: int | None, gather: float, **given: Any) -> None:
    """Let a client act as one agent over the Model Context Protocol (MCP). Each session is one episode.

    The client's agent gets the tools of its role. --policy acts for all other agents. With --role tools there is no
    episode, task or turn: any client may call the tools, and nothing is recorded.

    \b
    Examples:
      wideseek serve mcp --tasks synthetic --role lead --policy scripted --out runs/lead.jsonl
      wideseek serve mcp --role single --task synthetic-0-0-films-from-flivvovia-00
      wideseek serve mcp --role subagent --policy openai --model Qwen3-4B --base-url http://127.0.0.1:8000/v1
      wideseek serve mcp --role tools --corpus my-corpus --tasks my-tasks.jsonl --port 8010
    """
    from wideseek_env.cli.world import open_game
    from wideseek_env.serve.agents.mcp_run import run_http, run_stdio
    from wideseek_env.serve.agents.mcp_server import mcp_server, mcp_tools_server

    if port is None and is_json():
        raise click.UsageError(
            "without --port, stdout carries the protocol: give --port, or leave out --json"
        )
    others = ("policy", "model", "base_url", "policy_args")
    if role == "tools":
        effects.refuse(
            "with --role tools, which starts no episode", *others, "task_id", "seed", "out", "gather"
        )
    if role == "single":
        effects.refuse("with --role single, which acts alone", *others, "width", "roster", "credit")
    if port is None:
        effects.refuse("without --port, because only HTTP uses it", "host", "require_key")

    with ExitStack() as stack:
        desk = None
        if role == "tools":
            game = open_game(given["game"])
            server = mcp_tools_server(game, language=game.profile.language_for(game.tasks[0]))
        else:
            desk = _desk(stack, given, _desk_settings(given, seat=role), needs_policy=role != "single")
            server = mcp_server(desk, window=gather)
        if port is None:
            run_stdio(server)
            return
        run_http(
            server,
            desk,
            _serve_settings(given, timeout=60.0),
            host=given["host"],
            port=port,
            max_sessions=given["max_episodes"],
            idle=given["idle"],
            announce=announce,
        )


@click.command(cls=ResultCommand)
@options.game_options("wideseek serve agents")
@_common
@click.option(
    "--seat", type=click.Choice(("lead", "subagent", "single", "team")), default="team", show_default=True,
    help="The agents for which a client acts, if its request does not name them.",
)  # fmt: skip
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    show_default=True,
    help="Port. With 0, the server uses a free port.",
)
@click.option(
    "--model-name", default="", help="Name of the team as a chat model. Default: the policy's name."
)
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=3600.0, show_default=True,
    help="Maximum seconds for a chat completion.",
)  # fmt: skip
def agents(seat: str, port: int, model_name: str, timeout: float, **given: Any) -> None:
    """Serve episodes over HTTP, and offer a team as a chat model.

    POST /v1/episodes starts an episode in which the client acts. POST /v1/chat/completions lets the team of --policy
    answer a question.

    \b
    Examples:
      wideseek serve agents --tasks synthetic --out runs/outside.jsonl
      WIDESEEK_SERVE_KEY=… wideseek serve agents --policy vllm --model models/Qwen3-4B --host 0.0.0.0
    """
    from wideseek_env.serve.agents import create_agents_app
    from wideseek_env.serve.agents.running import run_app

    with ExitStack() as stack:
        settings = _serve_settings(given, timeout=timeout)
        desk = _desk(stack, given, _desk_settings(given, seat=seat), needs_policy=True)
        app = create_agents_app(desk, settings, model=model_name)
        run_app(app, host=given["host"], port=port, grace=settings.grace, announce=announce)


def _desk_settings(given: dict[str, Any], *, seat: Any) -> DeskSettings:
    from wideseek_env.serve.agents import DeskSettings

    return DeskSettings(
        seat=seat,
        task_id=given["task_id"],
        subtask=given["subtask"],
        seed=given["seed"],
        max_open=given["max_episodes"],
        idle=given["idle"],
    )


def _desk(
    stack: ExitStack, given: dict[str, Any], settings: DeskSettings, *, needs_policy: bool
) -> EpisodeDesk:
    """Open the desk, which keeps the open episodes. At the end, `stack` closes the desk and the policy's engines."""
    from wideseek_env.cli.world import open_game
    from wideseek_env.serve.agents import EpisodeDesk, PolicyPool

    if given["subtask"] and settings.seat != "subagent":
        raise click.UsageError(f"--subtask needs the seat or role subagent, not {settings.seat}")
    game = open_game(given["game"])
    policies = None
    if needs_policy:
        policies = PolicyPool(given["policy"], **options.policy_options(given["policy_args"]))
        stack.callback(policies.close)
    desk = EpisodeDesk(game, policies=policies, settings=settings, out=given["out"])
    stack.callback(desk.shut)
    return desk


def _serve_settings(given: dict[str, Any], *, timeout: float) -> ServeSettings:
    from wideseek_env.serve import ServeSettings

    settings = ServeSettings(
        require_key=given["require_key"], timeout=timeout, grace=5.0, max_in_flight=4 * given["max_episodes"]
    ).for_address(given["host"])
    if settings.key() is None and given["host"] not in ("127.0.0.1", "::1", "localhost"):
        click.echo(
            f"Warning: anyone who can reach {given['host']} can use this server. "
            f"Set {settings.key_variable} to require a key.",
            err=True,
        )
    return settings


def announce(url: str) -> None:
    """Print the address of a server that is ready."""
    result(lambda: {"url": url}, f"Serving at {url}; press Ctrl-C to stop.", line=True)
