"""A program that uses only HTTP and JSON acts as a whole team: lead and subagents, with OpenAI's messages.

Give it the address of a service that `wideseek serve agents --tasks synthetic` started:

    python examples/http_agent.py http://127.0.0.1:8000

Without an address, the program starts a service itself. The client uses only the standard library, so it is easy to
write in another language. Replace `model` by a request for a chat completion.
"""

import json
import re
import signal
import subprocess
import sys
from urllib.request import Request, urlopen


def call(url: str, body: dict | None = None) -> dict:
    data = json.dumps(body).encode() if body is not None else None
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=60) as answer:
        return json.load(answer)


def model(messages: list[dict], tools: list[dict], turns_left: int) -> dict:
    """An assistant message. A subagent opens the list of rows and reports its entries. The lead answers with them."""
    question = next(message["content"] for message in messages if message["role"] == "user")
    results = [message["content"] for message in messages if message["role"] == "tool"]
    name = tools[0]["function"]["name"]
    if turns_left > 1 and not results:
        subject = re.search(r"\w+ (in|from) [A-Z]\w+", question)
        query = f"List of {subject[0]}" if subject else question
        return request(name, {"subtasks": ["Find the list."]} if name == "delegate" else {"query": query})
    if turns_left > 1 and len(results) == 1 and name != "delegate":
        return request("browse", {"url": re.search(r"\]\((\S+)\)", results[0])[1]})
    entries = re.findall(r"^(?:-|\d+\.|\|) \[(.+?)\]", results[-1], re.MULTILINE)
    key = re.search(r"\| (.+?) \|", question)[1]  # the first column of the question
    table = "\n".join([f"| {key} |", "| --- |", *(f"| {entry} |" for entry in entries)])
    return {"role": "assistant", "content": results[-1] if name == "delegate" else table}


def request(name: str, arguments: dict) -> dict:
    """An assistant message that calls a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": "call_1", "type": "function", "function": function}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def play(address: str) -> None:
    episode = call(f"{address}/v1/episodes", {"seat": "team"})
    where = f"{address}/v1/episodes/{episode['id']}"
    while episode["status"] == "open":
        for turn in episode["turns"]:  # all agents that act now, in any order or at the same time
            message = model(turn["messages"], turn["tools"], turn["turns_left"])
            moved = call(f"{where}/messages", {"agent": turn["agent"], "message": message})
            print(f"{turn['agent']}: {len(moved['messages'])} results, {moved['ending'] or 'goes on'}")
        episode = call(where)
    print(
        json.dumps({key: episode["outcome"][key] for key in ("ending", "turns", "critical_path", "item_f1")})
    )


if __name__ == "__main__":
    if len(sys.argv) == 2:
        play(sys.argv[1])
        sys.exit()
    command = [
        sys.executable,
        "-m",
        "wideseek_env.cli",
        "serve",
        "agents",
        "--tasks",
        "synthetic:seed=3,pages=400",
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline()
            if "http" in line:
                play(line.split()[2].rstrip(";"))
            else:
                print('This example needs: pip install -e ".[serve]" -e baselines')
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
