"""A custom learning algorithm around the environment: policy gradient over the number of subagents of a lead.

The scripted team acts. The algorithm learns one decision of the lead: how many of its subtasks it delegates. Omitting a
subtask saves the price of a subagent but loses a part of the table. The algorithm is REINFORCE in NumPy. A trainer for
language models would use the same loop, with `turn.messages` as input and text as output.
"""

import json
import re

import numpy as np

from wideseek_env import GameConfig, make_policy, run_episode

PRICE = 0.06


class Thrifty:
    """A reward: item-F1 minus a price for every subagent, as in examples/plugins/my_reward.py."""

    name = "thrifty"

    def __call__(self, episode, score):
        return {"item_f1": score.f1_by_item, "subagents": -PRICE * episode.outcome.subagents}


class WidthLearner:
    """The scripted team with shortened delegations. For each episode the number of subtasks is drawn at random."""

    name = "width-learner"

    def __init__(self, widest):
        self.logits = np.zeros(widest)
        self.chosen = 0
        self._team = make_policy("scripted")

    @property
    def chances(self):
        weights = np.exp(self.logits - self.logits.max())
        return weights / weights.sum()

    def reset(self, seed):
        self._team.reset(seed)
        self.chosen = np.random.default_rng(seed).choice(len(self.logits), p=self.chances)

    def act(self, turns):
        actions = self._team.act(turns)
        return [self._cut(a) if t.role == "lead" else a for t, a in zip(turns, actions, strict=True)]

    def _cut(self, action):
        found = re.search(r"<tool_call>(.*?)</tool_call>", action, re.DOTALL)
        if found is None:
            return action
        call = json.loads(found[1])
        call["arguments"]["subtasks"] = call["arguments"]["subtasks"][: self.chosen + 1]
        return f"<tool_call>{json.dumps(call)}</tool_call>"

    def learn(self, rewards, choices, rate):
        """One step of gradient ascent. The advantage of an episode is its reward minus the mean reward of the batch."""
        advantages = np.array(rewards) - np.mean(rewards)
        for choice, advantage in zip(choices, advantages, strict=True):
            self.logits += rate * advantage * (np.eye(len(self.logits))[choice] - self.chances)


def main(steps=12, batch=8, widest=6):
    game = GameConfig(
        tasks="synthetic:pages=900,rows=12-16", rules="width-benchmark", width=widest, reward=Thrifty()
    ).open()
    learner = WidthLearner(widest)
    means = []
    for step in range(steps):
        rewards, choices = [], []
        for number in range(batch):
            seed = step * batch + number
            play = run_episode(game, learner, game.tasks[seed % 8], seed=seed)
            rewards.append(play.reward)
            choices.append(learner.chosen)
        learner.learn(rewards, choices, rate=2.0)
        means.append(float(np.mean(rewards)))
        chances = " ".join(f"{chance:.2f}" for chance in learner.chances)
        print(f"step {step + 1:>2}: reward {means[-1]:.3f}, chances of 1 to {widest} subagents: {chances}")
    return means


if __name__ == "__main__":
    main()
