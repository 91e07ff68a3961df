"""The names that `wideseek_env.corpus` exports; each is imported when it is first used."""

from .base import Corpus as Corpus
from .base import Page as Page
from .base import SearchHit as SearchHit
from .files import pages_from_folder as pages_from_folder
from .files import pages_from_jsonl as pages_from_jsonl
from .index import SearchIndex as SearchIndex
from .remote import RemoteCorpus as RemoteCorpus
from .remote import RemoteError as RemoteError
from .stored import MemoryCorpus as MemoryCorpus
from .stored import SourcePage as SourcePage
from .stored import StoredCorpus as StoredCorpus
