"""`NumericPolicy`: a trained network as a `Policy`, so that `wideseek eval` and `wideseek bench width` can measure it.

The network was trained on a symbolic environment. It gets an observation and a mask, and returns the number of an
action. Here it plays the ordinary episodes with text. The observation is computed from the conversation of the agent
alone, and the action becomes the message that the symbolic environment would have sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wideseek_env.clean import clean_text
from wideseek_env.errors import ActionError, ConfigError, TaskError
from wideseek_env.messages import Message
from wideseek_env.policy import Turn
from wideseek_env.prompts import FULL
from wideseek_env.reprs import short
from wideseek_env.wrappers.agents import FIND, LOOK_UP, Mask, SymbolicAgent, SymbolicLead
from wideseek_env.wrappers.conversing import SymbolicConversation
from wideseek_env.wrappers.layout import Layout
from wideseek_env.wrappers.reading import MarkdownReader, Reader
from wideseek_env.wrappers.searching import subagent_for

Act: TypeAlias = Callable[[NDArray[np.float32], Mask], Any]
"""A function from an observation, float32 (features,), and a mask, int8 (actions,), to the number of an action."""


@runtime_checkable
class Predictor(Protocol):
    """A model of Stable-Baselines3, or an object with the same method."""

    observation_space: Any
    action_space: Any

    def predict(self, observation: NDArray[np.float32], *, deterministic: bool) -> tuple[Any, Any]:
        """The action for one observation, and a state that is not used here."""
        ...


class NumericPolicy:
    """A `Policy` whose decisions come from a function of observations and masks.

    For the same tasks and the same decisions, the messages and the scores are those of `Symbolic`. The roster of the
    game and its prompts do not matter. `wideseek_env.wrappers.layout` lists the meanings of observations and actions.

    The policy plays a team of any width. If the game allows fewer subagents than the layout, the mask excludes larger
    delegations. If it allows more, the team does not use them, because there are no actions for them.

    Each decision depends on the conversation of one agent. If the policy has not seen the earlier turns of a
    conversation, it decides them again and compares them with the record. This works only if the same observation
    always leads to the same action.

    Args:
        act: A function ``act(observation, mask)`` that returns the number of an action. Or a model with the method
            `predict` of Stable-Baselines3, trained on the observations of `Flat`. Its observations may contain the
            masks (``mask="observation"``). Its most probable action is used. If the object has a method
            ``reset(seed)``, it is called before each episode.
        layout: The layout of the environment in which the network was trained, such as ``env.layout``.
        reader: Parses questions, results and pages, as in training. By default a `MarkdownReader`.
        name: The name of the policy in records.

    Raises:
        ConfigError: `act` or `layout` is of another kind, or the spaces of the model do not have the sizes of the
            layout.
    """

    def __init__(
        self, act: Act | Predictor, layout: Layout, *, reader: Reader | None = None, name: str = "numeric"
    ) -> None:
        if not isinstance(layout, Layout):
            raise ConfigError(f"layout must be a Layout, such as env.layout, not {short(layout)}")
        self.name, self.layout = name, layout
        self.reader: Reader = reader if reader is not None else MarkdownReader()
        self._source = act
        self._function = _function_of(act, layout)
        self._threads: dict[tuple[str, int], _Thread] = {}

    def reset(self, seed: int) -> None:
        """Forget the earlier episode. The seed is passed to the `reset` of the network, if it has one."""
        self._threads.clear()
        reset = getattr(self._source, "reset", None)
        if callable(reset):
            reset(seed)

    def act(self, turns: Sequence[Turn]) -> list[str]:
        """The message of each turn.

        Raises:
            ConfigError: The game is not one of a team with the tools of the profiles "default" and "terse".
            TaskError: The reader does not understand the question, or the question has too many attributes.
            ActionError: The function returned something that is not the number of an action. Or another policy has
                taken a part of the conversation.
        """
        return [self._act(turn) for turn in turns]

    def _act(self, turn: Turn) -> str:
        key, messages = (turn.agent, turn.conversation), turn.messages
        thread = self._threads.get(key)
        if thread is None or not thread.continues(messages):
            thread = self._threads[key] = _Thread(self._begin(turn), messages[1]["content"])
        symbolic = thread.symbolic
        earlier = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
        limit = turn.turns_left + len(earlier)
        for number, at in enumerate(earlier):
            if at > symbolic.heard or not thread.said:
                symbolic.read(messages[:at])
                thread.said = self._decide(symbolic, limit - number, limit)
                if not thread.wrote(messages[at]):
                    raise ActionError(
                        f"{turn.agent}: turn {number + 1} of this conversation is not what the policy {self.name} "
                        "decides, so it cannot continue; let it take all turns of an episode, after reset"
                    )
        symbolic.read(messages)
        thread.said = self._decide(symbolic, turn.turns_left, limit)
        return thread.said

    def _decide(self, symbolic: SymbolicConversation, turns_left: int, limit: int) -> str:
        """Let the network choose until there is a message. An agent can note several values before it writes."""
        while True:
            observation = np.zeros(self.layout.features, np.float32)
            mask = np.zeros(self.layout.actions, np.int8)
            symbolic.look(observation, mask, turns_left, limit)
            action = self._number(self._function(observation, mask.copy()))
            message = symbolic.message(action, mask)
            if message is not None:
                return message

    def _number(self, returned: Any) -> int:
        array = np.asarray(returned)
        if array.size != 1 or not np.issubdtype(array.dtype, np.integer):
            raise ActionError(f"act must return the number of an action, not {short(returned)}")
        number = int(array.item())
        if not 0 <= number < self.layout.actions:
            raise ActionError(f"there is no action {number}; there are {self.layout.actions}")
        return number

    def _begin(self, turn: Turn) -> SymbolicConversation:
        """The agent of a new conversation."""
        text = turn.messages[1]["content"]
        agent: SymbolicAgent
        if turn.role == "subagent":
            search = _argument(turn, "search", "count")
            _argument(turn, "browse", "url")
            most = search.get("maximum", self.layout.max_results)
            if most < self.layout.max_results:
                raise ConfigError(
                    f"max_results of the layout ({self.layout.max_results}) is above rules.max_results_per_query "
                    f"({most})"
                )
            agent = subagent_for(self.layout, self.reader, _subtask(text))
        elif turn.role == "lead":
            width = _argument(turn, "delegate", "subtasks").get("maxItems")
            question = self.reader.question(text)
            if question is None:
                raise TaskError(
                    f"the policy {self.name} does not understand the question {short(text)}; choose other tasks or "
                    "pass another reader"
                )
            if len(question.attributes) > self.layout.max_attributes:
                raise TaskError(
                    f"the question has {len(question.attributes)} attributes, but the layout of the policy "
                    f"{self.name} has max_attributes={self.layout.max_attributes}; choose smaller tasks"
                )
            agent = SymbolicLead(self.layout, question, width)
        else:
            raise ConfigError(
                f"the policy {self.name} plays a team, not a single agent: there are no symbolic actions for one"
            )
        return SymbolicConversation(self.layout, agent)


class _Thread:
    """A conversation in progress: its agent, its first text, and the last message that the agent wrote."""

    def __init__(self, symbolic: SymbolicConversation, first: str) -> None:
        self.symbolic, self.first = symbolic, first
        self.said = ""

    def continues(self, messages: Sequence[Message]) -> bool:
        """Whether these messages begin with those that the agent knows, and with what it wrote."""
        at = self.symbolic.heard
        return len(messages) > at and messages[1]["content"] == self.first and self.wrote(messages[at])

    def wrote(self, message: Message) -> bool:
        """Whether a message is the agent's last one. The environment cuts long messages."""
        content = message["content"]
        return (
            message["role"] == "assistant"
            and bool(content)
            and content == clean_text(self.said, len(content))
        )


