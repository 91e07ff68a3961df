"""Runs the agent loop of a checkout of RLinf on a scripted episode. `rlinf_fidelity.py` starts it in its own process.

    python benchmarks/rlinf_loop.py CHECKOUT < scenario.json > messages.json

The loop, the prompts and the tool worker are those of the checkout. Every other module is replaced by an empty one, so
that neither a GPU nor the dependencies of RLinf are needed. The language model, the search server and the summariser
are scripted by the scenario.
"""

from __future__ import annotations

import ast
import asyncio
import contextvars
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any

PACKAGE = "rlinf.agents.wideseek_r1"
current: contextvars.ContextVar[int] = contextvars.ContextVar("current")


class Stub:
    """An object with any attributes, made by any call."""

    def __init__(self, *args: Any, **named: Any) -> None:
        vars(self).update(named)

    def __class_getitem__(cls, item: Any) -> type[Stub]:
        return cls


class StubModule(types.ModuleType):
    """A module whose every attribute is a class `Stub`."""

    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (Stub,), {})
        setattr(self, name, made)
        return made


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of the checkout's package as they are. Each other module that they import and that does not
    belong to Python is a `StubModule`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.replaced = {"rlinf"}
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    self.replaced.add(node.module.partition(".")[0])
                elif isinstance(node, ast.Import):
                    self.replaced |= {each.name.partition(".")[0] for each in node.names}
        self.replaced -= sys.stdlib_module_names

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """The module's spec, or None for the modules of Python itself."""
        if name.startswith(f"{PACKAGE}."):
            inner = self.folder.joinpath(*name.removeprefix(f"{PACKAGE}.").split("."))
            if inner.with_suffix(".py").is_file():
                return importlib.util.spec_from_file_location(name, inner.with_suffix(".py"))
        if name.partition(".")[0] not in self.replaced:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> StubModule:
        """An empty module."""
        return StubModule(spec.name)

    def exec_module(self, module: Any) -> None:
        """Nothing to run."""


class Settings(dict[str, Any]):
    """A configuration whose keys are attributes too."""

    __getattr__ = dict.__getitem__


