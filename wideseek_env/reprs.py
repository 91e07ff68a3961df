"""How objects show themselves: `short`, the `repr` of a value inside a larger `repr`, and `InNotebook`."""

from __future__ import annotations

from importlib import import_module

_LENGTH = 60


def short(value: object) -> str:
    """The `repr` of `value` in at most 60 characters, cut in the middle.

    Control characters, line breaks and lone surrogates are escaped, so the result is one line that is safe to print.
    """
    if isinstance(value, str) and len(value) > 2 * _LENGTH:
        value = value[:_LENGTH] + value[-_LENGTH:]  # avoids escaping a whole page
    try:
        text = repr(value)
    except Exception:  # any __repr__ may raise an error, even that of a number with too many digits
        text = f"<{type(value).__name__}>"
    if not text.isprintable():
        text = repr(text)[1:-1]
    half = (_LENGTH - 3) // 2
    return text if len(text) <= _LENGTH else f"{text[:half]}...{text[-half:]}"


def plain(text: str, length: int = 250) -> str:
    """`text` with control characters, line breaks and lone surrogates escaped, in at most `length` characters."""
    line = text if text.isprintable() else repr(text)[1:-1]
    return line if len(line) <= length else f"{line[: length - 3]}..."


class InNotebook:
    """A record that notebooks such as Jupyter show as HTML.

    The viewer makes the HTML. It reads records, so records must not import it: it is loaded when a notebook asks.
    """

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        """The HTML, or None if there is nothing to show yet. Then the notebook shows the `repr`."""
        html: str | None = import_module("wideseek_env.viewer.html").html_of(self)
        return html
