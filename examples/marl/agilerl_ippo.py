"""IPPO with AgileRL: its grouped agents and its learning step on many symbolic episodes at once.

    python examples/marl/agilerl_ippo.py                          # two updates, to see that it runs
    python examples/marl/agilerl_ippo.py --updates 60             # learns

One network acts for all roles. The agents of all episodes are rows of one AgileRL agent, `team`. AgileRL could also
group agents by name to share a network, but its `learn` then orders observations by agent, and advantages by step.

`learn` does not get masks from infos when it evaluates the policy, so PPO's ratios would be wrong. Therefore the masks
are part of the observation, and `MaskedActor` reads them from there, when acting and when learning. The rollout is
written out here, because AgileRL's training loop loses the ends of episodes when only some of them end.
"""

import argparse
import dataclasses
import json
import time
from typing import NamedTuple

import numpy as np
import torch
from agilerl.algorithms import IPPO
from agilerl.modules import ModuleDict
from agilerl.networks.actors import StochasticActor
from agilerl.networks.value_networks import ValueNetwork

import wideseek_env
from wideseek_env.wrappers import Flat, Symbolic, SymbolicVec

TEAM = "team"


class Ended(NamedTuple):
    """An episode that ended in a batch."""

    place: int
    steps: int
    task_id: str
    item_f1: float


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
    seed: int = 1
    """seed of weights, tasks and sampling"""
    updates: int = 2
    """number of batches"""
    envs: int = 16
    """episodes that run at the same time"""
    steps: int = 64
    """steps of each episode per batch"""
    epochs: int = 6
    """passes over a batch"""
    batch_size: int = 512
    """rows of a mini-batch"""
    learning_rate: float = 2e-3
    """learning rate of Adam"""
    gamma: float = 0.99
    """discount per step"""


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


class MaskedActor(StochasticActor):
    """A policy that reads its mask from the last numbers of the observation."""

    def forward(self, obs, action_mask=None):
        return super().forward(obs, action_mask=obs[..., -int(self.action_space.n) :])


NETWORK = {
    "latent_dim": 64,
    "encoder_config": {"hidden_size": [128], "activation": "Tanh"},
    "head_config": {"hidden_size": [128], "activation": "Tanh", "output_activation": None},
}


def make_team(env, args):
    """IPPO for the rows of all agents of a `Flat` environment whose observations contain masks."""
    seen, acts = env.observation_space("lead"), env.action_space("lead")
    return IPPO(
        [seen],
        [acts],
        agent_ids=[TEAM],
        actor_networks=ModuleDict({TEAM: MaskedActor(seen, acts, **_network())}),
        critic_networks=ModuleDict({TEAM: ValueNetwork(seen, **_network())}),
        batch_size=args.batch_size,
        lr=args.learning_rate,
        learn_step=args.envs * args.steps,
        gamma=args.gamma,
        gae_lambda=0.95,
        ent_coef=0.01,
        update_epochs=args.epochs,
    )


def _network():
    return {key: dict(part) if isinstance(part, dict) else part for key, part in NETWORK.items()}


class Rollout:
    """Runs many episodes at the same time and collects experience for `IPPO.learn`. Rows are (episodes × agents)."""

    def __init__(self, env, args):
        self.vec = SymbolicVec(env, args.envs)
        self.agents, self.steps = len(self.vec.agents), args.steps
        self.seen = self._rows(self.vec.reset(seed=args.seed)[0])
        self.done = np.zeros(args.envs * self.agents)

    @staticmethod
    def _rows(arrays):
        joined = np.concatenate([arrays["observation"], arrays["action_mask"]], -1, dtype=np.float32)
        return joined.reshape(-1, joined.shape[-1])

    def play(self, team):
        """Collect one batch of experience. Returns it with the episodes that ended in it."""
        columns = [[] for _ in range(6)]  # observations, actions, log-probabilities, rewards, dones, values
        ended = []
        for _ in range(self.steps):
            actions, log_probs, _, values = (part[TEAM] for part in team.get_action(obs={TEAM: self.seen}))
            chosen = np.asarray(actions).reshape(-1, self.agents).astype(int)
            arrays, rewards, terminated, truncated, infos = self.vec.step(chosen)
            row = (self.seen, actions, log_probs, rewards.repeat(self.agents), self.done, values)
            for column, value in zip(columns, row, strict=True):
                column.append(value)
            self.seen = self._rows(arrays)
            self.done = (terminated | truncated).repeat(self.agents).astype(float)
            final = infos.get("final_info", {})
            for place in np.flatnonzero(terminated | truncated):
                ended.append(Ended(place, *(final[key][place] for key in ("steps", "task_id", "item_f1"))))
        return tuple({TEAM: part} for part in (*columns, self.seen, self.done)), ended


def train(args, on_step=None):
    """Train and print a line per update. Returns the team and the mean item-F1 of every update."""
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)  # AgileRL shuffles its mini-batches with NumPy's global generator
    env = make(args)
    team = make_team(Flat(env, mask="observation"), args)
    rollout = Rollout(env, args)
    curve, began = [], time.process_time()
    for number in range(1, args.updates + 1):
        experience, ended = rollout.play(team)
        if on_step is not None:
            on_step(experience, ended)
        curve.append(float(np.mean([e.item_f1 for e in ended])) if ended else 0.0)
        team.learn(experience)
        if number <= 3 or number % 10 == 0:
            line = {
                "update": number,
                "steps": number * args.envs * args.steps,
                "item_f1": round(curve[-1], 3),
            }
            print(json.dumps(line | {"cpu_seconds": round(time.process_time() - began, 1)}), flush=True)
    return team, curve


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
