"""`ChatTemplate` turns conversations into token ids, and `Thread` is one conversation in ids.

A thread grows with every turn: first the ids of the prompt, then the sampled ids, then the ids of the results, then
sampled ids again. Sampled ids are never decoded and encoded again. This is correct only if the template would render
the whole conversation to the same text. So the thread compares the two texts at every turn. If the template has changed
earlier messages, for example removed their thinking, the thread begins a new sequence with the template's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from wideseek_baselines.tokens.encoding import Encoder, cut_marked
from wideseek_baselines.tokens.features import Tools
from wideseek_baselines.tokens.harmony import writes_harmony
from wideseek_baselines.tokens.loading import ends_of_text, load_tokenizer
from wideseek_baselines.tokens.reading import TurnReader, opening_of
from wideseek_baselines.tokens.record import Sequence as TokenSequence
from wideseek_baselines.tokens.record import TurnRecord
from wideseek_baselines.tokens.rendering import Rendered, Renderer
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

History: TypeAlias = Literal["template", "keep"]
"""How a prompt shows earlier turns. `template` shows what the chat template makes of them, `keep` what was sampled."""


class ChatTemplate:
    """Turns conversations into ids with a tokenizer's chat template.

    Args:
        tokenizer: A Hugging Face tokenizer with a chat template, or the folder or hub name of one.
        thinking: The value of ``enable_thinking`` for templates that have this switch. With None, the template decides.
        history: How a prompt shows an agent's earlier turns. "template" shows what the chat template makes of them.
            "keep" shows what was sampled. With "keep", every conversation is one sequence, but prompts may differ from
            those of a chat server.

    Raises:
        ConfigError: There is no such tokenizer, or its template cannot be used.
        MissingDependencyError: transformers is not installed.
    """

    def __init__(
        self,
        tokenizer: str | Path | PreTrainedTokenizerBase,
        *,
        thinking: bool | None = None,
        history: History = "template",
    ) -> None:
        if history not in get_args(History):
            raise ConfigError(f"history must be one of {', '.join(get_args(History))}, not {history!r}")
        if thinking is not None and not isinstance(thinking, bool):
            raise ConfigError(f"thinking must be true, false or None, not {thinking!r}")
        stops: set[int] = set()
        if isinstance(tokenizer, (str, Path)):
            name, tokenizer = tokenizer, load_tokenizer(tokenizer)
            stops = ends_of_text(name)
        self.tokenizer = tokenizer
        self.thinking = thinking
        self.history: History = history
        self.encoder = Encoder(tokenizer)
        self.renderer = Renderer(tokenizer, self.encoder, thinking)
        known = self.renderer.features
        end = known.turn_end
        self.end_id = self.encoder.id_of(end) if end else None
        """The special token that ends an assistant's turn in the template, or None if there is no such token."""
        self.turn_ends = frozenset(self.encoder.id_of(end) for end in (known.turn_end, known.call_end) if end)
        """The special tokens that end an assistant's turn in the template, without and with native calls."""
        eos = tokenizer.eos_token_id
        stops |= {end for end in (eos if isinstance(eos, list) else [eos]) if end is not None}
        stops |= self.turn_ends | {self.encoder.id_of(token) for token in known.next_turns}
        if not stops:
            raise ConfigError(
                "neither the chat template nor the tokenizer has a token that ends a turn: set eos_token"
            )
        self.stop_ids: tuple[int, ...] = tuple(sorted(stops))
        """Tokens that end a generation."""
        self._markup = frozenset(
            stop
            for stop in self.stop_ids
            if (text := self.encoder.token(stop)) in known.called and text not in known.answered
        )
        self._reader = TurnReader(self.encoder, harmony=writes_harmony(self.encoder, known.answered))

    def prompt(self, messages: Sequence[Message], tools: Tools = ()) -> list[int]:
        """The ids of a whole conversation and of the beginning of the assistant's next turn.

        `tools` are schemas in OpenAI's form. Leave them out if the system prompt describes the tools.
        """
        return self.ids_of(self.renderer.render(messages, tools))

    def text(self, ids: Sequence[int]) -> str:
        """The text of sampled ids, without the token that ended the turn.

        A token that ended the turn stays if it is also the end of a call.
        """
        return self.encoder.decode(self._said(ids))

    def read(self, prompt: Sequence[int], opening: str, ids: Sequence[int]) -> tuple[Message, str]:
        """The assistant's message in sampled ids, and its content as it was sampled.

        The two contents differ if the model spelled a special token with ordinary tokens. In the message, such a text
        is changed so that it is no markup.

        Args:
            prompt: The ids before the turn.
            opening: The end of the prompt from the tag with which it leaves a thought open, or "". The content begins
                with it.
            ids: The sampled ids, with the token that ended the turn.
        """
        return self._reader.read(prompt, opening, self._said(ids))

    def _said(self, ids: Sequence[int]) -> list[int]:
        said = list(ids)
        if said and said[-1] in self.stop_ids and said[-1] not in self._markup:
            del said[-1]
        return said

    def thread(self, tools: Tools = ()) -> Thread:
        """A new conversation. `tools` are schemas in OpenAI's form, for the template to render."""
        return Thread(self, tools)

    def ids_of(self, rendered: Rendered) -> list[int]:
        """The ids of rendered text."""
        return self.encoder.encode(rendered.marked, rendered.mark)

    @cached_property
    def append_only(self) -> bool:
        """Whether a conversation with tool results stays one sequence. Unless `thinking` is False, turns have thinking.

        The value comes from a small test conversation. With ``history="keep"``, it is always True. It is only a
        forecast, because each thread compares the texts at every turn.
        """
        thought = "" if self.thinking is False else "<think>\nWhere to look?\n</think>\n\n"
        messages: list[Message] = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is it?"},
        ]
        thread = self.thread()
        for number in range(3):
            thread.prompt(messages)
            said = f"{thought}I look at page {number}.".removeprefix(thread.opening)
            end = [] if self.end_id is None else [self.end_id]
            thread.add([*self.encoder.encode(said), *end], TurnRecord(number, 0, 0, [], (), "stop"))
            messages += (
                thread.message,
                {"role": "tool", "content": f"Page {number}."},
            )
        return len(thread.sequences) == 1


