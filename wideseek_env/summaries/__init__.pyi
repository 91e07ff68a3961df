"""The names that `wideseek_env.summaries` exports; each is imported when it is first used."""

from .base import Summariser as Summariser
from .base import Summary as Summary
from .base import SummaryRequest as SummaryRequest
from .endpoint import OpenAISummariser as OpenAISummariser
from .prompts import SummaryTexts as SummaryTexts
from .spec import summariser_named as summariser_named
