"""`check_tool`, `check_judge`, `check_reward` and `check_task_source` find what is broken, one rule at a time."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from wideseek_env.errors import ConfigError, ServiceError
from wideseek_env.rewards import PRESETS
from wideseek_env.scoring import OfflineJudge
from wideseek_env.task import ColumnSpec, Table, Task
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.testing import (
    ConformanceError,
    check_judge,
    check_reward,
    check_task_source,
    check_tool,
    example_task,
)
from wideseek_env.tools.custom import Tool, tool
from wideseek_env.tools.spec import ToolInputError, function_schema


def found(check: Callable[[], None], rule: str, told: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check()
    assert caught.value.rule == rule, caught.value
    assert told in str(caught.value)


# --- tools ---------------------------------------------------------------------------------------------------------


def shout(text: str, times: int = 1, loud: bool = True, words: list[str] | None = None) -> str:
    """Say a text in capitals.

    Args:
        text: What is to be said,
            as one line.
        times: How often it is said.
        loud: Whether it is said in capitals.
        words: Further words to be said.
    """
    said = " ".join([text, *(words or ())]) * times
    return said.upper() if loud else said


SHOUT = tool(shout)
EXAMPLES = [{"text": "a"}, {"text": "b", "times": 2, "loud": False, "words": ["c"]}]


def broken(**spec: Any) -> Tool:
    """The tool with another spec or other fields."""
    fields = {name: spec.pop(name) for name in ("run", "roles") if name in spec}
    return dataclasses.replace(SHOUT, spec=dataclasses.replace(SHOUT.spec, **spec), **fields)


def schema(description: str = "Say it in capitals.", **arguments: Any) -> Callable[..., dict[str, Any]]:
    given = {"text": {"type": "string", "description": "What is to be said."}, **arguments}
    return lambda language, rules: function_schema("shout", description, given, ["text"])


class Counting:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, arguments: Mapping[str, Any]) -> str:
        self.count += 1
        return f"{self.count}"


def read_wrongly(error: Exception) -> Callable[..., Any]:
    def read(arguments: Any, rules: Any) -> Any:
        if arguments in EXAMPLES:
            return [dict(arguments)]
        raise error

    return read


def greedy(arguments: Any) -> str:
    arguments.clear()
    return "x"


@pytest.mark.parametrize(
    ("made", "rule", "told"),
    [
        (shout, "protocol", "it is function"),
        (broken(name="shout it"), "name", "its name is 'shout it'"),
        (broken(name="browse"), "name", "built-in"),
        (broken(kind="search"), "name", "built-in"),
        (broken(schema=lambda language, rules: {"a": {1}}), "schema", "it is not JSON"),
        (broken(schema=lambda language, rules: {"name": "shout"}), "schema", "not of OpenAI's form"),
        (broken(schema=lambda language, rules: {"en": 1}[language]), "schema", "not of OpenAI's form"),
        (broken(schema=lambda language, rules: 1 / 0), "exceptions", "its schema in en raised"),
        (
            broken(schema=lambda language, rules: function_schema("x", "A long enough one", {}, [])),
            "schema",
            "names 'x'",
        ),
        (
            broken(
                schema=lambda language, rules: function_schema("shout", f"It is {random.random()}", {}, [])
            ),
            "schema",
            "it is different each time",
        ),
        (broken(schema=schema("")), "schema", "the description of the tool is ''"),
        (broken(schema=schema(times={"type": "integer"})), "schema", "the description of times is None"),
        (
            broken(schema=schema(times={"type": "int", "description": "How often it is said."})),
            "schema",
            "the type of times is 'int'",
        ),
        (
            broken(
                schema=lambda language, rules: function_schema("shout", "A long enough one", {}, ["text"])
            ),
            "schema",
            "required arguments ['text'] are not all described",
        ),
        (broken(example={"txt": "a"}), "examples", "does not fit its schema"),
        (broken(read=lambda arguments, rules: {}), "read", "read gave {}"),
        (broken(read=lambda arguments, rules: []), "read", "read gave []"),
        (
            broken(read=lambda arguments, rules: [{"text": arguments.pop("text")}]),
            "untouched",
            "read changed",
        ),
        (
            broken(read=lambda arguments, rules: [{"text": arguments["text"]}]),
            "exceptions",
            "reading {} raised KeyError",
        ),
        (broken(read=read_wrongly(ToolInputError("no", "x"))), "read", "ToolInputError('no'"),
        (broken(run=lambda arguments: None), "result", "gave None"),
        (broken(run=lambda arguments: " "), "result", "gave ' '"),
        (broken(run=lambda arguments: "x" * 20_000), "result", "gave 20,000 characters"),
        (broken(run=lambda arguments: 1 / 0), "exceptions", "raised ZeroDivisionError"),
        (broken(run=greedy), "untouched", "run changed its arguments"),
        (broken(run=lambda arguments: f"{random.random()}"), "determinism", "then"),
        (broken(run=Counting()), "determinism", "then"),
    ],
)
def test_a_broken_tool_is_found(made: Any, rule: str, told: str) -> None:
    found(lambda: check_tool(made, EXAMPLES), rule, told)


def test_a_tool_that_keeps_a_call_where_others_find_it_is_found() -> None:
    import threading

    class Shared:
        """In any thread but the main one a call answers with the text of the call before it, as a lost race would."""

        def __init__(self) -> None:
            self.text = ""

        def __call__(self, arguments: Mapping[str, Any]) -> str:
            before, self.text = self.text, str(arguments["text"])
            return self.text if threading.current_thread() is threading.main_thread() else f"{before}!"

    found(
        lambda: check_tool(broken(run=Shared()), [{"text": "a"}, {"text": "b"}]),
        "threads",
        "disturb each other",
    )


def test_one_example_is_too_few() -> None:
    found(
        lambda: check_tool(SHOUT, [{"text": "a"}, {"text": "a"}]), "examples", "at least two different calls"
    )


def test_right_tools_pass() -> None:
    check_tool(SHOUT, EXAMPLES)
    check_tool(broken(run=lambda arguments: f"{random.random()}"), EXAMPLES, deterministic=False)
    check_tool(dataclasses.replace(SHOUT, roles=("lead", "subagent", "single")), EXAMPLES)


def test_a_function_becomes_a_tool() -> None:
    function = SHOUT.spec.schema("en", None)["function"]  # type: ignore[arg-type]
    assert function["description"] == "Say a text in capitals."
    assert function["parameters"]["required"] == ["text"]
    assert function["parameters"]["properties"] == {
        "text": {"type": "string", "description": "What is to be said, as one line."},
        "times": {"type": "integer", "description": "How often it is said.", "default": 1},
        "loud": {"type": "boolean", "description": "Whether it is said in capitals.", "default": True},
        "words": {"type": "array", "items": {"type": "string"}, "description": "Further words to be said."},
    }
    (read,) = SHOUT.spec.read({"text": " a ", "times": "2", "words": "b"}, None)  # type: ignore[arg-type]
    assert read == {"text": "a", "times": 2, "words": ["b"]}
    assert SHOUT.run(read) == "A BA B"


def no_docstring(a: str) -> str:
    return a


def no_hint(a) -> str:  # type: ignore[no-untyped-def]
    """Something."""
    return str(a)


def no_description(a: str) -> str:
    """Something."""
    return a


def many(*a: str) -> str:
    """Something."""
    return str(a)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (no_docstring, "needs a docstring"),
        (no_hint, "needs a type hint"),
        (no_description, "does not say what a is"),
        (many, "give every argument a separate name"),
    ],
)
def test_a_function_that_says_too_little_is_refused(function: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        tool(function)


def test_a_tool_has_a_role_that_exists() -> None:
    with pytest.raises(ConfigError, match="roles of a tool"):
        tool(shout, roles=["boss"])  # type: ignore[list-item]


# --- judges --------------------------------------------------------------------------------------------------------

AGREE, DIFFER = [("ELM", "elm"), ("Oak", "oak ")], [("elm", "oak"), ("fir", "elm")]


class Judge:
    """Compares letters whatever their case, as each test breaks it."""

    def __init__(self, name: Any = "letters", judge: Callable[..., Any] | None = None) -> None:
        self.name = name
        self._judge = judge
        self.asked = 0

    def judge(self, column: str, criterion: str, pairs: Any) -> Any:
        self.asked += 1
        return self._judge(self, pairs) if self._judge is not None else right(self, pairs)


def right(judge: Judge, pairs: Sequence[tuple[str, str]]) -> list[bool]:
    return [one.strip().lower() == other.strip().lower() for one, other in pairs]


class Aligner(Judge):
    def align_keys(self, column: str, predicted: Any, gold: Any) -> Any:
        return {"someone": "else"}


@pytest.mark.parametrize(
    ("judge", "rule", "told"),
    [
        (object(), "protocol", "lacks name or judge"),
        (Judge(name=None), "name", "its name is None"),
        (Judge(judge=lambda self, pairs: "yes"), "types", "gave 'yes'"),
        (Judge(judge=lambda self, pairs: [1 for _ in pairs]), "types", "gave [1"),
        (Judge(judge=lambda self, pairs: [True]), "verdicts", "4 pairs got 1 verdicts"),
        (Judge(judge=lambda self, pairs: (pairs.clear(), [])[1]), "untouched", "changed the list"),
        (Judge(judge=lambda self, pairs: [True for _ in pairs]), "verdicts", "('elm', 'oak') is judged True"),
        (
            Judge(judge=lambda self, pairs: [a == b for a, b in pairs]),
            "verdicts",
            "('ELM', 'elm') is judged False",
        ),
        (
            Judge(judge=lambda self, pairs: [v and self.asked == 1 for v in right(self, pairs)]),
            "determinism",
            "the second time",
        ),
        (
            Judge(judge=lambda self, pairs: right(self, pairs) if pairs[0] != DIFFER[-1] else [False] * 4),
            "order",
            "another order",
        ),
        (
            Judge(judge=lambda self, pairs: right(self, pairs) if len(pairs) > 1 else [False for _ in pairs]),
            "order",
            "alone",
        ),
        (
            Judge(
                judge=lambda self, pairs: [
                    v and b.strip().islower() for v, (_, b) in zip(right(self, pairs), pairs, strict=True)
                ]
            ),
            "symmetry",
            "with its cells swapped",
        ),
        (Judge(judge=lambda self, pairs: right(self, pairs) or [True]), "verdicts", "0 pairs got 1"),
        (
            Judge(
                judge=lambda self, pairs: right(self, pairs) if all(len(a) < 99 for a, _ in pairs) else 1 / 0
            ),
            "exceptions",
            "raised ZeroDivisionError",
        ),
        (Aligner(), "keys", "align_keys gave"),
    ],
)
def test_a_broken_judge_is_found(judge: Any, rule: str, told: str) -> None:
    found(lambda: check_judge(judge, agree=AGREE, differ=DIFFER), rule, told)


def test_a_judge_that_draws_lots_is_found() -> None:
    lots = Judge(
        judge=lambda self, pairs: [random.Random(self.asked).random() < 2 and v for v in right(self, pairs)]
    )
    check_judge(lots, agree=AGREE, differ=DIFFER)
    unsure = Judge(judge=lambda self, pairs: [v and random.random() < 0.3 for v in right(self, pairs)])
    with pytest.raises(ConformanceError):
        check_judge(unsure, agree=AGREE, differ=DIFFER)


def test_pairs_of_both_kinds_are_needed() -> None:
    found(lambda: check_judge(Judge(), agree=AGREE, differ=[]), "pairs", "agree or differ is empty")


def test_right_judges_pass() -> None:
    check_judge(Judge(), agree=AGREE, differ=DIFFER)
    check_judge(OfflineJudge(), agree=[("1,200", "1200"), ("USA", "United States")], differ=[("elm", "oak")])
    one_way = Judge(judge=lambda self, pairs: [b.lower().strip() in a.lower() for a, b in pairs])
    agree = [("Paris, France", "paris")]
    check_judge(one_way, agree=agree, differ=DIFFER, symmetric=False)
    found(lambda: check_judge(one_way, agree=agree, differ=DIFFER), "symmetry", "pass symmetric=False")


def test_a_judge_may_refuse_what_it_cannot_ask() -> None:
    def refuse(self: Judge, pairs: Any) -> Any:
        if not set(pairs) <= {*AGREE, *DIFFER, *((b, a) for a, b in [*AGREE, *DIFFER])}:
            raise ServiceError("the server is gone")
        return right(self, pairs)

    check_judge(Judge(judge=refuse), agree=AGREE, differ=DIFFER)


# --- rewards -------------------------------------------------------------------------------------------------------


class Reward:
    """Item-F1, as each test breaks it."""

    def __init__(self, pay: Callable[..., Any], name: Any = "mine") -> None:
        self.name = name
        self.pay = pay
        self.episodes = 0

    def __call__(self, episode: Any, score: Any) -> Any:
        self.episodes += 1
        return self.pay(self, episode, score)


def f1(reward: Any, episode: Any, score: Any) -> dict[str, float]:
    return {"item_f1": score.f1_by_item}


def meddle(reward: Any, episode: Any, score: Any) -> dict[str, float]:
    episode.conversations[0].messages.append({"role": "user", "content": "x"})
    return f1(reward, episode, score)


@pytest.mark.parametrize(
    ("reward", "rule", "told"),
    [
        (lambda episode, score: {}, "protocol", "lacks name"),
        (Reward(f1, name=""), "name", "its name is ''"),
        (Reward(lambda self, e, s: s.f1_by_item), "types", "gave float"),
        (Reward(lambda self, e, s: {1: 1.0}), "types", "the part 1"),
        (Reward(lambda self, e, s: {"a": "1"}), "types", "the part 'a': '1'"),
        (Reward(lambda self, e, s: {"a": True}), "types", "the part 'a': True"),
        (Reward(lambda self, e, s: {"a": float("nan")}), "range", "the part a"),
        (Reward(lambda self, e, s: {"a": 2 * s.f1_by_item}), "range", "pays 2, not 0 to 1"),
        (Reward(lambda self, e, s: {"a": s.f1_by_item - 0.1 * e.outcome.errors - 0.1}), "range", "pays -0.1"),
        (
            Reward(lambda self, e, s: {"a": len(e.outcome.answer) * 0.0}),
            "exceptions",
            "'out of turns' raised TypeError",
        ),
        (
            Reward(lambda self, e, s: {"a": s.f1_by_item / len(s.extra_rows)}),
            "exceptions",
            "ZeroDivisionError",
        ),
        (Reward(lambda self, e, s: {"a": s.f1_by_item * 0.5**self.episodes}), "determinism", "after others"),
        (Reward(lambda self, e, s: {"a": s.f1_by_item * random.random()}), "determinism", "after others"),
        (Reward(meddle), "untouched", "it changed an episode that is 'perfect'"),
        (
            Reward(
                lambda self, e, s: {
                    "a": s.f1_by_item * (1 - 0.1 * (next(iter(e.outcome.tool_calls), "") == "delegate"))
                }
            ),
            "order",
            "stored in another order",
        ),
        (Reward(lambda self, e, s: {"a": 1 - s.f1_by_item}), "purpose", "learns not to answer"),
        (Reward(lambda self, e, s: {"a": 0.5}), "purpose", "a perfect answer pays 0.5, and none pays 0.5"),
    ],
)
def test_a_broken_reward_is_found(reward: Any, rule: str, told: str) -> None:
    found(lambda: check_reward(reward), rule, told)


def test_right_rewards_pass() -> None:
    check_reward(Reward(f1))
    check_reward(PRESETS["item_f1"])
    check_reward(PRESETS["wideseek_r1"], high=1.15)
    found(lambda: check_reward(PRESETS["wideseek_r1"]), "range", "pass the low and high")


# --- task sources --------------------------------------------------------------------------------------------------

COLUMNS = ("Name", "Year")


def make(split: str = "train", number: int = 0, **changes: Any) -> Task:
    rows = changes.pop("rows", ((f"{split} {number}", "1901"), (f"{split} {number}b", "1902")))
    fields = {
        "id": f"{split}-{number}",
        "question": f"The years of {split} {number}? Columns: | Name | Year |",
        "columns": COLUMNS,
        "key_columns": ("Name",),
        "gold": Table(COLUMNS, rows),
    }
    return Task(**{**fields, **changes})  # type: ignore[arg-type]


def source(**changes: Any) -> Callable[[str], list[Task]]:
    return lambda split: [make(split, 0), make(split, 1, **changes)]


@pytest.mark.parametrize(
    ("given", "rule", "told"),
    [
        (3, "protocol", "int cannot be called"),
        (lambda split: {"train": []}[split], "tasks", "'train' has no tasks"),
        (lambda split: [make()] if split == "train" else 1 / 0, "exceptions", "the split 'validation' raised"),
        (lambda split: "tasks", "types", "is str"),
        (lambda split: [{"question": "?"}], "types", "train has dict"),
        (lambda split: [make(split), make(split)], "ids", "the id 'train-0' twice"),
        (lambda split: [make(split, n) for n in random.sample(range(9), 9)], "determinism", "of train are different"),
        (lambda split: [make("all")], "splits", "train and validation share the id"),
        (lambda split: [make(split, question="Which? | Name | Year |")], "splits", "share the question"),
        (source(meta={"a": {1, 2}}), "JSON", "task train-1 cannot be written"),
        (source(rows=()), "gold", "has no rows"),
        (source(rows=(("a", "1"), ("A ", "2"))), "keys", "have the key ('a',)"),
        (source(rows=(("", "1"), ("b", "2"))), "keys", "has no key"),
        (source(question=f"When? {random.random()} | Name |"), "question", "does not name the columns ['Year']"),
        (source(question="Name Year 1901 1902"), "question", "has every cell of its gold"),
        (
            source(specs={"Year": ColumnSpec(("number_near",), ("extract_number",), "much")}),
            "JSON",
            "field 'specs.Year'",
        ),
        (lambda split: [Task(split, f"What is {split}?", answers=("a}b",))], "gold", "is not right"),
    ],
)  # fmt: skip
def test_a_broken_task_source_is_found(given: Any, rule: str, told: str) -> None:
    found(lambda: check_task_source(given), rule, told)


def test_right_task_sources_pass() -> None:
    check_task_source(source())
    check_task_source(TaskSet([example_task()]))
    check_task_source(source(question="When was it? | Name |"), columns_in_question=False, splits=("test",))
    check_task_source(lambda split: [Task(split, f"What is {split}?", answers=("42", "forty-two"))])
