"""An agent that only calls tools acts as the lead, through the Model Context Protocol.

The program starts `wideseek serve mcp` as its server, as an agent framework does from its configuration. The scripted
team acts as the subagents. The "model" of the lead always does the same: it lets one subagent list the rows, lets
another subagent look the rows up, and submits the result.

    python examples/mcp_lead.py
"""

import asyncio
import os
import sys

ARGUMENTS = ["-m", "wideseek_env.cli", "serve", "mcp", "--role", "lead", "--policy", "scripted"]
WORLD = ["--tasks", "synthetic:seed=5,pages=400,rows=4-6", "--out", "lead.jsonl"]


async def main() -> None:
    from mcp import Client, StdioServerParameters

    server = StdioServerParameters(command=sys.executable, args=ARGUMENTS + WORLD, env=dict(os.environ))
    async with Client(server) as client:
        for tool in (await client.list_tools()).tools:
            print(f"{tool.name}: {tool.description.split('.')[0]}.")
        _, asked = (
            await client.get_prompt("task")
        ).messages  # the first message has the instructions for a model
        question = asked.content.text
        print("\n" + question + "\n")

        listed = await client.call_tool(
            "delegate", {"subtasks": [f"List the rows, with addresses, of: {question}"]}
        )
        share = f"Look up every column of these rows.\n{listed.content[0].text}\nThe question is: {question}"
        reports = await client.call_tool("delegate", {"subtasks": [share]})
        answer = await client.call_tool("answer", {"text": reports.content[0].text})
        print(answer.content[0].text, answer.meta["wideseek"])


if __name__ == "__main__":
    try:
        import mcp_types  # noqa: F401  (the second major version of the protocol's package)
    except ImportError:
        print('This example needs the Model Context Protocol: pip install -e ".[mcp]"')
    else:
        asyncio.run(main())
