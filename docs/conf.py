"""How Sphinx builds the documentation's site; `make docs` does it, with warnings as errors and without network."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from typing import Any

project = "WideSeek"
author = "The WideSeek authors"
project_copyright = author
version = release = version_of("wideseek-env")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
exclude_patterns = ["_build"]
default_role = "code"
suppress_warnings = [
    "misc.highlighting_failure",  # shown code leaves things out with …
    "myst.xref_missing",  # links to files beside docs/ lead somewhere in the repository; tests/test_docs.py checks
    "ref.python",  # an attribute's type may be the name of several things
]

myst_heading_anchors = 3
myst_links_external_new_tab = False

# What the packages can do without is not needed to read their docstrings.
autodoc_mock_imports = [
    "mcp", "mcp_types", "anyio", "matplotlib", "pyarrow", "qdrant_client", "ray", "safetensors",
    "sentence_transformers", "tensorboard", "tokenizers", "torch", "transformers", "uvicorn", "vllm",
]  # fmt: skip
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "WideSeek"
html_static_path = ["_static"]
html_css_files = ["wideseek.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

_QUOTED = re.compile(r"(``.*?``|`[^`]*`)", re.DOTALL)
_SIGNS = re.compile(r"(?<!\\)([*|]|(?<=\w)_(?!\w))")


def _plain(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are prose with code in backticks: stars, bars and underscores in the prose mean themselves."""
    parts = _QUOTED.split("\n".join(lines))
    for number, part in enumerate(parts):
        if number % 2:
            # A plural ("`Page`s") may follow at once, which reStructuredText must be told.
            follows = parts[number + 1][:1]
            parts[number] = f"``{part.strip('`')}``" + ("\\ " if follows.isalnum() else "")
        else:
            parts[number] = "\n".join(_escaped(line) for line in part.split("\n"))
    lines[:] = "".join(parts).split("\n")


def _escaped(line: str) -> str:
    bullet = re.match(r"\s*\* ", line)
    head = bullet.group() if bullet else ""
    return head + _SIGNS.sub(r"\\\1", line[len(head) :])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    # Before napoleon, whose sections would otherwise be escaped as well.
    app.connect("autodoc-process-docstring", _plain, priority=100)
