"""robots.txt: what a site asks robots not to fetch (RFC 9309). The time for a match grows linearly with the length of
rule and path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wideseek_env.byte_cache import ByteCache, size_of_texts
from wideseek_env.net.content import text_of
from wideseek_env.net.errors import FetchError
from wideseek_env.net.fetch import Fetcher, Request
from wideseek_env.net.urls import WebUrl

_MOST_BYTES = 32 << 20  # of the rules of all sites
_MOST_RULES = 5000


class Rule(NamedTuple):
    """One line: whether paths that match `pattern` (with `*` and a final `$`) may be fetched."""

    allow: bool
    pattern: str


class Robots:
    """Reads the robots.txt of each site once. An object can be the argument `before` of `Fetcher.fetch`.

    A site without robots.txt (status 400 to 499) allows everything. A site whose robots.txt cannot be fetched for
    another reason allows nothing, as the standard requires.
    """

    def __init__(self, fetcher: Fetcher, agent: str) -> None:
        self._fetcher = fetcher
        self._agent = agent.lower()
        self._sites: ByteCache[Sequence[Rule]] = ByteCache(_MOST_BYTES, _rules_size)

    def __call__(self, target: WebUrl) -> None:
        """Raise `FetchError` of kind "robots" when the site's robots.txt forbids `target`."""
        path = "/" + target.text.partition("://")[2].partition("/")[2]
        if path != "/robots.txt" and not allowed(self._rules(target), path):
            raise FetchError("robots", "The site does not allow this page to be opened by a program.")

    def _rules(self, target: WebUrl) -> Sequence[Rule]:
        origin = f"{target.scheme} {target.host} {target.port}"
        known = self._sites.get(origin)
        if known is not None:
            return known
        host = f"[{target.host}]" if ":" in target.host else target.host
        try:
            found = self._fetcher.fetch(Request(f"{target.scheme}://{host}:{target.port}/robots.txt"))
            rules: Sequence[Rule] = rules_for(
                self._agent, text_of(found.body, found.content_type, html=False)
            )
        except FetchError as error:
            rules = [] if error.kind == "http" and 400 <= error.status <= 499 else [Rule(False, "/")]
        self._sites.put(origin, rules)
        return rules


def _rules_size(rules: Sequence[Rule]) -> int:
    return size_of_texts(rule.pattern for rule in rules) + 80 * len(rules)


def rules_for(agent: str, text: str) -> list[Rule]:
    """The rules of the groups that name `agent` (or a prefix of it, in lower case), or else the rules for all
    agents."""
    named: list[Rule] = []
    general: list[Rule] = []
    matched = False
    ours = every = in_rules = False  # whether the current group names the agent, and all agents
    for line in text.splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        field, value = field.strip().lower(), value.strip()
        if not colon:
            continue
        if field == "user-agent":
            if in_rules:
                ours = every = in_rules = False
            every = every or value == "*"
            ours = ours or (value not in ("", "*") and agent.startswith(value.lower()))
            matched = matched or ours
        elif field in ("allow", "disallow"):
            in_rules = True
            if not value:
                continue  # an empty rule matches nothing
            rule = Rule(field == "allow", value)
            if ours:
                named.append(rule)
            if every:
                general.append(rule)
    return (named if matched else general)[:_MOST_RULES]


def allowed(rules: Sequence[Rule], path: str) -> bool:
    """Whether `path` (with its query) may be fetched. The longest matching rule decides. If two matching rules have the
    same length, the rule that allows decides."""
    best = (-1, True)
    for rule in rules:
        if len(rule.pattern) >= best[0] and _matches(rule.pattern, path):
            best = max(best, (len(rule.pattern), rule.allow))
    return best[1]


def _matches(pattern: str, path: str) -> bool:
    anchored = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    last = rest.pop() if anchored and rest else None
    for piece in rest:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    if not anchored:
        return True
    if last is None:
        return at == len(path)
    return len(path) - len(last) >= at and path.endswith(last)
