"""``python -m wideseek_baselines.train sft …`` is ``wideseek train sft …``, in the form that torchrun starts."""

from __future__ import annotations

import sys

from wideseek_env.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["train"]
    main()
