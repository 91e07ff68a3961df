"""``python -m wideseek_baselines.nano DIR`` does the same as ``wideseek nano DIR``."""

from wideseek_baselines.nano.cli import main

if __name__ == "__main__":
    main()
