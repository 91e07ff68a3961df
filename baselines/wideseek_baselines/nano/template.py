"""The chat template of a nano model: ChatML in the form that Qwen3 uses, but it only appends.

The text of a conversation always begins with the text of the shorter conversation before. Earlier messages are never
cut, moved or joined, and their thinking stays. So the tokens of an agent's turns are one growing sequence.
"""

CHAT_TEMPLATE = r"""
{%- macro text(message) -%}
  {{- message['content'] if message['content'] is string else '' -}}
{%- endmacro -%}
{%- for message in messages -%}
  {%- set role = message['role'] -%}
  {%- if tools and loop.first -%}
    {{- '<|im_start|>system\n' -}}
    {%- if role == 'system' -%}{{- text(message) + '\n\n' -}}{%- endif -%}
    {{- 'Tools, as JSON schemas:\n' -}}
    {%- for tool in tools -%}{{- (tool['function'] if 'function' in tool else tool) | tojson + '\n' -}}{%- endfor -%}
    {{- 'Call them as <tool_call>{"name": …, "arguments": {…}}</tool_call>.<|im_end|>\n' -}}
  {%- endif -%}
  {%- if role == 'system' -%}
    {%- if not (tools and loop.first) -%}{{- '<|im_start|>system\n' + text(message) + '<|im_end|>\n' -}}{%- endif -%}
  {%- elif role == 'user' -%}
    {{- '<|im_start|>user\n' + text(message) + '<|im_end|>\n' -}}
  {%- elif role == 'tool' -%}
    {{- '<|im_start|>user\n<tool_response>\n' + text(message) + '\n</tool_response><|im_end|>\n' -}}
  {%- elif role == 'assistant' -%}
    {{- '<|im_start|>assistant\n' + text(message) -}}
    {%- for call in message['tool_calls'] or [] -%}
      {%- set function = call['function'] if 'function' in call else call -%}
      {%- if not loop.first or text(message) -%}{{- '\n' -}}{%- endif -%}
      {{- '<tool_call>\n{"name": ' + function['name'] | tojson + ', "arguments": ' -}}
      {{- function['arguments'] if function['arguments'] is string else function['arguments'] | tojson -}}
      {{- '}\n</tool_call>' -}}
    {%- endfor -%}
    {{- '<|im_end|>\n' -}}
  {%- else -%}
    {{- raise_exception('this model has no role ' + role) -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
""".strip()
