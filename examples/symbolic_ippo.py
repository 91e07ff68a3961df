"""IPPO on the symbolic environment in one file: a team without a language model learns to delegate and look up.

One network acts for the lead and all subagents (parameter sharing). Each agent has its advantages, computed from the
team reward (independent PPO, de Witt et al. 2020, arXiv 2011.09533). ``--centralised`` gives the critic the
observations of all agents (MAPPO, Yu et al. 2022, arXiv 2103.01955). The style is that of CleanRL: all code is in this
file.

    python examples/symbolic_ippo.py                                       # two updates, to see that it runs
    python examples/symbolic_ippo.py --updates 100000 --minutes 4 --curve curve.jsonl     # learns

Two things differ from PPO on a control task. First, agents act at different times. So returns and advantages are
computed between one decision of an agent and its next decision, even if many steps lie between them. Second, a small
network scores every action from the features of its object (this entity, this result). So the network can use what it
learned about one object for all objects.
"""

import argparse
import dataclasses
import json
import time

import numpy as np
import torch
from torch import nn

import wideseek_env
from wideseek_env.wrappers import Symbolic, SymbolicVec


@dataclasses.dataclass
class Args:
    world: str = "synthetic:rows=6,columns=2,hops=1"
    """tasks and corpus; training uses the train split, evaluation the test split"""
    width: int = 3
    """largest number of subagents"""
    subagent_turns: int = 8
    """turns of a subagent; so few that one cannot look up all rows, so a wide delegation pays"""
    lead_turns: int = 6
    """turns of the lead, including its answer"""
    shaping: float = 1.0
    """weight of an additional training reward for right cells that agents note; 0 for none"""
    centralised: bool = False
    """give the critic the observations of all agents (MAPPO)"""
    seed: int = 1
    """seed of weights, tasks and sampling"""
    updates: int = 2
    """largest number of updates"""
    minutes: float = 0.0
    """largest number of wall-clock minutes of training; 0 for no limit"""
    envs: int = 64
    """episodes that run at the same time"""
    steps: int = 48
    """steps of each episode between two updates"""
    epochs: int = 3
    """passes over the decisions per update"""
    minibatches: int = 4
    """mini-batches per pass"""
    learning_rate: float = 1e-3
    """learning rate of Adam"""
    gamma: float = 0.99
    """discount between two decisions of an agent"""
    lam: float = 0.95
    """lambda of generalised advantage estimation"""
    clip: float = 0.2
    """clipping of the probability ratio"""
    entropy: float = 0.01
    """weight of the entropy bonus"""
    value: float = 0.5
    """weight of the value loss"""
    max_grad_norm: float = 0.5
    """largest norm of the whole gradient"""
    hidden: int = 128
    """width of the hidden layers"""
    evaluate: int = 8
    """test episodes with greedy actions at the end"""
    threads: int = 1
    """threads of torch"""
    curve: str = ""
    """file for one line of JSON per update"""
    save: str = ""
    """file for the weights"""


