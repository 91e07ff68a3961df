"""The policy of a team: one model for all roles, or weights for each role (`RolesOptions.weights`).

A sequence of tokens belongs to one role. So sequences of different roles never share a row, and each row is computed
with the weights of its role. All weights are in one module, which checkpoints hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from wideseek_baselines.train.config.roles import TEAM
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.data.packing import PackedSequence, Sample, rows_of
from wideseek_baselines.train.model.logprobs import Scores
from wideseek_baselines.train.model.lora import use_adapter
from wideseek_baselines.train.model.model import TokenModel, load_model
from wideseek_baselines.train.model.parts import ModelPart
from wideseek_env.messages import ROLES

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class AdapterModel(TokenModel):
    """One model with a LoRA adapter for each role of a team. A row is computed with the adapter of its role."""

    @property
    def parts(self) -> Mapping[str, ModelPart]:
        """The model with each of its adapters, by role."""
        return {role: ModelPart(self.causal, role) for role in TEAM}

    def rows(self, samples: Sequence[Sample], tokens_per_row: int) -> list[PackedSequence]:
        """The rows that this process computes, each with samples of one role."""
        return rows_by_role(samples, tokens_per_row)

    def forward(
        self, row: PackedSequence, *, temperature: Tensor | float = 1.0, entropies: bool = False
    ) -> Scores:
        """Compute the scores of a row from `rows`."""
        use_adapter(
            self.causal, row.part
        )  # the adapter stays, because the backward pass may compute layers again
        return super().forward(row, temperature=temperature, entropies=entropies)


class SeparateModels(TokenModel):
    """A model for each role of a team. A row is computed with the model of its role.

    Args:
        models: The model of each role. With several processes, each is sharded.
    """

    def __init__(self, models: Mapping[str, TokenModel]) -> None:
        nn.Module.__init__(self)
        self.models = nn.ModuleDict(dict(models))

    @property
    def causal(self) -> PreTrainedModel:
        """The lead's model. The other models have the same shape."""
        return self.parts[TEAM[0]].causal

    @property
    def parts(self) -> Mapping[str, ModelPart]:
        """The models, by role."""
        return {role: ModelPart(cast(TokenModel, model).causal) for role, model in self.models.items()}

    def rows(self, samples: Sequence[Sample], tokens_per_row: int) -> list[PackedSequence]:
        """The rows that this process computes, each with samples of one role."""
        return rows_by_role(samples, tokens_per_row)

    def forward(
        self, row: PackedSequence, *, temperature: Tensor | float = 1.0, entropies: bool = False
    ) -> Scores:
        """Compute the scores of a row from `rows`."""
        return cast(Scores, self.models[row.part](row, temperature=temperature, entropies=entropies))


def rows_by_role(samples: Sequence[Sample], tokens_per_row: int) -> list[PackedSequence]:
    """Rows like those of `rows_of`, each with samples of one role. `PackedSequence.part` is the name of the role.

    Args:
        samples: The samples of the whole mini-batch, the same on every process, with the column `role`.
        tokens_per_row: Largest number of tokens of a row.
    """
    found: list[PackedSequence] = []
    for role in TEAM:
        code = ROLES.index(role)
        numbers = [
            at for at, each in enumerate(samples) if len(each.places) and each.columns["role"][0] == code
        ]
        for row in rows_of([samples[number] for number in numbers], tokens_per_row):
            found.append(replace(row, members=tuple(numbers[at] for at in row.members), part=role))
    return found


def load_policy(config: RunConfig) -> TokenModel:
    """Load the model or models that a run trains. Raises the same errors as `load_model`."""
    if config.roles.weights == "adapters":
        return load_model(config.model, TEAM, AdapterModel)
    if config.roles.weights == "separate":
        return SeparateModels({role: load_model(config.model) for role in TEAM})
    return load_model(config.model)
