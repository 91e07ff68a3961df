"""`WideSeekHarness`: the program that plays a seat of the verifiers environment. It only sends requests to the model.

The environment runs the tools and the turns, so nothing runs in a sandbox. Each turn is one request from this process
to an endpoint, where verifiers records it. verifiers calls such a request a segment.
"""

from __future__ import annotations

from typing import Any, ClassVar

from wideseek_baselines.adapters.common import missing

try:
    import verifiers.v1 as vf
    from openai import AsyncOpenAI, OpenAIError
    from verifiers.v1.dialects.chat import message_to_wire
except ImportError as error:
    raise missing("verifiers", error) from error


class WideSeekHarnessConfig(vf.HarnessConfig):
    """The settings that every harness has, without additional ones."""


class WideSeekHarness(vf.Harness[WideSeekHarnessConfig]):
    """Sends one model request for each turn of an agent."""

    APPENDS_SYSTEM_PROMPT: ClassVar[bool] = True
    EXECUTES_CODE: ClassVar[bool] = False
    NEEDS_CONTAINER: ClassVar[bool] = False

    async def session(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,
        runtime: vf.Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: vf.TaskData,
        tool_interception_url: str | None = None,
    ) -> ChatSession:
        """Open the conversation of one agent."""
        return ChatSession(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data, tool_interception_url)

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,
        runtime: vf.Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: vf.TaskData,
    ) -> vf.ProgramResult:
        """Answer the task's prompt with one message, for a run without the WideSeek environment."""
        session = await self.session(ctx, trace, runtime, endpoint, secret, mcp_urls, data)
        try:
            return await session._run(None)
        finally:
            await session.close()


class ChatSession(vf.HarnessSession):
    """Keeps the conversation that the model has seen. The `tools` in the data are schemas for the model's chat
    template.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._client: AsyncOpenAI | None = None
        self._messages: list[dict[str, Any]] = []

    async def _run(self, messages: vf.Messages | None) -> vf.ProgramResult:
        if not self._messages:
            system, prompt = self.harness.resolve_prompt(self.data)
            if system is not None:
                self._messages.append({"role": "system", "content": system})
            if isinstance(prompt, str):
                self._messages.append({"role": "user", "content": prompt})
            elif prompt is not None:
                self._messages += [message_to_wire(message) for message in prompt]
        self._messages += [message_to_wire(message) for message in messages or ()]
        if self._client is None:
            self._client = AsyncOpenAI(base_url=self.endpoint, api_key=self.secret)
        body: dict[str, Any] = {"model": self.ctx.model, "messages": self._messages}
        tools = getattr(self.data, "tools", None)
        if tools:
            body["tools"] = tools
        try:
            answer = await self._client.chat.completions.create(**body)
        except OpenAIError as error:  # verifiers already knows the cause
            raise vf.HarnessError(f"the model did not answer: {error}") from error
        self._messages.append(answer.choices[0].message.model_dump(exclude_none=True))
        return vf.ProgramResult(exit_code=0, stdout="", stderr="")

    async def close(self) -> None:
        """Close the connection. A second call does nothing."""
        await super().close()
        client, self._client = self._client, None
        if client is not None:
            await client.close()
