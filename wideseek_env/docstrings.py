"""The strings under the fields of a dataclass, read from its source.

Help texts and explanations are made from these strings.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from functools import cache
from typing import Any


def field_docstrings(kind: type[Any]) -> dict[str, str]:
    """The string under each field of a dataclass, by the name of the field. Fields of base classes are included."""
    found: dict[str, str] = {}
    for above in reversed(kind.__mro__):
        if dataclasses.is_dataclass(above):
            found |= _own(above)
    return found


@cache
def _own(kind: type[Any]) -> dict[str, str]:
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
