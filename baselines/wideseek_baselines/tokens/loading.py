"""Loads a Hugging Face tokenizer from a folder or by its hub name. Errors say what is missing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from wideseek_baselines.model_names import find_model
from wideseek_env.errors import ConfigError, MissingDependencyError, baselines_hint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model folder, hub name or shipped model. It must have a chat template.

    Raises:
        ConfigError: There is no model of this name, its tokenizer cannot be loaded, or it has no chat template.
        MissingDependencyError: transformers or jinja2 is not installed.
    """
    source = find_model(name)  # first, because importing transformers takes seconds
    try:
        import jinja2  # noqa: F401 (chat templates are written in it; transformers would only say so later)
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingDependencyError(
            f"chat templates need transformers and jinja2; {baselines_hint('transformers')}"
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except Exception as error:  # missing files, no network, a repository that needs a login
        raise ConfigError(
            f"no tokenizer can be loaded from {str(name)!r}: its folder needs tokenizer.json and "
            f"tokenizer_config.json ({type(error).__name__}: {str(error).strip()[:300]})"
        ) from error
    if not tokenizer.chat_template:
        raise ConfigError(
            f"the tokenizer of {name!r} has no chat template: use an instruction-tuned model, or add "
            "chat_template.jinja to its folder"
        )
    return cast("PreTrainedTokenizerBase", tokenizer)


def ends_of_text(name: str | Path) -> set[int]:
    """The end tokens in a model folder's ``generation_config.json``. Empty without that file."""
    from transformers import GenerationConfig

    listed = None
    with suppress(Exception):  # the file and its entries are optional
        listed = GenerationConfig.from_pretrained(find_model(name)).eos_token_id
    return {end for end in (listed if isinstance(listed, list) else [listed]) if isinstance(end, int)}
