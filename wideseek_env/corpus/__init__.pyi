"""The names that `wideseek_env.corpus` exports; each is imported when it is first used."""

from .base import Corpus as Corpus
from .base import FailedSearch as FailedSearch
from .base import Page as Page
from .base import SearchHit as SearchHit
from .dense.hybrid import HybridCorpus as HybridCorpus
from .dense.index import DenseIndex as DenseIndex
from .files import PageFiles as PageFiles
from .files import pages_from_folder as pages_from_folder
from .files import pages_from_jsonl as pages_from_jsonl
from .index import SearchIndex as SearchIndex
from .live.corpus import LiveCorpus as LiveCorpus
from .memory import MemoryCorpus as MemoryCorpus
from .remote import RemoteCorpus as RemoteCorpus
from .remote import RemoteError as RemoteError
from .sources import Passage as Passage
from .sources import Skipped as Skipped
from .sources import SourcePage as SourcePage
from .stored import StoredCorpus as StoredCorpus
from .synthetic.world import SyntheticWorld as SyntheticWorld
