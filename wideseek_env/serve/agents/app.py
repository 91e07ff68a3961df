"""`create_agents_app`: an HTTP service with episodes for outside agents, and with a team that answers as a chat
model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar
from uuid import uuid4

from wideseek_env.errors import (
    ActionError,
    ConfigError,
    MissingDependencyError,
    ServiceError,
    TaskError,
    WideSeekError,
    extra_hint,
)
from wideseek_env.serve.agents.desk import DeskError, EpisodeDesk
from wideseek_env.serve.agents.outside import OutsideEpisode
from wideseek_env.serve.gate import Gate
from wideseek_env.serve.metrics import Metrics
from wideseek_env.serve.settings import ServeSettings

try:
    from fastapi import FastAPI, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse, Response, StreamingResponse
    from starlette.exceptions import HTTPException as StarletteHTTPException
except ImportError as error:
    raise MissingDependencyError(f"serving agents needs FastAPI ({error}); {extra_hint('serve')}") from None

from wideseek_env.serve.agents.chat import Chunks, answer, completion, question_task
from wideseek_env.serve.agents.wire import (
    ChatRequest,
    EpisodeRequest,
    MoveRequest,
    episode_to_json,
    error_body,
    move_to_json,
)

_log = logging.getLogger("wideseek.agents")
_T = TypeVar("_T")

STATUS: tuple[tuple[type[WideSeekError], int], ...] = (
    (TaskError, 404),
    (ActionError, 409),
    (ConfigError, 400),
    (ServiceError, 502),
)
"""HTTP statuses of this package's errors. A `DeskError` has its own status. The status of any other error is 500."""


