"""Turns the links of clean markup into Markdown, for a whole page at once."""

from __future__ import annotations

import re

from wideseek_env.pages.links import Resolver

BREAK = "\x1e"
"""Replaces `<br>` until white space has been collapsed. `str.split` treats it as white space."""

# Matches nearly every link. Its text is plain or empty, does not begin or end with white space, and has no brackets.
# The first group is a URL that only needs a prefix: it begins at the root and has only harmless characters.
_SAFE = r"[a-zA-Z0-9_.,:;/%'~!*=?#+@$-]{0,500}+"
_PLAIN_LINK = re.compile(
    rf'<a (?:(?!href=)[^\s>"=]++="[^"]*+" )*+href="(?:(/{_SAFE}(?:\({_SAFE}\){_SAFE}){{0,3}}+)|([^"]*+))"[^>]*+>'
    rf"((?:[^<\[\]\s](?:[^<\[\]{BREAK}]*[^<\[\]\s])?+)?+)</a>"
)
_NOTE = re.compile(r"\d{1,3}|[a-z]")
_HREF = re.compile(r' href="([^"]*+)"')
_BALANCED = re.compile(r"(?:[^\[\]]++|\[[^\[\]]*+\])*+")


class Urls(dict[str, str]):
    """Maps an `href`, escaped as in the markup, to its absolute URL with the same escapes. The URL is "" if the link
    leads to no page."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver

    def __missing__(self, href: str) -> str:
        self[href] = url = self.resolver(unescape(href)).replace("&", "&amp;")
        return url


def write_links(markup: str, urls: Urls) -> str:
    """The markup with its plain links written as Markdown. The other links stay as they are."""
    parts = _PLAIN_LINK.split(markup)
    scheme, origin = urls.resolver.scheme, urls.resolver.origin
    written = [parts[0]]
    for plain, other, label, text in zip(parts[1::4], parts[2::4], parts[3::4], parts[4::4], strict=True):
        if not label:
            pass
        elif plain and (before := scheme if plain[1:2] == "/" else origin):
            written.append(f"[{label}]({before}{plain})")
        elif url := urls[plain or other]:
            written.append(f"[{label}]({url})")
        elif other and other[0] == "#" and written[-1][-1:].isdigit() and _NOTE.fullmatch(label):
            written.append(f" [{label}]")  # a footnote mark that would run into the number before it
        else:
            written.append(label)
        written.append(text)
    return "".join(written)


def href_of(token: str) -> str:
    """The `href` in a tag, or "" if the tag has none."""
    match = _HREF.search(token)
    return match[1] if match else ""


def link(text: str, url: str) -> str:
    """A link in Markdown. White space around the text is moved outside the link. If there is no text, the result is
    only the white space.

    Brackets that would end the text early become round ones. "[1]" keeps its brackets.
    """
    label = " ".join(text.split())
    if not label:
        return text
    if ("]" in label or "[" in label) and not _BALANCED.fullmatch(label):
        label = label.replace("[", "(").replace("]", ")")
    before = " " if text[0].isspace() else ""
    after = " " if text[-1].isspace() else ""
    return f"{before}[{label}]({url}){after}"


def unescape(text: str) -> str:
    """The text of some markup, with its entities decoded."""
    if "&" not in text:
        return text
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
