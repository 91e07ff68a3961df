"""Teams in the real `GRPOTrainer`, with a tiny model on the processor."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from told_engine import logprobs_of, team_says
from toy_game import toy_game
from toy_team import town_setup, town_task

from wideseek_baselines.engines.base import Generation, Request
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig

if find_spec("trl") is None or find_spec("torch") is None:
    pytest.skip("needs trl: pip install -e 'baselines[trl]'", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore")  # TRL, datasets and torch warn of themselves


@pytest.fixture(scope="module")
def parts() -> Any:
    """TRL and the adapter; imported late, because it takes a while."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl import GRPOConfig, GRPOTrainer

        from wideseek_baselines.adapters.trl_engine import TrainerEngine
        from wideseek_baselines.adapters.trl_rollouts import TeamRollouts, team_reward

        class Recorded(TeamRollouts):
            """Keeps what it gave to TRL, and what the model thinks of it at that moment."""

            def __call__(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:
                output = super().__call__(prompts, trainer)
                trainer.model.eval()
                output["checked"] = [
                    logprobs_of(trainer.model, [*prompt, *completion], len(prompt))
                    for prompt, completion in zip(output["prompt_ids"], output["completion_ids"], strict=True)
                ]
                trainer.model.train()
                self.__dict__.setdefault("given", []).append(dict(output))
                del output["checked"]
                return output

        class Told(TrainerEngine):
            """Says what a team would say, in the weights' own probabilities. Every other team answers wrongly."""

            def generate_batch(self, requests: Sequence[Request]) -> list[Generation]:
                tokenizer, model = self._trainer.processing_class, self._trainer.model
                said = []
                for request in requests:
                    text = team_says(tokenizer.decode(list(request.ids)))
                    if int(request.id.split("/")[0].split("-")[1]) % 2:
                        text = text.replace("| Alder | 1000 |", "| Alder | 7 |\n| Nowhere | 8 |")
                    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
                    logprobs = logprobs_of(model, [*request.ids, *ids], len(request.ids))
                    said.append(Generation("stop", ids, logprobs, versions=((self.version, len(ids)),)))
                return said

    return SimpleNamespace(
        config=GRPOConfig,
        trainer=GRPOTrainer,
        engine=TrainerEngine,
        rollouts=TeamRollouts,
        reward=team_reward,
        recorded=Recorded,
        told=Told,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_chat import tiny_model

    return tiny_model(tmp_path_factory.mktemp("tiny") / "model", "qwen2")


def trainer_of(
    parts: Any, folder: Path, rollouts: Any, out: Path, rows: int, limit: int | None = None, **options: Any
) -> Any:
    args = parts.config(
        output_dir=str(out),
        num_generations=rows,
        per_device_train_batch_size=rows,
        max_steps=2,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
        **options,
    )
    return parts.trainer(
        str(folder),
        reward_funcs=parts.reward,
        args=args,
        train_dataset=rollouts.dataset(limit),
        rollout_func=rollouts,
    )


def test_two_steps_train_every_agent_of_whole_teams(parts: Any, folder: Path, tmp_path: Path) -> None:
    """Two teams of a lead and two subagents take eight rows of four each: one row of each team stays blank."""
    rollouts = parts.recorded(town_setup(2, profile="terse", width=2), sequences=4, engine=parts.told)
    trainer = trainer_of(parts, folder, rollouts, tmp_path, rows=8, limit=1)
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()
    assert trainer.state.global_step == 2
    assert len(rollouts.given) == 2
    decode = trainer.processing_class.decode
    logged = [entry for entry in trainer.state.log_history if "reward" in entry]
    for given, log in zip(rollouts.given, logged, strict=True):
        rewards = given["team_reward"]
        assert len(set(rewards[:4])) == len(set(rewards[4:])) == 1, "one reward for each team"
        assert rewards[0] != rewards[4]
        assert log["rewards/team_reward/mean"] == pytest.approx(sum(rewards) / 8)
        assert log["team/item_f1"] == pytest.approx(sum(rewards) / 8)
        assert log["team/subagents"] == 2
        assert log["completions/mean_length"] == pytest.approx(sum(map(sum, given["env_mask"])) / 8), (
            "TRL masks"
        )
        for row in range(8):
            completion, mask = given["completion_ids"][row], given["env_mask"][row]
            assert len(completion) == len(mask) == len(given["logprobs"][row])
            trained = decode([token for token, on in zip(completion, mask, strict=True) if on])
            untrained = decode([token for token, on in zip(completion, mask, strict=True) if not on])
            if row % 4 == 3:
                assert sum(mask) == 0
                continue
            lead = row % 4 == 0
            assert ('"delegate"' in trained, '"search"' in trained) == (lead, not lead)
            assert "| Alder |" in trained
            assert trained.count("<|im_end|>") == 2, "the end of each turn is trained"
            assert "inhabitants" in untrained if not lead else "| Alder |" in untrained
            assert "inhabitants" not in trained
            for value, now, on in zip(given["logprobs"][row], given["checked"][row], mask, strict=True):
                assert value == (pytest.approx(now, abs=1e-3) if on else 0.0)
    changed = [name for name, weight in trainer.model.named_parameters() if not weight.equal(before[name])]
    assert changed


def test_the_weights_that_are_trained_generate(parts: Any, folder: Path, tmp_path: Path) -> None:
    """Log-probabilities of sampled tokens are those of the weights at that step, before and after an update."""
    game = GameConfig(**toy_game(3), team=False, rules={"single_turns": 1}).open()
    rollouts = parts.recorded(game, turn_tokens=6, requests=3)
    trainer = trainer_of(parts, folder, rollouts, tmp_path, rows=4, temperature=1.0)
    assert rollouts.sequences == 1
    trainer.train()
    first, second = rollouts.given
    for given in (first, second):
        for row in range(4):
            assert given["env_mask"][row] == [1] * len(given["completion_ids"][row])
            assert 1 <= len(given["completion_ids"][row]) <= 6
            assert given["logprobs"][row] == pytest.approx(given["checked"][row], abs=1e-3)
    assert len({tuple(ids) for ids in first["completion_ids"]}) > 1, (
        "the rows of a group are different episodes"
    )
    stale = trainer_of(parts, folder, rollouts, tmp_path, rows=4).model
    old = [
        logprobs_of(stale, [*p, *c], len(p))
        for p, c in zip(second["prompt_ids"], second["completion_ids"], strict=True)
    ]
    assert old[0] != pytest.approx(second["logprobs"][0], abs=1e-3), (
        "the second step is not the first model's"
    )


def test_more_sequences_than_rows_are_drawn_and_roles_chosen(
    parts: Any, folder: Path, tmp_path: Path
) -> None:
    setup = town_setup(2, profile="terse", width=2)
    one = parts.recorded(setup, sequences=1, engine=parts.told)
    trainer = trainer_of(parts, folder, one, tmp_path, rows=8, limit=1)
    trainer.model.train()
    prompt = setup.tasks[0].question
    rows = one([prompt] * 8, trainer)
    kinds = {
        "create" if '"delegate"' in trainer.processing_class.decode(ids) else "search"
        for ids in rows["completion_ids"]
    }
    assert kinds == {"create", "search"}, "of eight teams, leads and subagents are both drawn"
    leads = parts.rollouts(setup, sequences=1, roles=("lead",), engine=parts.told)
    rows = leads([prompt] * 4, trainer)
    assert all('"delegate"' in trainer.processing_class.decode(ids) for ids in rows["completion_ids"])
    trainer.model.eval()
    rows = parts.rollouts(setup, engine=parts.told)([prompt] * 2, trainer)
    assert len(rows["completion_ids"]) == len(rows["team_reward"]) == 2, "in evaluation a row is an episode"


def test_wrong_settings_are_said(parts: Any, folder: Path, tmp_path: Path) -> None:
    setup = town_setup(2, profile="terse", width=2)
    rollouts = parts.rollouts(setup)
    assert rollouts.sequences == 3
    trainer = trainer_of(parts, folder, rollouts, tmp_path, rows=4, top_p=0.9)
    trainer.model.train()
    ask = [task.question for task in setup.tasks]
    with pytest.raises(ConfigError, match="a multiple of 3, not 4"):
        rollouts([ask[0]] * 4, trainer)
    pair = parts.rollouts(setup, sequences=2)
    with pytest.raises(ConfigError, match="in groups of 2 with the same prompt"):
        pair([ask[0], ask[1]] * 2, trainer)
    with pytest.raises(ConfigError, match="no task has the question 'Why"):
        pair(["Why?"] * 2, trainer)
    with pytest.raises(ConfigError, match=r"remove top_p from GRPOConfig, it is 0\.9"):
        pair([ask[0]] * 2, trainer)
    with pytest.raises(ConfigError, match="sequences must be at least 1"):
        parts.rollouts(setup, sequences=0)
    with pytest.raises(ConfigError, match="roles must be one or more of lead"):
        parts.rollouts(setup, roles=("boss",))
    twins = [town_task(0), dataclasses.replace(town_task(0), id="twin")]
    with pytest.raises(ConfigError, match="towns-0 and twin have the same question"):
        parts.rollouts(GameConfig(tasks=twins, executor=setup.executor).open())
