"""The names of judges on a command line."""

from __future__ import annotations

from pathlib import Path

from wideseek_env.errors import ConfigError
from wideseek_env.llm.spec import model_at_url
from wideseek_env.llm.usage import Prices
from wideseek_env.plugins import is_part, make_part
from wideseek_env.scoring.judges import Judge, OfflineJudge
from wideseek_env.suggestions import hint

KINDS = ("offline", "openai", "recorded")
FORMS = "offline, openai:MODEL@URL, recorded:FILE or module:Class"
"""The names that `judge_from_spec` accepts, for help texts."""


def judge_from_spec(
    spec: str,
    *,
    api_key_env: str = "OPENAI_API_KEY",
    cache: str | Path | None = None,
    prices: Prices | None = None,
) -> Judge:
    """The judge called ``offline``, ``openai:MODEL@URL`` or ``recorded:FILE``, or a custom judge
    (`wideseek_env.plugins`).

    The keyword arguments are those of `OpenAIJudge`. They have no effect on other judges. This function sends no
    request.

    Raises:
        ConfigError: There is no such judge.
    """
    kind, _, rest = spec.strip().partition(":")
    if kind == "offline" and not rest:
        return OfflineJudge()
    if kind == "openai":
        model, url = model_at_url(spec)
        from wideseek_env.scoring.judging.endpoint import OpenAIJudge

        return OpenAIJudge(url, model, api_key_env=api_key_env, cache=cache, prices=prices)
    if kind == "recorded" and rest:
        from wideseek_env.scoring.judging.recorded import RecordedJudge

        return RecordedJudge(rest)
    if kind not in KINDS and is_part("judge", spec.strip()):
        made: Judge = make_part(
            "judge", spec.strip(), _is_judge, "a name and judge(column, criterion, pairs)"
        )
        return made
    raise ConfigError(f"no judge is called {spec!r}{hint(kind, KINDS)}; there are: {FORMS}")


def _is_judge(part: object) -> bool:
    return isinstance(part, Judge)
