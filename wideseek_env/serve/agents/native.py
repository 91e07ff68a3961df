"""A game for agents whose framework passes the tools to the model. The prompt then does not describe a format for
calls."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.game import Game
from wideseek_env.messages import Message
from wideseek_env.profiles import Profile


def native_profile(profile: Profile) -> Profile:
    """`profile` without tools and call format in the system prompt, under a different name.

    A framework passes the tools to its model itself. If the prompt also described the text form, the model would write
    calls as text, and nobody would run them. To replay a recorded episode, pass this profile to `Trajectory.replay`.
    """
    if not profile.embed_tools:
        return profile
    return dataclasses.replace(profile, name=f"{profile.name}-native", embed_tools=False)


def native_game(game: Game, *, team: bool) -> Game:
    """The same game with a native profile, for a team or a single agent. Every subagent gets a new id."""
    return dataclasses.replace(game, profile=native_profile(game.profile), team=team, roster="dynamic")


def delegation(profile: Profile, subtask: str) -> Message:
    """The lead's message that starts one subagent on `subtask`, with the profile's delegation tool."""
    tool = next((tool for tool in profile.tools["lead"] if tool.kind == "delegate"), None)
    if tool is None:
        raise ConfigError(
            f"the profile {profile.name} gives its lead no tool that delegates; choose another one"
        )
    ((name, items),) = tool.example.items()
    (item, *_) = items
    argument: Any = subtask if isinstance(item, str) else dict.fromkeys(item, subtask)
    return assistant([("delegation", tool.name, {name: [argument]})])


def assistant(calls: list[tuple[str, str, dict[str, Any]]], text: str = "") -> Message:
    """An assistant message with native calls. Each call is an id, the name of a tool, and the arguments."""
    message: Message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
            }
            for call_id, name, arguments in calls
        ]
    return message
