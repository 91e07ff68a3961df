"""The warm start on real episodes of the scripted team, from the recording to the exported model."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from training_parts import agent, rollout, saved_model

from wideseek_baselines.rollout.store import open_rollouts
from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_baselines.tokens import ChatTemplate
from wideseek_baselines.train.cli import train
from wideseek_baselines.train.config.loading import load_config
from wideseek_baselines.train.data.supervised import (
    batches,
    conversation_sequences,
    held_out_split,
    read_lessons,
    spoken,
    thinned,
)
from wideseek_baselines.train.reporting.log import RunLog, read_log
from wideseek_baselines.train.sft import SftConfig, run_sft
from wideseek_env.episode_run import run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig
from wideseek_env.trajectory import TrajectoryWriter, load_trajectories


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four short episodes of the scripted team."""
    path = tmp_path_factory.mktemp("episodes") / "trajectories.jsonl"
    setup = GameConfig(
        tasks="synthetic:seed=3,pages=400", split="train", profile="terse", width=2, team=True
    ).open()
    with TrajectoryWriter(path) as writer:
        for number in range(4):
            play = run_episode(setup, ScriptedPolicy(), setup.tasks[number], seed=number)
            writer.write(play.trajectory())
    return path


def config(model_folder: Path, episodes: Path, out: Path, *overrides: str) -> SftConfig:
    return load_config(
        SftConfig,
        None,
        [
            f"data={episodes}",
            f"out={out}",
            f"model.path={model_folder}",
            "model.device=cpu",
            "model.precision=float32",
            "optim.lr=5e-3",
            "optim.schedule=constant",
            'roles=["lead"]',
            "held_out=0.25",
            "batch_tokens=3000",
            "tokens_per_row=2000",
            "evaluate_every=2",
            "checkpoint.every=2",
            "epochs=10",
            "max_steps=6",
            *overrides,
        ],
    )


class Killed(Exception):
    """Stands for whatever ends a process."""


def test_it_learns_and_a_broken_run_goes_on_to_the_same_result(
    model_folder: Path, episodes: Path, tmp_path: Path
) -> None:
    whole = run_sft(config(model_folder, episodes, tmp_path / "whole"))
    assert whole.steps == 6
    assert whole.first_loss is not None
    assert whole.best_loss is not None
    assert whole.best_loss < whole.first_loss - 0.5

    def kill(values: Mapping[str, Any]) -> None:
        if values["step"] == 5 and "loss" in values:
            raise Killed

    broken = config(model_folder, episodes, tmp_path / "broken")
    with pytest.raises(Killed):
        run_sft(broken, kill)
    seen: list[int] = []
    again = run_sft(broken, lambda values: seen.append(values["step"]))
    assert min(seen) == 5, "steps 1 to 4 were not done again"
    assert replace(again, model=whole.model) == whole
    for name in ("model/model.safetensors",):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    timeless = [
        [
            {k: v for k, v in record.items() if "second" not in k}
            for record in read_log(folder / "metrics.jsonl")
        ]
        for folder in (tmp_path / "whole", tmp_path / "broken")
    ]
    assert timeless[0] == timeless[1]
    assert run_sft(broken) == again, "a run that is done is not done again"
    with pytest.raises(ConfigError, match="other data or settings"):
        run_sft(replace(broken, seed=1))
    with pytest.raises(ConfigError, match="has a run already"):
        run_sft(replace(broken, resume=False))


