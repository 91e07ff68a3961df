"""`wideseek texts`: print the texts that agents see, and read those of a published system."""

from __future__ import annotations

from pathlib import Path

import click

from wideseek_env.cli.output import ResultGroup, result


@click.group(cls=ResultGroup)
def texts() -> None:
    """Files of the texts that agents see (--texts)."""


@texts.command()
@click.option(
    "--profile", default="default", show_default=True, metavar="NAME",
    help="The profile: default, terse, wideseek-r1, or module:name.",
)  # fmt: skip
@click.option("--texts", "loaded", metavar="FILE", help="Print the profile with the texts of this file.")
def show(profile: str, loaded: str | None) -> None:
    """Print all texts of a profile as TOML.

    Save the output, change it, and pass the file to --texts of any command. A file may hold only the texts that you
    change.

    \b
    Examples:
      wideseek texts show > my.toml
      wideseek run --texts my.toml
    """
    from wideseek_env.profile_texts import profile_texts
    from wideseek_env.profiles import profile_named
    from wideseek_env.prompts.loading import checked_texts
    from wideseek_env.toml_text import toml_tables

    found = profile_texts(profile_named(profile).with_texts(checked_texts(loaded)))

    def print_toml() -> None:
        click.echo(
            f"# The texts of the profile {profile}. Every text is a template: names in braces are filled in.\n"
            "# A brace in the text itself is written twice.\n\n" + toml_tables(found),
            nl=False,
        )

    result(lambda: found, print_toml)


@texts.command("from-rlinf")
@click.argument("checkout", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The TOML file to write."
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def from_rlinf(checkout: Path, out: Path, overwrite: bool) -> None:
    """Write the prompts of the published WideSeek-R1 into a file of texts.

    CHECKOUT is a checkout of RLinf (https://github.com/RLinf/RLinf). Its files are read and never run.

    \b
    Examples:
      git clone https://github.com/RLinf/RLinf
      wideseek texts from-rlinf RLinf --out rlinf.toml
      wideseek eval --profile wideseek-r1 --texts rlinf.toml …
    """
    from wideseek_env.cli.console import say
    from wideseek_env.errors import ConfigError
    from wideseek_env.files import write_whole
    from wideseek_env.rlinf.convert import from_rlinf as converted
    from wideseek_env.toml_text import toml_tables

    if out.exists() and not overwrite:
        raise ConfigError(f"{out} exists; give another file, or --overwrite")
    found = converted(checkout)
    head = (
        "# The texts of WideSeek-R1, read from a checkout of RLinf. Use them with --profile wideseek-r1.\n\n"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, head + toml_tables(found.texts))
    for each in found.missing:
        say(f"Warning: not found, so the profile's text is used: {each}")
    for each in found.differences:
        say(f"Warning: the schema of {each} differs from that of the profile wideseek-r1.")
    say(f"Texts of {found.folder}: {out}")
    result(lambda: {"file": out, "missing": found.missing, "differences": found.differences})
