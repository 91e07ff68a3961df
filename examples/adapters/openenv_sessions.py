"""Two clients use a WideSeek OpenEnv server at the same time.

    python examples/adapters/openenv_sessions.py [URL]

Without an address the program starts a server with the synthetic world on this machine.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from threading import Thread


def play(url: str, seed: int) -> str:
    from wideseek_baselines.adapters.openenv_client import WideSeekClient, run_remote_episode
    from wideseek_env.policy import make_policy

    with WideSeekClient(base_url=url).sync() as client:
        last = run_remote_episode(client, make_policy("scripted"), seed=seed)
        state = client.state()
    return f"{last.task_id}: item-F1 {last.reward:.3f} after {state.step_count} steps of {len(state.agents)} agents"


@contextmanager
def served():
    import uvicorn

    from wideseek_baselines.adapters.openenv_server import create_app
    from wideseek_env import GameConfig

    app = create_app(GameConfig(tasks="synthetic:seed=5,pages=900,rows=6-9", width=4), sessions=2)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def main(url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        for line in pool.map(lambda seed: play(url, seed), (1, 2)):
            print(line)


if __name__ == "__main__":
    if find_spec("openenv") is None:
        print("needs openenv: pip install -e 'baselines[openenv]'")
    elif len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with served() as address:
            main(address)
