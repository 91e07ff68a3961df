"""A short policy that sees observations and masks alone: what the symbolic spaces are sufficient for."""

from __future__ import annotations

from typing import Any

import numpy as np

from wideseek_env.wrappers import Layout


def greedy(layout: Layout, observation: dict[str, Any]) -> int:
    """An action for one agent: delegate all that is open as widely as possible, open the likeliest result, take
    every value, report when nothing is missing."""
    mask = observation["action_mask"].astype(bool)
    parts = layout.parts(observation["observation"])
    lead, _, acting, turns_left, finding, *_ = parts["status"]
    if not acting:
        return layout.action("idle")
    if lead:
        return _lead(layout, mask, parts)
    last_entry = layout.max_attributes
    if finding:
        if mask[layout.action("take", last_entry)] and parts["page"][0] > 0.5:
            return layout.action("take", last_entry)
        if mask[layout.action("follow", last_entry)]:
            return layout.action("follow", last_entry)
        if parts["entities"][:, 0].any() or turns_left < 0.1:
            return layout.action("report")
        return _likeliest(layout, mask, parts) or layout.action("search_list")
    wanted = int(parts["attributes"][:, 0].sum())
    known = parts["cells"][:, :wanted, 0] > 0
    current = np.flatnonzero(parts["entities"][:, 2])
    for verb in ("take", "follow"):
        for attribute in range(wanted):
            action = layout.action(verb, attribute)
            if mask[action] and not known[current[0], attribute]:
                return action
    if current.size and not known[current[0]].all():
        best = _likeliest(layout, mask, parts) or (
            _likeliest(layout, mask, parts, again=True) if parts["page"][0] < 1 else 0
        )
        if best:
            return best
    for place in np.flatnonzero(parts["entities"][:, 0]):
        for attribute in range(wanted):
            tried = parts["cells"][place, :wanted, 1].sum()
            if not known[place, attribute] and not tried and mask[layout.action("search", place, attribute)]:
                return layout.action("search", place, attribute)
    return layout.action("report")


def _lead(layout: Layout, mask: np.ndarray, parts: dict[str, np.ndarray]) -> int:
    if not parts["entities"][:, 0].any() and mask[layout.action("find")]:
        return layout.action("find")
    whole = len(layout.chunks) - 1
    fresh = (parts["entities"][:, 0] > 0) & (parts["entities"][:, 3] == 0)
    if fresh.any():
        for width in reversed(range(layout.width)):
            if mask[layout.action("delegate", whole, width)]:
                return layout.action("delegate", whole, width)
    return layout.action("answer")


def _likeliest(layout: Layout, mask: np.ndarray, parts: dict[str, np.ndarray], again: bool = False) -> int:
    """Opening the first result (unopened, or opened before) that is called what was searched for; 0 without one."""
    results = parts["results"]
    fit = results[:, 0] * (results[:, 4] == again) * results[:, 1]
    best = int(fit.argmax())
    action = layout.action("open", best)
    return action if fit[best] == 1 and mask[action] else 0
