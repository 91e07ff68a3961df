"""The names that `wideseek_baselines.nano` exports; each is imported when it is first used."""

from .build import Nano as Nano
from .build import make_nano as make_nano
from .model import SIZES as SIZES
from .model import Size as Size