class Replay:
    """The scripted surroundings of the loop. `conversations` has the messages that agents got, in order."""

    def __init__(self, scenario: dict[str, Any], worker: Any, tools: Any, requests: Any) -> None:
        self.scenario, self.requests = scenario, requests
        self.conversations: list[dict[str, Any]] = []
        self.summaries: list[list[dict[str, str]]] = []
        self.worker, self.tools = worker, tools
        agentloop = Settings(
            max_planner_turns=scenario["turns"]["lead"],
            max_worker_turns=scenario["turns"]["subagent"],
            max_sa_turns=scenario["turns"]["single"],
            max_workers_per_planner=10,
            max_toolcall_per_worker=5,
        )
        self.worker.cfg = Settings(agentloop=agentloop)
        self.worker.max_total_len = 10**9
        self.worker.use_access_summary = True
        self.worker.use_llm_judge_api = self.worker.use_llm_judge = True
        self.worker.sgl_client = Stub(call_sglang_api=self.summarise)
        self.worker.llm_generator = self.summarise
        self.worker.use_fixed_rollout, self.worker.fixed_role = False, None
        self.worker.add_fewshot = True
        self.worker.return_logprobs = True
        self.worker.is_eval = True
        self.worker.tokenizer = Stub(
            apply_chat_template=self.start, decode=lambda ids: "".join(map(chr, ids))
        )
        self.worker.get_tool_response_ids = self.results
        self.worker.generate = self.generate
        self.worker.tool_call = self.tool_call
        self.worker.toolcall_parser = self.parse
        self.worker._mark_role_failed_turns = lambda **given: not given["succ_end"]

    def start(self, messages: list[dict[str, str]], *, tools: Any, **_: Any) -> list[int]:
        """The beginning of a conversation, as the chat template gets it."""
        current.set(len(self.conversations))
        found = {"tools": tools, "messages": [dict(message) for message in messages], "spoken": 0}
        self.conversations.append(found)
        return [0]

    def results(self, messages: list[dict[str, str]]) -> list[int]:
        """The messages after a turn."""
        self.conversations[current.get()]["messages"] += messages
        return [0]

    async def generate(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The next scripted message of the agent whose conversation this is."""
        conversation = self.conversations[current.get()]
        first = conversation["messages"][1]["content"]
        scripts = self.scenario["scripts"]
        script = next((lines for key, lines in scripts.items() if key and key in first), scripts[""])
        text = script[min(conversation["spoken"], len(script) - 1)]
        conversation["spoken"] += 1
        ids = [ord(character) for character in text]
        return {"output_ids": ids, "logprobs": [0.0] * len(ids), "finish_reason": "stop"}

    async def parse(self, text: str, *, role: str, **_: Any) -> tuple[str, list[Any]]:
        """The calls of a message, for checkouts whose loop leaves this to a parser of another package."""
        _, tag, rest = text.partition("<tool_call>")
        if not tag:
            return text, []
        arguments = json.loads(rest.partition("</tool_call>")[0])["arguments"]
        made = self.requests.ToolRequest
        if role == "planner":
            return text, [
                made(name="subtask", arguments={"subtask": each["prompt"]})
                for each in arguments["sub_agents"]
            ]
        found = []
        for each in arguments.get("queries") or arguments.get("urls") or [arguments]:
            if "query" in each:
                found.append(made(name="search", arguments={"query": each["query"]}))
            else:
                access = {"url": each["url"], "access_token": 25000}
                found.append(
                    made(name="access", arguments={**access, "info_to_extract": each.get("info_to_extract")})
                )
        return text, found

    async def summarise(self, messages: list[dict[str, str]]) -> str:
        """The scripted summary of a page."""
        self.summaries.append(messages)
        known = self.scenario["summaries"]
        return next(summary for page, summary in known.items() if page in messages[-1]["content"])

    async def tool_call(self, request: Any) -> Any:
        """One call of a tool, run by the tool worker of the checkout."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiting = [
            Stub(request_type="execute", tool_name=request.name, tool_args=request.arguments, session_id="0")
        ]

        async def next_request() -> Any:
            return waiting.pop() if waiting else await asyncio.Event().wait()

        async def put(result: Any) -> None:
            answer.set_result(result)

        async def query(meta: dict[str, Any]) -> list[dict[str, Any]]:
            hits = self.scenario["hits"].get(meta["queries"][0], [])
            return [{"documents": [hit["text"] for hit in hits], "urls": [hit["url"] for hit in hits]}]

        async def access(urls: list[str]) -> list[dict[str, Any]]:
            return [{"page": self.scenario["pages"].get(urls[0], "")}]

        worker = object.__new__(self.tools)
        worker.topk = 3
        worker.log_error = lambda text: None
        worker.search_client = Stub(query_async=query, access_async=access)
        worker.input_channel = Stub(get=lambda **_: Stub(async_wait=next_request))
        worker.output_channel = Stub(put=lambda result, **_: Stub(async_wait=lambda: put(result)))
        serving = asyncio.create_task(worker._process_requests())
        result = await answer
        serving.cancel()
        return Stub(text=result.result)


def main() -> None:
    """Run the scenario of stdin and print what each agent got."""
    checkout = Path(sys.argv[1])
    folder = checkout / "rlinf" / "agents" / "wideseek_r1"
    scenario = json.load(sys.stdin)
    sys.meta_path.insert(0, Finder(folder if folder.is_dir() else checkout))
    loop = importlib.import_module(f"{PACKAGE}.wideseek_r1")
    tools = importlib.import_module(f"{PACKAGE}.tools")
    requests = importlib.import_module("rlinf.data.tool_call.tool_io_struct")
    worker = object.__new__(loop.WideSeekR1AgentLoopWorker)
    replay = Replay(scenario, worker, tools.WideSeekR1ToolWorker, requests)
    given = {
        "question": scenario["question"],
        "role": scenario["role"],
        "is_markdown": scenario["table"],
        "language": scenario["language"],
    }
    code = loop.WideSeekR1AgentLoopWorker.run_one_query_role.__code__
    if "sub_traj_id" in code.co_varnames[: code.co_argcount]:
        given["sub_traj_id"] = 0
    asyncio.run(worker.run_one_query_role(**given))
    json.dump({"conversations": replay.conversations, "summaries": replay.summaries}, sys.stdout)


if __name__ == "__main__":
    main()
