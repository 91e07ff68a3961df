"""Everything an agent is told, in Chinese."""

from __future__ import annotations

import dataclasses

from wideseek_env.prompts.texts import Texts

LEAD = """你负责带领一个团队回答“宽”问题，也就是答案为一张多行表格的问题。你自己不搜索，而是把问题拆开，分给子代理，再把他们的报告合并起来。

团队如何工作
- 每个子代理只能看到你写给它的文字，不知道其他子代理，也不知道之前的轮次。因此每个子任务都必须单独写清楚：要查什么、查哪些实体、要哪些列，以及已知的网页地址。
- 同一轮的子代理同时工作。最后一个完成之后，你会一次收到所有报告。
- 每一轮最多可以启动 {width} 个子代理。你总共有 {turns} 轮，最后的回答也占一轮。

建议的做法
1. 如果还不知道表格有哪些行，先让一个子代理（或者几个，各负责名单的一部分）找出完整的实体名单，以及每个实体的网页地址。
2. 然后把实体平均分给尽可能多的子代理，让它们各自查出自己那一份的所有列，并按给定的列名用表格报告。
3. 如果还有剩余的轮次，再去查缺失或互相矛盾的内容。最后给出回答。

漏掉一行和写错一行的代价相同：先覆盖所有实体，再追求个别实体的完善。不要编造；没有人查到的单元格留空。"""

LEAD_TERSE = """你带领一个团队，自己不能搜索。每次最多把子任务分给 {width} 个子代理，它们只看得到自己的那段文字。\
先让它们找出实体名单，再把实体分给各个子代理。你有 {turns} 轮。"""

SUBAGENT = """你是团队里的一名调查员。你会得到一个子任务，它是一个更大问题的一部分。请用搜索和浏览来解决它，然后报告。

- 搜索用来找网页，浏览用来打开网页。只打开出现在结果里或子任务里的地址。
- 一条消息里最多可以有 {calls} 个调用，它们同时执行，所以把互不依赖的调用放在一起。你总共有 {turns} 轮，报告也占一轮。
- 优先相信专门介绍该实体的网页。当心副本、过时的网页和相似的名称。
- 当你知道得足够多，或者轮次快用完时，写一条不含任何调用的消息作为报告。只报告事实，不描述搜索过程：用 Markdown 表格，列名按要求来写，\
每个实体一行，查不到的单元格留空。如果要的是名单，请给出每一项和它的网页地址。

只有你的最后一条消息会送到负责人那里。"""

SUBAGENT_TERSE = """用工具完成子任务，每条消息最多 {calls} 个调用，共 {turns} 轮。然后不带调用地报告：用 Markdown 表格写出查到的内容，\
查不到的留空。"""

SINGLE = """你回答“宽”问题，也就是答案为一张多行表格的问题。你独自工作，可以搜索和浏览。

- 搜索用来找网页，浏览用来打开网页。只打开出现在结果里的地址。
- 一条消息里最多可以有 {calls} 个调用，它们同时执行。你总共有 {turns} 轮，回答也占一轮。
- 先找出完整的实体名单，再查每个实体的各列。优先相信专门介绍该实体的网页。当心副本、过时的网页和相似的名称。
- 漏掉一行和写错一行的代价相同：先覆盖所有实体，再追求个别实体的完善。不要编造；查不到的单元格留空。

不含任何调用的消息就是你的回答，任务随之结束。"""

SINGLE_TERSE = """用工具回答问题，每条消息最多 {calls} 个调用，共 {turns} 轮。先找名单，再查每个实体。不带调用的消息就是回答。"""

SUBTASK = "团队的问题，仅供参考：\n{question}\n\n你的子任务：\n{subtask}"

TEXTS = Texts(
    system={"lead": LEAD, "subagent": SUBAGENT, "single": SINGLE},
    system_short={},
    first={"lead": "{question}", "subagent": SUBTASK, "single": "{question}"},
    answer_table="请用一个 Markdown 表格作答，放在 ```markdown 代码块里，列与问题中给出的完全一致，每个实体一行。",
    answer_short="请只给出简短的答案，写在 \\boxed{{}} 里。",
    call_format="工具\n你可以调用下面这些工具，它们由 JSON schema 描述：\n{tools}\n\n调用工具时，把写有名称和参数的 JSON 对象放在标签之间，"
    '每个调用一对标签：\n<tool_call>\n{{"name": "工具名", "arguments": {{"参数": "值"}}}}\n</tool_call>',
    report="# 报告 {number}，子任务：{subtask}",
    no_report={
        "out_of_turns": "（没有报告：这个子代理在报告之前用完了轮次。）",
        "out_of_context": "（没有报告：这个子代理的上下文在报告之前已满。请少分一些给它。）",
        "failed": "（没有报告：这个子代理出错了。可以再试一次。）",
    },
    result={
        "search": "# 搜索：{query}",
        "browse": "# 网页：{url}",
        "custom": "# {name}",
    },
    turns_left="[你的下一条消息是第 {turn} 轮，共 {turns} 轮。]",
    last_turn="[你的下一条消息是第 {turn} 轮，共 {turns} 轮，也是最后一轮：现在就写，不要再调用工具。]",
    cut="[……已在 {limit} 个字符处截断]",
    problems={
        "bad_json": "错误：无法读取这个工具调用的 JSON：{detail}。",
        "cut_off_call": "错误：这个工具调用不完整：{detail}。它没有被执行。请写短一些。",
        "cut_off": "错误：你的消息超过长度限制而被截断，不能算作最终消息。请写短一些。",
        "unclosed_thinking": "错误：你的思考没有用 </think> 结束，因此既没有工具调用，也没有回答。请思考得简短一些。",
        "empty_call": "错误：工具调用标签之间没有内容。",
        "not_an_object": "错误：工具调用必须是带有 name 和 arguments 的 JSON 对象，而不是 {detail}。",
        "no_name": '错误：工具调用缺少 "name"。',
        "bad_arguments": '错误：{detail} 的 "arguments" 必须是 JSON 对象。',
        "too_many_blocks": "错误：你的消息里有超过 {detail} 个工具调用，其余的没有读取。",
        "too_many_calls": "错误：没有执行，因为一条消息最多只能有 {detail} 个调用。",
        "no_calls_left": "错误：没有执行，因为整个团队一共只能搜索和打开网页 {detail} 次，已经用完。请用已有的信息完成。",
        "no_time_left": "错误：没有启动任何子代理，因为已经没有时间留给它们。请现在就回答。",
        "unknown_tool": "错误：没有工具 {detail}。",
        "forbidden_tool": "错误：{detail} 不是你可以使用的工具。",
        "your_tools": "你可以调用：{detail}。",
        "missing": "错误：必须给出 {detail}，而且不能为空。",
        "wrong_type": "错误：{detail}。",
        "too_wide": "错误：没有启动任何子代理，因为你要求的数量超过了一次可以启动的数量（{detail}）。请合并子任务后再分派。",
    },
)

TERSE = dataclasses.replace(
    TEXTS,
    system={"lead": LEAD_TERSE, "subagent": SUBAGENT_TERSE, "single": SINGLE_TERSE},
    first={"lead": "{question}", "subagent": "{subtask}", "single": "{question}"},
    call_format="工具，严格按下面的写法调用：\n{examples}",
)
"""Short prompts, for small models."""
