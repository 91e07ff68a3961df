"""Exact match and token F1 of short answers, as question answering sets define them.

Source: the evaluation script of SQuAD (normalisation, exact match, F1, maximum over the accepted answers), and that of
HotpotQA (F1 of a wrong yes or no is 0). ASearcher reads ``True`` and ``False`` as yes and no.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

EXACT_MATCH, TOKEN_F1 = "exact_match", "token_f1"
"""Names of the metrics in `TableScore.extra`."""

SOURCE = "qa"
"""The `source` of tasks whose scores have these metrics."""

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_TRUTH = {"true": "yes", "false": "no"}
_CLOSED = frozenset(("yes", "no", "noanswer"))


def normal_form(answer: str) -> str:
    """The normal form of an answer: lower case, without ASCII punctuation and English articles, with single spaces."""
    text = answer.lower().translate(_NO_PUNCTUATION)
    text = " ".join(_ARTICLES.sub(" ", text).split())
    return _TRUTH.get(text, text)


def exact_match(answer: str, accepted: Sequence[str]) -> float:
    """1.0 if the normal forms of the answer and of an accepted answer are equal, else 0.0.

    Two answers that consist of punctuation and articles are equal only if their texts are, such as "+" and "+".
    """
    form = normal_form(answer)
    return float(any(_agree(form, normal_form(one), answer, one) for one in accepted))


def token_f1(answer: str, accepted: Sequence[str]) -> float:
    """The largest F1 over words of the answer and an accepted answer, from 0 to 1. A word counts as often as it occurs
    in both."""
    return max((_token_f1(answer, one) for one in accepted), default=0.0)


def _token_f1(answer: str, accepted: str) -> float:
    form, wanted = normal_form(answer), normal_form(accepted)
    if _agree(form, wanted, answer, accepted):
        return 1.0
    if form in _CLOSED or wanted in _CLOSED:
        return 0.0
    words, gold = Counter(form.split()), Counter(wanted.split())
    common = (words & gold).total()
    return 2 * common / (words.total() + gold.total()) if common else 0.0


def _agree(form: str, other: str, answer: str, accepted: str) -> bool:
    return form == other if form or other else answer.strip() == accepted.strip()
