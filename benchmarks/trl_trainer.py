"""The TRL part of `train_step_vs_trl.py`: TRL's `GRPOTrainer` trains on recorded sequences in its real training loop.

A `rollout_func` gives the trainer the recorded ids, with tool results and reports masked (`env_mask`), as in
conversations with several turns. TRL pads them. The time is that of a whole step of `trainer.train()`, minus the parts
in which TRL generates, pads, decodes and scores. So it covers forward, backward, clipping, AdamW and the loop.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from typing import Any, Literal

import torch
from recorded_batch import Batch
from recorded_step import Steps

from wideseek_env.errors import MissingDependencyError

Padding = Literal["batch", "sorted"]
"""How sequences are padded. `batch`: as in TRL, to the longest prompt and the longest completion of the batch.
`sorted`: a few sequences at a time in order of length, padded to the longest of them. TRL has no such mode. It shows
the cost of padding.
"""


@dataclass(frozen=True, slots=True)
class TrlOptions:
    """The settings of the trainer."""

    sequences: int
    """Sequences per forward and backward pass. An even number that divides the batch."""
    padding: Padding = "batch"
    precision: str = "float32"
    """Number types: "float32"; "autocast" (float32 weights, bfloat16 products, as TRL does with ``bf16=True``); or
    "bfloat16" weights.
    """
    checkpointing: bool = False
    """Compute activations again in the backward pass, which is TRL's default."""
    attention: str = "sdpa"
    liger: bool = False
    """Use Liger's kernels. They need a GPU and the package liger-kernel."""
    lr: float = 1e-6
    steps: int = 2
    clip: bool = True


def train_with_trl(
    model: str, batch: Batch, device: str, options: TrlOptions, *, keep_gradient: bool = False
) -> Steps:
    """Take `TrlOptions.steps` steps on the batch, and time them.

    Raises:
        MissingDependencyError: TRL or a package that it needs is not installed.
    """
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # TRL warns that rollout_func may change
    try:
        from datasets import Dataset
        from transformers import AutoTokenizer, TrainerCallback
        from trl import GRPOConfig, GRPOTrainer
    except ImportError as error:
        raise MissingDependencyError(
            f"the comparison with TRL needs it: pip install 'trl>=1.16,<2' ({error})"
        ) from error

    found = batch.sequences
    order = list(range(len(found)))
    if options.padding == "sorted":
        order.sort(key=lambda number: -len(found[number][1].ids))
    passes = len(found) // options.sequences
    at_once = options.sequences if options.padding == "sorted" else len(found)
    trained = sum(sum(sequence.mask) for _, sequence in found)
    steps = Steps([], [], {})

    class RecordedTrainer(GRPOTrainer):  # type: ignore[misc]
        """A trainer with recorded sequences and advantages. It measures the time for making batches of them."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            self.place = 0
            self.aside = [0.0, 0.0]
            super().__init__(*arguments, **named)

        def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
            began = _now(device)
            made: dict[str, Any] = super()._generate_and_score_completions(inputs)
            # The columns follow the order in which `rollout` returned the sequences.
            advantages = [found[number][0] for number in self.given]
            made["advantages"] = torch.tensor(advantages, dtype=torch.float32, device=self.accelerator.device)
            # The loss divides by this value times (passes / passes per generation). The product must be the number of
            # trained tokens of the batch.
            total = trained * self.args.steps_per_generation / passes
            made["num_items_in_batch"] = torch.tensor(total, device=self.accelerator.device)
            if not steps.seconds:
                shape = made["prompt_ids"].shape[1] + made["completion_ids"].shape[1]
                steps.padded_tokens += len(self.given) * shape
            ended = _now(device)
            self.aside = [
                spent + late - early for spent, late, early in zip(self.aside, ended, began, strict=True)
            ]
            return made

    def rollout(prompts: list[str], trainer: RecordedTrainer) -> dict[str, Any]:
        """The next sequences: prompts, completions, and masks of the generated tokens."""
        trainer.given = [order[(trainer.place + at) % len(order)] for at in range(len(prompts))]
        trainer.place += len(prompts)
        chosen = [found[number][1] for number in trainer.given]
        firsts = [sequence.mask.index(True) for sequence in chosen]
        return {
            "prompt_ids": [s.ids[:first] for s, first in zip(chosen, firsts, strict=True)],
            "completion_ids": [s.ids[first:] for s, first in zip(chosen, firsts, strict=True)],
            "env_mask": [
                [int(own) for own in s.mask[first:]] for s, first in zip(chosen, firsts, strict=True)
            ],
            "logprobs": None,
        }

    class Watch(TrainerCallback):  # type: ignore[misc]
        """A callback that times steps and keeps the gradient of the first step."""

        began = (0.0, 0.0)

        def on_step_begin(self, *_: Any, **named: Any) -> None:
            trainer.aside = [0.0, 0.0]
            self.began = _now(device)

        def on_pre_optimizer_step(self, *_: Any, model: torch.nn.Module, **named: Any) -> None:
            if keep_gradient and not steps.gradient:
                steps.gradient = {
                    name: parameter.grad.detach().float().cpu().clone()
                    for name, parameter in model.named_parameters()
                    if parameter.grad is not None
                }

        def on_step_end(self, *_: Any, **named: Any) -> None:
            wall, work = (
                late - early - aside
                for late, early, aside in zip(_now(device), self.began, trainer.aside, strict=True)
            )
            steps.seconds.append(wall)
            steps.processor.append(work)

    with tempfile.TemporaryDirectory() as folder:
        settings = GRPOConfig(
            output_dir=folder,
            use_cpu=device == "cpu",
            per_device_train_batch_size=options.sequences,
            gradient_accumulation_steps=passes,
            generation_batch_size=at_once,
            num_generations=2,  # only TRL's advantages depend on it, and they are replaced
            max_steps=options.steps,
            loss_type="dapo",  # an average over all trained tokens of the batch
            beta=0.0,
            learning_rate=options.lr,
            lr_scheduler_type="constant",
            max_grad_norm=1.0 if options.clip else 0.0,
            bf16=options.precision == "autocast",
            gradient_checkpointing=options.checkpointing,
            use_liger_kernel=options.liger,
            model_init_kwargs={
                "dtype": "bfloat16" if options.precision == "bfloat16" else "float32",
                "attn_implementation": options.attention,
            },
            report_to="none",
            logging_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer = RecordedTrainer(
            model=model,
            reward_funcs=_nothing,
            args=settings,
            train_dataset=Dataset.from_dict({"prompt": ["-"] * len(found)}),
            processing_class=AutoTokenizer.from_pretrained(model),
            callbacks=[Watch()],
            rollout_func=rollout,
        )
        trainer.train()
    return steps


def _nothing(completions: list[str], **named: Any) -> list[float]:
    """A reward function for TRL. The advantages from it are not used."""
    return [0.0] * len(completions)


def _now(device: str) -> tuple[float, float]:
    """Wall-clock seconds and CPU seconds of this process, after the device has finished its work."""
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()
