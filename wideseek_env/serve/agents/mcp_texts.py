"""The texts that an agent sees over the Model Context Protocol: its tools, its prompt, and sentences of the server.

The prompt and the names, schemas and descriptions of the tools are those of the profile. The protocol needs two more
tools. A model's last message is not sent to the server, so the model must submit it with a tool: `answer`, or `report`
for a subagent. The tool `task` returns the prompt, for frameworks that support only tools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wideseek_env.game import Game
from wideseek_env.messages import Message, Role
from wideseek_env.serve.agents.native import native_profile
from wideseek_env.task import Language, Task
from wideseek_env.tools.spec import function_schema

ASK = "task"
"""The tool that gives the prompt. A call of this tool uses no turn."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The sentences that this server adds, in one language."""

    ask: str
    answer: str
    report: str
    text: str
    finish: str
    answered: str
    reported: str
    over: str


_WORDING: Mapping[Language, Wording] = {
    "en": Wording(
        ask="Your instructions and the question. Read this first; it costs no turn.",
        answer="Hand in the final answer. This ends the work and cannot be repeated.",
        report="Hand in the report on your subtask. This ends your work and cannot be repeated.",
        text="The whole text.",
        finish="To finish, call the tool {tool} with the whole text; what you only write as a message reaches nobody.",
        answered="The answer is recorded. The work is over.",
        reported="The report is handed in. Your work is over.",
        over="Error: the work is over ({ending}); nothing more can be called.",
    ),
    "zh": Wording(
        ask="给你的说明和问题。请先阅读；不占用轮次。",
        answer="提交最终答案。提交后工作结束，不能重复提交。",
        report="提交子任务的报告。提交后你的工作结束，不能重复提交。",
        text="完整的文字。",
        finish="完成时请调用工具 {tool} 并给出完整的文字；只写在消息里的内容没有人能看到。",
        answered="答案已记录，工作结束。",
        reported="报告已提交，你的工作结束。",
        over="错误：工作已经结束（{ending}），不能再调用工具。",
    ),
}


def wording(language: Language) -> Wording:
    """The sentences that this server adds, in `language`."""
    return _WORDING[language]


def finisher(role: Role) -> str:
    """The name of the tool with which a role submits its final message."""
    return "report" if role == "subagent" else "answer"


def role_schemas(game: Game, role: Role, task: Task) -> list[dict[str, Any]]:
    """The environment's tools for the role in OpenAI's form, and then the two tools of this server."""
    profile = native_profile(game.profile)
    language = profile.language_for(task)
    texts, words = profile.texts[language], wording(language)
    own = profile.schemas(role, game.rules, language)
    about = words.report
    if role != "subagent":
        form = texts.answer_table if task.gold is not None else texts.answer_short
        about = f"{words.answer} {form.format()}".rstrip()
    text = {"text": {"type": "string", "description": words.text}}
    added = [function_schema(finisher(role), about, text, ["text"]), function_schema(ASK, words.ask, {}, [])]
    taken = {schema["function"]["name"] for schema in own}
    return [*own, *(schema for schema in added if schema["function"]["name"] not in taken)]


def prompt_texts(messages: Sequence[Message], role: Role, language: Language) -> tuple[str, str]:
    """The instructions and the question, from the first two messages of a conversation.

    A sentence about how to finish is added to the instructions.
    """
    finish = wording(language).finish.format(tool=finisher(role))
    return f"{messages[0]['content']}\n\n{finish}", str(messages[1]["content"])
