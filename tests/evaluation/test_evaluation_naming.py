"""Names in titles and legends: words, not specifications."""

from __future__ import annotations

from typing import Any

import pytest

from wideseek_env.evaluation.naming import budget_name, policy_name, series_names, tasks_name


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"policy": "scripted"}, "Scripted policy"),
        ({"policy": "random"}, "Random policy"),
        ({"policy": "my_package:MyPolicy"}, "MyPolicy"),
        ({"policy": "my_package.teams:greedy"}, "greedy"),
        ({"policy": "my_team"}, "My team policy"),
        ({"policy": "ToyTeam"}, "ToyTeam"),
        ({"policy": "vllm", "policy_options": {"model": "Qwen/Qwen3-4B"}}, "Qwen3-4B"),
        ({"policy": "vllm", "policy_options": {"model": "/models/trained/"}}, "trained"),
        ({"policy": "openai", "policy_options": {"model": "gpt-oss-120b"}}, "gpt-oss-120b"),
        ({"policy": "openai", "policy_options": {"model": None}}, "Openai policy"),
        ({"kind": "responses", "responses": "data/answers.jsonl"}, "answers.jsonl"),
        ({"kind": "responses"}, "Scored answers"),
        ({}, "Policy"),
        ({"policy": "a\nb\x1b[31m"}, "a b"),
    ],
)
def test_policies(settings: dict[str, Any], name: str) -> None:
    assert policy_name(settings) == name


@pytest.mark.parametrize(
    ("spec", "count", "name"),
    [
        ("synthetic:seed=0,pages=2000/test", 24, "24 test tasks of the synthetic world"),
        ("synthetic", None, "tasks of the synthetic world"),
        ("synthetic:seed=1/train", 1, "1 train task of the synthetic world"),
        ("hybridqa:/data/hybridqa/test[mode=pages]", 40, "40 test tasks of HybridQA (mode=pages)"),
        ("hybridqa:data/hybridqa,mode=wide/validation", 1200, "1,200 validation tasks of HybridQA"),
        ("hybridqa:FOLDER", 2, "2 tasks of HybridQA"),
        ("qa:data/all", 7, "7 tasks of the question answering sets"),
        ("museums", 3, "3 tasks of museums"),
        ("tasks", 3, "3 tasks"),
        ("data/x/test", 3, "3 tasks of data/x/test"),
        (None, 3, "3 tasks"),
    ],
)
def test_tasks(spec: str | None, count: int | None, name: str) -> None:
    assert tasks_name({"tasks": spec}, count) == name


def test_budgets_and_series() -> None:
    equal = {"equal": {"kind": "critical-path", "amount": 1000}}
    assert budget_name(equal) == "at most 1,000 turns on the critical path per episode"
    assert budget_name({"equal": None}) == ""
    one, other = {"policy": "scripted"}, {"policy": "random"}
    assert series_names([one, other], ["a", "b"]) == ["Scripted policy", "Random policy"]
    assert series_names([one, one], ["a", "b"]) == ["a", "b"]
    assert series_names([one, {**one, "team": False}], ["a", "b"]) == [
        "Scripted policy, team", "Scripted policy, single agent",
    ]  # fmt: skip
