"""`SymbolicConversation`: one agent without a language model in one conversation. It reads messages and turns the
number of an action into the message of the agent.

The symbolic environments and `NumericPolicy` both use this class. So an agent sees the same numbers and writes the same
messages in training and in an evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wideseek_env.messages import Message
from wideseek_env.wrappers.agents import Mask, SymbolicAgent
from wideseek_env.wrappers.layout import Layout

ILLEGAL = "<tool_call>{}</tool_call>"
"""The message of an agent for an impossible action. The agent gets an error as the answer and loses a turn."""

FIRST = 2
"""The number of messages with which a conversation starts: the system prompt, and the question or subtask."""


class SymbolicConversation:
    """An agent, and the number of messages that it has read.

    Attributes:
        agent: The agent with its knowledge.
        heard: The number of messages of the conversation that the agent has read.
    """

    def __init__(self, layout: Layout, agent: SymbolicAgent) -> None:
        self.layout, self.agent = layout, agent
        self.heard = FIRST

    def read(self, messages: Sequence[Message]) -> None:
        """Let the agent read the messages that are new in its conversation."""
        for message in messages[self.heard :]:
            if message["role"] == "tool":
                self.agent.hear(message["content"])
        self.heard = len(messages)

    def look(self, observation: NDArray[np.float32], mask: Mask, turns_left: int, limit: int) -> None:
        """Write the observation (features,) of the agent, which is acting, and set its actions in a mask of zeros.

        `turns_left` includes this turn, and `limit` is the total number of turns of the conversation.
        """
        observation[:] = 0
        self.agent.legal(mask, turns_left)
        parts = self.layout.parts(observation)
        self.agent.describe(parts)
        parts["status"][2:4] = 1, turns_left / limit

    def message(self, action: int, mask: Mask) -> str | None:
        """The message of an action, or None if the action uses no turn. A masked action gives `ILLEGAL`."""
        return self.agent.do(self.layout.choice(action)) if mask[action] else ILLEGAL
