"""The inputs of a run: digests of everything that decides its results and that its settings only name.

The record is ``{input: {file: SHA-256}}``. The inputs are

* ``code.reward``, ``code.policy`` and so on: the source files of a custom part (`wideseek_env.provenance.code`);
* ``files.policy.model`` and so on: the files of an option of the policy that names a model, a tokenizer or weights;
* ``files.corpus``: the pages of a corpus in a folder, or a recording of the web;
* ``files.judge``: the recording of a judge;
* ``prompts``: all texts that agents see.

The tasks themselves have a digest in the settings.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from wideseek_env.game import GameConfig
from wideseek_env.plugins import Kind
from wideseek_env.profile_texts import profile_texts
from wideseek_env.profiles import Profile
from wideseek_env.provenance.code import code_of, modules_of, modules_of_name
from wideseek_env.provenance.files import FileDigests

Inputs: TypeAlias = dict[str, dict[str, str]]

_PARTS = ("reward", "credit", "profile", "judge", "counter", "executor", "summariser", "corpus", "tasks")
_MODEL_FILES = frozenset(
    ".safetensors .bin .pt .pth .gguf .npz .npy .onnx .json .model .jinja .txt .tiktoken .py".split()
)
"""The files of a model folder that decide what it writes."""
_WEIGHTS = frozenset(
    ".safetensors .bin .pt .pth .gguf .npz .npy .onnx .jinja .model .toml .yaml .yml".split()
)
"""The files that an option of a policy may name."""
_MODEL = ("config.json", "adapter_config.json", "tokenizer.json", "tokenizer_config.json")
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_ROLE = re.compile(r"(?:lead|subagent|single)=")
_REPLAY = re.compile(r"live:(?:.*[,:])?replay=([^,]+)")


def inputs_of(
    config: GameConfig,
    profile: Profile,
    policy: str,
    options: Mapping[str, Any],
    *,
    made_by: object = None,
    corpus: object = None,
    verify: bool = False,
) -> Inputs:
    """The inputs of a run of a policy in a game.

    Args:
        config: The game.
        profile: The opened profile of the game.
        policy: The name of the policy.
        options: The options of the policy.
        made_by: The policy, or the function that makes it, if `policy` is only a label.
        corpus: The opened corpus, if there is one.
        verify: Hash files again that are known by their size and time.
    """
    digests = FileDigests(verify=verify)
    found: Inputs = {"prompts": {"": prompts_digest(profile)}}
    found |= game_inputs(config, corpus, digests)
    found |= _of_policy(policy, options, made_by, digests)
    digests.save()
    return {name: files for name, files in found.items() if files}


def game_inputs(config: GameConfig, corpus: object, digests: FileDigests) -> Inputs:
    """The code of the custom parts of a game, and the files of its corpus and judge. Some may be empty."""
    found: Inputs = {}
    plain = config.record()
    for name in _PARTS:
        live = getattr(config, name)
        found[f"code.{name}"] = _code(cast(Kind, name), str(plain.get(name, "")), live)
    for number, (name, live) in enumerate(zip(plain.get("tools", ()), config.tools, strict=True)):
        found[f"code.tools.{number}"] = _code("tool", _ROLE.sub("", name), live)
    spec = str(plain.get("corpus") or plain.get("tasks") or "")
    found["files.corpus"] = corpus_files(spec, corpus, digests)
    judge = str(plain.get("judge", ""))
    if judge.startswith("recorded:"):
        file = Path(judge.removeprefix("recorded:"))
        found["files.judge"] = digests.of_files([file], file.parent)
    return found


def policy_inputs(
    policy: str, options: Mapping[str, Any], *, made_by: object = None, verify: bool = False
) -> Inputs:
    """The inputs of a policy alone: its code, and the files that its options name."""
    digests = FileDigests(verify=verify)
    found = _of_policy(policy, options, made_by, digests)
    digests.save()
    return {name: files for name, files in found.items() if files}


def model_files(model: str, digests: FileDigests) -> dict[str, str]:
    """The digests of weights, configuration and tokenizer in a model folder, or of a model of the Hugging Face hub
    that is on this machine. Empty if there is no such folder."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        found = hub_folder(model)
        if found is None:
            return {}
        folder = found
    paths = (path for path in folder.rglob("*") if path.suffix in _MODEL_FILES and path.is_file())
    return digests.of_files((path for path in paths if not _is_hidden(path, folder)), folder)


