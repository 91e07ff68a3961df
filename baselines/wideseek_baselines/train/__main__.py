"""``python -m wideseek_baselines.train …`` does the same as ``wideseek train …``. torchrun needs this form."""

from __future__ import annotations

import sys

from wideseek_env.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["train"]
    main()
