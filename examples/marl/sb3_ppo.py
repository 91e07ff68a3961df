"""PPO of Stable-Baselines3 on the symbolic episodes, through the vector environments of SuperSuit.

    python examples/marl/sb3_ppo.py                                        # a short run, to see that it runs
    python examples/marl/sb3_ppo.py --steps 60000 --save team.zip          # learns
    cd examples/marl
    wideseek bench width --policy sb3_ppo:trained,path=../../team.zip \\
        --tasks synthetic:rows=3,columns=1,hops=1,pages=300 --rules default --widths 1,2 --out width

One network acts for all roles. For Stable-Baselines3, every agent of every episode is one environment of the vector.
PPO does not know about masks. So `Flat` puts them into the observations, and `MaskedPolicy` reads them from there, when
acting and when learning. The last command measures the saved network on episodes with text (`NumericPolicy`).
"""

import argparse
import dataclasses
import json
import time

import numpy as np
import supersuit
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.utils import set_random_seed
from torch import nn

import wideseek_env
from wideseek_env.evaluation import evaluate
from wideseek_env.wrappers import Flat, NumericPolicy, Symbolic


@dataclasses.dataclass
class Args:
    world: str = "synthetic:rows=3,columns=1,hops=1,pages=300"
    """tasks and corpus; training uses the train split, evaluation the test split"""
    max_entities: int = 3
    """largest number of rows of a task"""
    max_attributes: int = 1
    """largest number of columns of a task, without the key"""
    width: int = 2
    """largest number of subagents"""
    shaping: float = 1.0
    """weight of an additional reward for right cells that agents note; 0 for none"""
    seed: int = 1
    """seed of weights, tasks and sampling"""
    steps: int = 2048
    """steps of all episodes together"""
    envs: int = 16
    """episodes that run at the same time"""
    processes: int = 0
    """processes that run the episodes; 0 for this process"""
    rollout: int = 64
    """steps of each episode between two updates"""
    epochs: int = 6
    """passes over the batch per update"""
    batch_size: int = 512
    """decisions of a mini-batch"""
    learning_rate: float = 2e-3
    """learning rate of Adam"""
    evaluate: int = 8
    """test tasks of each evaluation"""
    save: str = ""
    """file for the trained network"""


LIMITS = {"subagent_turns": 8, "lead_turns": 4}


def make(args):
    env = wideseek_env.parallel_env(tasks=args.world, width=args.width, rules=LIMITS, profile="terse")
    return Symbolic(
        env,
        max_entities=args.max_entities,
        max_attributes=args.max_attributes,
        max_results=3,
        shaping=args.shaping,
    )


def vector(env, args):
    """The agents of many episodes, as a vector environment for Stable-Baselines3."""
    agents = supersuit.pettingzoo_env_to_vec_env_v1(Flat(env, mask="observation"))
    many = supersuit.concat_vec_envs_v1(
        agents, args.envs, num_cpus=args.processes, base_class="stable_baselines3"
    )
    many.venv.reset(seed=args.seed)  # `many.reset` ignores seeds
    return many


class MaskedNetworks(nn.Module):
    """Separate networks of policy and critic. The mask goes around the network of the policy."""

    def __init__(self, features, hidden=128):
        super().__init__()
        self.features = features
        self.latent_dim_pi = self.latent_dim_vf = hidden
        self.policy, self.critic = (
            nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
            for _ in range(2)
        )

    def forward(self, seen):
        return self.forward_actor(seen), self.forward_critic(seen)

    def forward_actor(self, seen):
        return torch.cat([self.policy(seen[:, : self.features]), seen[:, self.features :]], -1)

    def forward_critic(self, seen):
        return self.critic(seen[:, : self.features])


class MaskedPolicy(ActorCriticPolicy):
    """A policy that reads its mask from the last numbers of the observation."""

    def _build_mlp_extractor(self):
        self.mlp_extractor = MaskedNetworks(self.features_dim - int(self.action_space.n))

    def _get_action_dist_from_latent(self, latent_pi):
        actions = int(self.action_space.n)
        logits = self.action_net(latent_pi[:, :-actions])
        logits = logits.masked_fill(latent_pi[:, -actions:] == 0, -1e9)
        return self.action_dist.proba_distribution(action_logits=logits)


class Uniform:
    """A random possible action."""

    def reset(self, seed):
        self.rng = np.random.default_rng(seed)

    def __call__(self, observation, mask):
        return self.rng.choice(np.flatnonzero(mask))


def measure(act, env, args):
    """The mean item-F1 on test tasks, in episodes with text."""
    policy = NumericPolicy(act, env.layout)
    run = {"tasks": args.world, "split": "test", "limit": args.evaluate, "width": args.width, "rules": LIMITS}
    return evaluate(policy, **run, profile="terse").item_f1


def train(args):
    """Train and print item-F1 on test tasks. Returns the model, and the item-F1 of a random policy and of the model."""
    set_random_seed(args.seed)  # SuperSuit's vector has no method `seed`, which PPO's argument `seed` needs
    env = make(args)
    many = vector(env, args)
    model = PPO(
        MaskedPolicy,
        many,
        n_steps=args.rollout,
        batch_size=args.batch_size,
        n_epochs=args.epochs,
        learning_rate=args.learning_rate,
        ent_coef=0.01,
        device="cpu",
    )
    scores, began = [measure(Uniform(), env, args)], time.process_time()
    print(json.dumps({"steps": 0, "policy": "random", "item_f1": round(scores[0], 3)}), flush=True)
    try:
        # Stable-Baselines3 counts a step of an episode once for each of its agents.
        model.learn(args.steps * len(env.possible_agents))
    finally:
        many.close()
    seconds = time.process_time() - began
    scores.append(measure(model, env, args))
    line = {"steps": model.num_timesteps // len(env.possible_agents), "policy": "trained"}
    print(json.dumps(line | {"item_f1": round(scores[1], 3), "cpu_seconds": round(seconds, 1)}), flush=True)
    if args.save:
        model.save(args.save)
    return model, scores


def trained(path, **sizes):
    """The policy with the network in a file, for ``wideseek … --policy sb3_ppo:trained,path=FILE``.

    `sizes` are the options `max_entities`, `max_attributes` and `width` of the training.
    """
    layout = make(Args(**sizes)).layout
    return NumericPolicy(PPO.load(path, device="cpu"), layout, name="sb3-ppo")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for item in dataclasses.fields(Args):
        parser.add_argument("--" + item.name.replace("_", "-"), type=type(item.default), default=item.default)
    return Args(**vars(parser.parse_args()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(parse())