def hub_folder(name: str) -> Path | None:
    """The folder of a model that was downloaded from the Hugging Face hub. None if it is not on this machine."""
    if not _HUB_NAME.fullmatch(name):
        return None
    home = os.environ.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub")
    place = cache / f"models--{name.replace('/', '--')}"
    try:
        folder = place / "snapshots" / (place / "refs" / "main").read_text("utf-8").strip()
    except (OSError, ValueError):
        return None
    return folder if folder.is_dir() else None


def corpus_files(spec: str, corpus: object, digests: FileDigests) -> dict[str, str]:
    """The digests of the pages of a corpus in a folder, or of a recording of the web.

    The search index over the pages is left out, because each build of it has other bytes.
    """
    if match := _REPLAY.match(spec):
        file = Path(match[1])
        return digests.of_files([file], file.parent)
    kind, _, rest = spec.partition(":")
    places: list[Path] = []
    if kind == "hybrid":
        lexical, _, dense = rest.rpartition("+")
        return {
            **{f"lexical/{name}": each for name, each in corpus_files(lexical, None, digests).items()},
            **{f"dense/{name}": each for name, each in corpus_files(f"dense:{dense}", None, digests).items()},
        }
    if kind == "dense":
        places.append(Path(rest))
    elif (place := getattr(corpus, "path", None)) is not None and isinstance(place, (str, Path)):
        places.append(Path(place))
    else:
        places.append(Path(spec))
    folder = places[0]
    try:
        if not spec or not (folder / "manifest.json").is_file():
            return {}
    except (OSError, ValueError):
        return {}
    paths = (
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix != ".lock"
        and path.name != "manifest.json"
        and "postings" not in path.relative_to(folder).parts
        and not _is_hidden(path, folder)
    )
    return digests.of_files(paths, folder)


def prompts_digest(profile: Profile) -> str:
    """A digest of all texts that agents see, and of how their messages are read."""
    told = [profile.name, profile.language, profile_texts(profile), profile.protocol.to_dict()]
    return hashlib.sha256(
        json.dumps(told, sort_keys=True, default=str).encode("utf-8", "replace")
    ).hexdigest()


def responses_files(path: Path, digests: FileDigests) -> dict[str, str]:
    """The digests of a file or a folder of answers. Of a run, the file of trajectories counts."""
    if not path.is_dir():
        return digests.of_files([path], path.parent)
    run = path / "trajectories.jsonl"
    if run.is_file():
        return digests.of_files([run], path)
    return digests.of_files(
        (each for each in path.iterdir() if each.is_file() and each.suffix != ".lock"), path
    )


def part_inputs(kind: Kind, name: str | None, live: object = None) -> Inputs:
    """The code of one custom part, and the file of a recorded judge."""
    digests = FileDigests()
    found: Inputs = {f"code.{kind}": _code(kind, name or "", live)}
    if kind == "judge" and name and name.startswith("recorded:"):
        file = Path(name.removeprefix("recorded:"))
        found["files.judge"] = digests.of_files([file], file.parent)
    digests.save()
    return {each: files for each, files in found.items() if files}


def _code(kind: Kind, name: str, live: object) -> dict[str, str]:
    if isinstance(live, str) or live is None:
        modules = modules_of_name(kind, name)
    else:
        modules = modules_of_name(kind, name) or modules_of(live)
    return code_of(*modules)


def _of_policy(policy: str, options: Mapping[str, Any], made_by: object, digests: FileDigests) -> Inputs:
    modules = modules_of_name("policy", policy) or modules_of(made_by)
    found: Inputs = {"code.policy": code_of(*modules)}
    named = {**_options_in(policy), **options}
    for name, value in _texts(named):
        if files := _option_files(value, name, digests):
            found[f"files.policy.{name}"] = files
    return found


def _option_files(value: str, name: str, digests: FileDigests) -> dict[str, str]:
    try:
        path = Path(value).expanduser()
        if path.is_dir():
            a_model = any((path / each).is_file() for each in _MODEL) or any(path.glob("*.safetensors"))
            return model_files(value, digests) if a_model else {}
        if path.is_file():
            return digests.of_files([path], path.parent) if path.suffix in _WEIGHTS else {}
    except (OSError, ValueError, RuntimeError):  # no path: a text that is too long, or has a zero byte
        return {}
    return model_files(value, digests) if "model" in name or "tokenizer" in name else {}


def _options_in(name: str) -> dict[str, str]:
    """The options in the name of a part, as text."""
    pairs = (piece.partition("=") for piece in re.split("[,:]", name) if "=" in piece)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _texts(options: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, str]]:
    """All texts in the options, with their full names."""
    for name, value in options.items():
        if isinstance(value, str):
            yield f"{where}{name}", value
        elif isinstance(value, Mapping):
            yield from _texts(value, f"{where}{name}.")


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
