"""Phrases that answer no question: filler sentences of articles, headlines of news, topics of travel notes.

In a phrase ``{t}`` is the town, ``{n}`` a neighbour on the list and ``{r}`` the region. A phrase has at most one of
these placeholders. No phrase contains the label of an attribute.
"""

from __future__ import annotations

from collections.abc import Mapping

from wideseek_env.corpus.synthetic.kinds import Sort

_ANY = (
    "Opinions differ on how the name should be spelled; this article follows the form used in {r}.",
    "It is often named together with {n}, although the two have little in common.",
    "A stamp with its picture is sought after by collectors.",
    "Guides to {r} seldom leave it out.",
)

FILLERS: Mapping[Sort, tuple[str, ...]] = {
    "place": (
        *_ANY,
        "Guided walks start at the market square of {t} on most weekends.",
        "Schoolchildren from {t} look after the flower beds.",
        "A short path leads from here to {n}.",
        "Painters have been fond of the view, and several sketches hang in the town hall of {t}.",
        "The winter of the great frost did less harm here than elsewhere in {r}.",
        "A society of friends raises money for repairs.",
        "Local legend tells of a hidden passage, of which no trace has been found.",
    ),
    "water": (
        *_ANY,
        "Herons nest in the reeds, and anglers from {t} come for trout.",
        "A footpath follows the bank for some way before it turns towards {t}.",
        "The flood after the great frost is still talked about in {r}.",
        "Old maps confuse it with {n}.",
        "Ferries ran until the roads were built.",
    ),
    "firm": (
        "Older people in {t} still set their clocks by its whistle.",
        "A strike long ago was settled in one night, to the surprise of {r}.",
        "The firm is often mistaken for {n}.",
        "Its wages are said to be the talk of {t}.",
        "The rivalry with {n} is friendly by now.",
        "Annual reports are printed on yellow paper, for reasons that nobody remembers.",
        "A brass band of employees plays on holidays.",
    ),
    "film": (
        "Critics have drawn comparisons with {n}, not always fairly.",
        "Crowds stood in the rain in {t} to see it.",
        "Viewers of {n} tend to like it too.",
        "The last reel was thought lost for a while and turned up in an attic.",
        "In {r} whole scenes of it are known by heart.",
        "The music was added at the last minute.",
        "A planned sequel never came about.",
    ),
    "person": (
        "Papers and letters are kept in the reading room at {t}.",
        "Critics have drawn comparisons with {n}, not always fairly.",
        "A street in {t} bears the name.",
        "Concerts in {r} seldom do without at least one piece.",
        "There was a long friendship with {n}, broken off over a loan.",
        "A manuscript turned up not long ago in a piano stool.",
        "The house in which the family lived is gone.",
    ),
}

HEADLINES: Mapping[Sort, tuple[str, ...]] = {
    "place": (
        "{e} reopens after repairs",
        "Choir festival at {e}",
        "{e} closes for a week",
        "Storm spares {e}",
    ),
    "water": (
        "{e} over its banks again",
        "Swimmers take to {e}",
        "Anglers quarrel about {e}",
        "{e} freezes over",
    ),
    "firm": ("{e} opens its gates to neighbours", "{e} and union agree", "{e} wins a safety prize"),
    "film": ("{e} back in cinemas for a night", "A poster of {e} is found", "Students restore {e}"),
    "person": ("An evening for {e}", "A letter by {e} is found", "Plaque for {e} unveiled"),
}
"""Titles of news about an entity ``{e}``."""

TOPICS = (
    "A short history of {k}",
    "Ten questions about {k}",
    "What the guides do not say about {k}",
    "Why {k}?",
)
"""Titles of travel notes about a kind ``{k}``."""

TRENDS = ("Fresh money for {p}", "What is to become of {p}?", "Council debates {p}", "A good year for {p}")
"""Titles of news about a list's phrase ``{p}``."""
