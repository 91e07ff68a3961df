"""`wideseek bench suite` and `wideseek bench cards`: fixed tasks at fixed widths, and cards of several models."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wideseek_env.cli import options
from wideseek_env.cli.output import ResultCommand, result

if TYPE_CHECKING:
    from wideseek_env.evaluation.record import EpisodeRecord
    from wideseek_env.evaluation.suite.run import OpenKind


@click.command(cls=ResultCommand, short_help="Run the fixed tasks of the suite, and write a card.")
@click.option(
    "--size", type=click.Choice(("small", "full")), default="small", show_default=True,
    help="small has 8 tasks of each kind at 3 widths. full has 50 tasks of each kind at 5 widths.",
)  # fmt: skip
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="FOLDER",
    help="The folder of the HybridQA data. Default: hybridqa in the folder that WIDESEEK_DATA names. Without data, "
    "only the synthetic kinds are run.",
)  # fmt: skip
@options.policy_choice()
@click.option("--name", help="Name of the card. Default: the model's name, or the policy's.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True,
    help="Folder for card.json, card.html and a folder for each kind.",
)  # fmt: skip
@click.option(
    "--leaderboard", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="A CSV file of cards. The row of this card is added or replaced.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say how many episodes, tokens and hours to expect, and stop.")
@options.max_tokens_option
@options.fresh_option
@options.verify_option
@options.keep_going_option
def suite(
    size: str,
    data: Path | None,
    policy: str,
    policy_args: tuple[tuple[str, str], ...],
    name: str | None,
    out: Path,
    leaderboard: Path | None,
    dry_run: bool,
    max_tokens: int | None,
    resume: bool,
    verify: bool,
    keep_going: bool,
) -> None:
    """Run a policy on the fixed tasks of suite v1, and write its width card.

    Tasks, pages, prompts, rules, seeds and widths are fixed, so the cards of two models compare. Before it starts, the
    command says what it will take. To measure this, the policy plays one task of each kind. Ctrl-C keeps finished
    episodes. The same command then resumes the run.

    \b
    Examples:
      wideseek bench suite --policy scripted --out runs/suite-scripted
      wideseek bench suite --policy vllm --model MODEL --size full --data data/hybridqa --dry-run --out runs/card
      wideseek bench suite --policy vllm --model MODEL --size full --data data/hybridqa --out runs/card \\
        --leaderboard leaderboard.csv
      wideseek bench cards runs/card runs/suite-scripted
    """
    from wideseek_env.cli.console import say
    from wideseek_env.cli.spending import Spending, stop
    from wideseek_env.cli.suite_tables import announce, show_card, suite_parts
    from wideseek_env.cli.sweep import PointBars, opened_policies
    from wideseek_env.cli.world import open_game
    from wideseek_env.errors import BudgetError
    from wideseek_env.evaluation.suite import definition
    from wideseek_env.evaluation.suite.folder import check_folder, check_kinds
    from wideseek_env.evaluation.suite.leaderboard import read_rows, write_rows
    from wideseek_env.evaluation.suite.page import write_page
    from wideseek_env.evaluation.suite.references import reference_cards
    from wideseek_env.evaluation.suite.run import (
        data_folder,
        make_card,
        open_suite,
        run_suite,
        suite_settings,
    )
    from wideseek_env.llm.budget import TOKENS
    from wideseek_env.provenance.command import command_line
    from wideseek_env.provenance.comparing import one_warning

    arguments = options.policy_options(policy_args)
    command = command_line()
    current = definition.CURRENT
    with ExitStack() as stack:
        stack.enter_context(one_warning())
        # Quick checks come first: to start an engine and to open the tasks may take minutes.
        settings = suite_settings(current, size, policy, arguments, verify=verify)
        check_folder(out, settings, overwrite=not resume)
        data_folder(data)
        if leaderboard is not None:
            read_rows(current, leaderboard)
        spending = Spending(max_tokens, out / TOKENS, fresh=not resume)
        make = stack.enter_context(opened_policies(policy, arguments, spending))
        spending.check()
        opened = open_suite(current, size, data, open_game=open_game)
        if resume:
            check_kinds(out, opened.digests)
        references = reference_cards(current, size)
        stack.enter_context(spending)
        done, tokens = _recorded(out) if resume and spending.used else (0, 0.0)
        spending.announce(
            suite_parts(opened, out if resume else None), recorded=(done, tokens), options=arguments
        )
        loads = announce(opened, make, references, out if resume else None, keep_going)
        if dry_run:
            result(lambda: loads)
            return
        bars = stack.enter_context(PointBars("width", 0, spending))
        played = 0

        def on_episode(record: EpisodeRecord) -> None:
            nonlocal played
            played += 1
            bars.on_episode(record)

        def on_kind(kind: OpenKind) -> None:
            bars.prefix, bars.total = f"{kind.kind.title}, ", len(kind.tasks) * current.trials

        interrupted: KeyboardInterrupt | BudgetError | None = None
        try:
            card = run_suite(
                opened, make, out, policy_name=policy, policy_options=arguments, name=name or "", command=command,
                overwrite=not resume, keep_going=keep_going, on_kind=on_kind, on_size=bars.on_size,
                on_episode=on_episode,
            )  # fmt: skip
        except (KeyboardInterrupt, BudgetError) as error:
            interrupted = error
            card = make_card(opened, out, policy, arguments, name or "", command)
    if not interrupted and not played:
        say("Complete, nothing played: the folder has all episodes already.")
    result(lambda: {**card.to_dict(), **spending.to_dict()}, lambda: show_card(opened, card))
    say(f"Written: {out / 'card.json'}")
    say(f"Written: {write_page(current, card, references, out)}")
    if isinstance(interrupted, BudgetError):
        left = sum(part.episodes for part in suite_parts(opened, out))
        stop(interrupted, f"{opened.episodes - left} of {opened.episodes} episodes are done.")
    if interrupted is not None:
        say("Interrupted. The same command resumes the run.")
        raise click.exceptions.Exit(130)
    if leaderboard is not None:
        write_rows(current, [card], leaderboard)
        say(f"Written: {leaderboard}")


def _recorded(out: Path) -> tuple[int, float]:
    """The number of finished episodes of all kinds, and the tokens that their records report."""
    from wideseek_env.cli.spending import recorded_tokens

    found = [recorded_tokens(folder) for folder in sorted(out.glob("*/"))]
    return sum(episodes for episodes, _ in found), sum(tokens for _, tokens in found)


@click.command(cls=ResultCommand, short_help="Show the cards of several models as a table.")
@click.argument("cards", metavar="CARD…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--leaderboard", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Also add or replace the rows of these cards in a CSV file.",
)  # fmt: skip
def cards(cards: tuple[Path, ...], leaderboard: Path | None) -> None:
    """Show the cards of several models as a Markdown table.

    CARD is the --out folder of `bench suite`, or its card.json. All cards must have the same suite, size and digests,
    because other scores do not compare.

    \b
    Examples:
      wideseek bench cards runs/card-a runs/card-b
      wideseek bench cards runs/*/card.json --leaderboard leaderboard.csv
    """
    from wideseek_env.cli.console import say
    from wideseek_env.evaluation.suite import definition
    from wideseek_env.evaluation.suite.card import read_card
    from wideseek_env.evaluation.suite.leaderboard import cards_table, write_rows

    found = [read_card(path) for path in cards]
    result(lambda: [card.to_dict() for card in found], cards_table(found))
    if leaderboard is not None:
        write_rows(definition.CURRENT, found, leaderboard)
        say(f"Written: {leaderboard}")
