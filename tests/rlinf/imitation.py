"""A small imitation of the modules of RLinf's WideSeek-R1, in other words, in both layouts that it has had."""

from __future__ import annotations

from pathlib import Path

PROMPTS = '''
LEAD_EN = """Split it up. Example: {{"name": "x", "arguments": {{"n": [1, 2]}}}}
Then:
{}"""
LEAD_PLAIN_EN = "Split it up, then: {}"
LEAD_ZH = "拆分。示例 {{一}}\\n{} "
LEAD_PLAIN_ZH = "拆分。\\n{}"
WORKER_EN = "Do one part. A brace stays: {x} \\\\ and a quote \\"."
WORKER_ZH = "做一部分。"
ALONE_EN, ALONE_ZH = None, None
SOLO_EN = "Alone, with {{braces}}. {}"
SOLO_ZH = "独自工作。{}"
ASK_LEAD_EN = "Job: \\n{}"
ASK_LEAD_ZH = "任务：{}"
ASK_WORKER_EN = "Whole: {}\\nPart: {}"
ASK_WORKER_ZH = "整体：{}\\n部分：{}"
BOX_EN = "Put it in \\\\boxed{}."
BOX_ZH = "写在 \\\\boxed{} 里。"
TABLE_EN = "Use\\n```markdown\\n{rows}\\n```"
TABLE_ZH = "用\\n```markdown\\n{rows}\\n```"
'''

FUNCTIONS = '''
from rlinf.agents.wideseek_r1.utils.prompt import LEAD_EN


def get_prompt_planner(question: str, is_markdown: bool, language: str) -> str:
    """Chooses the language."""
    if language == "zh":
        return planner_zh(question, is_markdown)
    else:
        return planner_en(question, is_markdown)


def planner_en(question, is_markdown):
    shots = is_markdown
    if shots:
        if is_markdown:
            text = LEAD_EN.format(TABLE_EN)
        else:
            text = LEAD_EN.format(BOX_EN)
    else:
        text = LEAD_PLAIN_EN.format(BOX_EN)
    return [{"role": "system", "content": text}, {"role": "user", "content": ASK_LEAD_EN.format(question)}]


def planner_zh(question, is_markdown):
    text = LEAD_ZH.format(TABLE_ZH) if is_markdown else LEAD_PLAIN_ZH.format(BOX_ZH)
    return [{"role": "system", "content": text}, {"role": "user", "content": ASK_LEAD_ZH.format(question)}]


def get_prompt_worker(origin_question: str, subtask: str, language="en"):
    ask = ASK_WORKER_ZH if language == "zh" else ASK_WORKER_EN
    return [
        {"role": "system", "content": WORKER_ZH if language == "zh" else WORKER_EN},
        {"role": "user", "content": ask.format(origin_question, subtask)},
    ]


def get_prompt_single_agent(question: str, is_markdown: bool, language, add_fewshot: bool = True):
    form = (TABLE_ZH if is_markdown else BOX_ZH) if language == "zh" else (TABLE_EN if is_markdown else BOX_EN)
    text = (SOLO_ZH if language == "zh" else SOLO_EN).format(form)
    ask = ASK_LEAD_ZH if language == "zh" else ASK_LEAD_EN
    return [{"role": "system", "content": text}, {"role": "user", "content": ask.format(question)}]


def get_access_summary_messages(info_to_extract, page_content):
    told = "Extract {what} is asked.\\n" "Nothing else."
    user = f"WANTED: {info_to_extract}\\n" f"PAGE: {page_content}\\nEnd."
    message = [{"role": "system", "content": told}, {"role": "user", "content": user}]
    return message
'''

LOOP = """
class Loop:
    async def extract(self, info, page_content):
        if page_content == "Nothing here {empty}.":
            return "No useful {thing}."
        return page_content

    async def run(self, role, language):
        for max_turns in (1,):
            hint = f"\\n\\nFirst of {max_turns} {{turns}}" if language == "en" else f"\\n\\n共 {max_turns} 轮"
        log = f"query {query} of {language}"
        for idx in range(2):
            if not task_failed:
                add(
                    f"# Part {idx + 1}\\n{subtask_text}\\n= Found\\n{worker_summary}"
                    if language == "en"
                    else f"# 部分 {idx + 1}\\n{subtask_text}\\n= 结果\\n{worker_summary}"
                )
            else:
                add(
                    f"# Part {idx + 1}\\n{subtask_text}\\n= Found\\nIt failed {{badly}}."
                    if language == "en"
                    else f"# 部分 {idx + 1}\\n{subtask_text}\\n= 结果\\n失败了。"
                )
        for _ in range(2):
            hint = (
                f"\\n\\nNext is {turn_idx + 2} of {max_turns}."
                if language == "en"
                else f"\\n\\n下一轮 {turn_idx + 2} / {max_turns}。"
            )
        add(f"# Q {query}\\n{tool_response.text}" if language == "en" else f"# 查 {query}\\n{tool_response.text}")
        add(f"# U {url}\\n{page_content}" if language == "en" else f"# 网 {url}\\n{page_content}")
        text = (
            f"# U {url}\\n? {info_to_extract}\\n{summary}"
            if language == "en"
            else f"# 网 {url}\\n？ {info_to_extract}\\n{summary}"
        )
"""