def test_a_stopped_warm_start_resumes_to_the_same_result(
    model_folder: Path, episodes: Path, tmp_path: Path
) -> None:
    whole, stopped = (config(model_folder, episodes, tmp_path / name) for name in ("whole", "stopped"))
    run_sft(whole)

    def stop(values: Mapping[str, Any]) -> None:
        if values["step"] == 3 and "loss" in values:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_sft(stopped, stop)
    seen: list[int] = []
    run_sft(stopped, lambda values: seen.append(values["step"]))
    assert min(seen) == 4, "the step in which the signal came was saved"
    weights = "model/model.safetensors"
    assert (tmp_path / "stopped" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()


def test_rows_of_another_size_give_the_same_model(model_folder: Path, episodes: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    results = [
        load_file(
            run_sft(
                config(
                    model_folder, episodes, tmp_path / size, f"tokens_per_row={size}", "max_steps=1", "held_out=0",
                    "optim.eps=1e-2",  # keeps Adam's first step in proportion to the gradient
                )
            ).model / "model.safetensors"
        )
        for size in ("1", "3000")
    ]  # fmt: skip
    for name, tensor in results[0].items():
        torch.testing.assert_close(tensor, results[1][name], atol=1e-6, rtol=1e-5)


def test_it_stops_when_the_held_out_loss_rises(model_folder: Path, episodes: Path, tmp_path: Path) -> None:
    result = run_sft(
        config(
            model_folder, episodes, tmp_path, "optim.lr=3", "evaluate_every=1", "patience=2", "max_steps=20"
        )
    )
    assert result.stopped_early
    assert result.steps < 20
    losses = [
        record["held_out_loss"]
        for record in read_log(tmp_path / "metrics.jsonl")
        if "held_out_loss" in record
    ]
    assert result.best_loss == min(losses)
    assert all(loss > min(losses) for loss in losses[-2:])


def test_only_what_assistants_wrote_is_trained(model_folder: Path, episodes: Path) -> None:
    template = ChatTemplate(model_folder)
    trajectory = load_trajectories(episodes)[0]
    for conversation in trajectory.conversations:
        messages = conversation["messages"]
        (sequence,) = conversation_sequences(messages, template)
        said = [message["content"] for message in messages if message["role"] == "assistant"]
        assert [template.text(sequence.ids[turn.start : turn.stop]) for turn in sequence.turns] == said
        assert all(sequence.ids[turn.stop - 1] == template.end_id for turn in sequence.turns)
        # what stands before a turn is what an engine would have been given
        last = sequence.turns[-1]
        assert sequence.ids[: last.start] == template.prompt(list(messages)[: _last(messages)])
    lessons = read_lessons([episodes], template, roles=("subagent",))
    assert {lesson.role for lesson in lessons} == {"subagent"}
    assert len(lessons) == sum(
        conversation["role"] == "subagent"
        for trajectory in load_trajectories(episodes)
        for conversation in trajectory.conversations
    )
    with pytest.raises(ConfigError, match="nothing to train on"):
        read_lessons([episodes], template, roles=("single",))


def _last(messages: Any) -> int:
    return max(number for number, message in enumerate(messages) if message["role"] == "assistant")


def test_turns_that_were_cut_off_are_read_but_not_learnt(model_folder: Path) -> None:
    messages = [
        {"role": "user", "content": "What is it?"},
        {"role": "assistant", "content": "It is", "finish_reason": "length"},
        {"role": "user", "content": "Go on."},
        {"role": "assistant", "content": "A town. <|im_end|> What else?"},
        {"role": "user", "content": "Again."},
        {"role": "assistant", "content": "A town."},
    ]
    sequences = conversation_sequences(messages, ChatTemplate(model_folder))
    assert [turn.trainable for sequence in sequences for turn in sequence.turns] == [False, False, True]


def test_native_calls_are_learnt_as_text() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "search", "arguments": '{"query": "a"}'}}
    text = spoken({"role": "assistant", "content": "I look.", "tool_calls": [call]})
    assert text == 'I look.\n<tool_call>\n{"name": "search", "arguments": {"query": "a"}}\n</tool_call>'


def test_recorded_rollouts_are_learnt_as_they_were_sampled(model_folder: Path, tmp_path: Path) -> None:
    template = ChatTemplate(model_folder)
    good = rollout([agent("lead", [2, 3]), agent("subagent", [4])], reward=0.9)
    bad = rollout([agent("lead", [5])], reward=0.1)
    with open_rollouts(tmp_path / "rollouts.jsonl") as writer:
        writer.write(good)
        writer.write(bad)
    lessons = read_lessons([tmp_path / "rollouts.jsonl"], template, roles=("lead",), min_score=0.5)
    (lesson,) = lessons
    assert lesson.sample.ids.tolist() == good.agents[0].sequences[0].ids
    assert len(lesson.sample.places) == 5


