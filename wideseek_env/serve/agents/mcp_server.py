"""Servers of the Model Context Protocol (MCP).

`mcp_server` gives a client the tools, the prompt and the episode of one agent. `mcp_tools_server` gives only search and
browse, without an episode.

One session of the protocol is one episode. Over stdio, the process is the session. Over HTTP, the handshake (the first
request of a client) starts the session. The protocol's version of 2026-07-28 has no sessions. With this version, the
client names the episode in the address (``/mcp?episode=NAME``). If the client gives no name, the server answers with an
error that tells it to use the handshake of earlier versions.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

from wideseek_env.errors import ActionError, MissingDependencyError, WideSeekError, extra_hint
from wideseek_env.game import Game
from wideseek_env.messages import Message, Role, ToolCall
from wideseek_env.serve.agents.desk import DeskError, EpisodeDesk
from wideseek_env.serve.agents.mcp_texts import ASK, finisher, prompt_texts, role_schemas, wording
from wideseek_env.serve.agents.native import native_profile
from wideseek_env.serve.agents.outside import OutsideEpisode, Reply
from wideseek_env.task import Language, Task
from wideseek_env.tools.executor import run_calls
from wideseek_env.tools.spec import ToolInputError

try:
    import anyio
    import anyio.to_thread
    import mcp_types as types
    from mcp.server import Server, ServerRequestContext
    from mcp.shared.exceptions import MCPError
    from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

    from wideseek_env.serve.agents.gather import TurnGatherer
except ImportError as error:
    raise MissingDependencyError(
        f"the Model Context Protocol needs its package ({error}); {extra_hint('mcp')}"
    ) from None

Context = ServerRequestContext[Any, Any]
_T = TypeVar("_T")

PROMPT_URI = "wideseek://prompt"
QUESTION_URI = "wideseek://question"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_GUIDE = (
    "You are one agent of a research team. Read the prompt `task` (or call the tool `task`), use the tools, "
    "and hand in your last text with the tool `{finisher}`."
)


def session_key(session: str) -> str:
    """The key under which the desk keeps the episode of a session."""
    return f"session:{session}"


@dataclass(frozen=True, slots=True)
class _Seat:
    """The agent of one session: its episode, and the gatherer that joins its calls into turns."""

    episode: OutsideEpisode
    agent: str
    gatherer: TurnGatherer


class _Door:
    """The handlers of the protocol's requests. They open the episodes of a desk."""

    def __init__(self, desk: EpisodeDesk, window: float) -> None:
        if desk.settings.seat == "team":
            raise WideSeekError(
                "a session of the protocol is one agent: choose the seat lead, subagent or single"
            )
        self.desk = desk
        self.role: Role = desk.settings.seat
        self._window = window
        self._seats: dict[str, _Seat] = {}
        self._opening: dict[str, anyio.Lock] = {}
        # A move that waits for subagents blocks its thread. Sessions must not wait for each other's threads.
        self._threads = anyio.CapacityLimiter(2 * desk.settings.max_open)

    # --- sessions -------------------------------------------------------------------------------------------------

    async def seat(self, ctx: Context) -> _Seat:
        """The agent of the session. The first request that needs the agent begins the episode."""
        key, task_id, subtask = _address(ctx)
        # Only requests of the same session wait for each other, because opening an episode may take long.
        async with self._opening.setdefault(key, anyio.Lock()):
            held = self._seats.get(key)
            if held is not None:
                self.desk.get(key)  # raises for a closed episode, so that it does not begin again by itself
                return held
            try:
                episode = await self._on_thread(lambda: self.desk.open(key, task_id=task_id, subtask=subtask))
            finally:
                self._forget()
            agent = "subagent_0" if self.role == "subagent" else episode.episode_run.episode.root.agent
            game = episode.episode_run.game
            # If only the first call of a message counts, each call must be a turn, or a client would lose the others.
            first_only = game.profile.protocol.reading == "first_block"
            most = 1 if first_only else game.rules.calls_per_turn

            def act(message: Message) -> Awaitable[Reply]:
                return self._on_thread(lambda: episode.act(agent, message))

            held = self._seats[key] = _Seat(episode, agent, TurnGatherer(act, window=self._window, most=most))
            return held

    async def _on_thread(self, work: Callable[[], _T]) -> _T:
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    def _forget(self) -> None:
        """Forget sessions whose episodes the desk no longer has. A session whose episode is being opened stays."""
        over = [k for k, lock in self._opening.items() if not lock.locked() and not self.desk.holds(k)]
        for key in over:
            self._seats.pop(key, None)
            self._opening.pop(key, None)

    def task(self, ctx: Context) -> Task:
        """The task of the session. This call does not begin the episode."""
        _, task_id, _ = _address(ctx)
        return self.desk.task(task_id)

    # --- requests -------------------------------------------------------------------------------------------------

    async def tools(self, ctx: Context, params: Any) -> types.ListToolsResult:
        """The tools of the role."""
        with _as_protocol_errors():
            schemas = role_schemas(self.desk.game, self.role, self.task(ctx))
        return types.ListToolsResult(tools=[as_mcp_tool(schema) for schema in schemas])

    async def call(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        """Run a tool. An error of the episode becomes a tool error."""
        try:
            held = await self.seat(ctx)
            return await self._call(held, params.name, params.arguments or {})
        except WideSeekError as error:
            return _text(f"Error: {error}", failed=True)

    async def _call(self, held: _Seat, name: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
        episode = held.episode
        words = wording(episode.episode_run.episode.language)
        if name == ASK and ASK not in {t.name for t in episode.episode_run.game.profile.tools[self.role]}:
            return _text("\n\n".join(self._prompt(held)))
        try:
            if name == finisher(self.role):
                text = arguments.get("text")
                if not isinstance(text, str) or not text.strip():
                    return _text('Error: "text" is required and must not be empty.', failed=True)
                reply = await held.gatherer.finish(text)
                if reply.ending in ("answered", "reported"):
                    return _text(
                        words.reported if self.role == "subagent" else words.answered, **_about(episode)
                    )
                return self._answered(held, reply, 0)
            reply, number = await held.gatherer.call(name, arguments)
            return self._answered(held, reply, number)
        except ActionError:
            if not episode.done:
                raise
            ending = episode.episode_run.episode.outcome
            return _text(
                words.over.format(ending=ending.ending if ending else ""), failed=True, **_about(episode)
            )

    def _answered(self, held: _Seat, reply: Reply, number: int) -> types.CallToolResult:
        if number < len(reply.messages):
            return _text(reply.messages[number]["content"], failed=number in reply.failed)
        words = wording(held.episode.episode_run.episode.language)
        return _text(words.over.format(ending=reply.ending), failed=True, **_about(held.episode))

    def _prompt(self, held: _Seat) -> tuple[str, str]:
        conversation = held.episode.conversation(held.agent)
        return prompt_texts(conversation.messages, self.role, held.episode.episode_run.episode.language)

    async def prompts(self, ctx: Context, params: Any) -> types.ListPromptsResult:
        """The list of prompts, which has one entry."""
        about = "Instructions and question of this episode"
        return types.ListPromptsResult(prompts=[types.Prompt(name=ASK, description=about)])

    async def prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        """The prompt: instructions and question."""
        if params.name != ASK:
            raise MCPError(types.INVALID_PARAMS, f"there is no prompt {params.name[:80]!r}; there is: {ASK}")
        with _as_protocol_errors():
            texts = self._prompt(await self.seat(ctx))
        messages = [types.PromptMessage(role="user", content=types.TextContent(text=text)) for text in texts]
        return types.GetPromptResult(messages=messages)

    async def resources(self, ctx: Context, params: Any) -> types.ListResourcesResult:
        """The list of resources: prompt and question."""
        return types.ListResourcesResult(
            resources=[
                types.Resource(uri=PROMPT_URI, name="prompt", mime_type="text/markdown"),
                types.Resource(uri=QUESTION_URI, name="question", mime_type="text/markdown"),
            ]
        )

    async def read(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        """The text of a resource."""
        with _as_protocol_errors():
            if str(params.uri) == PROMPT_URI:
                text = "\n\n".join(self._prompt(await self.seat(ctx)))
            elif str(params.uri) == QUESTION_URI:
                text = self.task(ctx).question
            else:
                raise MCPError(types.INVALID_PARAMS, f"there is no resource {str(params.uri)[:80]!r}")
        content = types.TextResourceContents(uri=str(params.uri), text=text, mime_type="text/markdown")
        return types.ReadResourceResult(contents=[content])


def mcp_server(desk: EpisodeDesk, *, window: float = 0.05, sweep: float = 30.0) -> Server[Any]:
    """A server whose sessions are episodes of `desk`.

    Args:
        desk: Opens the episodes. The setting `seat` of the desk ("lead", "subagent" or "single") decides for which
            agent a client acts. When the server ends, it shuts the desk.
        window: Calls that arrive within this many seconds form one turn. 0 makes each call a turn.
        sweep: Seconds between two searches for idle episodes.

    Raises:
        WideSeekError: The desk's setting `seat` is "team".
    """
    door = _Door(desk, window)

    @asynccontextmanager
    async def lifespan(_: Server[Any]) -> AsyncIterator[dict[str, Any]]:
        async def sweeping() -> None:
            while True:
                await anyio.sleep(sweep)
                await anyio.to_thread.run_sync(desk.sweep)

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(sweeping)
                yield {}
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(desk.shut)

    server: Server[Any] = Server(
        "wideseek",
        version=version("wideseek-env"),
        instructions=_GUIDE.format(finisher=finisher(door.role)),
        lifespan=lifespan,
        on_list_tools=door.tools,
        on_call_tool=door.call,
        on_list_prompts=door.prompts,
        on_get_prompt=door.prompt,
        on_list_resources=door.resources,
        on_read_resource=door.read,
    )

    async def discover(ctx: Context, params: Any) -> types.DiscoverResult:
        named = ctx.request is None or "episode" in ctx.request.query_params
        return types.DiscoverResult(
            supported_versions=list(MODERN_PROTOCOL_VERSIONS if named else HANDSHAKE_PROTOCOL_VERSIONS),
            capabilities=server.get_capabilities(protocol_version=ctx.protocol_version),
            instructions=server.instructions,
        )

    server.add_request_handler("server/discover", types.RequestParams, discover)
    return server


def mcp_tools_server(game: Game, *, language: Language = "en") -> Server[Any]:
    """A server of search, browse and custom tools without an episode. It has no task and no turns, and records nothing.

    The tools are those of the profile's single agent.
    """
    profile = native_profile(game.profile)
    tools = {tool.name: tool for tool in profile.tools["single"]}

    async def listing(ctx: Context, params: Any) -> types.ListToolsResult:
        schemas = profile.schemas("single", game.rules, language)
        return types.ListToolsResult(tools=[as_mcp_tool(schema) for schema in schemas])

    async def call(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        problems = profile.texts[language].problems
        tool = tools.get(params.name)
        if tool is None:
            return _text(problems["unknown_tool"].format(detail=repr(params.name[:80])), failed=True)
        try:
            requests = tool.read(params.arguments or {}, game.rules)
        except ToolInputError as error:
            return _text(problems[error.code].format(detail=error.detail), failed=True)
        if len(requests) > game.rules.calls_per_turn:
            return _text(problems["too_many_calls"].format(detail=game.rules.calls_per_turn), failed=True)
        calls = [ToolCall(f"mcp/0/{n}", "mcp", tool.kind, request) for n, request in enumerate(requests)]
        results = await anyio.to_thread.run_sync(run_calls, game.executor, calls)
        text = "\n\n".join(result.text[: game.rules.result_chars] for result in results)
        return _text(text, failed=not any(result.ok for result in results))

    return Server("wideseek-tools", version=version("wideseek-env"), on_list_tools=listing, on_call_tool=call)


def as_mcp_tool(schema: Mapping[str, Any]) -> types.Tool:
    """Converts a tool from OpenAI's form to the form of this protocol, with the same name, description and
    parameters."""
    function = schema["function"]
    return types.Tool(
        name=function["name"], description=function["description"], input_schema=function["parameters"]
    )


def _address(ctx: Context) -> tuple[str, str, str]:
    """The key of the request's episode, and the task and subtask in the request's address."""
    request = ctx.request
    if request is None:
        return "stdio", "", ""
    asked = request.query_params
    name, task_id, subtask = asked.get("episode"), asked.get("task", ""), asked.get("subtask", "")
    if name is not None:
        if not _NAME.fullmatch(name):
            raise DeskError("an episode's name is 1 to 64 letters, digits, dots, dashes and underscores", 400)
        return f"named:{name}", task_id, subtask
    session = request.headers.get("mcp-session-id")
    if session is None:
        raise DeskError("name the episode in the address, as /mcp?episode=NAME, or shake hands first", 400)
    return session_key(session), task_id, subtask


class _as_protocol_errors:
    """Turns this package's errors into errors of the protocol, for requests whose result cannot contain an error."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, WideSeekError):
            raise MCPError(types.INVALID_PARAMS, str(error)) from error


def _about(episode: OutsideEpisode) -> dict[str, Any]:
    """The score of an ended episode, as metadata for the client program. Models do not see it."""
    if not episode.done or episode.episode_run.score is None:
        return {}
    return {
        "meta": {
            "wideseek": {
                "reward": episode.episode_run.reward,
                "item_f1": episode.episode_run.score.f1_by_item,
            }
        }
    }


def _text(text: str, *, failed: bool = False, meta: dict[str, Any] | None = None) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=failed, _meta=meta)
