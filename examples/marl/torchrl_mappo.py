"""MAPPO and IPPO with TorchRL: its PettingZoo wrapper, collector, GAE and clipped PPO loss on the symbolic episodes.

    python examples/marl/torchrl_mappo.py                            # two updates, to see that it runs
    python examples/marl/torchrl_mappo.py --updates 100              # learns

One network acts for all roles. The critic gets the observations of all agents (MAPPO), or with ``--independent`` only
the agent's own observation (IPPO). `MaskedCategorical` uses the masks, when acting and when learning. Agents whose turn
it is not can only idle. Their rows count for returns, but not in the loss.
"""

import argparse
import dataclasses
import json
import time
import warnings

import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.envs import SerialEnv
from torchrl.envs.libs.pettingzoo import PettingZooWrapper
from torchrl.modules import MaskedCategorical, ProbabilisticActor
from torchrl.objectives import ClipPPOLoss, ValueEstimators

import wideseek_env
from wideseek_env.wrappers import Flat, Symbolic

TEAM = "team"


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
    independent: bool = False
    """give the critic only its agent's observation (IPPO)"""
    seed: int = 1
    """seed of weights, tasks and sampling"""
    updates: int = 2
    """number of batches"""
    envs: int = 8
    """episodes that run at the same time"""
    steps: int = 64
    """steps of each episode per batch"""
    epochs: int = 6
    """passes over a batch"""
    minibatches: int = 4
    """mini-batches per pass"""
    learning_rate: float = 2e-3
    """learning rate of Adam"""
    gamma: float = 0.99
    """discount per step"""
    lam: float = 0.95
    """lambda of generalised advantage estimation"""
    entropy: float = 0.01
    """weight of the entropy bonus"""
    hidden: int = 128
    """width of the networks"""


def make(args):
    """The environment for TorchRL: one group with all agents, their masks, and the state for the critic."""
    env = wideseek_env.parallel_env(
        tasks=args.world,
        width=args.width,
        rules={"subagent_turns": 8, "lead_turns": 4},
        profile="terse",
    )
    symbolic = Symbolic(
        env,
        max_entities=args.max_entities,
        max_attributes=args.max_attributes,
        max_results=3,
        shaping=args.shaping,
    )
    return Flat(symbolic, truncates=False)


def wrap(env, seed=None):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PettingZoo in TorchRL is tested using version")
        return PettingZooWrapper(
            env, group_map={TEAM: env.possible_agents}, return_state=True, categorical_actions=True, seed=seed
        )


def mlp(size, hidden, out):
    return nn.Sequential(
        nn.Linear(size, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, out)
    )


class Critic(nn.Module):
    """A critic. It returns values (..., agents, 1) for observations (..., agents, features) and states (..., agents,
    state).
    """

    def __init__(self, features, state, hidden, independent):
        super().__init__()
        self.independent = independent
        self.net = mlp(features if independent else features + state, hidden, 1)

    def forward(self, observation, state):
        return self.net(observation if self.independent else torch.cat([observation, state], -1))


def networks(env, args):
    """Actor and critic for all roles. Their keys are in the group, so that rows can be selected from it."""
    layout = env.layout
    scores = TensorDictModule(
        mlp(layout.features, args.hidden, layout.actions),
        in_keys=[(TEAM, "observation")],
        out_keys=[(TEAM, "logits")],
    )
    actor = ProbabilisticActor(
        scores,
        in_keys={"logits": (TEAM, "logits"), "mask": (TEAM, "action_mask")},
        out_keys=[(TEAM, "action")],
        distribution_class=MaskedCategorical,
        return_log_prob=True,
        log_prob_key=(TEAM, "log_prob"),
    )
    critic = TensorDictModule(
        Critic(layout.features, env.state_space.shape[0], args.hidden, args.independent),
        in_keys=[(TEAM, "observation"), (TEAM, "state")],
        out_keys=[(TEAM, "state_value")],
    )
    return actor, critic


def make_loss(actor, critic, args):
    loss = ClipPPOLoss(
        actor,
        critic,
        clip_epsilon=0.2,
        entropy_coeff=args.entropy,
        critic_coeff=0.5,
        normalize_advantage=True,
    )
    loss.set_keys(
        reward=(TEAM, "reward"),
        done=(TEAM, "done"),
        terminated=(TEAM, "terminated"),
        action=(TEAM, "action"),
        sample_log_prob=(TEAM, "log_prob"),
        value=(TEAM, "state_value"),
        advantage=(TEAM, "advantage"),
        value_target=(TEAM, "value_target"),
    )
    loss.make_value_estimator(ValueEstimators.GAE, gamma=args.gamma, lmbda=args.lam)
    return loss


def decisions(batch, loss):
    """The rows of a batch (envs, steps) in which an agent acted, with advantages, as one flat batch."""
    for part in (batch, batch["next"]):
        agents = part[TEAM, "observation"].shape[-2]
        state = part["state"].unsqueeze(-2)
        part[TEAM, "state"] = state.expand(*state.shape[:-2], agents, -1)
    with torch.no_grad():
        loss.value_estimator(batch)
    acted = batch[TEAM, "info", "acting"] > 0
    rows = batch[TEAM].exclude("info")[acted]
    return TensorDict({TEAM: rows}, batch_size=rows.batch_size[:1])


def finished(batch):
    """The item-F1 of the episodes that ended in a batch."""
    return batch["next", TEAM, "info", "item_f1"][..., 0][batch["next", "done"][..., 0]]


def update(rows, loss, optimizer, args):
    """Run all epochs of PPO on a batch."""
    for _ in range(args.epochs):
        for part in torch.randperm(len(rows)).chunk(args.minibatches):
            losses = loss(rows[part])
            total = losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]
            optimizer.zero_grad()
            total.backward()
            nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
            optimizer.step()


def train(args, on_batch=None):
    """Train and print a line per update. Returns the actor and the mean item-F1 of every update."""
    torch.manual_seed(args.seed)
    env = make(args)
    actor, critic = networks(env, args)
    loss = make_loss(actor, critic, args)
    optimizer = torch.optim.Adam(loss.parameters(), args.learning_rate, eps=1e-5)
    frames = args.envs * args.steps
    vec = SerialEnv(args.envs, lambda: wrap(make(args)))
    vec.set_seed(args.seed)
    collector = Collector(
        vec,
        actor,
        frames_per_batch=frames,
        total_frames=frames * args.updates,
        auto_register_policy_transforms=False,  # the policy has no state between steps
    )
    curve, began = [], time.process_time()
    for number, batch in enumerate(collector, 1):
        if on_batch is not None:
            on_batch(batch)
        scores = finished(batch)
        curve.append(float(scores.mean()) if len(scores) else 0.0)
        update(decisions(batch, loss), loss, optimizer, args)
        if number <= 3 or number % 10 == 0:
            line = {"update": number, "steps": number * frames, "item_f1": round(curve[-1], 3)}
            print(json.dumps(line | {"cpu_seconds": round(time.process_time() - began, 1)}), flush=True)
    collector.shutdown()
    return actor, curve


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
    train(parse())
