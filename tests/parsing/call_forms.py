"""Messages as the families of models write them: one function for each form, from calls to text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

Call: TypeAlias = tuple[str, Mapping[str, Any]]
Form: TypeAlias = Callable[[Sequence[Call]], str]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _object(call: Call, arguments: str = "arguments") -> str:
    return _json({"name": call[0], arguments: call[1]})


def _each(form: Callable[[Call], str], before: str = "", after: str = "", between: str = "\n") -> Form:
    return lambda calls: before + between.join(map(form, calls)) + after


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _elements(call: Call, function: str, parameter: str, space: str = "", end: str = "function") -> str:
    given = "\n".join(
        f"<{space}{parameter.format(key)}>{_text(value)}</{space}parameter>" for key, value in call[1].items()
    )
    return f"<{space}{function.format(call[0])}>\n{given}\n</{space}{end}>"


def _qwen(call: Call) -> str:
    given = "".join(f"<parameter={key}>\n{_text(value)}\n</parameter>\n" for key, value in call[1].items())
    return f"<function={call[0]}>\n{given}</function>"


def _invoke(call: Call, space: str = "") -> str:
    return _elements(call, 'invoke name="{}"', 'parameter name="{}"', space, "invoke")


def _dsml(call: Call) -> str:
    given = "\n".join(
        f'<｜DSML｜parameter name="{key}" string="{str(isinstance(value, str)).lower()}">{_text(value)}'
        "</｜DSML｜parameter>"
        for key, value in call[1].items()
    )
    return f'<｜DSML｜invoke name="{call[0]}">\n{given}\n</｜DSML｜invoke>'


def _pairs(call: Call, between: str = "\n") -> str:
    given = between.join(
        f"<arg_key>{key}</arg_key>\n<arg_value>{_text(value)}</arg_value>" for key, value in call[1].items()
    )
    return f"<tool_call>{call[0]}{between}{given}{between}</tool_call>"


def _python(call: Call) -> str:
    return f"{call[0]}({', '.join(f'{key}={value!r}' for key, value in call[1].items())})"


def _kimi(call: Call) -> str:
    return f"<|tool_call_begin|>functions.{call[0]}:0<|tool_call_argument_begin|>{_json(call[1])}<|tool_call_end|>"


def _deepseek(call: Call) -> str:
    return f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{call[0]}\n```json\n{_json(call[1])}\n```<｜tool▁call▁end｜>"


def _harmony(call: Call) -> str:
    return (
        f"<|channel|>commentary to=functions.{call[0]} <|constrain|>json<|message|>{_json(call[1])}<|call|>"
    )


def _recipient_first(call: Call) -> str:
    return f"<|start|>assistant to=functions.{call[0]}<|channel|>commentary json<|message|>{_json(call[1])}<|call|>"


QUOTE = '<|"|>'


def _gemma(value: Any, quote: str) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_gemma(each, quote)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_gemma(each, quote) for each in value) + "]"
    return f"{quote}{value}{quote}"


_SECTION = ("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>")
_DEEPSEEK = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")

TAGGED: dict[str, Form] = {
    "hermes": _each(lambda call: f"<tool_call>\n{_object(call)}\n</tool_call>"),
    "hermes one block": _each(_object, "<tool_call>\n", "\n</tool_call>"),
    "qwen xml": _each(lambda call: f"<tool_call>\n{_qwen(call)}\n</tool_call>"),
    "qwen xml without tags": _each(_qwen),
    "llama 3.1 function": _each(lambda call: f"<function={call[0]}>{_json(call[1])}</function>"),
    "llama 3 json": _each(lambda call: _object(call, "parameters"), "<|python_tag|>", "<|eom_id|>", "; "),
    "llama 4 pythonic": _each(_python, "<|python_start|>[", "]<|python_end|>", ", "),
    "mistral": _each(_object, "[TOOL_CALLS] [", "]", ", "),
    "mistral 11": _each(lambda call: f"[TOOL_CALLS]{call[0]}[ARGS]{_json(call[1])}", between=""),
    "mistral 13": _each(
        lambda call: f"[TOOL_CALLS]{call[0]}[CALL_ID]aB3dE5gH9[ARGS]{_json(call[1])}", between=""
    ),
    "deepseek v3": _each(_deepseek, *_DEEPSEEK),
    "deepseek v3.1": _each(
        lambda call: f"<｜tool▁call▁begin｜>{call[0]}<｜tool▁sep｜>{_json(call[1])}<｜tool▁call▁end｜>",
        *_DEEPSEEK,
        "",
    ),
    "deepseek dsml": _each(_dsml, "<｜DSML｜function_calls>\n", "\n</｜DSML｜function_calls>"),
    "glm": _each(_pairs),
    "glm one line": _each(lambda call: _pairs(call, "")),
    "kimi": _each(_kimi, *_SECTION, ""),
    "minimax m2": _each(_invoke, "<minimax:tool_call>\n", "\n</minimax:tool_call>"),
    "minimax m1": _each(_object, "<tool_calls>\n", "\n</tool_calls>"),
    "harmony": _each(_harmony, between="<|start|>assistant"),
    "harmony after thought": _each(_recipient_first, "<|channel|>analysis<|message|>Where?<|end|>", "", ""),
    "seed-oss": _each(lambda call: f"<seed:tool_call>\n{_qwen(call)}\n</seed:tool_call>"),
    "invoke": _each(_invoke, "<function_calls>\n", "\n</function_calls>"),
    "cohere": _each(
        lambda call: _json({"tool_call_id": "0", "tool_name": call[0], "parameters": call[1]}),
        "<|START_ACTION|>[",
        "]<|END_ACTION|>",
        ",\n",
    ),
    "phi": _each(_object, "<|tool_call|>[", "]<|/tool_call|>", ", "),
    "granite": _each(_object, "<|tool_call|>[", "]", ", "),
    "internlm": _each(
        lambda call: f"<|action_start|><|plugin|>{_object(call, 'parameters')}<|action_end|>", between=""
    ),
    "gemma function": _each(
        lambda call: f"<start_function_call>call:{call[0]}{_gemma(call[1], '<escape>')}<end_function_call>"
    ),
    "gemma 4": _each(lambda call: f"<|tool_call>call:{call[0]}{_gemma(call[1], QUOTE)}<tool_call|>"),
    "lfm2": _each(_python, "<|tool_call_start|>[", "]<|tool_call_end|>", ", "),
    "apertus": _each(lambda call: _json({call[0]: call[1]}), "<|tools_prefix|>[", "]<|tools_suffix|>", ", "),
    "jamba": _each(_object, "<tool_calls>[", "]</tool_calls>", ", "),
    "longcat": _each(lambda call: f"<longcat_tool_call>{_object(call)}</longcat_tool_call>"),
    "nemotron": _each(_object, "<TOOLCALL>[", "]</TOOLCALL>", ", "),
    "steptml": _each(
        lambda call: (
            "<｜tool_call_begin｜>function<｜tool_sep｜>"
            + _elements(call, 'invoke name="{}"', 'parameter name="{}"', "steptml:", "invoke")
            + "<｜tool_call_end｜>"
        ),
        "<｜tool_calls_begin｜>",
        "<｜tool_calls_end｜>",
    ),
}
"""Forms with markup around the calls."""

UNTAGGED: dict[str, Form] = {
    "llama 3 json without tag": _each(lambda call: _object(call, "parameters"), between="; "),
    "pythonic": _each(_python, "[", "]", ", "),
    "python lines": _each(_python),
    "gemma tool code": _each(_python, "```tool_code\n", "\n```"),
    "json list": _each(_object, "[", "]", ", "),
    "json lines": _each(_object),
    "json fences": _each(lambda call: f"```json\n{_object(call)}\n```"),
    "functools": _each(_object, "functools[", "]", ", "),
    "openai": lambda calls: _json(
        {
            "tool_calls": [
                {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": _json(given)}}
                for n, (name, given) in enumerate(calls)
            ]
        }
    ),
    "react": _each(lambda call: f"Thought: look\nAction: {call[0]}\nAction Input: {_json(call[1])}"),
    "react json": _each(lambda call: _json({"action": call[0], "action_input": call[1]})),
    "name as key": _each(lambda call: _json({call[0]: call[1]})),
    "kimi without tokens": _each(lambda call: f"functions.{call[0]}:0{_json(call[1])}"),
    "harmony without tokens": _each(
        lambda call: f"assistantcommentary to=functions.{call[0]} json{_json(call[1])}"
    ),
    "name and json lines": _each(lambda call: f"{call[0]}\n{_json(call[1])}"),
}
"""Forms without markup. The parser reads them because they name a tool of the agent."""
