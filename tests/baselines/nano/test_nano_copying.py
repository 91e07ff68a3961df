"""First weights with the copying circuit: an untrained model repeats what it has read."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from wideseek_baselines.nano import SIZES  # noqa: E402
from wideseek_baselines.nano.copying import lay_copying  # noqa: E402
from wideseek_baselines.nano.model import first_weights, model_config  # noqa: E402

VOCAB = 1024


def loss_of_a_repetition(size: str, *, copying: bool) -> float:
    """Nats a token of forty random tokens that stood two hundred tokens before."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = model_config(SIZES[size], VOCAB, 512, end=2, pad=0)
    kind = AutoConfig.for_model(**config)
    model = AutoModelForCausalLM.from_config(kind)
    weights = first_weights(SIZES[size], VOCAB, 0)
    if copying:
        lay_copying(weights, SIZES[size], 0)
    state = {name: torch.from_numpy(tensor) for name, tensor in weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert (set(missing), unexpected) == ({"lm_head.weight"}, [])
    model.tie_weights()
    random = np.random.default_rng(0)
    again = random.integers(9, VOCAB, 40)
    ids = torch.from_numpy(np.concatenate([again, random.integers(9, VOCAB, 200), again]))
    with torch.no_grad():
        logprobs = model.eval()(ids[None]).logits[0].log_softmax(-1)
    places = torch.arange(len(ids) - 38, len(ids))  # from the third on: two tokens are compared
    return float(-logprobs[places - 1, ids[places]].mean())


@pytest.mark.parametrize("size", SIZES)
def test_an_untrained_model_repeats_what_it_has_read(size: str) -> None:
    blind = np.log(VOCAB)
    assert loss_of_a_repetition(size, copying=False) == pytest.approx(blind, abs=0.3)
    assert loss_of_a_repetition(size, copying=True) < 0.1 * blind


def test_the_circuit_is_the_same_each_time_and_leaves_the_other_layers_alone() -> None:
    plain, one, other = (first_weights(SIZES["tiny"], VOCAB, 3) for _ in range(3))
    for weights in (one, other):
        lay_copying(weights, SIZES["tiny"], 3)
    for name, tensor in one.items():
        assert np.array_equal(tensor, other[name]), name
        assert np.isfinite(tensor).all(), name
        touched = name in ("model.embed_tokens.weight", "model.norm.weight") or (
            name.startswith(("model.layers.0.self_attn", "model.layers.1.self_attn"))
        )
        assert np.array_equal(tensor, plain[name]) != touched, name
