"""The chat template of a nano model: ChatML that only ever appends, in the form that Qwen3 uses.

The text of a conversation begins with the text of every shorter one: nothing said earlier is cut, moved or joined. So
the tokens of an agent's turns stay one growing sequence. Thinking is kept where it was written.
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