MESSAGES = """
def first(max_turns: int, language: str) -> str:
    if language == "en":
        return "\\n\\nFirst of " f"{max_turns} {{turns}}"
    return f"\\n\\n共 {max_turns} 轮"


def following(next_turn_idx, max_turns, language):
    if language != "en":
        return f"\\n\\n下一轮 {next_turn_idx} / {max_turns}。"
    return f"\\n\\nNext is {next_turn_idx} of {max_turns}."


def report(subtask_idx, subtask_text, worker_summary, language):
    if language == "en":
        return f"# Part {subtask_idx}\\n{subtask_text}\\n= Found\\n{worker_summary}"
    return f"# 部分 {subtask_idx}\\n{subtask_text}\\n= 结果\\n{worker_summary}"


def failed(subtask_idx, subtask_text, language):
    if language == "en":
        return f"# Part {subtask_idx}\\n{subtask_text}\\n= Found\\n" "It failed {badly}."
    return f"# 部分 {subtask_idx}\\n{subtask_text}\\n= 结果\\n" "失败了。"


def search(query, search_result, language):
    if language == "en":
        return f"# Q {query}\\n{search_result}"
    return f"# 查 {query}\\n{search_result}"


def access(url, page_content, language):
    if language == "en":
        return f"# U {url}\\n{page_content}"
    else:
        return f"# 网 {url}\\n{page_content}"


def summarised(url, info_to_extract, summary, language):
    if language == "en":
        return f"# U {url}\\n? {info_to_extract}\\n{summary}"
    return f"# 网 {url}\\n？ {info_to_extract}\\n{summary}"
"""

SHORT_LOOP = LOOP.partition("    async def run")[0]

TOOLS = """
class Worker:
    async def serve(self):
        def process(response, tool_type, access_token=None):
            if tool_type == "search":
                if len(documents) > 0:
                    doc_id_template = "<{doc_id}> {url}:\\n"
                    text = "\\n--\\n".join(
                        [doc_id_template.format(doc_id=str(k + 1), url=url) + doc[:5000] for k, doc in found]
                    )
                else:
                    text = "Nothing {found}."
                return text
            elif page is not None and page.strip() != "":
                return page[:access_token]
            else:
                return "Nothing here {empty}."

        async def answer():
            try:
                pass
            except Exception as e:
                result = Response(success=False, result=f"It broke: {str(e)}")
"""


def schema(name: str, properties: str, required: str) -> str:
    """The code of one schema."""
    return (
        f'{{"type": "function", "function": {{"name": "{name}", "description": "Tool {name} {{x}}", "parameters": '
        f'{{"type": "object", "properties": {properties}, "required": {required}}}}}}}'
    )


def listed(name: str, key: str, item: str, required: str) -> str:
    """The code of the schema of a tool with a list."""
    items = f'{{"type": "object", "properties": {item}, "required": {required}}}'
    return schema(
        name, f'{{"{key}": {{"type": "array", "description": "Many {key}", "items": {items}}}}}', f'["{key}"]'
    )


def text(name: str) -> str:
    """The code of a text parameter."""
    return f'{{"type": "string", "description": "The {name}"}}'


PROMPT = f'{{"prompt": {text("prompt")}}}'
QUERY = (
    f'{{"query": {text("query")}, "count": {{"type": "integer", "description": "Up to 9", "default": 3}}}}'
)
ACCESS = f'{{"url": {text("url")}, "info_to_extract": {text("info")}}}'
SCHEMAS = (
    f'{{"create_sub_agents": {listed("create_sub_agents", "sub_agents", PROMPT, repr(["prompt"]))}, '
    f'"search": {listed("search", "queries", QUERY, repr(["query"]))}, '
    f'"access": {listed("access", "urls", ACCESS, repr(["url", "info_to_extract"]))}, '
    f'"search_single_agent": {schema("search", QUERY, repr(["query"]))}, '
    f'"access_single_agent": {schema("access", ACCESS, repr(["url", "info_to_extract"]))}}}'
)
DESCRIPTIONS = f"tools_description_en = {SCHEMAS}\ntools_description_zh = {SCHEMAS.replace('Many', '多个')}\n"

EARLIER = {
    "utils/prompt.py": PROMPTS,
    "utils/utils.py": FUNCTIONS,
    "utils/tool_description.py": DESCRIPTIONS,
    "wideseek_r1.py": LOOP,
    "tools.py": TOOLS,
}
LATER = {
    "utils/prompt.py": PROMPTS,
    "utils/prompt_utils.py": FUNCTIONS + MESSAGES,
    "utils/tool_description.py": DESCRIPTIONS,
    "wideseek_r1.py": SHORT_LOOP,
    "tools.py": TOOLS,
}


def checkout(folder: Path, files: dict[str, str] | None = None) -> Path:
    """Write a checkout with these files."""
    for name, code in (files if files is not None else EARLIER).items():
        path = folder / "rlinf" / "agents" / "wideseek_r1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, "utf-8")
    return folder
