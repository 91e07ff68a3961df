"""The environment in a few lines: PettingZoo's parallel API, offline and seeded, without download or key."""

import wideseek_env


def main(seed: int = 0) -> float:
    env = wideseek_env.parallel_env(width=4)
    observations, infos = env.reset(seed=seed)
    print(observations["lead"][-300:])  # text; this shows the end of the instructions and the question
    rewards = {}
    while env.agents:  # gets longer when the lead starts subagents
        actions = {
            agent: env.action_space(agent).sample() for agent in env.acting_agents
        }  # replace this by your policy
        observations, rewards, _, _, infos = env.step(actions)
    print(f"{len(rewards)} agents were paid {rewards['lead']:.3f} each: {infos['lead']['score'].message}")
    env.close()
    return rewards["lead"]


if __name__ == "__main__":
    main()
