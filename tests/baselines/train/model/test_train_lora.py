"""Adapters with the real peft: what is trained, what the reference is, and what engines and files get."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_game import toy_config, toy_game
from training_parts import examples, saved_model, tiny_causal

from wideseek_baselines.train.config.loading import load_config
from wideseek_baselines.train.config.options import LoraOptions, ModelOptions, OptimOptions
from wideseek_baselines.train.data.packing import pack
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.export import state_dict_for_engine
from wideseek_baselines.train.model.forward import reference_model
from wideseek_baselines.train.model.lora import adapters_off, add_adapters
from wideseek_baselines.train.model.model import TokenModel, load_model
from wideseek_baselines.train.objective.losses import supervised_loss
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.ppo import PpoConfig, run_ppo
from wideseek_baselines.train.reporting.log import read_log
from wideseek_env.errors import ConfigError

peft = pytest.importorskip("peft")

LORA = LoraOptions(rank=4, alpha=16)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


def adapted(options: LoraOptions = LORA, *, dtype: torch.dtype = torch.float32) -> TokenModel:
    causal = tiny_causal(0, dtype=dtype)
    add_adapters(causal, options)
    use_attention(causal, "packed")
    return TokenModel(causal)


def trained(model: TokenModel, steps: int = 2) -> None:
    optimizer = Optimizer(model.named_parameters(), OptimOptions(lr=3e-2))
    for _ in range(steps):
        for row in pack(examples((20, 31, 9)), 64):
            logprobs = model(row).logprobs
            supervised_loss(logprobs, torch.full_like(logprobs, 0.1)).value.backward()
        optimizer.step()


def logprobs(model: TokenModel) -> torch.Tensor:
    (row,) = pack(examples((20, 31, 9)), 64)
    with torch.no_grad():
        found = model(row).logprobs
    assert isinstance(found, torch.Tensor)
    return found


def test_only_adapters_are_trained_and_without_them_it_is_the_model_as_it_was() -> None:
    plain, model = TokenModel(tiny_causal(0)), adapted()
    use_attention(plain.causal, "packed")
    torch.testing.assert_close(logprobs(model), logprobs(plain))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained(model)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    own = {name for name in before if ".lora_" in name}
    assert changed == own
    assert len(own) == 2 * 7 * 2
    assert (logprobs(model) - logprobs(plain)).abs().max() > 0.1
    reference = reference_model(ModelOptions("unused"), model)
    torch.testing.assert_close(logprobs(reference), logprobs(plain), atol=0, rtol=0)
    moved = logprobs(model)
    with adapters_off(model), pytest.raises(RuntimeError, match="broken off"):
        raise RuntimeError("broken off")
    torch.testing.assert_close(logprobs(model), moved, atol=0, rtol=0)
    assert {name for name, part in model.named_parameters() if part.requires_grad} == own


def test_engines_get_what_peft_merges_and_the_trained_weights_stay() -> None:
    model = adapted()
    trained(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    given = dict(state_dict_for_engine(model.causal))
    assert given.keys() == tiny_causal(0).state_dict().keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    merged: Any = tiny_causal(0)
    merged.load_state_dict(given)
    use_attention(merged, "packed")
    torch.testing.assert_close(logprobs(TokenModel(merged)), logprobs(model), atol=1e-4, rtol=1e-4)
    for layer in model.modules():
        if isinstance(layer, peft.tuners.lora.Linear):
            layer.merge()
    for name, tensor in model.causal.state_dict().items():
        if ".base_layer." in name:
            torch.testing.assert_close(given[name.replace(".base_layer.", ".")], tensor)


def test_a_run_keeps_only_adapters_and_exports_both_forms(model_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    options = ("model.lora.rank=4", "loss.kl=0.01", "checkpoint.every=1", "steps=3", "optim.lr=3e-2")
    config = toy_config(GrpoConfig, model_folder, tmp_path / "run", *options)
    run_grpo(config, game=toy_game())
    records = read_log(tmp_path / "run" / "metrics.jsonl")
    assert all(record["mismatch_max"] < 1e-3 for record in records), "the engine has other weights"
    assert [record["kl_reference"] > 1e-6 for record in records] == [False, True, True]
    kept = checkpoint.load_latest(tmp_path / "run" / "checkpoints")
    assert kept is not None
    assert all(".lora_" in name for name in kept.weights)
    model = load_model(config.model)
    kept.restore(model)
    base = AutoModelForCausalLM.from_pretrained(model_folder)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model")
    shapes = {name: tensor.shape for name, tensor in base.state_dict().items()}
    assert {name: tensor.shape for name, tensor in merged.state_dict().items()} == shapes
    files = [
        sorted(os.listdir(folder)) for folder in (tmp_path / "run" / "model", tmp_path / "run" / "adapter")
    ]
    assert "tokenizer.json" in files[0]
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(files[1])
    assert json.loads((tmp_path / "run" / "adapter" / "adapter_config.json").read_text("utf-8"))["r"] == 4
    beside = peft.PeftModel.from_pretrained(base, tmp_path / "run" / "adapter")
    ids = torch.arange(40).unsqueeze(0)
    torch.testing.assert_close(merged(ids).logits, beside(ids).logits, atol=1e-5, rtol=1e-5)
    plain = AutoModelForCausalLM.from_pretrained(model_folder)
    assert (merged(ids).logits - plain(ids).logits).abs().max() > 1e-3, (
        "nothing was learnt: the rest is too easy"
    )


@pytest.mark.parametrize("critic", ["shared", "separate"])
def test_a_broken_run_goes_on_to_the_same_result(critic: str, model_folder: Path, tmp_path: Path) -> None:
    options = ("model.lora.rank=2", "model.lora.dropout=0.1", "checkpoint.every=1", f"value.critic={critic}")
    whole = toy_config(PpoConfig, model_folder, tmp_path / "whole", *options, "steps=2")
    with torch.random.fork_rng():
        torch.manual_seed(3)  # of the dropout
        run_ppo(whole, game=toy_game())
        for steps in (1, 2):  # with a constant rate a run may be made longer
            longer = toy_config(PpoConfig, model_folder, tmp_path / "broken", *options, f"steps={steps}")
            torch.manual_seed(3 if steps == 1 else 9)  # the second brings its own state
            run_ppo(longer, game=toy_game())
    names = ("model/model.safetensors", "adapter/adapter_model.safetensors")
    for name in (*names, "checkpoints/step-00000002/weights.safetensors"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_adapters_of_bfloat16_weights_have_masters() -> None:
    model = adapted(dtype=torch.bfloat16)
    optimizer = Optimizer(model.named_parameters(), OptimOptions(lr=1e-3))
    masters = optimizer.state_dict()["masters"]
    assert len(masters) == 28
    assert {tensor.dtype for tensor in masters.values()} == {torch.float32}


def test_layers_that_cannot_have_adapters_are_named() -> None:
    for name in ("lm_head", "embed_tokens", "q_prj"):
        with pytest.raises(
            ConfigError, match=rf"{name} cannot have an adapter; there are: down_proj, gate_proj"
        ):
            add_adapters(tiny_causal(0), LoraOptions(rank=2, targets=("q_proj", name)))
    with pytest.raises(ConfigError, match=r"model\.lora: targets must name at least one"):
        load_config(GrpoConfig, None, ["model.path=m", "out=o", "model.lora.targets=[]"])