def create_agents_app(
    desk: EpisodeDesk,
    settings: ServeSettings | None = None,
    *,
    model: str = "",
    keep_alive: float = 15.0,
    sweep: float = 30.0,
) -> FastAPI:
    """An ASGI application for the episodes of `desk`. The application shuts the desk when it stops.

    Args:
        desk: Opens episodes. If the desk has policies, they also act for the team that answers chat completions.
        settings: The key, the limits of sizes, and the maximum time for a chat completion (`timeout`).
        model: The name of the team as a chat model. By default it is the name of the policy.
        keep_alive: Seconds between two comments that keep a streamed answer's connection open.
        sweep: Seconds between two searches for idle episodes.

    Raises:
        ConfigError: A key is required and the environment variable is not set.
    """
    limits = settings or ServeSettings(timeout=3_600.0)
    key = limits.key()
    name = model or (desk.policies.name if desk.policies is not None else "")
    # A move waits for the policy, and a team for itself. The pool is large enough for all of them at the same time.
    pool = ThreadPoolExecutor(2 * desk.settings.max_open, thread_name_prefix="wideseek-agents")
    teams = 0

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async def sweeping() -> None:
            while True:
                await asyncio.sleep(sweep)
                await asyncio.to_thread(desk.sweep)

        task = asyncio.create_task(sweeping())
        yield
        task.cancel()
        await asyncio.to_thread(desk.shut)
        pool.shutdown(wait=False, cancel_futures=True)

    async def work(call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    app = FastAPI(
        title="WideSeek agents",
        version=version("wideseek-env"),
        lifespan=lifespan,
        redoc_url=None,
        docs_url=None,
    )
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(WideSeekError, _failed)
    app.add_middleware(Gate, settings=limits, metrics=Metrics(), key=key, error_body=error_body)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether this process answers requests."""
        return {"status": "ok"}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The list of models: the team, if this service has one."""
        known = [{"id": name, "object": "model", "created": 0, "owned_by": "wideseek"}] if name else []
        return {"object": "list", "data": known}

    @app.get("/v1/tasks")
    async def tasks(limit: int = 100, after: int = 0) -> dict[str, Any]:
        """Ids, questions and columns of the tasks, without gold tables."""
        first, many = max(0, after), max(1, min(1_000, limit))
        chosen = list(desk.game.tasks[first : first + many])
        data = [{"id": t.id, "question": t.question, "columns": list(t.columns)} for t in chosen]
        return {"object": "list", "data": data, "has_more": first + many < len(desk.game.tasks)}

    @app.post("/v1/episodes", status_code=201)
    async def begin(body: EpisodeRequest) -> Response:
        """Begin an episode. The answer has the agents that must act now, with conversation and tools."""
        number = f"ep-{uuid4().hex}"
        episode = await work(
            partial(
                desk.open, number, task_id=body.task, seat=body.seat, subtask=body.subtask, seed=body.seed
            )
        )
        return JSONResponse(episode_to_json(number, episode, whole=True), 201)

    @app.get("/v1/episodes/{number}")
    async def look(number: str) -> Response:
        """The current state of an episode."""
        return JSONResponse(await work(partial(episode_to_json, number, desk.get(number), whole=True)))

    @app.post("/v1/episodes/{number}/messages")
    async def move(number: str, body: MoveRequest) -> Response:
        """Send an agent's message. The answer has the tool messages for this agent and the agents that must act now."""
        message = dict(body.message)
        if body.finish_reason == "length":
            message["finish_reason"] = "length"
        return JSONResponse(await work(partial(_move, number, desk.get(number), body.agent, message)))

    @app.delete("/v1/episodes/{number}", status_code=204)
    async def leave(number: str) -> Response:
        """End an episode without an answer, and delete it."""
        desk.get(number)
        await work(partial(desk.close, number))
        return Response(status_code=204)

    @app.post("/v1/chat/completions")
    async def chat(body: ChatRequest) -> Response:
        """Let the team answer a question."""
        nonlocal teams
        policies = desk.policies
        if policies is None or body.model != name:
            there = f"there is: {name}" if policies is not None else "this service has no team"
            raise DeskError(f"there is no model {body.model[:80]!r}; {there}", 404)
        width = body.wideseek.width
        if width is not None and width > desk.game.rules.width:
            raise ConfigError(f"wideseek.width must be at most {desk.game.rules.width} here")
        try:
            task = question_task(body)
        except TaskError as error:
            raise ConfigError("the messages hold no question") from error
        if teams >= desk.settings.max_open:
            raise DeskError(f"{teams} questions are being answered, and no more are allowed; try later", 429)
        seed = desk.settings.seed if body.seed is None else body.seed
        # The question counts as open until the team is done. The team continues even if its client stops waiting.
        teams += 1
        running = asyncio.ensure_future(work(partial(answer, policies, desk.game, body, task, seed)))

        def over(_: object) -> None:
            nonlocal teams
            teams -= 1

        running.add_done_callback(over)
        if not body.stream:
            try:
                trajectory = await asyncio.wait_for(asyncio.shield(running), limits.timeout)
            except TimeoutError:
                raise DeskError(f"no answer within {limits.timeout:g} seconds", 504) from None
            return JSONResponse(completion(name, trajectory))

        async def events() -> AsyncIterator[str]:
            chunks = Chunks(name)
            yield chunks.begin()
            end = asyncio.get_running_loop().time() + limits.timeout
            while not running.done():
                left = end - asyncio.get_running_loop().time()
                if left <= 0:
                    yield chunks.error(error_body(504, f"no answer within {limits.timeout:g} seconds"))
                    return
                await asyncio.wait([running], timeout=min(keep_alive, left))
                if not running.done():
                    yield chunks.WAITING
            error = running.exception()
            if error is not None:
                yield chunks.error(_body_of(error)[1])
                return
            usage = body.stream_options is not None and body.stream_options.include_usage
            for event in chunks.end(running.result(), usage=usage):
                yield event

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def _move(number: str, episode: OutsideEpisode, agent: str, message: dict[str, Any]) -> dict[str, Any]:
    """Run a message of `agent`. If `agent` is "", the message is that of the only agent that must act now."""
    if not agent:
        waiting = [turn.agent for turn in episode.turns()]
        if len(waiting) > 1:
            raise ConfigError(f"say whose message this is; to move are: {', '.join(waiting)}")
        if not waiting:
            raise ActionError("nobody is to move" + (": the episode has ended" if episode.done else ""))
        (agent,) = waiting
    return move_to_json(number, episode, agent, episode.act(agent, message))


def _body_of(error: BaseException) -> tuple[int, dict[str, Any]]:
    """Status and body of an error. Details of unexpected errors are only written to the log."""
    if isinstance(error, DeskError):
        return error.status, error_body(error.status, str(error))
    for kind, status in STATUS:
        if isinstance(error, kind):
            return status, error_body(status, str(error))
    _log.error("a request failed", exc_info=error)
    return 500, error_body(500, f"the service failed ({type(error).__name__}); its log says why")


async def _failed(request: Request, error: Exception) -> Response:
    status, body = _body_of(error)
    headers = {"retry-after": "5"} if status == 429 else None
    return JSONResponse(body, status, headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    """An error about the first invalid field of the request."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return JSONResponse(error_body(400, "the body is not JSON"), 400)
    place = ".".join(str(part) for part in first["loc"] if part != "body") or None
    return JSONResponse(error_body(400, f"{place or 'the body'}: {first['msg']}", place), 400)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    body = error_body(error.status_code, str(error.detail))
    return JSONResponse(body, error.status_code, headers=error.headers)
