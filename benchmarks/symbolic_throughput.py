"""Environment steps per second of process time: symbolic episodes alone, and with libraries for multi-agent RL.

    python benchmarks/symbolic_throughput.py                         # all libraries that are installed
    python benchmarks/symbolic_throughput.py --only vector torchrl
    python benchmarks/symbolic_throughput.py --only vector processes --episodes 64 --processes 4

Every line uses the world and sizes of the examples, with legal actions. For the environment alone, the actions are
random. For a library, the actions come from the untrained policy of the example for that library. The time includes the
forward passes of that policy. One step is one step of one episode, in which all agents whose turn it is act. There is
no learning. The time is the process time of one process with one thread of torch. For ``processes``, it is the time of
the main process plus the time of the busiest worker, because these two wait for each other (Linux only). Every line
also has the steps per second of wall-clock time. Compare these only on a machine that runs nothing else.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import numpy as np

import wideseek_env
from wideseek_env.wrappers import SubprocSymbolicVec, Symbolic, SymbolicVec

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "marl"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def make():
    env = wideseek_env.parallel_env(
        tasks="synthetic:rows=3,columns=1,hops=1,pages=300",
        width=2,
        rules={"subagent_turns": 8, "lead_turns": 4},
        profile="terse",
    )
    return Symbolic(env, max_entities=3, max_attributes=1, max_results=3, shaping=1.0)


def single(steps):
    """`Symbolic`, one episode after another."""
    env, rng = make(), np.random.default_rng(0)
    observations, _ = env.reset(seed=0)

    def play(number):
        nonlocal observations
        for _ in range(number):
            if not env.agents:
                observations, _ = env.reset()
            observations, *_ = env.step(
                {a: int(rng.choice(np.flatnonzero(o["action_mask"]))) for a, o in observations.items()}
            )

    return play, steps


def vector(steps, number=16):
    """`SymbolicVec`"""
    return random_steps(SymbolicVec(make(), number)), steps


def processes(steps, number=16, count=2):
    """`SubprocSymbolicVec`"""
    vec = SubprocSymbolicVec(make(), number, count)
    WORKERS[:] = [process.pid for process in multiprocessing.active_children()]
    return random_steps(vec), steps


WORKERS = []
"""The ids of the worker processes."""


def cpu_seconds():
    """The CPU time of this process, and of each worker process."""
    times = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in WORKERS]
    ticks = os.sysconf("SC_CLK_TCK")
    return [time.process_time(), *((int(each[11]) + int(each[12])) / ticks for each in times)]


def random_steps(vec):
    rng = np.random.default_rng(0)
    arrays, _ = vec.reset(seed=0)

    def play(count):
        nonlocal arrays
        for _ in range(count // vec.num_envs):
            masks = arrays["action_mask"]
            arrays, *_ = vec.step((rng.random(masks.shape) * masks).argmax(-1))

    return play


def sb3(steps, number=16):
    """Stable-Baselines3: `PPO.collect_rollouts` on 16 environments of SuperSuit."""
    from stable_baselines3 import PPO

    module = example("sb3_ppo")
    args = module.Args(envs=number)
    env = module.make(args)
    model = PPO(module.MaskedPolicy, module.vector(env, args), n_steps=8, device="cpu")
    _, callback = model._setup_learn(0)

    def play(count):
        for _ in range(count // (number * 8)):
            model.collect_rollouts(model.env, callback, model.rollout_buffer, 8)

    return play, steps // 4


def torchrl(steps, number=8):
    """TorchRL: `PettingZooWrapper` in a `SerialEnv` of 8, with the collector's policy."""
    from torchrl.envs import SerialEnv

    module = example("torchrl_mappo")
    args = module.Args()
    actor, _ = module.networks(module.make(args), args)
    env = SerialEnv(number, lambda: module.wrap(module.make(args)))
    env.set_seed(0)
    return lambda count: env.rollout(count // number, actor, break_when_any_done=False), steps // 4


def rllib(steps, number=8):
    """RLlib: a `MultiAgentEnvRunner` with 8 environments."""
    from ray.rllib.env.multi_agent_env_runner import MultiAgentEnvRunner

    module = example("rllib_ppo")
    runner = MultiAgentEnvRunner(config=module.config(module.Args(envs=number)))
    return lambda count: runner.sample(num_timesteps=count), steps // 4


def agilerl(steps, number=16):
    """AgileRL: `IPPO.get_action` on a `SymbolicVec` of 16."""
    module = example("agilerl_ippo")
    args = module.Args(envs=number, steps=8)
    env = module.make(args)
    team = module.make_team(module.Flat(env, mask="observation"), args)
    rollout = module.Rollout(env, args)

    def play(count):
        for _ in range(count // (number * args.steps)):
            rollout.play(team)

    return play, steps


WAYS = {way.__name__: way for way in (single, vector, processes, torchrl, rllib, agilerl, sb3)}
NEEDS = {
    "sb3": ("stable_baselines3", "supersuit"),
    "torchrl": ("torchrl",),
    "rllib": ("ray", "tree", "lz4", "ormsgpack"),
    "agilerl": ("agilerl",),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=sorted(WAYS), default=list(WAYS))
    parser.add_argument(
        "--steps",
        type=int,
        default=8192,
        help="number of steps per line of the output; slow lines use a quarter of it",
    )
    parser.add_argument("--episodes", type=int, default=16, help="episodes of `vector` and `processes`")
    parser.add_argument("--processes", type=int, default=2, help="number of processes of the way `processes`")
    args = parser.parse_args()
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)
    for name in args.only:
        missing = [need for need in NEEDS.get(name, ()) if importlib.util.find_spec(need) is None]
        if missing:
            print(f"{name}: needs {', '.join(missing)}", file=sys.stderr)
            continue
        options = {"number": args.episodes} if name in ("vector", "processes") else {}
        options |= {"count": args.processes} if name == "processes" else {}
        play, steps = WAYS[name](args.steps, **options)
        play(256)
        began, wall = cpu_seconds(), time.perf_counter()
        play(steps)
        passed = time.perf_counter() - wall
        main_time, *workers = (after - before for before, after in zip(began, cpu_seconds(), strict=True))
        seconds = main_time + max(workers, default=0.0)
        WORKERS.clear()
        what = WAYS[name].__doc__.rstrip(".")
        line = {"way": name, "what": what, **options, "steps": steps}
        line["steps_per_cpu_second"] = round(steps / seconds)
        line["steps_per_second"] = round(steps / passed)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
