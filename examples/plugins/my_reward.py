"""A reward: item-F1 minus a small price for every subagent.

    wideseek eval --reward my_reward:Thrifty --policy scripted --limit 5            (in this folder)
    wideseek eval --reward my_reward:Thrifty,price=0.05 --policy scripted --limit 5
    python my_reward.py                                                             pays an episode, checks the reward

The team's reward is the sum of the parts. Records keep each part under its name. A reward can use everything about the
episode: `episode.outcome` (counts, and the answer or None), `episode.conversations` (all messages) and `score` (every
cell).
"""

from dataclasses import dataclass

from wideseek_env import GameConfig, make_policy, run_episode
from wideseek_env.testing import check_reward


@dataclass(frozen=True)
class Thrifty:
    price: float = 0.01
    name: str = "thrifty"

    def __call__(self, episode, score):
        cost = self.price * episode.outcome.subagents
        return {
            "item_f1": score.f1_by_item,
            "subagents": -min(cost, score.f1_by_item),
        }  # with this limit, the sum is never below 0


if __name__ == "__main__":
    game = GameConfig(tasks="synthetic:pages=800,rows=6", rules="width-benchmark", reward=Thrifty()).open()
    play = run_episode(game, make_policy("scripted"), game.tasks[0])
    print(f"{play.parts} = {play.reward:.3f}")
    check_reward(Thrifty())
