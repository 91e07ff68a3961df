"""``python -m wideseek_baselines.train …`` is the same as ``wideseek train …``. torchrun starts it in this form."""

from __future__ import annotations

import sys

from wideseek_env.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["train"]
    main()