@dataclass(slots=True)
class _Growing:
    """A growing sequence of ids, and the text of these ids."""

    ids: list[int]
    text: str
    turns: list[TurnRecord] = field(default_factory=list)


class Thread:
    """One conversation in ids. For each turn call `prompt`, sample, and pass the sampled ids to `add`.

    Args:
        template: The chat template.
        tools: Schemas for the template to render, the same in every turn.
    """

    def __init__(self, template: ChatTemplate, tools: Tools = ()) -> None:
        self._template = template
        self._tools = tools
        self._sequences: list[_Growing] = []
        self._seen = 0
        """The number of messages in the latest sequence, including the sampled message."""
        self._next: tuple[int, _Growing, list[int], str] | None = None
        self._message: Message | None = None
        self._sampled: dict[int, tuple[str, str]] = {}
        """For messages whose content was changed: their number, the changed content and the sampled content."""

    @property
    def sequences(self) -> list[TokenSequence]:
        """The sequences so far, with the sampled turns in them."""
        return [TokenSequence(list(grown.ids), list(grown.turns)) for grown in self._sequences]

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The ids of the prompt of the next turn. `messages` is the whole conversation so far.

        A second call before `add` returns the same ids.
        """
        if self._next is None or self._next[0] != len(messages):
            self._next = (len(messages), *self._continued(messages))
        _, grown, glue, _ = self._next
        return [*grown.ids, *glue]

    @property
    def opening(self) -> str:
        """The end of the latest prompt from the tag with which it leaves a thought open, such as ``<think>`` and a line
        break. "" if it leaves none open.
        """
        return opening_of(self._next[3]) if self._next is not None else ""

    @property
    def message(self) -> Message:
        """The assistant's message in the ids that were added last.

        Raises:
            ConfigError: `add` was not called before.
        """
        if self._message is None:
            raise ConfigError("a conversation has no message before a call of add")
        return dict(self._message)

    def add(self, ids: Sequence[int], turn: TurnRecord) -> TurnRecord:
        """Append the ids that were sampled after the latest prompt. Returns `turn` with its `start` and `stop`.

        Then `message` is the message in these ids.

        Raises:
            ConfigError: `prompt` was not called before.
        """
        if self._next is None:
            raise ConfigError("nothing can be added to a conversation before a call of prompt")
        count, grown, glue, text = self._next
        self._message, sampled = self._template.read([*grown.ids, *glue], self.opening, ids)
        if self._message["content"] != sampled:
            self._sampled[count] = (self._message["content"], sampled)
        self._next = None
        if not self._sequences or self._sequences[-1] is not grown:
            self._sequences.append(grown)
        start = len(grown.ids) + len(glue)
        grown.ids += [*glue, *ids]
        grown.text = text + self._template.encoder.decode(list(ids))
        grown.turns.append(replace(turn, start=start, stop=start + len(ids)))
        self._seen = count + 1
        return grown.turns[-1]

    def amend(self, number: int, **changes: float) -> None:
        """Change fields of the record of the agent's turn `number`. Does nothing if there is no such turn."""
        for grown in self._sequences:
            grown.turns = [replace(t, **changes) if t.turn == number else t for t in grown.turns]  # type: ignore[arg-type]

    def _continued(self, messages: Sequence[Message]) -> tuple[_Growing, list[int], str]:
        """The sequence that the next turn continues, the ids between that sequence and the turn, and the text before
        the turn.
        """
        template = self._template
        last = self._sequences[-1] if self._sequences else None
        if last is not None and template.history == "keep":
            said = messages[self._seen - 1] if self._seen <= len(messages) else {}
            after = template.renderer.render_after_answer(messages[self._seen :], said.get("tool_calls", ()))
            ended = last.ids[-1] if last.ids and last.ids[-1] in template.stop_ids else None
            marked = self._after_end(after, ended) if ended is not None else after.marked
            return last, template.encoder.encode_after(ended, marked, after.mark), last.text + after.text
        for form in (
            (self._as_sampled(messages), messages) if last is not None and self._sampled else (messages,)
        ):
            rendered = template.renderer.render(form, self._tools)
            text = rendered.text
            if last is not None and text.startswith(last.text):
                ended = last.ids[-1] if last.ids and last.ids[-1] in template.stop_ids else None
                marked = cut_marked(rendered.marked, rendered.mark, len(last.text))
                return last, template.encoder.encode_after(ended, marked, rendered.mark), text
        return _Growing(template.ids_of(rendered), ""), [], text

    def _as_sampled(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation with the contents that were sampled, as far as the environment has left the messages as they
        were.
        """
        form = list(messages)
        for number, (changed, sampled) in self._sampled.items():
            if number < len(form) and form[number]["content"] == changed:
                form[number] = {**form[number], "content": sampled}
        return form

    def _after_end(self, after: Rendered, ended: int) -> str:
        """The marked text after an assistant's message, without the end of the turn that was sampled already."""
        encoder, marked = self._template.encoder, after.marked
        found = encoder.found(marked)
        if not found or not marked.lstrip().startswith(found[0]):
            return marked
        if encoder.token(ended) != found[0] and ended not in self._template.turn_ends:
            return marked
        return marked[marked.index(found[0]) + len(found[0]) :]
