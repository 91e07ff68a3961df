"""Small tokenizers and chat templates that behave like those of model families, written for these tests.

What they have in common with the published ones is what they do: their markers, which of these are special tokens, what
they put before a turn, what they drop from earlier turns, and what they refuse.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

from tiny_chat import tiny_tokenizer


@dataclass(frozen=True)
class Family:
    """Special tokens, other added tokens, the token that ends a text, and the chat template."""

    specials: tuple[str, ...]
    eos: str
    template: str
    tokens: tuple[str, ...] = ()


_CHATML = ("<|im_start|>", "<|im_end|>")
_THINK = ("<think>", "</think>", "<tool_call>", "</tool_call>")

# Splits a content at </think>; keeps thoughts after the last question; always begins a turn inside a thought.
QWEN3_THINKING = """
{%- set ns = namespace(last=0) -%}
{%- for m in messages if m.role == 'user' -%}{%- set ns.last = messages.index(m) -%}{%- endfor -%}
{%- for m in messages -%}
{%- if m.role == 'assistant' -%}
{%- set thought = '' -%}{%- set text = m.content -%}
{%- if m.reasoning_content -%}{%- set thought = m.reasoning_content -%}
{%- elif '</think>' in text -%}
{%- set thought = text.split('</think>')[0].split('<think>')[-1].strip('\\n') -%}
{%- set text = text.split('</think>')[-1].lstrip('\\n') -%}
{%- endif -%}
{{- '<|im_start|>assistant\\n' -}}
{%- if loop.index0 > ns.last and thought -%}{{- '<think>\\n' + thought + '\\n</think>\\n\\n' -}}{%- endif -%}
{{- text -}}
{%- for c in m.tool_calls or [] -%}
{{- '\\n<tool_call>\\n{"name": "' + c.function.name + '", "arguments": ' + c.function.arguments | tojson }}
{{- '}\\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- elif m.role == 'tool' -%}
{{- '<|im_start|>user\\n<tool_response>\\n' + m.content + '\\n</tool_response><|im_end|>\\n' -}}
{%- else -%}
{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n<think>\\n' -}}{%- endif -%}
"""

# The same, but a switch closes an empty thought.
QWEN3_HYBRID = QWEN3_THINKING.replace("{{- '<|im_start|>assistant\\\\n<think>\\\\n' -}}", "").replace(
    "{{- '<|im_start|>assistant\\n<think>\\n' -}}",
    "{{- '<|im_start|>assistant\\n' -}}{%- if enable_thinking is defined and not enable_thinking -%}"
    "{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}",
)

# Drops every earlier thought, begins a turn inside a thought, and nothing begins a turn after results.
DEEPSEEK_R1 = """
{%- for m in messages -%}
{%- if m.role == 'system' -%}{{- m.content -}}
{%- elif m.role == 'user' -%}{{- '<｜User｜>' + m.content -}}
{%- elif m.role == 'assistant' -%}
{{- '<｜Assistant｜>' + m.content.split('</think>')[-1].lstrip('\\n') -}}
{%- if m.tool_calls -%}{{- '<｜tool▁calls▁begin｜>' -}}
{%- for c in m.tool_calls -%}
{{- '<｜tool▁call▁begin｜>function<｜tool▁sep｜>' + c.function.name + '\\n```json\\n' -}}
{{- c.function.arguments | tojson + '\\n```<｜tool▁call▁end｜>' -}}
{%- endfor -%}{{- '<｜tool▁calls▁end｜>' -}}{%- endif -%}
{{- '<｜end▁of▁sentence｜>' -}}
{%- elif m.role == 'tool' -%}
{{- '<｜tool▁output▁begin｜>' + m.content + '<｜tool▁output▁end｜>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt and messages[-1].role != 'tool' -%}{{- '<｜Assistant｜><think>\\n' -}}{%- endif -%}
"""

# No token ends a turn: the next turn's token does.
GLM45 = """
{%- set ns = namespace(last=-1) -%}
{%- for m in messages if m.role == 'user' -%}{%- set ns.last = messages.index(m) -%}{%- endfor -%}
{{- '[gMASK]<sop>' -}}
{%- for m in messages -%}
{%- if m.role == 'assistant' -%}
{%- set thought = '' -%}{%- set text = m.content -%}
{%- if m.reasoning_content -%}{%- set thought = m.reasoning_content -%}
{%- elif '</think>' in text -%}
{%- set thought = text.split('</think>')[0].split('<think>')[-1] -%}
{%- set text = text.split('</think>')[-1] -%}
{%- endif -%}
{{- '<|assistant|>' -}}
{%- if loop.index0 > ns.last and thought -%}{{- '\\n<think>' + thought.strip() + '</think>' -}}
{%- else -%}{{- '\\n<think></think>' -}}{%- endif -%}
{%- if text.strip() -%}{{- '\\n' + text.strip() -}}{%- endif -%}
{%- for c in m.tool_calls or [] -%}
{{- '\\n<tool_call>' + c.function.name + '\\n' -}}
{%- for k, v in c.function.arguments.items() -%}
{{- '<arg_key>' + k + '</arg_key>\\n<arg_value>' + v | string + '</arg_value>\\n' -}}
{%- endfor -%}{{- '</tool_call>' -}}
{%- endfor -%}
{%- elif m.role == 'tool' -%}
{{- '<|observation|>' if messages[loop.index0 - 1].role != 'tool' else '' -}}
{{- '\\n<tool_response>\\n' + m.content + '\\n</tool_response>' -}}
{%- else -%}{{- '<|' + m.role + '|>\\n' + m.content -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>' + ('\\n<think></think>' if enable_thinking is defined and not enable_thinking else '') -}}
{%- endif -%}
"""

# Leaves contents alone; calls are between special tokens and have ids.
KIMI_K2 = """
{%- for m in messages -%}
{{- '<|im_' + ('system' if m.role == 'tool' else m.role) + '|>' + m.role + '<|im_middle|>' -}}
{%- if m.role == 'tool' -%}{{- '## Return of ' + (m.tool_call_id or '') + '\\n' + m.content -}}
{%- else -%}{{- m.content -}}{%- endif -%}
{%- if m.tool_calls -%}{{- '<|tool_calls_section_begin|>' -}}
{%- for c in m.tool_calls -%}
{{- '<|tool_call_begin|>' + c.id + '<|tool_call_argument_begin|>' + c.function.arguments | tojson -}}
{{- '<|tool_call_end|>' -}}
{%- endfor -%}{{- '<|tool_calls_section_end|>' -}}{%- endif -%}
{{- '<|im_end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_assistant|>assistant<|im_middle|>' -}}{%- endif -%}
"""

# Thoughts have their own field, and a content with tags would be shown after an empty thought.
KIMI_THINKING = KIMI_K2.replace(
    "{%- else -%}{{- m.content -}}",
    "{%- elif m.role == 'assistant' -%}{{- '<think>' + (m.reasoning_content or '') + '</think>' + m.content -}}"
    "{%- else -%}{{- m.content -}}",
)

# Begins a turn inside a thought; calls are XML.
MINIMAX_M2 = """
{%- set ns = namespace(last=-1) -%}
{%- for m in messages if m.role == 'user' -%}{%- set ns.last = messages.index(m) -%}{%- endfor -%}
{%- for m in messages -%}
{%- if m.role == 'assistant' -%}
{%- set thought = '' -%}{%- set text = m.content -%}
{%- if m.reasoning_content -%}{%- set thought = m.reasoning_content -%}
{%- elif '</think>' in text -%}
{%- set thought = text.split('</think>')[0].strip('\\n').split('<think>')[-1].strip('\\n') -%}
{%- set text = text.split('</think>')[-1].strip('\\n') -%}
{%- endif -%}
{{- ']~b]ai\\n' -}}
{%- if loop.index0 > ns.last and thought -%}{{- '<think>\\n' + thought + '\\n</think>\\n\\n' -}}{%- endif -%}
{{- text -}}
{%- if m.tool_calls -%}{{- '\\n<minimax:tool_call>\\n' -}}
{%- for c in m.tool_calls -%}{{- '<invoke name="' + c.function.name + '">\\n</invoke>\\n' -}}{%- endfor -%}
{{- '</minimax:tool_call>' -}}{%- endif -%}
{{- '[e~[\\n' -}}
{%- elif m.role == 'tool' -%}{{- ']~b]tool\\n<response>' + m.content + '</response>[e~[\\n' -}}
{%- else -%}{{- ']~b]' + m.role + '\\n' + m.content + '[e~[\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- ']~b]ai\\n<think>\\n' -}}{%- endif -%}
"""

# One call in each message; contents are trimmed.
LLAMA3 = """
{%- for m in messages -%}
{%- if m.tool_calls -%}
{%- if m.tool_calls | length != 1 -%}{{- raise_exception('one call at once') -}}{%- endif -%}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n{"name": "' + m.tool_calls[0].function.name -}}
{{- '", "parameters": ' + m.tool_calls[0].function.arguments | tojson + '}<|eot_id|>' -}}
{%- else -%}
{{- '<|start_header_id|>' + ('ipython' if m.role == 'tool' else m.role) + '<|end_header_id|>\\n\\n' -}}
{{- m.content | trim + '<|eot_id|>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}{%- endif -%}
"""

# Results need calls with ids of nine letters or digits.
MISTRAL = """
{%- for m in messages -%}
{%- if m.role == 'user' -%}{{- '[INST]' + m.content + '[/INST]' -}}
{%- elif m.role == 'system' -%}{{- '[SYSTEM_PROMPT]' + m.content + '[/SYSTEM_PROMPT]' -}}
{%- elif m.role == 'tool' -%}
{%- if not m.tool_call_id or m.tool_call_id | length != 9 -%}{{- raise_exception('ids of length 9') -}}{%- endif -%}
{{- '[TOOL_RESULTS]{"content": ' + m.content | tojson + ', "call_id": "' + m.tool_call_id + '"}[/TOOL_RESULTS]' -}}
{%- elif m.tool_calls -%}
{{- m.content + '[TOOL_CALLS][' -}}
{%- for c in m.tool_calls -%}
{%- if c.id | length != 9 -%}{{- raise_exception('ids of length 9') -}}{%- endif -%}
{{- '{"name": "' + c.function.name + '", "arguments": ' + c.function.arguments | tojson + ', "id": "' + c.id -}}
{{- '"}' + ('' if loop.last else ', ') -}}
{%- endfor -%}{{- ']</s>' -}}
{%- else -%}{{- m.content + '</s>' -}}
{%- endif -%}
{%- endfor -%}
"""

# Channels; refuses contents with channels, a result without a call, and a thought next to a text and a call.
HARMONY = """
{%- set ns = namespace(call=none, final=false) -%}
{%- for m in messages -%}
{%- if m.role in ('system', 'developer') -%}{{- '<|start|>developer<|message|>' + m.content + '<|end|>' -}}
{%- elif m.role == 'user' -%}{{- '<|start|>user<|message|>' + m.content + '<|end|>' -}}
{%- elif m.role == 'tool' -%}
{%- if ns.call is none -%}{{- raise_exception('no call before this result') -}}{%- endif -%}
{{- '<|start|>functions.' + ns.call + ' to=assistant<|channel|>commentary<|message|>' + m.content | tojson -}}
{{- '<|end|>' -}}
{%- else -%}
{%- if '<|channel|>' in m.content -%}{{- raise_exception('no channels in contents') -}}{%- endif -%}
{%- if m.tool_calls -%}
{%- set ns.final = false -%}
{%- for later in messages[loop.index0 + 1:] if later.role == 'assistant' and not later.tool_calls -%}
{%- set ns.final = true -%}
{%- endfor -%}
{%- if m.content and m.thinking -%}{{- raise_exception('a text or a thought') -}}{%- endif -%}
{%- set thought = m.thinking or m.content -%}
{%- if thought and not ns.final -%}
{{- '<|start|>assistant<|channel|>analysis<|message|>' + thought + '<|end|>' -}}
{%- endif -%}
{%- set ns.call = m.tool_calls[0].function.name -%}
{{- '<|start|>assistant to=functions.' + ns.call + '<|channel|>commentary json<|message|>' -}}
{{- m.tool_calls[0].function.arguments | tojson + '<|call|>' -}}
{%- elif loop.last and not add_generation_prompt -%}
{%- if m.thinking -%}{{- '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' -}}{%- endif -%}
{{- '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|return|>' -}}
{%- else -%}{{- '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' -}}
{%- endif -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start|>assistant' -}}{%- endif -%}
"""

# A call ends the turn with its own closing tag.
FUNCTION_TAGS = """
{%- for m in messages -%}
{{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' + m.content -}}
{%- for c in m.tool_calls or [] -%}
{{- '<start_function_call>call:' + c.function.name + '<end_function_call>' -}}
{%- endfor -%}
{{- '' if m.tool_calls else '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}
"""

_DEEPSEEK = tuple(f"<｜{name}｜>" for name in ("User", "Assistant", "end▁of▁sentence"))
_DEEPSEEK_CALLS = ("calls▁begin", "calls▁end", "call▁begin", "call▁end", "sep", "output▁begin", "output▁end")
_KIMI = tuple(
    f"<|{name}|>"
    for name in (
        *("im_system", "im_user", "im_assistant", "im_middle", "im_end", "tool_calls_section_begin"),
        *("tool_calls_section_end", "tool_call_begin", "tool_call_argument_begin", "tool_call_end"),
    )
)
_HARMONY = tuple(
    f"<|{name}|>"
    for name in ("start", "end", "message", "channel", "constrain", "call", "return", "endoftext")
)

FAMILIES = {
    "qwen3-thinking": Family(_CHATML, "<|im_end|>", QWEN3_THINKING, _THINK),
    "qwen3-hybrid": Family(_CHATML, "<|im_end|>", QWEN3_HYBRID, _THINK),
    "deepseek-r1": Family(
        (*_DEEPSEEK, *(f"<｜tool▁{name}｜>" for name in _DEEPSEEK_CALLS)),
        "<｜end▁of▁sentence｜>",
        DEEPSEEK_R1,
        ("<think>", "</think>"),
    ),
    "glm-4.5": Family(
        ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
        "<|endoftext|>",
        GLM45,
        _THINK,
    ),
    "kimi-k2": Family(_KIMI, "<|im_end|>", KIMI_K2),
    "kimi-thinking": Family(_KIMI, "<|im_end|>", KIMI_THINKING, ("<think>", "</think>")),
    "minimax-m2": Family(("]~b]", "[e~["), "[e~[", MINIMAX_M2, ("<think>", "</think>")),
    "llama-3": Family(
        (
            *(
                f"<|{name}|>"
                for name in ("start_header_id", "end_header_id", "eot_id", "eom_id", "python_tag")
            ),
        ),
        "<|eot_id|>",
        LLAMA3,
    ),
    "mistral": Family(
        (
            *("[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "</s>", "[ARGS]"),
            *("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
        ),
        "</s>",
        MISTRAL,
    ),
    "harmony": Family(_HARMONY, "<|return|>", HARMONY),
    "function-tags": Family(
        ("<start_of_turn>", "<end_of_turn>", "<start_function_call>", "<end_function_call>"),
        "<end_of_turn>",
        FUNCTION_TAGS,
    ),
}


@cache
def family_tokenizer(name: str) -> Any:
    """The byte-level BPE tokenizer of the other tests with the added tokens and the template of a family."""
    import json

    from tokenizers import AddedToken, Tokenizer
    from transformers import PreTrainedTokenizerFast

    family = FAMILIES[name]
    core = json.loads(copy.deepcopy(tiny_tokenizer()).backend_tokenizer.to_str())
    core["added_tokens"] = []
    tokenizer = Tokenizer.from_str(json.dumps(core))
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in family.specials]
    )
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in family.tokens])
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=family.eos)
    made.chat_template = family.template
    return made
