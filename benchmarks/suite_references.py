"""Write the digests and the reference cards of the benchmark suite into the package.

    python benchmarks/suite_references.py --data DATA
    python benchmarks/suite_references.py --data DATA --kind wide

The first command writes ``digests.json``, and for each size the cards of the scripted team, of the scripted single
agent and of random actions. With ``--kind``, only this kind is run, and the other kinds of the files stay as they are.
``--digests`` writes the digests only. After a release, run this only for a new version of the suite.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path

from wideseek_env.evaluation.suite.card import Card, read_card
from wideseek_env.evaluation.suite.definition import CURRENT, Suite
from wideseek_env.evaluation.suite.digests import FILE, PARTS
from wideseek_env.evaluation.suite.references import RANDOM, file_name, split_scripted
from wideseek_env.evaluation.suite.run import open_suite, run_suite
from wideseek_env.files import write_json
from wideseek_env.policy import make_policy


def main(arguments: list[str] | None = None, suite: Suite = CURRENT) -> None:
    """Write the files into the folder of `suite`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="the folder of the HybridQA data")
    parser.add_argument("--kind", choices=[kind.name for kind in suite.kinds], help="only this kind")
    parser.add_argument("--digests", action="store_true", help="write the digests only")
    given = parser.parse_args(arguments)
    kinds = tuple(kind for kind in suite.kinds if given.kind in (None, kind.name))
    part = dataclasses.replace(suite, kinds=kinds)
    suite.folder.mkdir(parents=True, exist_ok=True)
    for number, size in enumerate(suite.sizes):
        opened = open_suite(part, size, given.data, check=number > 0)
        for kind, why in opened.absent.items():
            print(f"{kind} is left as it is: {why}")
        if number == 0:
            _write_digests(suite, opened.digests)
        if given.digests:
            return
        for policy in ("scripted", "random"):
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                command = (
                    f"wideseek bench suite --policy {policy} --size {size} --data DATA --out runs/{policy}"
                )
                card = run_suite(
                    opened, lambda policy=policy: make_policy(policy), Path(folder), policy_name=policy, command=command
                )  # fmt: skip
            cards = split_scripted(card) if policy == "scripted" else {RANDOM: card}
            for name, each in cards.items():
                _write(suite, size, name, each)
            print(f"{size}, {policy}: {time.monotonic() - began:.0f} s", flush=True)


def _write_digests(suite: Suite, found: dict) -> None:
    file = suite.folder / FILE
    known = json.loads(file.read_text(encoding="utf-8"))["kinds"] if file.is_file() else {}
    known |= {kind: dict(digests) for kind, digests in found.items()}
    ordered = {kind.name: known[kind.name] for kind in suite.kinds if kind.name in known}
    write_json(file, {"suite": suite.version, "parts": dict(PARTS), "kinds": ordered})
    print(f"{file}: {', '.join(found)}", flush=True)


def _write(suite: Suite, size: str, name: str, card: Card) -> None:
    """Write a reference card. Kinds that were not run stay as they are in the file."""
    file = suite.folder / file_name(size, name)
    kinds = dict(read_card(file).kinds) if file.is_file() else {}
    kinds |= card.kinds
    ordered = {kind.name: kinds[kind.name] for kind in suite.kinds if kind.name in kinds}
    absent = {kind: why for kind, why in card.absent.items() if kind not in ordered}
    card = dataclasses.replace(card, name=name, kinds=ordered, absent=absent)
    write_json(file, card.to_dict())


if __name__ == "__main__":
    main()
