"""The settings of a configuration as text: every key with its default and its docstring."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from typing import Any, get_type_hints


def explained(kind: type[Any], prefix: str = "", base: Any = None) -> str:
    """One paragraph for each key of a configuration dataclass and of the tables in it; `base` has other defaults."""
    hints, documents = get_type_hints(kind), field_docstrings(kind)
    lines: list[str] = []
    for item in dataclasses.fields(kind):
        key, inner = f"{prefix}{item.name}", hints[item.name]
        if dataclasses.is_dataclass(inner):
            outer = item.default_factory() if item.default_factory is not dataclasses.MISSING else None
            lines.append(explained(inner, f"{key}.", outer))  # type: ignore[arg-type]
            continue
        value = getattr(base, item.name, item.default)
        default = "required" if value is dataclasses.MISSING else f"default {_shown(value)}"
        text = textwrap.fill(" ".join(documents[item.name].split()), 92)
        lines.append(f"{key} ({default})\n{textwrap.indent(text, '    ')}")
    return "\n".join(lines)


def field_docstrings(kind: type[Any]) -> dict[str, str]:
    """The string under each field of a dataclass, by the field's name; fields of classes above it among them."""
    found: dict[str, str] = {}
    for above in reversed(kind.__mro__):
        if dataclasses.is_dataclass(above):
            found |= _own_docstrings(above)
    return found


def _own_docstrings(kind: type[Any]) -> dict[str, str]:
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = str(text.value.value)
    return found


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
