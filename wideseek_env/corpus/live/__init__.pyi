"""The names that `wideseek_env.corpus.live` exports; each is imported when it is first used."""

from .config import LiveConfig as LiveConfig
from .config import open_live as open_live
from .corpus import LiveCorpus as LiveCorpus
from .corpus import SearchError as SearchError
from .engines import (
    JsonSearch as JsonSearch,
)
from .engines import (
    SearchEngine as SearchEngine,
)
from .engines import (
    SearXNG as SearXNG,
)
from .engines import (
    Serper as Serper,
)
from .readers import DirectReader as DirectReader
from .readers import JinaReader as JinaReader
from .readers import PageReader as PageReader
from .recording import Recorder as Recorder
from .recording import Replay as Replay
