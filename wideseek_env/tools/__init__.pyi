"""The names that `wideseek_env.tools` exports; each is imported when it is first used."""

from .custom import Tool as Tool
from .custom import tool as tool
from .executor import CorpusTools as CorpusTools
from .executor import Executor as Executor
from .spec import ToolInputError as ToolInputError
from .spec import ToolSpec as ToolSpec
