"""WideSeek-R1's official hybrid configuration, read from the repository RLinf/RLinf, and the table of it in the docs.

A setting is named as here: `rules.…` are limits of the game, and `reward.…` are fields of its reward.
"""

from __future__ import annotations

from typing import Any

PUBLISHED: dict[str, tuple[str, str, str, Any]] = {
    "tasks": ("`data.rollout_batch_size`", "128", "H", 128),
    "group": ("`algorithm.group_size`", "8", "H", 8),
    "mini_batch": ("`algorithm.n_minibatches`", "1 mini-batch", "H", None),
    "epochs": ("one pass over a batch", "1", "F", 1),
    "tokens_per_row": ("`runner.max_tokens_per_mbs`", "32000", "B", 32000),
    "prompt_tokens": ("`data.max_prompt_length`", "4096", "B", 4096),
    "model.path": ("`rollout.model.model_path`", "Qwen3-4B", "B", "Qwen/Qwen3-4B"),
    "optim.matrices": ("`actor.optim.optimizer`", "adam", "B", "adamw"),
    "optim.lr": ("`actor.optim.lr`", "1e-06", "B", 1e-06),
    "optim.schedule": ("`actor.lr_sched.lr_decay_style`", "constant", "B", "constant"),
    "optim.warmup": ("`actor.lr_sched.lr_warmup_iters`", "0", "B", 0),
    "optim.betas": ("`actor.optim.adam_beta1, adam_beta2`", "0.9, 0.999", "B", (0.9, 0.999)),
    "optim.eps": ("`actor.optim.adam_eps`", "1e-05", "B", 1e-05),
    "optim.weight_decay": ("`actor.optim.weight_decay`", "0.01", "B", 0.01),
    "optim.max_norm": ("`actor.optim.clip_grad`", "1", "B", 1.0),
    "loss.clip_low": ("`algorithm.clip_ratio_low`", "0.2", "H", 0.2),
    "loss.clip_high": ("`algorithm.clip_ratio_high`", "0.28", "H", 0.28),
    "loss.dual_clip": ("`algorithm.clip_ratio_c`", "10", "H", 10.0),
    "loss.kl": ("`algorithm.kl_beta`", "0.001", "B", 0.001),
    "loss.kl_clip": ("`algorithm.kl_penalty_type: low_var_kl`", "10 (in the code)", "B, U", 10.0),
    "loss.entropy": ("`algorithm.entropy_bonus`", "0", "B", 0.0),
    "loss.recompute_logprobs": ("`algorithm.recompute_logprobs`", "False", "B, L", False),
    "loss.importance_sampling": ("`algorithm.importance_sampling_fix`", "off", "M", "none"),
    "loss.early_stop_imp_ratio": ("`algorithm.early_stop_imp_ratio`", "5", "B, M", 5.0),
    "advantage.scale": ("`algorithm.adv_type: grpo_dynamic`", "(R − mean) / (std + 1e-6)", "B, A", "std"),
    "advantage.std": ("torch.std in grpo_dynamic", "sample", "A", "sample"),
    "advantage.baseline": ("`algorithm.advantage_mode: trajectory`", "mean", "H, A", "mean"),
    "advantage.zero_variance_groups": ("no filter of groups", "kept", "A", "keep"),
    "selection.roles": ("`agentloop.train_roles`", "all", "W", ("lead", "subagent", "single")),
    "selection.failures": ("`credit_assignment`", "see below", "R", "wideseek_r1"),
    "selection.loss_aggregation": (
        "`algorithm.loss_scales: agent_level, turn_level`",
        "see below",
        "H, S",
        "agent",
    ),
    "selection.loss_denominator": (
        "`algorithm.loss_scales: group_level`",
        "128 × 8 = 1,024",
        "H, S",
        "constant",
    ),
    "selection.kl_denominator": ("loss_scales in the KL term", "number of turns", "F, P", "turns"),
    "max_draws": ("no dynamic sampling", "none", "M", 1),
    "max_off_policy_steps": ("actor and rollout take turns", "none", "M", 0),
    "engine.context": ("`runner.seq_length`", "32000", "H", 32000),
    "engine.turn_tokens": ("seq_length - prompt", "what the context leaves", "W", 32000),
    "engine.temperature": ("`algorithm.sampling_params.temperature`", "1", "B", 1.0),
    "game.team": ("`agentloop.workflow: mas`", "mas", "H", True),
    "rules.lead_turns": ("`agentloop.max_planner_turns`", "10", "B", 10),
    "rules.subagent_turns": ("`agentloop.max_worker_turns`", "20", "B", 20),
    "rules.single_turns": ("`agentloop.max_sa_turns`", "50", "B", 50),
    "rules.width": ("`agentloop.max_workers_per_planner`", "10", "B", 10),
    "rules.calls_per_turn": ("`agentloop.max_toolcall_per_worker`", "5", "B", 5),
    "rules.results_per_query": ("`tools.search.topk`", "3", "B", 3),
    "rules.passage_chars": ("`process_tool_result`", "5000 characters of a document", "T", 5000),
    "rules.page_chars": ("`access_token`", "25000 characters of a page", "W", 25000),
    "rules.context": ("`runner.seq_length`", "32000", "H", 32000),
    "reward.format_bonus": ("`agentloop.format_reward`", "0.1", "B", 0.1),
    "reward.browse_bonus": ("`agentloop.call_search_reward`", "0.05", "B", 0.05),
    "reward.length_penalty": ("`agentloop.length_penalty`", "0.1", "B", 0.1),
    "reward.free_tokens": ("`agentloop.length_limit`", "3000", "B", 3000),
    "reward.limit_tokens": ("`agentloop.max_length_limit`", "5000", "B", 5000),
    "checkpoint.every": ("`runner.save_interval`", "30", "H", 30),
}
"""By setting: its official name, its official value as it is written there, the letters of the files where it was read
(`docs/published-settings.md` lists them), and the value in the form that it has here."""

DIFFERENT = {
    "steps",
    "model.device",
    "model.precision",
    "model.checkpoint_activations",
    "game.profile",
    "game.reward",
    "game.rules",
    "engine.kind",
    "engine.dtype",
    "engine.memory_share",
    "engine.sleep",
    "engine.workers",
    "engine.worker_gpus",
}
"""Other settings of the presets: they differ on purpose, belong to the hardware, or name other tables of settings."""


def shown(value: Any) -> str:
    """A value as the documentation writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def table() -> str:
    """The table of `docs/published-settings.md`."""
    head = [
        "| setting here | official name | official value | preset | read in |",
        "| --- | --- | --- | --- | --- |",
    ]
    rows = [
        f"| `{key}` | {name} | {official} | {shown(value)} | {source} |"
        for key, (name, official, source, value) in PUBLISHED.items()
    ]
    return "\n".join([*head, *rows])
