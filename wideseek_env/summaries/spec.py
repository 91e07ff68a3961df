"""The names of summarisers in a configuration and on a command line."""

from __future__ import annotations

from wideseek_env.errors import ConfigError
from wideseek_env.llm.spec import model_at_url
from wideseek_env.plugins import is_part, make_part
from wideseek_env.suggestions import hint
from wideseek_env.summaries.base import Summariser
from wideseek_env.summaries.policy_engine import NAME, PolicyEngine
from wideseek_env.summaries.prompts import SummaryTexts

KINDS = ("openai", NAME)
FORMS = "openai:MODEL@URL, engine or module:name"
"""The names that `summariser_named` accepts, for help texts."""


def summariser_named(spec: str, *, texts: SummaryTexts | None = None) -> Summariser:
    """The summariser called ``openai:MODEL@URL`` or ``engine``, or a custom one (`wideseek_env.plugins`).

    `texts` are the texts of requests. They have no effect on custom summarisers. Nothing is sent.

    Raises:
        ConfigError: There is no such summariser.
    """
    spec = spec.strip()
    kind, _, _ = spec.partition(":")
    if spec == NAME:
        return PolicyEngine(texts)
    if kind == "openai":
        model, url = model_at_url(spec)
        from wideseek_env.summaries.endpoint import OpenAISummariser

        return OpenAISummariser(url, model, texts=texts)
    if kind not in KINDS and is_part("summariser", spec):
        made: Summariser = make_part("summariser", spec, _is_summariser, "a name and summarise(requests)")
        return made
    raise ConfigError(f"no summariser is called {spec!r}{hint(kind, KINDS)}; there are: {FORMS}")


def _is_summariser(part: object) -> bool:
    return isinstance(part, Summariser) and isinstance(part.name, str)
