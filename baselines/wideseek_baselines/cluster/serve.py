"""Retrieval on a cluster: runs the service of `wideseek_env.serve` as a Ray Serve deployment with replicas.

    serve.run(retrieval("wiki-corpus/", replicas=8), route_prefix="/")

Every replica opens the corpus on its node, so the folder must have the same path on all nodes. Ray's proxy distributes
requests over the replicas. If a replica dies, Ray replaces it. Requests that the replica was answering fail, and
`RemoteCorpus` repeats them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wideseek_env.corpus.base import Corpus
from wideseek_env.errors import ConfigError, MissingDependencyError, baselines_hint
from wideseek_env.reprs import short
from wideseek_env.serve.settings import ServeSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


def retrieval(
    corpus: str | Corpus,
    settings: ServeSettings | None = None,
    *,
    replicas: int = 2,
    cpus: float = 1.0,
    name: str = "wideseek-retrieval",
    options: Mapping[str, Any] | None = None,
) -> Any:
    """A Ray Serve application to pass to `ray.serve.run`.

    Args:
        corpus: A name or folder for `wideseek_env.catalog.open_corpus`, which each replica opens. Or a corpus object
            that can be pickled. A `StoredCorpus` is pickled as its path.
        settings: Limits of the service. Each replica reads the API key from its environment.
        replicas: Number of server processes.
        cpus: CPUs that each replica reserves.
        name: Name of the deployment.
        options: Additional options of `serve.deployment`, such as `autoscaling_config`.

    Raises `MissingDependencyError` if Ray Serve or FastAPI is not installed.
    """
    try:
        from ray import serve
    except ImportError as error:
        raise MissingDependencyError(
            f"scaling out needs Ray Serve ({error}); {baselines_hint('ray')}"
        ) from None
    import wideseek_env.serve.app  # noqa: F401  (says at once when FastAPI is missing)

    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 1:
        raise ConfigError(f"replicas must be at least 1 and a whole number, not {short(replicas)}")
    limits = settings or ServeSettings()

    def application() -> Any:
        from wideseek_env.catalog import open_corpus
        from wideseek_env.serve.app import create_app

        opened = open_corpus(corpus) if isinstance(corpus, str) else corpus
        return create_app(opened, limits, close_corpus=True)

    deployment = serve.deployment(
        name=name,
        num_replicas=replicas,
        max_ongoing_requests=limits.max_in_flight,
        graceful_shutdown_timeout_s=limits.grace,
        health_check_period_s=2.0,
        ray_actor_options={"num_cpus": cpus},
    )(serve.ingress(application)())
    if options:
        deployment = deployment.options(**options)
    return deployment.bind()
