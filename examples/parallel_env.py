"""PettingZoo's parallel API, offline and seeded: random agents and the scripted team play the same tasks.

Replace `act` by your policy. `turn.messages` is the conversation of an agent in OpenAI's chat format.
"""

import wideseek_env


def play(env, act, seed):
    """One episode. `act` maps the turns of all agents that act now to their actions. Returns the reward of the team."""
    env.reset(seed=seed)
    rewards = {}
    while env.agents:  # gets longer when the lead starts subagents
        turns = [env.episode_run.turn(agent) for agent in env.acting_agents]
        actions = dict(zip(env.acting_agents, act(turns), strict=True))
        _, rewards, _, _, _ = env.step(actions)
    return rewards["lead"]


def main(episodes=10):
    team = wideseek_env.make_policy("scripted")
    means = {}
    for width in (1, 2, 4, 8):
        env = wideseek_env.parallel_env(rules="width-benchmark", width=width)

        def random(turns, env=env):
            return [env.action_space(turn.agent).sample() for turn in turns]

        for name, act in (("random", random), ("scripted", team.act)):
            means[name, width] = sum(play(env, act, seed) for seed in range(episodes)) / episodes
        print(f"width {width}: random {means['random', width]:.2f}, scripted {means['scripted', width]:.2f}")
        env.close()
    print("Each number is the mean item-F1. A wider team opens more pages, so it finds more of the table.")
    return means


if __name__ == "__main__":
    main()
