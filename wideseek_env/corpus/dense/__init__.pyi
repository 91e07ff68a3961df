"""The names that `wideseek_env.corpus.dense` exports; each is imported when it is first used."""

from .embedders import (
    Embedder as Embedder,
)
from .embedders import (
    SentenceTransformerEmbedder as SentenceTransformerEmbedder,
)
from .embedders import (
    load_embedder as load_embedder,
)
from .hybrid import HybridCorpus as HybridCorpus
from .index import DenseIndex as DenseIndex
from .qdrant import QdrantFields as QdrantFields
from .qdrant import QdrantIndex as QdrantIndex
from .static import StaticEmbedder as StaticEmbedder
from .static import distill as distill
from .texts import documents_of as documents_of
