"""The part ``MODEL@URL`` in the names of judges and summarisers."""

from __future__ import annotations

from wideseek_env.errors import ConfigError


def model_at_url(spec: str) -> tuple[str, str]:
    """The model and the address in a name such as ``openai:MODEL@URL``. Raises `ConfigError` if one is missing."""
    model, at, url = spec.partition(":")[2].rpartition("@")
    if not (model and at and url):
        raise ConfigError(
            f"{spec!r} does not have a model and an address; write openai:MODEL@URL, "
            "such as openai:qwen3-4b@http://127.0.0.1:8000/v1"
        )
    return model, url
