"""Rendering conversations with a chat template, whatever roles that template knows.

What a template can do is found out once, by rendering small probes: whether it has a system role, a tool role,
native tool calls and tool schemas, and how it ends an assistant's turn. What it lacks is written another way: the
system prompt goes to the head of the first user message, tool results become a user message, native calls become
`<tool_call>` text, and schemas are described in the system prompt in the environment's own words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wideseek_baselines.tokens.encoding import Encoder, free_mark, mark_specials, pattern_of
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Message
from wideseek_env.prompts import texts_for

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Tools = Sequence[Mapping[str, Any]]

SYSTEM, USER, ANSWER, RESULT = "probeofsystem", "probeofuser", "probeofanswer", "probeofresult"
_TOOL = {
    "type": "function",
    "function": {
        "name": "probeoftool",
        "description": "",
        "parameters": {"type": "object", "properties": {}},
    },
}
_CALL = {"id": "probecall", "type": "function", "function": {"name": "probeoftool", "arguments": {}}}


@dataclass(frozen=True, slots=True)
class Rendered:
    """Rendered text. `mark`, if any, is inside every special token's text that only a content spells."""

    marked: str
    mark: str = ""

    @property
    def text(self) -> str:
        """The text without marks."""
        return self.marked.replace(self.mark, "") if self.mark else self.marked


