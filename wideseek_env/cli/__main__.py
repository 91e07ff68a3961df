"""``python -m wideseek_env.cli``: the same command line when the `wideseek` script is not on the path."""

from wideseek_env.cli import main

main()
