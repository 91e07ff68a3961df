"""Critics over packed rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from training_parts import examples, tiny_causal

from wideseek_baselines.train.data.packing import Sample, pack, unpack
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.critic import Critic


def test_a_value_is_of_what_stands_before_the_token_in_its_own_sequence() -> None:
    causal = tiny_causal()
    use_attention(causal, "packed")
    critic = Critic(causal)
    nn.init.normal_(critic.head.linear.weight, generator=torch.Generator().manual_seed(0))
    made = examples((20, 30, 10))

    def values(changed: list[Sample]) -> list[np.ndarray]:
        rows = pack(changed, 1000)
        return unpack(rows, [critic(row) for row in rows], 3)

    before = values(made)
    at = int(made[1].places[1])
    ids = made[1].ids.copy()
    ids[at] = (ids[at] + 1) % 97
    after = values([made[0], Sample(ids, made[1].places), made[2]])
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[2], after[2])
    assert ((before[1] != after[1]) == (made[1].places > at)).all(), "not even of the token itself"


def test_its_loss_reaches_all_of_its_own_layers_and_nothing_else() -> None:
    causal = tiny_causal(tied=False)
    use_attention(causal, "packed")
    critic = Critic(causal)
    nn.init.ones_(critic.head.linear.weight)
    (row,) = pack(examples((20, 30)), 1000)
    critic(row).square().sum().backward()
    assert all(parameter.grad is not None for parameter in critic.parameters())
    assert causal.lm_head.weight.grad is None
