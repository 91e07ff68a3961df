"""A credit: the team's reward for the lead and for subagents that reported, and nothing for subagents that failed.

    wideseek eval --credit my_credit:Reported --policy scripted --limit 5     (in this folder)
    wideseek eval --credit my_credit:Reported,failed=-0.5 --policy scripted --limit 5
    python my_credit.py                                                       divides an episode, checks the credit

A credit returns one number for each conversation, in the order of `episode.conversations`. Training compares the
numbers of agents with the same role. PettingZoo pays each agent the sum over its conversations.
"""

from dataclasses import dataclass

from wideseek_env import GameConfig, make_policy, run_episode
from wideseek_env.testing import check_credit


@dataclass(frozen=True)
class Reported:
    failed: float = 0.0
    name: str = "reported"

    def __call__(self, episode, score, reward):
        return [
            self.failed if each.role == "subagent" and each.ending != "reported" else reward
            for each in episode.conversations
        ]


if __name__ == "__main__":
    game = GameConfig(tasks="synthetic:pages=800,rows=6", rules="width-benchmark", credit=Reported()).open()
    play = run_episode(game, make_policy("scripted"), game.tasks[0])
    print({each.agent: paid for each, paid in zip(play.episode.conversations, play.credits, strict=True)})
    check_credit(Reported())
