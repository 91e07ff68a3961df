"""Runs one hundred episodes in a custom loop. Replace `choose` by your algorithm."""

import wideseek_env


def choose(env, agent):
    """A random action. A learner would look at `env.episode_run.episode.messages(agent)`."""
    return env.action_space(agent).sample()


def main(episodes: int = 100) -> float:
    env = wideseek_env.parallel_env(width=4)
    total = 0.0
    for seed in range(episodes):
        env.reset(seed=seed)
        rewards = {"lead": 0.0}
        while env.agents:
            actions = {agent: choose(env, agent) for agent in env.acting_agents}
            _, rewards, *_ = env.step(actions)
        total += rewards["lead"]
    env.close()
    return total / episodes


if __name__ == "__main__":
    print(f"mean reward of random actions: {main():.3f}")
