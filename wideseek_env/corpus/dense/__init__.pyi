"""The names that `wideseek_env.corpus.dense` exports; each is imported when it is first used."""

from .base import Embedder as Embedder
from .distillation import distill as distill
from .hybrid import HybridCorpus as HybridCorpus
from .index import DenseIndex as DenseIndex
from .loading import load_embedder as load_embedder
from .qdrant import QdrantFields as QdrantFields
from .qdrant import QdrantIndex as QdrantIndex
from .sentence_transformer import SentenceTransformerEmbedder as SentenceTransformerEmbedder
from .static import StaticEmbedder as StaticEmbedder
from .texts import documents_of as documents_of
