"""Whole teams as an agent loop of verl. NOT RUN by this project's tests: written against the source of verl 0.9.1.

verl trains one sequence per row. For each row, the model in training runs a whole team, and one sequence of the team
goes to the trainer. By default the lead's sequence goes to the trainer. With `train: any` a sequence is drawn at
random. The mean over rows is then an estimate of the mean over the team's agents. The reward of a row is the reward of
the team.

The dataset has `raw_prompt` (any message), `agent_name: wideseek` and `extra_info: {"task_id": …, "index": …}`. The
agent loop is registered in a YAML file that `actor_rollout_ref.rollout.agent.agent_loop_config_path` names:

    - name: wideseek
      _target_: verl_agent_loop.WideSeekAgentLoop
      game: {tasks: synthetic, width: 4, profile: wideseek-r1}
      train: any
"""

from __future__ import annotations

import random
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import (
    AgentLoopBase,
    AgentLoopMetrics,
    AgentLoopOutput,
    register,
)

from wideseek_baselines.engines.base import EngineInfo, Generation, Request, Weights
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.rollout.driver import Driver
from wideseek_env import GameConfig, Job


class VerlEngine:
    """verl's server as an engine: it gets token ids and returns sampled ids with their log-probabilities."""

    def __init__(self, server: Any, context: int) -> None:
        self._server = server
        self.info = EngineInfo("verl", "policy", "tokens", context)
        self.version = 0

    async def generate(self, request: Request) -> Generation:
        sampling = request.sampling
        answer = await self._server.generate(
            request_id=uuid4().hex,
            prompt_ids=list(request.ids),
            sampling_params={
                "max_tokens": sampling.max_tokens,
                "temperature": sampling.temperature,
                "stop_token_ids": list(sampling.stop_ids),
                "logprobs": True,
            },
        )
        ids = list(answer.token_ids)
        return Generation(
            "stop" if ids and ids[-1] in sampling.stop_ids else "length",
            ids=ids,
            logprobs=list(answer.log_probs),
            versions=((0, len(ids)),),
            prompt_tokens=len(request.ids),
            completion_tokens=len(ids),
        )

    async def start(self) -> None: ...

    async def update_weights(self, weights: Weights, version: int) -> None:
        raise NotImplementedError("verl replaces the weights: do not call update_weights")

    async def pause(self) -> None: ...

    async def resume(self) -> None: ...

    async def sleep(self) -> None: ...

    async def wake(self) -> None: ...

    async def close(self) -> None: ...


@register("wideseek")
class WideSeekAgentLoop(AgentLoopBase):
    """Runs one team for each row."""

    def __init__(self, *args: Any, game: dict[str, Any], train: str = "lead", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.train = train
        self.game = GameConfig(**game).open()
        limits = self.rollout_config
        engine = VerlEngine(self.server_manager, limits.prompt_length + limits.response_length)
        self.policy = LLMPolicy(
            engine,
            tokenizer=self.tokenizer,
            temperature=limits.temperature,
            turn_tokens=limits.response_length,
        )

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> AgentLoopOutput:
        task = self.game.tasks.get(kwargs["extra_info"]["task_id"])
        seed = random.getrandbits(31)
        async for finished in Driver(self.policy, self.game).run([Job(task, seed=seed)]):
            rollout = finished.rollout
        if rollout is None or finished.error:
            raise RuntimeError(finished.error)
        agents = rollout.agents if self.train == "any" else rollout.agents[:1]
        sequence = random.Random(seed).choice([s for agent in agents for s in agent.sequences if s.turns])
        start, length = sequence.turns[0].start, self.rollout_config.response_length
        mask = [int(on) for on in sequence.mask[start:]][:length]
        logprobs = [0.0] * len(sequence.ids)
        for turn in sequence.turns:
            logprobs[turn.start : turn.stop] = turn.logprobs
        return AgentLoopOutput(
            prompt_ids=sequence.ids[:start],
            response_ids=sequence.ids[start:][:length],
            response_mask=mask,
            response_logprobs=logprobs[start:][:length],
            reward_score=rollout.reward,
            num_turns=len(sequence.turns),
            metrics=AgentLoopMetrics(),
            extra_fields={"team": dict(rollout.score)},
        )
