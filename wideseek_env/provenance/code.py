"""The source files that define a custom part, such as a reward or a policy.

These are the file of the part's module, and the files that it imports, directly or through others. Files of the same
folder or package count, and files in other folders that are no installed packages. Of an installed package, only its
own files count. The parts of this project are known by its version. The imports are read
from the source. So an import by a computed name, and data that the code reads, are not seen.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeAlias

from wideseek_env.plugins import GROUPS, Kind, is_module_name
from wideseek_env.tasks.benchmarks import BENCHMARKS

_OURS = frozenset(("wideseek_env", "wideseek_baselines", "wideseek_verifiers"))
Places: TypeAlias = dict[str, tuple[Path | None, tuple[str, ...]]]
"""The file of a top-level module, and the folders of its submodules."""
_WORLDS = frozenset(
    (
        "synthetic",
        "hybridqa",
        "live",
        "remote",
        "dense",
        "hybrid",
        "openai",
        "recorded",
        "offline",
        *BENCHMARKS,
    )
)
"""Words before a colon that name no module."""
_INSTALLED = frozenset(("site-packages", "dist-packages"))


def code_of(*modules: str) -> dict[str, str]:
    """The SHA-256 digests of the source files that define these modules, by a name such as ``package/module.py``.

    The first module is the one that the user named. Nothing is imported.
    """
    found: dict[str, str] = {}
    todo, seen = list(modules), set()
    root = modules[0].partition(".")[0] if modules else ""
    places: Places = {}
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        path = _path(module, places)
        if path is None or not _counts(path, module, root):
            continue
        try:
            source = path.read_bytes()
        except OSError:
            continue
        digest = hashlib.sha256(source).hexdigest()
        found[_name(module, path)] = digest
        if path.suffix == ".py":
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            todo += _imports(digest, source, package)
        todo += filter(None, [module.rpartition(".")[0]])  # importing a module runs the packages around it
    return dict(sorted(found.items()))


def modules_of_name(kind: Kind, name: str) -> tuple[str, ...]:
    """The modules that define the part called `name`. Empty if the name is no part's, such as ``item_f1``.

    The module in the name and, if it is imported already, the module in which the object was defined.
    """
    head, _, rest = name.partition(":")
    if head in _WORLDS:
        return ()
    point = _announced(tuple(sys.path)).get((GROUPS[kind], head))
    if point is None and not is_module_name(name):
        return ()
    module, _, attribute = (
        point.value.partition(":") if point is not None else (head, "", rest.partition(",")[0])
    )
    if not attribute or not all(part.isidentifier() for part in module.split(".")):
        return ()
    found: Any = sys.modules.get(module)
    for part in attribute.split("."):
        found = getattr(found, part.strip(), None)
    return (module, *modules_of(found))


@functools.lru_cache(maxsize=4)
def _announced(paths: tuple[str, ...]) -> dict[tuple[str, str], EntryPoint]:
    """The entry points of the packages in the folders `paths`, by group and name. To look for them takes 7 ms."""
    found = entry_points()
    return {(group, point.name): point for group in GROUPS.values() for point in found.select(group=group)}


def modules_of(part: Any) -> tuple[str, ...]:
    """The modules that define a live object: its function or class, and the classes above it.

    The script that runs is left out, because it may change in other places.
    """
    while isinstance(part, functools.partial):
        part = part.func
    if part is None:
        return ()
    part = getattr(part, "__func__", part)
    kind = part if isinstance(part, type) else type(part)
    own = None if isinstance(part, type) else getattr(part, "__module__", None)
    classes = [each.__module__ for each in kind.__mro__ if each is not object]
    named = ([own] if isinstance(own, str) else []) + classes
    return tuple(each for each in dict.fromkeys(named) if each not in ("__main__", "builtins", "functools"))


def _counts(path: Path, module: str, root: str) -> bool:
    """Whether a file belongs to the code of a part whose module begins with `root`."""
    top = module.partition(".")[0]
    if top in _OURS or top in sys.stdlib_module_names:
        return False
    return top == root or _INSTALLED.isdisjoint(path.parts)


def _name(module: str, path: Path) -> str:
    place = module.replace(".", "/")
    return f"{place}/{path.name}" if path.name.startswith("__init__.") else f"{place}{path.suffix}"


def _top(top: str) -> tuple[Path | None, tuple[str, ...]]:
    """The file of a top-level module, and the folders of its submodules."""
    loaded = sys.modules.get(top)
    file = getattr(loaded, "__file__", None)
    if isinstance(file, str):
        return Path(file), tuple(getattr(loaded, "__path__", ()))
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None, ()
    if spec is None:
        return None, ()
    origin = Path(spec.origin) if spec.has_location and spec.origin else None
    return origin, tuple(spec.submodule_search_locations or ())


def _path(module: str, places: Places) -> Path | None:
    """The file of a module."""
    top, *rest = module.split(".")
    if top in _OURS or top in sys.stdlib_module_names:
        return None
    if top not in places:
        places[top] = _top(top)
    path, folders = places[top]
    for part in rest:
        path, folders = _within(part, folders)
    return path


def _within(name: str, folders: Sequence[str]) -> tuple[Path | None, tuple[str, ...]]:
    for folder in folders:
        package = Path(folder) / name
        if (package / "__init__.py").is_file():
            return package / "__init__.py", (str(package),)
        for suffix in (".py", *EXTENSION_SUFFIXES):
            file = Path(folder) / f"{name}{suffix}"
            if file.is_file():
                return file, ()
    packages = tuple(str(Path(folder) / name) for folder in folders if (Path(folder) / name).is_dir())
    return None, packages


_known: dict[tuple[str, str], tuple[str, ...]] = {}


def _imports(digest: str, source: bytes, package: str) -> tuple[str, ...]:
    """The modules that a file may import. Names that are no modules are among them."""
    key = (digest, package)
    if key not in _known:
        names: list[str] = []
        with contextlib.suppress(SyntaxError, ValueError, RecursionError):
            names = list(dict.fromkeys(_names(ast.parse(source), package)))
        _known[key] = tuple(names)
    return _known[key]


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - (node.level - 1)] if package else []
                base = ".".join([*above, *([base] if base else [])])
            if base:
                yield base
            yield from (
                f"{base}.{alias.name}" if base else alias.name for alias in node.names if alias.name != "*"
            )
        elif isinstance(node, ast.Call) and node.args:
            called, name = getattr(node.func, "attr", getattr(node.func, "id", "")), node.args[0]
            if called in ("import_module", "__import__") and isinstance(name, ast.Constant):
                yield from (each for each in (name.value,) if isinstance(each, str))