class Team(nn.Module):
    """Policy and critic for all roles."""

    def __init__(self, layout, agents, hidden, centralised):
        super().__init__()
        self.layout, self.centralised = layout, centralised
        verbs = list(dict.fromkeys(layout.choice(n).verb for n in range(layout.actions)))
        choices = [layout.choice(n) for n in range(layout.actions)]
        self.register_buffer("verb", torch.tensor([verbs.index(c.verb) for c in choices]))
        # For each action, the places in an observation that describe its object; index `features` is a zero.
        places = layout.parts(np.arange(layout.features, dtype=np.float32))
        about = []
        for c in choices:
            near = []
            if c.verb == "search":
                near = [
                    places["entities"][c.first],
                    places["cells"][c.first, c.second],
                    places["attributes"][c.second],
                ]
            elif c.verb == "open":
                near = [places["results"][c.first]]
            elif c.verb in ("take", "follow") and c.first < layout.max_attributes:
                near = [places["attributes"][c.first]]
            about.append(np.concatenate(near).astype(int) if near else np.zeros(0, int))
        longest = max(map(len, about))
        padded = [np.pad(a, (0, longest - len(a)), constant_values=layout.features) for a in about]
        self.register_buffer("about", torch.tensor(np.stack(padded)))
        self.trunk = nn.Sequential(
            nn.Linear(layout.features, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()
        )
        self.from_trunk = nn.Linear(hidden, 64)
        self.from_near = nn.Linear(longest, 64, bias=False)
        self.from_action = nn.Embedding(layout.actions, 64)
        self.from_verb = nn.Embedding(len(verbs), 64)
        self.score = nn.Linear(64, 1)
        nn.init.orthogonal_(self.score.weight, 0.01)
        nn.init.normal_(self.from_action.weight, 0, 0.1)
        seen = layout.features * (1 + agents) if centralised else layout.features
        self.critic = nn.Sequential(
            nn.Linear(seen, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1)
        )

    def policy(self, observation, mask):
        """A distribution over actions for observations (n, features) and masks (n, actions)."""
        near = nn.functional.pad(observation, (0, 1))[:, self.about]  # (n, actions, longest)
        what = self.from_action.weight + self.from_verb(self.verb)
        hidden = self.from_trunk(self.trunk(observation))[:, None] + self.from_near(near) + what
        logits = self.score(torch.relu(hidden))[..., 0]
        return torch.distributions.Categorical(
            logits=logits.masked_fill(mask == 0, -1e9), validate_args=False
        )

    def values(self, observation):
        """Values (n, agents) for observations (n, agents, features)."""
        if self.centralised:
            everything = observation.flatten(1)[:, None].expand(-1, observation.shape[1], -1)
            observation = torch.cat([observation, everything], -1)
        return self.critic(observation)[..., 0]


def advantages(rewards, ended, acting, values, last_values, gamma, lam):
    """Advantages and returns between decisions. Arrays are (steps, envs, agents), `ended` is (steps, envs).

    Also returns which decisions are trained on. An agent's last decision in the rollout is not trained on, because its
    consequences are unknown. It is trained on if the agent acts again directly after the rollout.
    """
    steps = len(rewards)
    result, known = np.zeros_like(rewards), np.zeros_like(acting[:-1])
    next_value, next_advantage = last_values.copy(), np.zeros_like(last_values)
    seen, paid = (
        acting[-1].copy(),
        np.zeros_like(last_values),
    )  # `acting` has one row more than there are steps
    for t in reversed(range(steps)):
        over = ended[t][:, None]
        next_value, next_advantage = np.where(over, 0.0, next_value), np.where(over, 0.0, next_advantage)
        paid = np.where(over, 0.0, paid) + rewards[t]
        seen |= over
        now = acting[t]
        known[t] = now & seen
        advantage = paid + gamma * next_value - values[t] + gamma * lam * next_advantage
        advantage = result[t] = np.where(known[t], advantage, 0.0)
        next_value, next_advantage = (
            np.where(now, values[t], next_value),
            np.where(now, advantage, next_advantage),
        )
        paid, seen = np.where(now, 0.0, paid), seen | now
    return result, result + values, known


def make(args, split):
    env = wideseek_env.parallel_env(
        tasks=args.world,
        split=split,
        width=args.width,
        rules={"subagent_turns": args.subagent_turns, "lead_turns": args.lead_turns},
        profile="terse",
    )
    shaping = args.shaping if split == "train" else 0.0
    return Symbolic(env, max_entities=6, max_attributes=3, max_results=5, shaping=shaping)


@torch.no_grad()
def evaluate(team, env, episodes):
    """Mean item-F1 over the first test tasks. Each agent takes its likeliest action."""
    scores = []
    for number in range(min(episodes, len(env.game.tasks))):
        observations, infos = env.reset(options={"task_id": env.game.tasks[number].id})
        while env.agents:
            batch = [observations[agent] for agent in env.acting_agents]
            seen = torch.from_numpy(np.stack([b["observation"] for b in batch]))
            mask = torch.from_numpy(np.stack([b["action_mask"] for b in batch]))
            chosen = team.policy(seen, mask).logits.argmax(-1).tolist()
            observations, _, _, _, infos = env.step(dict(zip(env.acting_agents, chosen, strict=True)))
        scores.append(infos["lead"]["item_f1"])
    return float(np.mean(scores))


def update(team, optimizer, args, batch, generator):
    """Run all epochs of PPO on one batch of decisions. Returns the mean losses of the last epoch."""
    size = len(batch["actions"])
    for _ in range(args.epochs):
        losses = []
        for part in torch.randperm(size, generator=generator).chunk(args.minibatches):
            policy = team.policy(batch["seen"][part], batch["masks"][part])
            ratio = (policy.log_prob(batch["actions"][part]) - batch["log_probs"][part]).exp()
            advantage = batch["advantages"][part]
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            clipped = ratio.clamp(1 - args.clip, 1 + args.clip)
            policy_loss = -torch.min(ratio * advantage, clipped * advantage).mean()
            values = team.values(batch["all"][part]).gather(1, batch["seats"][part, None])[:, 0]
            value_loss = 0.5 * (values - batch["returns"][part]).square().mean()
            entropy = policy.entropy().mean()
            loss = policy_loss + args.value * value_loss - args.entropy * entropy
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(team.parameters(), args.max_grad_norm)
            optimizer.step()
            losses.append([policy_loss.item(), value_loss.item(), entropy.item()])
    return np.mean(losses, axis=0)


def train(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    env = make(args, "train")
    vec = SymbolicVec(env, args.envs)
    agents = len(vec.agents)
    team = Team(env.layout, agents, args.hidden, args.centralised)
    optimizer = torch.optim.Adam(team.parameters(), lr=args.learning_rate, eps=1e-5)
    arrays, _ = vec.reset(seed=args.seed)
    began, episodes, decisions = time.perf_counter(), 0, 0
    curve = open(args.curve, "w") if args.curve else None  # noqa: SIM115 (closed below)
    shape = (args.steps, args.envs, agents)
    for number in range(1, args.updates + 1):
        passed = time.perf_counter() - began
        if args.minutes and passed > 60 * args.minutes:
            break
        done = max((number - 1) / args.updates, passed / (60 * args.minutes) if args.minutes else 0)
        optimizer.param_groups[0]["lr"] = args.learning_rate * max(0.05, 1 - done)

        observations = np.zeros((*shape, env.layout.features), np.float32)
        masks = np.zeros((*shape, env.layout.actions), np.int8)
        acting = np.zeros((args.steps + 1, *shape[1:]), bool)
        actions, log_probs = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        values, rewards = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        ended = np.zeros(shape[:2], bool)
        scores, lengths = [], []
        for t in range(args.steps):
            observations[t], masks[t], acting[t] = (
                arrays["observation"],
                arrays["action_mask"],
                arrays["acting"],
            )
            with torch.no_grad():
                policy = team.policy(
                    torch.from_numpy(observations[t][acting[t]]), torch.from_numpy(masks[t][acting[t]])
                )
                chosen = policy.sample()
                actions[t][acting[t]] = chosen.numpy()
                log_probs[t][acting[t]] = policy.log_prob(chosen).numpy()
                values[t] = team.values(torch.from_numpy(observations[t])).numpy()
            arrays, reward, terminated, truncated, infos = vec.step(actions[t])
            rewards[t] = reward[:, None]  # the reward of the team is that of every agent
            ended[t] = terminated | truncated
            if ended[t].any():
                scores += infos["final_info"]["item_f1"][ended[t]].tolist()
                lengths += infos["final_info"]["steps"][ended[t]].tolist()
        acting[-1] = arrays["acting"]
        with torch.no_grad():
            last = team.values(torch.from_numpy(arrays["observation"])).numpy()
        gained, returns, known = advantages(rewards, ended, acting, values, last, args.gamma, args.lam)

        where = np.nonzero(known)
        batch = {
            "seen": observations[where],
            "all": observations[where[:2]],
            "seats": where[2],
            "masks": masks[where],
            "actions": actions[where],
            "log_probs": log_probs[where],
            "advantages": gained[where],
            "returns": returns[where],
        }
        losses = update(team, optimizer, args, {k: torch.from_numpy(v) for k, v in batch.items()}, generator)
        episodes += len(scores)
        decisions += int(acting[:-1].sum())
        line = {
            "update": number,
            "seconds": round(time.perf_counter() - began, 1),
            "episodes": episodes,
            "decisions": decisions,
            "item_f1": round(float(np.mean(scores)) if scores else 0.0, 4),
            "steps": round(float(np.mean(lengths)) if lengths else 0.0, 1),
            **dict(zip(("policy_loss", "value_loss", "entropy"), np.round(losses, 4).tolist(), strict=True)),
        }
        if number <= 10 or number % 10 == 0:
            print(json.dumps(line), flush=True)
        if curve:
            print(json.dumps(line), file=curve, flush=True)
    if curve:
        curve.close()
    if args.save:
        torch.save(team.state_dict(), args.save)
    score = evaluate(team, make(args, "test"), args.evaluate)
    print(f"test split, greedy: item-F1 {score:.3f} over {args.evaluate} tasks after {episodes} episodes")
    return team


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
    train(parse())