class Renderer:
    """A tokenizer's chat template with what it lacks made up for.

    Args:
        tokenizer: Has the template.
        encoder: Of the same tokenizer.
        thinking: Passed to the template as ``enable_thinking``; None leaves it to the template.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, encoder: Encoder, thinking: bool | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._settings: dict[str, Any] = {} if thinking is None else {"enable_thinking": thinking}
        user, answer = _message("user", USER), _message("assistant", ANSWER)
        head = self._render([user], [], True)
        if USER not in head:
            raise ConfigError("the chat template does not render user messages")
        self.has_system = self._shows(SYSTEM, [_message("system", SYSTEM), user])
        self.has_tools = self._shows("probeoftool", [user], [_TOOL])
        self.has_tool_role = self._shows(RESULT, [user, answer, _message("tool", RESULT)])
        self.has_calls = self._shows("probeoftool", [user, {**answer, "tool_calls": [_CALL]}])
        turns = self._render([user, answer, _message("user", USER)], [], True)
        self._markers = pattern_of(frozenset(encoder.found(turns)))
        """The special tokens that make up turns: an assistant's own text must not spell them either."""
        self._any = pattern_of(encoder.specials)

    @cached_property
    def turn_end(self) -> str:
        """The special token that ends an assistant's turn; "" where the template writes none."""
        text = self._render([_message("user", USER), _message("assistant", ANSWER)], [], False)
        rest = text[text.rindex(ANSWER) + len(ANSWER) :]
        found = self._encoder.found(rest)
        return found[0] if found and rest.lstrip().startswith(found[0]) else ""

    def render(self, messages: Sequence[Message], tools: Tools = (), *, ask: bool = True) -> Rendered:
        """A conversation as text, with the beginning of the assistant's turn when it is to `ask` for one."""
        mark = ""
        texts = [message["content"] for message in messages]
        if self._any is not None and any(self._any.search(text) for text in _strings(messages)):
            mark = free_mark([*_strings(messages), json.dumps(list(tools), ensure_ascii=False)])
            texts = [self._marked(message["role"], message["content"], mark) for message in messages]
        form: list[Message] = []
        for message, text in zip(messages, texts, strict=True):
            self._add(form, message, text, lambda spelled: self._marked("assistant", spelled, mark))
        if tools and not self.has_tools:
            self._describe(form, tools)
        if not self.has_system and form and form[0]["role"] == "system":
            system = form.pop(0)["content"]
            if not form or form[0]["role"] != "user":
                form.insert(0, _message("user", system))
            elif system:
                form[0] = _message("user", f"{system}\n\n{form[0]['content']}")
        return Rendered(self._render(form, tools if self.has_tools else [], ask), mark)

    def render_after_answer(self, messages: Sequence[Message], *, ask: bool = True) -> Rendered:
        """What follows an assistant's text: the end of its turn, these messages, the next turn's beginning."""
        rendered = self.render(
            [_message("user", USER), _message("assistant", ANSWER), *messages], (), ask=ask
        )
        at = rendered.marked.find(ANSWER)
        if at < 0:
            raise ConfigError(
                "the chat template drops an earlier assistant's message: use history='template'"
            )
        return Rendered(rendered.marked[at + len(ANSWER) :], rendered.mark)

    def _marked(self, role: str, text: str, mark: str) -> str:
        """System prompts are the environment's own; an assistant may use any token but those that make turns."""
        if not mark or role == "system":
            return text
        return mark_specials(text, self._markers if role == "assistant" else self._any, mark)

    def _add(self, form: list[Message], message: Message, text: str, marked: Callable[[str], str]) -> None:
        """Append a message in a form that the template knows."""
        role = message["role"]
        if role == "tool" and not self.has_tool_role:
            if form and form[-1].get("from_tool"):
                form[-1]["content"] += f"\n\n{text}"
            else:
                form.append({**_message("user", text), "from_tool": True})
            return
        entry = _message(role, text)
        if role == "tool" and "tool_call_id" in message:
            entry["tool_call_id"] = message["tool_call_id"]
        calls = message.get("tool_calls")
        if calls and self.has_calls:
            entry["tool_calls"] = [_native(call, marked) for call in calls]
        elif calls:
            entry["content"] = "\n".join([*([text] if text else []), *(_spelled(c, marked) for c in calls)])
        form.append(entry)

    def _describe(self, form: list[Message], tools: Tools) -> None:
        """Put the schemas into the system prompt, for templates that ignore them."""
        lines = "\n".join(json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in tools)
        text = texts_for("en").tools["full"].format(tools=lines)
        if form and form[0]["role"] == "system":
            form[0] = _message("system", f"{form[0]['content']}\n\n{text}")
        else:
            form.insert(0, _message("system", text))

    def _render(self, messages: Sequence[Message], tools: Tools, ask: bool) -> str:
        """One run of the template itself; `ConfigError` when it fails."""
        try:
            text = self._tokenizer.apply_chat_template(
                [{k: v for k, v in message.items() if k != "from_tool"} for message in messages],
                tools=[dict(tool) for tool in tools] or None,
                add_generation_prompt=ask,
                tokenize=False,
                **self._settings,
            )
        except Exception as error:  # a template is a program: it may fail in any way
            raise ConfigError(
                f"the chat template cannot render this conversation: {type(error).__name__}: {error}"[:500]
            ) from error
        return str(text)

    def _shows(self, probe: str, messages: Sequence[Message], tools: Tools = ()) -> bool:
        try:
            return probe in self._render(messages, tools, True)
        except ConfigError:
            return False


def _message(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def _strings(messages: Sequence[Message]) -> list[str]:
    """Every text of a conversation that a template may render."""
    texts = [message["content"] for message in messages]
    for message in messages:
        for call in message.get("tool_calls", ()):
            texts += (call["function"]["name"], call["function"]["arguments"])
    return texts


def _native(call: Mapping[str, Any], marked: Callable[[str], str]) -> dict[str, Any]:
    """A native call for templates: arguments as an object where they are one, as templates expect."""
    function = call["function"]
    arguments: Any = marked(function["arguments"])
    try:
        value = json.loads(arguments)
    except ValueError:
        value = None
    name = marked(function["name"])
    known = value if isinstance(value, dict) else arguments
    return {"id": call["id"], "type": "function", "function": {"name": name, "arguments": known}}


def _spelled(call: Mapping[str, Any], marked: Callable[[str], str]) -> str:
    """A native call as text."""
    function = _native(call, marked)["function"]
    return f"<tool_call>\n{json.dumps(function, ensure_ascii=False)}\n</tool_call>"
