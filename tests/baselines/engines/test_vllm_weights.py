"""Safetensors folders: what is in them, whether two agree, and writing named tensors."""

from __future__ import annotations

from pathlib import Path

import pytest

from wideseek_baselines.engines.weights import check_shapes, saved_tensors, tensor_shapes
from wideseek_env.errors import ConfigError

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")


def tensors() -> dict:
    embedding = torch.arange(12.0).reshape(4, 3)
    return {
        "embed.weight": embedding,
        "layer.weight": torch.ones(2, 2, dtype=torch.bfloat16),
        "tied": embedding,
    }


def shapes() -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors().items()}


@pytest.mark.parametrize("shard", [1, 10**9])
def test_named_tensors_come_back_from_the_files(shard: int) -> None:
    with saved_tensors(iter(tensors().items()), shapes(), tied=False, shard=shard) as folder:
        files = sorted(folder.glob("*.safetensors"))
        assert len(files) == (3 if shard == 1 else 1)
        assert tensor_shapes(folder) == shapes()
        found = {name: tensor for file in files for name, tensor in safetensors.load_file(file).items()}
        for name, tensor in tensors().items():
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name], tensor)
    assert not folder.exists()


def test_nothing_is_left_of_tensors_that_do_not_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("wideseek_baselines.engines.shared_memory.SHARED_MEMORY", tmp_path)
    some = [(name, tensor) for name, tensor in tensors().items() if name != "tied"]
    with pytest.raises(ConfigError, match="missing: tied"), saved_tensors(some, shapes(), tied=False):
        pass
    assert not list(tmp_path.glob("wideseek-weights-*/"))


def test_a_tied_output_layer_may_be_there_or_not() -> None:
    with_it = {"embed.weight": (4, 3), "lm_head.weight": (4, 3)}
    without = {"embed.weight": (4, 3)}
    check_shapes(with_it, without, tied=True)
    check_shapes(without, with_it, tied=True)
    with pytest.raises(ConfigError, match=r"missing: lm_head\.weight"):
        check_shapes(with_it, without, tied=False)
    with pytest.raises(ConfigError, match=r"unknown: lm_head\.weight"):
        check_shapes(without, with_it, tied=False)


@pytest.mark.parametrize("damage", ["cut", "longer", "header"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.save_file({"a": torch.ones(8)}, path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-1], "longer": whole + b"x", "header": b"\xff" * 8 + whole[8:]}[damage])
    with pytest.raises(ConfigError, match=r"model\.safetensors is not a complete safetensors file"):
        tensor_shapes(tmp_path)
