"""A team of language models behind an OpenAI-compatible server answers three tasks at once.

Give it the address of a server and the name of a model:

    python examples/openai_team.py http://127.0.0.1:8000/v1 my-model

Without these arguments the program starts a server that has no model and answers with the scripted team's messages.
"""

import json
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from wideseek_env import GameConfig, Turn
from wideseek_env.policy import Job, make_policy

SETUP = GameConfig(tasks="synthetic:seed=5", profile="default", width=4).open()
TOOLS = {role: SETUP.episode(SETUP.tasks[0]).tools(role) for role in ("lead", "subagent")}


def main(base_url: str, model: str) -> float:
    total = 0.0
    jobs = [Job(SETUP.tasks[number], seed=number) for number in range(3)]
    with make_policy("openai", base_url=base_url, model=model, turn_tokens=4096) as policy:
        for played in policy.run_jobs(SETUP, jobs):
            if played.trajectory is None:
                raise SystemExit(played.error)
            reward = played.trajectory.reward
            print(f"{played.job.task.id}: item-F1 {reward:.3f}")
            total += reward
        used = policy.usage
        print(
            f"mean {total / len(jobs):.3f}, {used.prompt_tokens:,} tokens read, {used.completion_tokens:,} written"
        )
    return total / len(jobs)


class StandIn(BaseHTTPRequestHandler):
    """Answers chat completions with the scripted team's messages."""

    policy = make_policy("scripted")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = asked["messages"]
        role = "lead" if '"delegate"' in messages[0]["content"] else "subagent"
        turn = Turn("agent", role, messages[-1]["content"], messages, TOOLS[role], turns_left=9)
        text = self.policy.act([turn])[0]
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {
            "prompt_tokens": sum(len(m["content"]) for m in messages) // 4,
            "completion_tokens": len(text) // 4,
        }
        body = json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


@contextmanager
def stand_in():
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        main(sys.argv[1], sys.argv[2])
    else:
        with stand_in() as address:
            main(address, "stand-in")
