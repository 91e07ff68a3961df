"""Renders conversations with any chat template, even if the template does not know all roles.

The renderer first renders small probes. They show whether the template knows a system role, a tool role, native tool
calls and tool schemas, and how it ends an assistant's turn. Missing features are replaced:

- the system prompt goes to the start of the first user message;
- tool results become a user message;
- native calls become `<tool_call>` text;
- several calls of a message become several messages, if the template shows only one call in each;
- thoughts move from the content to the field for thoughts, if the template does not find them in the content;
- the system prompt describes the schemas, in the environment's words.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wideseek_baselines.tokens.encoding import Encoder, cut_marked, free_mark, mark_specials, pattern_of
from wideseek_baselines.tokens.features import ANSWER, USER, Tools, calling, probe
from wideseek_baselines.tokens.features import message as _message
from wideseek_env.clean import clean_value
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Message
from wideseek_env.prompts import FULL

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_THOUGHT = re.compile(r"<think>\n?(.*?)(?:\n?</think>\s*|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rendered:
    """Rendered text. Where a message contains the text of a special token, `mark` is inserted."""

    marked: str
    mark: str = ""

    @property
    def text(self) -> str:
        """The rendered text without marks."""
        return self.marked.replace(self.mark, "") if self.mark else self.marked


class Renderer:
    """Renders conversations with a tokenizer's chat template, and replaces the features that the template lacks.

    Args:
        tokenizer: The tokenizer with the chat template.
        encoder: The encoder of the same tokenizer.
        thinking: The template gets this value as ``enable_thinking`` and as ``thinking``, because templates have either
            name. With None, it gets no value.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, encoder: Encoder, thinking: bool | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._settings: dict[str, Any] = (
            {} if thinking is None else {"enable_thinking": thinking, "thinking": thinking}
        )
        self.features = probe(self._render, encoder)
        question, answer = _message("user", USER), _message("assistant", ANSWER)
        turns = self._render([question, answer, question], [], True)
        self._markers = pattern_of(frozenset(encoder.found(turns)))
        """The special tokens that begin and end turns. Even an assistant's text must not be read as containing them."""
        self._any = pattern_of(encoder.specials)

    def render(self, messages: Sequence[Message], tools: Tools = (), *, ask: bool = True) -> Rendered:
        """A conversation as text. With `ask`, the text ends with the beginning of the assistant's next turn."""
        mark = ""
        if self.features.calls and not self.features.several_calls:
            messages = _one_call_each(messages)
        texts = [message["content"] for message in messages]
        if self._any is not None and any(self._any.search(text) for text in _strings(messages)):
            mark = free_mark([*_strings(messages), json.dumps(list(tools), ensure_ascii=False)])
            texts = [self._marked(message["role"], message["content"], mark) for message in messages]
        form: list[Message] = []
        for message, text in zip(messages, texts, strict=True):
            self._add(form, message, text, lambda spelled: self._marked("assistant", spelled, mark))
        if tools and not self.features.tools:
            self._describe(form, tools)
        if not self.features.system and form and form[0]["role"] == "system":
            system = form.pop(0)["content"]
            if not form or form[0]["role"] != "user":
                form.insert(0, _message("user", system))
            elif system:
                form[0] = _message("user", f"{system}\n\n{form[0]['content']}")
        return Rendered(self._render(form, tools if self.features.tools else [], ask), mark)

    def render_after_answer(
        self, messages: Sequence[Message], calls: Sequence[Mapping[str, Any]] = (), *, ask: bool = True
    ) -> Rendered:
        """The text after an assistant's message: the end of that turn, then `messages`. With `ask`, the next turn
        begins.

        `calls` are the native calls of the assistant's message. They matter only for templates that accept the results
        of calls only after the calls.
        """
        if calls and self.features.calls and self.features.result_needs_call:
            said = calling(*(calls if self.features.several_calls else calls[-1:]))
            before = self.render([_message("user", USER), said], (), ask=False).text
            rendered = self.render([_message("user", USER), said, *messages], (), ask=ask)
            if rendered.text.startswith(before):
                rest = cut_marked(rendered.marked, rendered.mark, len(before))
                return Rendered(self.features.call_end + rest, rendered.mark)
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
        """The text with marks in the special tokens that a message of this role may not contain.

        A system prompt comes from the environment and may contain all special tokens. The message of an assistant may
        contain all except those that begin and end turns.
        """
        if not mark or role == "system":
            return text
        return mark_specials(text, self._markers if role == "assistant" else self._any, mark)

    def _add(self, form: list[Message], message: Message, text: str, marked: Callable[[str], str]) -> None:
        """Append a message to `form`, in a form that the template knows."""
        role, known = message["role"], self.features
        if role == "tool" and not (
            known.tool_role and (not known.result_needs_call or _answers(form, message))
        ):
            if form and form[-1].get("from_tool"):
                form[-1]["content"] += f"\n\n{text}"
            else:
                form.append({**_message("user", text), "from_tool": True})
            return
        entry = _message(role, text)
        if role == "tool" and "tool_call_id" in message:
            entry["tool_call_id"] = self._id(message["tool_call_id"])
        calls = message.get("tool_calls")
        if role == "assistant" and known.thought_field:
            self._move_thoughts(entry, bool(calls))
        if calls and known.calls:
            entry["tool_calls"] = [{**_native(call, marked), "id": self._id(call["id"])} for call in calls]
        elif calls:
            entry["content"] = "\n".join([*([text] if text else []), *(_spelled(c, marked) for c in calls)])
        form.append(entry)

    def _move_thoughts(self, entry: Message, calls: bool) -> None:
        """Move the thoughts of an assistant's message from the content to the field for them."""
        thoughts = [thought.strip() for thought in _THOUGHT.findall(entry["content"])]
        if not thoughts:
            return
        text = _THOUGHT.sub("", entry["content"]).strip()
        if calls and text and not self.features.thought_and_text:
            thoughts.append(text)
            text = ""
        entry |= {"content": text, self.features.thought_field: "\n\n".join(filter(None, thoughts))}

    def _id(self, call_id: str) -> str:
        """The id of a call in a form that the template accepts."""
        if self.features.any_id:
            return call_id
        return hashlib.sha256(call_id.encode()).hexdigest()[:9]

    def _describe(self, form: list[Message], tools: Tools) -> None:
        """Write the schemas into the system prompt, for templates that ignore them."""
        lines = "\n".join(json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in tools)
        text = FULL["en"].call_format.format(tools=lines)
        if form and form[0]["role"] == "system":
            form[0] = _message("system", f"{form[0]['content']}\n\n{text}")
        else:
            form.insert(0, _message("system", text))

    def _render(self, messages: Sequence[Message], tools: Tools, ask: bool) -> str:
        """Run the template. Raises `ConfigError` if it fails."""
        try:
            text = self._tokenizer.apply_chat_template(
                [{k: v for k, v in message.items() if k != "from_tool"} for message in messages],
                tools=[dict(tool) for tool in tools] or None,
                add_generation_prompt=ask,
                tokenize=False,
                **self._settings,
            )
        except Exception as error:  # a template is a program and may raise anything
            raise ConfigError(
                f"the chat template cannot render this conversation: {type(error).__name__}: {error}"[:500]
            ) from error
        return str(text)


