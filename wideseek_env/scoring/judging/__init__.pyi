"""The names that `wideseek_env.scoring.judging` exports; each is imported when it is first used."""

from .cache import JudgeCache as JudgeCache
from .cache import MemoryCache as MemoryCache
from .endpoint import JudgeUsage as JudgeUsage
from .endpoint import OpenAIJudge as OpenAIJudge
from .endpoint import Unreadable as Unreadable
from .recorded import RecordedJudge as RecordedJudge
from .recorded import RecordingJudge as RecordingJudge
from .spec import judge_from_spec as judge_from_spec
