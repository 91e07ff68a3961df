"""Tasks over the lists of a synthetic world. No page that a task needs is also needed by a task of another split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from wideseek_env.corpus.synthetic.dice import Dice
from wideseek_env.corpus.synthetic.model import SPLITS, Entity, EntityList, Split
from wideseek_env.corpus.synthetic.names import slug
from wideseek_env.corpus.synthetic.world import SyntheticWorld
from wideseek_env.errors import TaskError
from wideseek_env.task import ColumnSpec, Language, Table, Task
from wideseek_env.tasks.synthetic.columns import Column, columns_of
from wideseek_env.tasks.synthetic.filters import Filter, propose
from wideseek_env.tasks.synthetic.questions import write_question
from wideseek_env.tasks.taskset import TaskSet

TASKS_PER_LIST = 20
"""The most tasks from one list. These tasks have different columns or filters."""

LEAST_ROWS_KEPT = 0.4
"""The smallest share of a list that filters may keep."""

_FILTERABLE = ("year", "date", "number", "category")
_HOP_WEIGHTS = (1, 1, 1, 2, 2, 2, 3, 3)
_FILTER_COUNTS = (0, 0, 1, 1, 1, 1, 2, 2)


def synthetic_tasks(
    world: SyntheticWorld,
    split: Split,
    count: int | None = None,
    *,
    seed: int = 0,
    language: Language | Literal["mixed"] = "en",
) -> TaskSet:
    """`count` tasks (all by default) of one split of `world`.

    The first task of every list comes before the second task of any list, so the first tasks already cover all lists.
    `seed` decides the order and the columns, filters and phrasings. The world alone decides to which split a list
    belongs. With ``mixed``, English and Chinese questions alternate. Pages and column names are always in English.

    Raises:
        TaskError: The split has fewer than `count` tasks or (in a very small world) no lists, or the split or language
            is unknown.
    """
    if split not in SPLITS:
        raise TaskError(f"unknown split {split!r}; known are {', '.join(SPLITS)}")
    if language not in ("en", "zh", "mixed"):
        raise TaskError(f"language must be 'en', 'zh' or 'mixed', not {language!r}")
    if count is not None and count < 0:
        raise TaskError(f"count must be 0 or more, not {count}")
    dice = Dice(world.seed, "tasks", split, seed)
    lists = dice.shuffled([each for each in world.lists if each.region.split == split])
    if not lists:
        raise TaskError(
            f"{world.spec} has no {split} lists: its {len(world.regions)} regions are all in other splits; "
            f"use a world with more than its {world.config.pages} pages"
        )
    plans = [_plans(world, each, seed) for each in lists]
    turns = [
        (each, at) for at in range(TASKS_PER_LIST) for each in range(len(lists)) if at < len(plans[each])
    ]
    if count is not None and count > len(turns):
        raise TaskError(
            f"{world.spec} offers {len(turns)} {split} tasks from {len(lists)} lists, not {count}; ask for "
            f"fewer, or use a world with more than its {world.config.pages} pages"
        )
    tasks = []
    for each, at in turns[:count]:
        tongue: Language = ("en", "zh")[(each + at) % 2] if language == "mixed" else language
        tasks.append(_task(world, lists[each], at, plans[each][at], seed, tongue))
    return TaskSet(tasks, f"{world.spec}/{split}")


class _Plan:
    """The columns and entities of a list that one task asks for."""

    __slots__ = ("columns", "entities", "filters")

    def __init__(
        self, columns: tuple[Column, ...], filters: tuple[Filter, ...], entities: tuple[Entity, ...]
    ) -> None:
        self.columns = columns
        self.filters = filters
        self.entities = entities


def _plans(world: SyntheticWorld, entity_list: EntityList, seed: int) -> list[_Plan]:
    dice = Dice(world.seed, "plans", entity_list.phrase, seed)
    plans: list[_Plan] = []
    seen: set[tuple[tuple[Column, ...], tuple[Filter, ...]]] = set()
    for _ in range(TASKS_PER_LIST * 4):
        columns = _choose_columns(dice, world, entity_list)
        filters, entities = _choose_filters(dice, entity_list)
        if (columns, filters) not in seen:
            seen.add((columns, filters))
            plans.append(_Plan(columns, filters, entities))
        if len(plans) == TASKS_PER_LIST:
            break
    return plans


def _choose_columns(dice: Dice, world: SyntheticWorld, entity_list: EntityList) -> tuple[Column, ...]:
    """Some columns, in the order of the kind. For one of the columns, the dice decide how many links lead to its
    attribute."""
    offered = columns_of(entity_list.kind, world.config.hops)
    hops = min(dice.pick(_HOP_WEIGHTS), world.config.hops)
    near = dice.shuffled([c for c in offered if c.hops == 1])
    chosen = near[: dice.between(*world.config.columns)]
    if hops > 1:
        far = dice.pick([c for c in offered if c.hops == hops])
        chosen[-1] = far
    return tuple(column for column in offered if column in chosen)


def _choose_filters(dice: Dice, entity_list: EntityList) -> tuple[tuple[Filter, ...], tuple[Entity, ...]]:
    least = max(2, int(len(entity_list.entities) * LEAST_ROWS_KEPT))
    wanted = dice.pick(_FILTER_COUNTS)
    filters: list[Filter] = []
    entities: list[Entity] = list(entity_list.entities)
    for attribute in dice.shuffled([a for a in entity_list.kind.attributes if a.type in _FILTERABLE]):
        if len(filters) == wanted:
            break
        found = propose(dice, attribute, entities, least)
        if found is not None:
            filters.append(found[0])
            entities = found[1]
    return tuple(filters), tuple(entities)


def _task(
    world: SyntheticWorld, entity_list: EntityList, at: int, plan: _Plan, seed: int, language: Language
) -> Task:
    kind = entity_list.kind
    gold = Table(
        (kind.key, *(column.name for column in plan.columns)),
        tuple((e.name, *(column.value(e).text for column in plan.columns)) for e in plan.entities),
    )
    hops = max(column.hops for column in plan.columns)
    specs: dict[str, ColumnSpec] = {kind.key: ColumnSpec()}
    specs.update((column.name, column.spec()) for column in plan.columns)
    dice = Dice(world.seed, "wording", entity_list.phrase, seed, at)
    return Task(
        id=f"synthetic-{world.seed}-{seed}-{slug(entity_list.phrase)}-{at:02d}",
        question=write_question(dice, entity_list, plan.filters, plan.columns, language),
        columns=gold.header,
        key_columns=(kind.key,),
        gold=gold,
        specs=specs,
        language=language,
        source=world.spec,
        meta={
            "kind": kind.key,
            "region": entity_list.region.name,
            "split": entity_list.region.split,
            "hops": hops,
            "rows": len(gold.rows),
            "list_rows": len(entity_list.entities),
            "filters": [{"label": f.label, "relation": f.relation, "value": f.value} for f in plan.filters],
            "difficulty": _difficulty(hops, len(plan.filters)),
            "list_url": entity_list.page_url(),
        },
    )


def _difficulty(hops: int, filters: int) -> str:
    """``easy``: one link to follow and no filter. ``medium``: two links or one filter. ``hard``: everything else."""
    return ("easy", "medium", "hard")[min(2, hops - 1 + filters)]


def evidence(world: SyntheticWorld, task: Task) -> Mapping[tuple[str, str], str]:
    """The URL of the page with the value of each cell, by (key, column). For analysis only.

    The value of a key is on a page of the list. The value of an attribute is in the article of its entity or of a
    linked thing.

    Raises:
        TaskError: The task is from another world.
    """
    entity_list = _list_of(world, task)
    size = world.config.page_size
    by_name = {entity.name: (at, entity) for at, entity in enumerate(entity_list.entities)}
    columns = {c.name: c for c in columns_of(entity_list.kind, world.config.hops)}
    key = task.key_columns[0]
    assert task.gold is not None
    found: dict[tuple[str, str], str] = {}
    for name in task.gold.column(key):
        at, entity = by_name[name]
        found[name, key] = entity_list.page_url(at // size + 1)
        for column in task.columns[1:]:
            found[name, column] = columns[column].source(entity).url
    return found


def needed_pages(world: SyntheticWorld, task: Task) -> frozenset[str]:
    """All pages that a task needs: the list's pages, the articles that it links to (for filters), and those of
    `evidence`."""
    entity_list = _list_of(world, task)
    pages = {entity_list.page_url(n) for n in range(1, entity_list.page_count(world.config.page_size) + 1)}
    pages.update(entity.url for entity in entity_list.entities)
    pages.update(evidence(world, task).values())
    return frozenset(pages)


def _list_of(world: SyntheticWorld, task: Task) -> EntityList:
    if task.source != world.spec:
        raise TaskError(f"task {task.id} is from {task.source!r}, not from {world.spec!r}")
    return world.list_at(task.meta["list_url"])