def _function_of(act: Act | Predictor, layout: Layout) -> Act:
    """The function that decides. Raises `ConfigError` for an object that is neither a function nor a model."""
    if isinstance(act, Predictor):
        model = act
        shape, count = getattr(model.observation_space, "shape", None), getattr(model.action_space, "n", None)
        masked = (layout.features + layout.actions,)
        if shape not in ((layout.features,), masked) or count != layout.actions:
            raise ConfigError(
                f"the model has observations of shape {shape} and {count} actions, but the layout has "
                f"({layout.features},), or {masked} with masks, and {layout.actions} actions; pass the layout of the "
                "environment in which the model was trained"
            )

        def predict(observation: NDArray[np.float32], mask: Mask) -> Any:
            seen = np.concatenate([observation, mask], dtype=np.float32) if shape == masked else observation
            return model.predict(seen, deterministic=True)[0]

        return predict
    if not callable(act):
        raise ConfigError(f"act must be a function act(observation, mask) or a model, not {short(act)}")
    return act


def _argument(turn: Turn, tool: str, name: str) -> dict[str, Any]:
    """The schema of an argument of one of the agent's tools. Raises `ConfigError` if there is no such tool."""
    for schema in turn.tools:
        function = schema["function"]
        if function["name"] == tool and name in function["parameters"]["properties"]:
            argument: dict[str, Any] = function["parameters"]["properties"][name]
            return argument
    raise ConfigError(
        f"{turn.agent} has no tool {tool}({name}=…); the symbolic actions are written for the tools of the profiles "
        "'default' and 'terse'"
    )


def _subtask(text: str) -> str:
    """The subtask in the first message of a subagent. Some profiles show the whole question before it."""
    for texts in FULL.values():
        head, _, rest = texts.first["subagent"].partition("{question}")
        if text.startswith(head):
            between = rest.partition("{subtask}")[0]
            places = [text.find(between + beginning) for beginning in (FIND, LOOK_UP)]
            found = min((at for at in places if at >= 0), default=-1)
            text = text[found + len(between) :] if found >= 0 else text
            break
    if not text.startswith((FIND, LOOK_UP)):
        raise ActionError(
            f"a numeric policy understands only the subtasks of its own lead, not {short(text)}; let it act for all "
            "agents"
        )
    return text
