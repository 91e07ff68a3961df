"""Multi-agent PPO with RLlib (new API stack): agents that come and go, masked actions, one or several policies.

    python examples/marl/rllib_ppo.py                             # two iterations, to see that it runs
    python examples/marl/rllib_ppo.py --iterations 40             # learns

In RLlib's multi-agent episodes an agent may be absent. `TeamEnv` gives observations only to agents whose turn it is.
RLlib adds up an agent's rewards until its next observation. So returns go from decision to decision, and idle steps are
not trained. `MaskedModule` gives masked actions probability 0, when acting and when learning.
"""

import argparse
import dataclasses
import json
import time

import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS
from torch import nn

import wideseek_env
from wideseek_env.wrappers import Symbolic


@dataclasses.dataclass
class Args:
    world: str = "synthetic:rows=3,columns=1,hops=1,pages=300"
    """tasks and corpus"""
    max_entities: int = 3
    """largest number of rows of a task"""
    max_attributes: int = 1
    """largest number of columns of a task, without the key"""
    width: int = 2
    """largest number of subagents"""
    shaping: float = 1.0
    """weight of an additional reward for right cells that agents note; 0 for none"""
    roles: bool = False
    """one policy for the lead and one for the subagents, instead of one policy for all"""
    seed: int = 1
    """seed of weights, tasks and sampling"""
    iterations: int = 2
    """number of batches"""
    envs: int = 8
    """episodes that run at the same time"""
    steps: int = 1024
    """environment steps per batch"""
    epochs: int = 6
    """passes over a batch"""
    learning_rate: float = 1e-3
    """learning rate of Adam"""
    entropy: float = 0.03
    """weight of the entropy bonus"""
    hidden: int = 128
    """width of the networks"""


def make(args):
    env = wideseek_env.parallel_env(
        tasks=args.world,
        width=args.width,
        rules={"subagent_turns": 8, "lead_turns": 4},
        profile="terse",
    )
    return Symbolic(
        env,
        max_entities=args.max_entities,
        max_attributes=args.max_attributes,
        max_results=3,
        shaping=args.shaping,
    )


class TeamEnv(MultiAgentEnv):
    """Symbolic episodes that give observations only to acting agents, and at the end to all agents that have acted."""

    def __init__(self, config):
        super().__init__()
        self.symbolic = make(config["args"])
        self.possible_agents = list(self.symbolic.possible_agents)
        self.agents = list(self.possible_agents)
        self.observation_spaces = {a: self.symbolic.observation_space(a) for a in self.possible_agents}
        self.action_spaces = {a: self.symbolic.action_space(a) for a in self.possible_agents}
        self.acted = set()

    def reset(self, *, seed=None, options=None):
        observations, infos = self.symbolic.reset(seed=seed, options=options)
        self.acted = set(self.symbolic.acting_agents)
        return self._of(self.acted, observations), self._of(self.acted, infos)

    def step(self, actions):
        observations, rewards, _, _, infos = self.symbolic.step(actions)
        paid = self._of(self.acted, rewards)
        over = not self.symbolic.agents
        seen = self.acted if over else set(self.symbolic.acting_agents)
        self.acted = self.acted | seen
        # An episode whose lead ran out of turns has ended, it was not truncated: do not bootstrap its value.
        return (
            self._of(seen, observations),
            paid,
            {"__all__": over},
            {"__all__": False},
            self._of(seen, infos),
        )

    @staticmethod
    def _of(agents, values):
        return {agent: values[agent] for agent in sorted(agents)}


class MaskedModule(TorchRLModule, ValueFunctionAPI):
    """A policy that gives masked actions probability 0, and a critic."""

    def setup(self):
        features, hidden = self.observation_space["observation"].shape[0], self.model_config["hidden"]
        self.policy = self._mlp(features, hidden, int(self.action_space.n))
        self.critic = self._mlp(features, hidden, 1)

    @staticmethod
    def _mlp(size, hidden, out):
        return nn.Sequential(
            nn.Linear(size, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, out)
        )

    def _forward(self, batch, **kwargs):
        seen = batch[Columns.OBS]
        logits = self.policy(seen["observation"].float())
        return {Columns.ACTION_DIST_INPUTS: logits.masked_fill(seen["action_mask"] == 0, -1e9)}

    def compute_values(self, batch, embeddings=None):
        return self.critic(batch[Columns.OBS]["observation"].float())[..., 0]


class ItemF1(RLlibCallback):
    """Logs the mean item-F1 of the episodes that end in an iteration."""

    def on_episode_end(self, *, episode, metrics_logger, **kwargs):
        f1 = episode.agent_episodes["lead"].get_infos(-1)["item_f1"]
        metrics_logger.log_value("item_f1", f1, reduce="mean")


def policy_of(agent, roles):
    """The name of the policy for an agent."""
    return agent.split("_")[0] if roles else "team"


def config(args):
    """The configuration of PPO in one process: no remote workers, one learner."""
    policies = ["lead", "subagent"] if args.roles else ["team"]
    module = RLModuleSpec(module_class=MaskedModule, model_config={"hidden": args.hidden})
    return (
        PPOConfig()
        .environment(TeamEnv, env_config={"args": args})
        .env_runners(num_env_runners=0, num_envs_per_env_runner=args.envs, batch_mode="complete_episodes")
        .learners(num_learners=0)
        .multi_agent(
            policies=policies, policy_mapping_fn=lambda agent, episode, **_: policy_of(agent, args.roles)
        )
        .rl_module(rl_module_spec=MultiRLModuleSpec(rl_module_specs=dict.fromkeys(policies, module)))
        .training(
            train_batch_size_per_learner=args.steps,
            minibatch_size=min(256, args.steps),
            num_epochs=args.epochs,
            lr=args.learning_rate,
            gamma=0.99,
            lambda_=0.95,
            clip_param=0.2,
            use_kl_loss=False,
            entropy_coeff=args.entropy,
            vf_loss_coeff=0.5,
            grad_clip=0.5,
        )
        .callbacks(ItemF1)
        .debugging(seed=args.seed)
    )


def train(args, on_algorithm=None):
    """Train and print a line per iteration. Returns the mean item-F1 of every iteration."""
    algorithm = config(args).build_algo()
    if on_algorithm is not None:
        on_algorithm(algorithm)
    curve, steps, began = [], 0, time.process_time()
    try:
        for number in range(1, args.iterations + 1):
            results = algorithm.train()[ENV_RUNNER_RESULTS]
            curve.append(float(results["item_f1"]))
            steps = int(results["num_env_steps_sampled_lifetime"])
            if number <= 3 or number % 5 == 0:
                line = {"iteration": number, "steps": steps, "item_f1": round(curve[-1], 3)}
                print(json.dumps(line | {"cpu_seconds": round(time.process_time() - began, 1)}), flush=True)
    finally:
        algorithm.stop()
    return curve


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for item in dataclasses.fields(Args):
        flag = "--" + item.name.replace("_", "-")
        if isinstance(item.default, bool):
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=type(item.default), default=item.default)
    return Args(**vars(parser.parse_args()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        train(parse())
    finally:
        ray.shutdown()
