"""A team in Prime Intellect's verifiers: every agent's conversation is a trace with the team's reward.

    python examples/adapters/verifiers_team.py http://127.0.0.1:8000/v1 my-model

Without the address of a server, the program starts a server that has no model and answers with the scripted team's
messages.
"""

import asyncio
import json
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Thread

GAME = {"tasks": "synthetic:seed=5,pages=900,rows=6-9", "width": 4}


async def main(base_url: str, model: str) -> None:
    import verifiers.v1 as vf

    from wideseek_verifiers import load_environment

    env = load_environment(**GAME)
    context = vf.ModelContext(
        model=model,
        client=vf.EvalClientConfig(base_url=base_url, api_key_var="OPENAI_API_KEY"),
        sampling=vf.SamplingConfig(temperature=1.0),
    )
    async with env.serving():
        for task in env.taskset.take(2):
            episode = await env.run_episode(task, context)
            if not episode.ok:
                raise SystemExit(episode.errors or [trace.errors for trace in episode.traces])
            print(f"{episode.task.key}: {len(episode.traces)} agents")
            for trace in sorted(episode.traces, key=lambda trace: trace.task.data.conversation):
                print(
                    f"  {trace.task.data.agent}: {trace.num_turns} turns, reward {trace.reward:.3f}, "
                    f"trainable {trace.agent.trainable}"
                )


@contextmanager
def stand_in():
    from wideseek_env import GameConfig, Turn
    from wideseek_env.policy import make_policy

    game, policy = GameConfig(**GAME).open(), make_policy("scripted")
    tools = {role: game.episode(game.tasks[0]).tools(role) for role in ("lead", "subagent")}

    class StandIn(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
            role = "lead" if '"delegate"' in messages[0]["content"] else "subagent"
            turn = Turn("agent", role, messages[-1]["content"], messages, tools[role], turns_left=9)
            message = {"role": "assistant", "content": policy.act([turn])[0]}
            answer = {
                "id": "1",
                "object": "chat.completion",
                "created": 1,
                "model": "stand-in",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    if find_spec("verifiers") is None:
        print("needs verifiers: pip install -e 'baselines[verifiers]'")
    elif len(sys.argv) == 3:
        asyncio.run(main(sys.argv[1], sys.argv[2]))
    else:
        with stand_in() as address:
            asyncio.run(main(address, "stand-in"))
