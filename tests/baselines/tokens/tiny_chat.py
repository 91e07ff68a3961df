"""Small tokenizers with chat templates that behave like those of well-known model families.

The templates are written for these tests; what they have in common with the real ones is what they do: which roles
they know, what they drop from earlier turns, and what they put between turns.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

TURNS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")

_SYSTEM_AND_TOOLS = """\
{%- set system = messages[0].content if messages[0].role == 'system' else '' -%}
{%- if tools -%}
{{ '<|im_start|>system\n' + (system + '\n\n' if system else '') + '# Tools\n<tools>' }}
{%- for tool in tools -%}{{ '\n' + (tool | tojson) }}{%- endfor -%}
{{ '\n</tools>\nWrite {"name": …, "arguments": …} within <tool_call></tool_call>.<|im_end|>\n' }}
{%- elif system -%}
{{ '<|im_start|>system\n' + system + '<|im_end|>\n' }}
{%- endif -%}
"""

_CALLS = """\
{%- for call in message.tool_calls or [] -%}
{{ ('\n' if text or not loop.first else '') + '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments if call.function.arguments is string else call.function.arguments | tojson }}
{{- '}\n</tool_call>' }}
{%- endfor -%}
"""

_TOOL_AS_USER = """\
{{ '<|im_start|>user' if loop.first or messages[loop.index0 - 1].role != 'tool' else '' }}
{{- '\n<tool_response>\n' + message.content + '\n</tool_response>' }}
{{- '<|im_end|>\n' if loop.last or messages[loop.index0 + 1].role != 'tool' else '' }}
"""

QWEN2 = f"""{_SYSTEM_AND_TOOLS}
{{%- for message in messages -%}}
{{%- if message.role == 'assistant' -%}}
{{%- set text = message.content -%}}
{{{{ '<|im_start|>assistant\\n' + text }}}}{_CALLS}{{{{ '<|im_end|>\\n' }}}}
{{%- elif message.role == 'tool' -%}}
{_TOOL_AS_USER}
{{%- elif message.role == 'user' -%}}
{{{{ '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- if add_generation_prompt -%}}{{{{ '<|im_start|>assistant\\n' }}}}{{%- endif -%}}
"""
"""Text as it stands; results in user turns; schemas in the system turn (as Qwen2.5)."""

QWEN3 = f"""{_SYSTEM_AND_TOOLS}
{{%- set place = namespace(query=0) -%}}
{{%- for message in messages -%}}
{{%- if message.role == 'user' and not message.content.startswith('<tool_response>') -%}}
{{%- set place.query = loop.index0 -%}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- for message in messages -%}}
{{%- if message.role == 'assistant' -%}}
{{%- set thought = '' -%}}
{{%- set text = message.content -%}}
{{%- if '</think>' in text -%}}
{{%- set thought = text.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') -%}}
{{%- set text = text.split('</think>')[-1].lstrip('\\n') -%}}
{{%- endif -%}}
{{{{ '<|im_start|>assistant\\n' }}}}
{{%- if loop.index0 > place.query and (loop.last or thought) -%}}
{{{{ '<think>\\n' + thought + '\\n</think>\\n\\n' }}}}
{{%- endif -%}}
{{{{ text }}}}{_CALLS}{{{{ '<|im_end|>\\n' }}}}
{{%- elif message.role == 'tool' -%}}
{_TOOL_AS_USER}
{{%- elif message.role == 'user' -%}}
{{{{ '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- if add_generation_prompt -%}}
{{{{ '<|im_start|>assistant\\n' }}}}
{{%- if enable_thinking is defined and not enable_thinking -%}}{{{{ '<think>\\n\\n</think>\\n\\n' }}}}{{%- endif -%}}
{{%- endif -%}}
"""
"""Keeps thinking only since the last question, and shows an empty block where it is off (as Qwen3)."""

FORGETFUL = f"""{_SYSTEM_AND_TOOLS}
{{%- for message in messages -%}}
{{%- if message.role == 'assistant' -%}}
{{{{ '<|im_start|>assistant\\n' + message.content.split('</think>')[-1].lstrip('\\n') + '<|im_end|>\\n' }}}}
{{%- elif message.role == 'tool' -%}}
{_TOOL_AS_USER}
{{%- elif message.role == 'user' -%}}
{{{{ '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- if add_generation_prompt -%}}{{{{ '<|im_start|>assistant\\n' }}}}{{%- endif -%}}
"""
"""Drops the thinking of every earlier turn (as DeepSeek-R1)."""

STRICT = """\
{%- for message in messages -%}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) or message.role not in ('user', 'assistant') -%}
{{- raise_exception('only user and assistant, in turns') -}}
{%- endif -%}
{{ '<|im_start|>' + ('model' if message.role == 'assistant' else 'user') + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>model\n' }}{%- endif -%}
"""
"""No system role, no tool role, and user and assistant must alternate (as Gemma)."""

TEMPLATES = {"qwen2": QWEN2, "qwen3": QWEN3, "forgetful": FORGETFUL, "strict": STRICT}

_TEXTS = [
    "The museum of Alder was founded in 1901 by an architect. It opened its doors to the public two years later.",
    '<tool_call>\n{"name": "search", "arguments": {"query": "museums in Birch", "count": 3}}\n</tool_call>',
    "| Town | Population |\n| --- | --- |\n| Alder | 1000 |\n| Birch | 1037 |",
    "哪些博物馆在一九〇〇年之前成立？ Où est le musée ? Größe, naïve, 🗺",
]


@cache
def tiny_tokenizer(template: str = "qwen3") -> Any:
    """A byte-level BPE tokenizer of a few hundred tokens with one of `TEMPLATES`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Regex(
        r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=480, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    core.train_from_iterator(_TEXTS, trainer)
    core.add_special_tokens([AddedToken(token, special=True) for token in TURNS])
    core.add_tokens([AddedToken(token, special=False, normalized=False) for token in TAGS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = TEMPLATES[template]
    return tokenizer


def tiny_model(folder: Path, template: str = "qwen3", *, seed: int = 0, context: int = 4096) -> Path:
    """A folder with a random Qwen3 model of about half a million weights and its tokenizer."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = tiny_tokenizer(template)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