def test_held_out_tasks_are_not_trained_on(model_folder: Path, episodes: Path) -> None:
    lessons = read_lessons([episodes], ChatTemplate(model_folder), roles=("lead", "subagent"))
    training, watched = held_out_split(lessons, 0.3, 0)
    assert len(training) + len(watched) == len(lessons)
    tasks = [
        {lesson.task_id for lesson in lessons if any(lesson.sample is one for one in part)}
        for part in (training, watched)
    ]
    assert len(tasks[1]) == 1
    assert not tasks[0] & tasks[1]
    assert held_out_split(lessons, 0.0, 0)[1] == []


def test_a_share_of_the_subagents_is_learnt_and_all_leads(model_folder: Path, episodes: Path) -> None:
    lessons = read_lessons([episodes], ChatTemplate(model_folder), roles=("lead", "subagent"))
    few = thinned(lessons, 0.25, seed=0)
    count = Counter(lesson.role for lesson in lessons)
    assert count["subagent"] > 4
    assert Counter(lesson.role for lesson in few) == {
        "lead": count["lead"],
        "subagent": round(count["subagent"] / 4),
    }
    place = {id(lesson): number for number, lesson in enumerate(lessons)}
    drawn = [[place[id(lesson)] for lesson in thinned(lessons, 0.25, seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] == sorted(drawn[0])
    assert drawn[2] != drawn[0]
    assert len(thinned(lessons, 1.0, seed=0)) == len(lessons)


def test_every_epoch_is_a_whole_pass_in_another_order() -> None:
    lengths = [30, 80, 10, 25, 60, 200, 5]
    plan = batches(lengths, 100, 2, seed=1)
    flat = [number for batch in plan for number in batch]
    assert sorted(flat[:7]) == sorted(flat[7:]) == list(range(7))
    assert flat[:7] != flat[7:]
    assert all(len(batch) == 1 or sum(lengths[at] for at in batch) <= 100 for batch in plan)
    assert plan == batches(lengths, 100, 2, seed=1) != batches(lengths, 100, 2, seed=2)


def test_the_log_forgets_steps_that_were_lost(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with RunLog(path) as log:
        for step in range(4):
            log.write(step, {"loss": float("nan") if step == 1 else 0.5})
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"step": 4, "lo')
    with RunLog(path, 2) as log:
        log.write(3, {"loss": 0.25})
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(record["step"], record["loss"]) for record in records] == [
        (0, 0.5),
        (1, "nan"),
        (2, 0.5),
        (3, 0.25),
    ]


def test_the_command(model_folder: Path, episodes: Path, tmp_path: Path) -> None:
    settings = [
        f"data={episodes}",
        f"out={tmp_path / 'run'}",
        f"model.path={model_folder}",
        "model.device=cpu",
    ]
    runner = CliRunner()
    planned = runner.invoke(train, ["sft", "--dry-run", *settings, "batch_tokens=1000", 'roles=["lead"]'])
    assert planned.exit_code == 0, planned.output
    assert "sequences to train on" in planned.output
    assert not (tmp_path / "run").exists()
    done = runner.invoke(train, ["sft", *settings, "max_steps=1", "batch_tokens=1000", 'roles=["lead"]'])
    assert done.exit_code == 0, done.output
    assert "1/1  loss" in done.output
    assert (tmp_path / "run" / "model" / "config.json").is_file()
    wrong = runner.invoke(train, ["sft", *settings, "epoch=2"])
    assert isinstance(wrong.exception, ConfigError)
    assert "did you mean 'epochs'?" in str(wrong.exception)
    assert "optim.lr (default" in runner.invoke(train, ["sft", "--explain"]).output
