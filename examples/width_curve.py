"""A benchmark of a custom policy: item-F1, time and tokens by the number of subagents.

Replace `Metered` by your policy. This command does the same, with confidence intervals and a figure:

    wideseek bench width --widths 1,2,4 --policy my_module:MyPolicy --limit 50 --out runs/width
"""

from wideseek_env import GameConfig, make_policy
from wideseek_env.evaluation import evaluate_game


class Metered:
    """The scripted team with a count of tokens, as if a model read and wrote them: about four characters per token."""

    name = "metered"

    def __init__(self):
        self._team = make_policy("scripted")
        # The totals so far. Each record of an episode includes the tokens of that episode.
        self.usage = {"prompt_tokens": 0, "completion_tokens": 0}

    def reset(self, seed):
        self._team.reset(seed)

    def act(self, turns):
        actions = self._team.act(turns)
        for turn, action in zip(turns, actions, strict=True):
            self.usage["prompt_tokens"] += sum(len(message["content"]) for message in turn.messages) // 4
            self.usage["completion_tokens"] += len(action) // 4
        return actions


def main(widths=(1, 2, 4), tasks=3):
    print("width  item-F1  95 %         critical path  s/episode  tokens read  tokens written")
    curve = {}
    for width in widths:
        game = GameConfig(
            tasks="synthetic:pages=900,rows=12-16", split="test", rules="width-benchmark", width=width
        ).open()
        found = evaluate_game(game, Metered(), game.tasks[:tasks])  # folder=… would record every episode
        used = found.usage
        print(
            f"{width:>5}  {found.item_f1:7.3f}  {found.item_f1_low:.3f}–{found.item_f1_high:.3f}"
            f"  {found.critical_path:13.1f}  {found.seconds:9.2f}"
            f"  {used['prompt_tokens']:11,.0f}  {used['completion_tokens']:14,.0f}"
        )
        curve[width] = found.item_f1
    return curve


if __name__ == "__main__":
    main()
