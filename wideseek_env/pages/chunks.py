"""Turns blocks into Markdown, and Markdown into chunks that can be read one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wideseek_env.pages.tables import table_line
from wideseek_env.pages.walk import Block


class Atom(NamedTuple):
    """The smallest piece of a page that stays whole: a heading, paragraph, list item or table row.

    `text` ends with the line breaks that follow it. For a table row, `header` is the header of its table (with its
    rule, ending in a line break). For all other atoms, including the header itself, `header` is "". `level` is the
    level of a heading, and 0 for all other atoms.
    """

    text: str
    header: str = ""
    level: int = 0


def to_atoms(blocks: Sequence[Block]) -> list[Atom]:
    """The atoms of a page. The texts of all atoms, joined, are the Markdown of the page."""
    atoms: list[Atom] = []
    for number, block in enumerate(blocks):
        following = blocks[number + 1] if number + 1 < len(blocks) else None
        tight = following is None or block.kind == following.kind == "item"
        end = "\n" if tight else "\n\n"
        if block.grid is not None:
            _add_table(atoms, block, end)
        elif block.kind == "heading":
            atoms.append(Atom(f"{'#' * block.level} {block.text}{end}", level=block.level))
        elif block.kind == "item":
            indent = "  " * block.level
            text = block.text
            if "\n" in text:
                text = text.replace("\n", "\n" + indent + " " * len(block.mark))
            atoms.append(Atom(f"{indent}{block.mark}{text}{end}"))
        elif block.kind == "code":
            fence = "```" if "```" not in block.text else "~~~~"
            atoms.append(Atom(f"{fence}\n{block.text}\n{fence}{end}"))
        else:
            atoms.append(Atom(block.text + end))
    return atoms


def _add_table(atoms: list[Atom], block: Block, end: str) -> None:
    grid = block.grid
    assert grid is not None
    if grid.caption:
        atoms.append(Atom(f"**{grid.caption}**\n\n"))
    header = f"{table_line(grid.header)}\n|{' --- |' * len(grid.header)}\n"
    if not grid.rows:
        atoms.append(Atom(header + end[1:]))
        return
    atoms.append(Atom(header))
    rows = [Atom(table_line(row) + "\n", header) for row in grid.rows]
    rows[-1] = Atom(rows[-1].text + end[1:], header)
    atoms += rows


def to_chunks(atoms: Sequence[Atom], size: int) -> tuple[str, ...]:
    """The page in chunks of about `size` characters.

    A chunk ends between two atoms. Only an atom longer than `size` is cut. A heading or a table's header is never the
    last thing in a chunk. A section starts a new chunk if the current one is at least half full. A chunk that begins
    inside a table repeats the table's header. Without these repetitions, the joined chunks are the whole page.
    """
    chunks: list[str] = []
    held: list[Atom] = []
    length = 0
    # Of the first `seen` atoms in `held`, the last `leading` ones lead to the text after them. They have `weight`
    # characters. Without these numbers, a page of headings would be read again for each of its headings.
    seen = leading = weight = 0

    def look() -> None:
        """Count the headings, captions and table headers at the end of `held`."""
        nonlocal seen, leading, weight
        at = len(held)
        while at > seen and _leads(held[at - 1]):
            at -= 1
        if at > seen:
            leading = weight = 0
        leading += len(held) - at
        weight += sum(len(atom.text) for atom in held[at:])
        seen = len(held)

    for atom in _short(atoms, size):
        full = length + len(atom.text) > size
        if held and (full or atom.level):
            look()
            # What leads to the next text moves to the next chunk.
            if leading < len(held) and (full or length - weight >= size // 2):
                chunks.append(_join(held[: len(held) - leading]))
                held = held[len(held) - leading :]
                length = weight + (len(held[0].header) if held else 0)
                seen = leading
        if not held:
            length = len(atom.header)
        held.append(atom)
        length += len(atom.text)
    if held:
        chunks.append(_join(held))
    return tuple(chunks)


def _leads(atom: Atom) -> bool:
    text = atom.text
    return (
        atom.level > 0
        or (text.startswith("**") and text.endswith("**\n\n"))
        or (not atom.header and text.startswith("| ") and text.rstrip("\n").endswith(" --- |"))
    )


def _join(atoms: Sequence[Atom]) -> str:
    return atoms[0].header + "".join([atom.text for atom in atoms])


def _short(atoms: Sequence[Atom], size: int) -> Sequence[Atom]:
    """The atoms. An atom longer than `size` is cut at the end of a sentence, else at the end of a word, else
    anywhere."""
    if max(map(len, [atom.text for atom in atoms]), default=0) <= size:
        return atoms
    short: list[Atom] = []
    for atom in atoms:
        text = atom.text
        while len(text) > size:
            at = max(text.rfind(mark, size // 2, size) for mark in ("\n", ". ", "。", "; ")) + 1
            at = at or text.rfind(" ", size // 2, size) + 1 or size
            short.append(Atom(text[:at], atom.header, atom.level))
            text = text[at:]
        short.append(atom if text is atom.text else Atom(text, atom.header, atom.level))
    return short