def _strings(messages: Sequence[Message]) -> list[str]:
    """All texts of a conversation that a template may render."""
    texts = [message["content"] for message in messages]
    for message in messages:
        for call in message.get("tool_calls", ()):
            texts += (call["function"]["name"], call["function"]["arguments"])
    return texts


def _native(call: Mapping[str, Any], marked: Callable[[str], str]) -> dict[str, Any]:
    """A native call as templates expect it. If the arguments are the JSON text of an object, they become that
    object.
    """
    function = call["function"]
    arguments: Any = marked(function["arguments"])
    try:
        value = clean_value(json.loads(arguments))
    except (ValueError, RecursionError):
        value = None
    name = marked(function["name"])
    known = value if isinstance(value, dict) else arguments
    return {"id": call["id"], "type": "function", "function": {"name": name, "arguments": known}}


def _spelled(call: Mapping[str, Any], marked: Callable[[str], str]) -> str:
    """A native call written as `<tool_call>` text."""
    function = _native(call, marked)["function"]
    return f"<tool_call>\n{json.dumps(function, ensure_ascii=False)}\n</tool_call>"


def _answers(form: Sequence[Message], result: Message) -> bool:
    """Whether a result answers a native call in the last message of the assistant."""
    for entry in reversed(form):
        if entry["role"] == "assistant":
            return "tool_calls" in entry and "tool_call_id" in result
        if entry["role"] != "tool":
            return False
    return False


def _one_call_each(messages: Sequence[Message]) -> list[Message]:
    """The conversation with at most one native call in each message. Each call is followed by its own results."""
    form: list[Message] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        calls = message.get("tool_calls", ())
        if len(calls) < 2:
            form.append(message)
            continue
        results = []
        while at < len(messages) and messages[at]["role"] == "tool":
            results.append(messages[at])
            at += 1
        for number, call in enumerate(calls):
            form.append({**message, "content": "" if number else message["content"], "tool_calls": [call]})
            form += [result for result in results if result.get("tool_call_id") == call["id"]]
        known = {call["id"] for call in calls}
        form += [result for result in results if result.get("tool_call_id") not in known]
    return form
