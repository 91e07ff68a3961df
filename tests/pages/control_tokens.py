"""Control tokens and tool-call tags of model families, as their tokenizers and chat templates spell them.

The spellings come from the families' published tokenizers and templates, and from the tool-call and reasoning parsers
of vLLM, SGLang, llama.cpp and `renderers`. White space separates the tokens of a family. Tokens with white space inside
are in `SPACED`.
"""

FAMILIES: dict[str, list[str]] = {
    family: tokens.split()
    for family, tokens in {
        "ChatML: Qwen, Yi, SmolLM, Hermes": """
            <|im_start|> <|im_end|> <|im_sep|> <|endoftext|> <|startoftext|> <|endofprompt|> <tool_call> </tool_call>
            <tool_response> </tool_response> <tools> </tools> <think> </think> <scratch_pad> </scratch_pad>
        """,
        "Qwen": """
            <|object_ref_start|> <|object_ref_end|> <|box_start|> <|quad_end|> <|vision_start|> <|vision_end|>
            <|vision_pad|> <|image_pad|> <|video_pad|> <|audio_bos|> <|fim_prefix|> <|fim_middle|> <|fim_suffix|>
            <|fim_pad|> <|repo_name|> <|file_sep|> <tts_text_bos> <tts_text_eod> <tts_text_bos_single>
            <function=search> </function> <parameter=query> </parameter> ✿FUNCTION✿ ✿ARGS✿ ✿RESULT✿ ✿RETURN✿
        """,
        "Llama 2 and Code Llama": "[INST] [/INST] <<SYS>> <</SYS>> <s> </s> <unk> <SUF> <MID> <EOT>",
        "Llama 3 and 4": """
            <|begin_of_text|> <|end_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|> <|eom_id|> <|python_tag|>
            <|header_start|> <|header_end|> <|eot|> <|eom|> <|python_start|> <|python_end|> <|finetune_right_pad_id|>
            <|reserved_special_token_5|> <|step_id|> <|image_start|> <|image_end|> <|patch|> <|tile_x_separator|>
        """,
        "Mistral": """
            [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] [/TOOL_RESULTS] [TOOL_CALLS] [TOOL_CONTENT] [ARGS]
            [CALL_ID] [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [MODEL_SETTINGS] [/MODEL_SETTINGS] [THINK] [/THINK] [IMG]
            [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] [SUFFIX] [AUDIO] [BEGIN_AUDIO] [TRANSCRIBE] [NEXT_AUDIO_TEXT]
            [REPEAT_AUDIO_TEXT] [STREAMING_PAD] [STREAMING_WORD] [control_8] <SPECIAL_20> <pad>
        """,
        "DeepSeek": """
            <｜begin▁of▁sentence｜> <｜end▁of▁sentence｜> <｜▁pad▁｜> <｜User｜> <｜Assistant｜> <｜System｜>
            <｜tool▁calls▁begin｜> <｜tool▁calls▁end｜> <｜tool▁call▁begin｜> <｜tool▁call▁end｜> <｜tool▁sep｜>
            <｜tool▁outputs▁begin｜> <｜tool▁outputs▁end｜> <｜tool▁output▁begin｜> <｜tool▁output▁end｜>
            <｜fim▁begin｜> <｜fim▁hole｜> <｜fim▁end｜> <｜latest_reminder｜> <｜action｜> <｜query｜> <｜read_url｜>
            <｜place▁holder▁no▁14｜> ｜DSML｜ <｜DSML｜tool_calls> </｜DSML｜tool_calls> <｜DSML｜function_calls>
            </｜DSML｜invoke> </｜DSML｜parameter> <｜DSML｜toolcalls> <function_results> </function_results>
            <tool_result> </tool_result> <functions> </functions> <|EOT|>
        """,
        "GLM": """
            [gMASK] [sMASK] [MASK] <sop> <eop> <|system|> <|user|> <|assistant|> <|observation|> <|reminder|> <arg_key>
            </arg_key> <arg_value> </arg_value> <|begin_of_image|> <|end_of_image|> <|begin_of_box|> <|code_prefix|>
        """,
        "Kimi": """
            <|im_system|> <|im_user|> <|im_assistant|> <|im_middle|> <|tool_calls_section_begin|>
            <|tool_calls_section_end|> <|tool_call_section_begin|> <|tool_call_begin|> <|tool_call_argument_begin|>
            <|tool_call_end|> <|media_begin|> <|media_content|> <|media_pad|> <|media_end|> <|end_of_msg|> <|open|>
            <|close|> <|sep|> [BOS] [EOS] [EOT] [PAD] [UNK] [start_header_id] [end_header_id] [extra_id_0]
            <osagent_mode>
        """,
        "MiniMax": """
            ]~b] ]~!b[ [e~[ ]!p~[ ]!d~[ ]<]minimax[>[ ]<]image[>[ ]<]video[>[ ]<]speech[>[ ]<]frame[>[
            <minimax:tool_call> </minimax:tool_call> <mm:think> </mm:think> <tool_calls> </tool_calls> </invoke>
            <|content_altered_placeholder|> <code_interpreter> <beginning_of_sentence> <end_of_sentence> <fim_prefix>
            <gh_stars> <issue_start> <jupyter_code> <commit_message> <file_sep> <reponame> <review_comment>
        """,
        "Seed-OSS": """
            <seed:bos> <seed:eos> <seed:pad> <seed:think> </seed:think> <seed:tool_call> </seed:tool_call>
            <seed:cot_budget_reflect> </seed:cot_budget_reflect>
        """,
        "EXAONE": """
            [|system|] [|user|] [|assistant|] [|tool|] [|endofturn|] [|ENDOFTURN|] <|tool_result|> <|endofturn|>
        """,
        "gpt-oss (harmony)": """
            <|start|> <|end|> <|message|> <|channel|> <|constrain|> <|call|> <|return|> <|startoftext|>
            <|reserved_200012|>
        """,
        "Cohere": """
            <BOS_TOKEN> <EOS_TOKEN> <MASK_TOKEN> <PAD> <UNK> <CLS> <SEP> <EOP_TOKEN> <|START_OF_TURN_TOKEN|>
            <|END_OF_TURN_TOKEN|> <|SYSTEM_TOKEN|> <|USER_TOKEN|> <|CHATBOT_TOKEN|> <|START_THINKING|> <|END_THINKING|>
            <|START_ACTION|> <|END_ACTION|> <|START_RESPONSE|> <|END_RESPONSE|> <|START_TOOL_RESULT|>
            <|END_TOOL_RESULT|> <|START_TEXT|> <|YES_TOKEN|> <|GOOD_TOKEN|> <co:0> </co:0>
        """,
        "Gemma": """
            <bos> <eos> <mask> <start_of_turn> <end_of_turn> <start_of_image> <end_of_image> <image_soft_token>
            <start_function_call> <end_function_call> <start_function_response> <end_function_response>
            <start_function_declaration> <end_function_declaration> <escape> <unused99> [@BOS@] <|turn> <turn|> <|tool>
            <tool|> <|tool_call> <tool_call|> <|tool_response> <tool_response|> <|channel> <channel|> <|think|> <|"|>
            <|image> <image|> <|image|> <loc0001> <seg000>
        """,
        "Phi": """
            <|tool|> <|/tool|> <|tool_call|> <|/tool_call|> <|tool_response|> <|placeholder1|> <|dummy_0|> <|image_1|>
            functools[{
        """,
        "Granite": """
            <|start_of_role|> <|end_of_role|> <|start_of_plugin|> <|end_of_plugin|> <|start_of_cite|> <think_on>
            <think_off> <|unk|> <|pad|> <function_call> </function_call> <response> </response> <co>
        """,
        "InternLM": """
            <|action_start|> <|action_end|> <|plugin|> <|interpreter|> <eoa> <eoh> [UNUSED_TOKEN_145]
            <TOKENS_UNUSED_1> <IMG_CONTEXT> <img> </img>
        """,
        "Nemotron": """
            <SPECIAL_10> <SPECIAL_12> <extra_id_0> <extra_id_1> <TOOLCALL> </TOOLCALL> <AVAILABLE_TOOLS>
            </AVAILABLE_TOOLS> <TOOL_RESPONSE> <so_embedding> <so_start>
        """,
        "Falcon": ">>TITLE<< >>ABSTRACT<< >>INTRODUCTION<< >>SUMMARY<< >>COMMENT<< >>QUESTION<< >>ANSWER<< >>DOMAIN<<",
        "Hunyuan": """
            <｜hy_begin▁of▁sentence｜> <｜hy_User｜> <｜hy_Assistant｜> <｜hy_place▁holder▁no▁2｜>
            <｜hy_Assistant:opensource｜>
            <｜hy_eos｜> <|extra_0|> <|eos|> <tool_sep> <tool_calls:opensource> </arg_key:opensource> <think:opensource>
            <tool_responses> <answer> </answer>
        """,
        "ERNIE": """
            <|begin_of_sentence|> <|end_of_sentence|> <|IMAGE_PLACEHOLDER|> <|LOC_0|> <mask:0> <mask:4> <tool_output>
            </tool_output> <cls> <sep>
        """,
        "Step": """
            <｜tool_calls_begin｜> <｜tool_call_begin｜> <｜tool_sep｜> </steptml:parameter> </steptml:invoke>
            <im_patch> <im_start> <im_end> <patch_newline> <|BOT|>
        """,
        "LongCat": """
            <longcat_s> </longcat_s> <longcat_pad> <longcat_user> <longcat_assistant> <longcat_system> <longcat_think>
            </longcat_think> <longcat_tool_call> </longcat_tool_call> <longcat_arg_key> <longcat_arg_value>
            <longcat_observation> <longcat_tool_declare> <longcat_files>
        """,
        "Jamba": "<|bom|> <|eom|> <tool_calls> </tool_calls> <active_output_modes_tool_call>",
        "OLMo": "<functions> </functions> <function_calls> </function_calls>",
        "Baichuan": "<reserved_106> <reserved_107>",
        "Apertus": """
            <|system_start|> <|system_end|> <|developer_start|> <|assistant_start|> <|assistant_end|> <|inner_prefix|>
            <|inner_suffix|> <|tools_prefix|> <|tools_suffix|>
        """,
        "LFM2": """
            <|tool_list_start|> <|tool_list_end|> <|tool_call_start|> <|tool_response_start|> <|tool_response_end|>
            <|img_thumbnail|>
        """,
        "MiMo": "<|mimo_video_start|> <|mimo_audio_eod|> <|mimo_audio_end|>",
        "Ling and Ring": "<role> </role> <|role_end|> <|arithmetic_start|>",
        "MiniCPM": "<用户> <AI> <|execute_start|> <|execute_end|> <|thought_start|> <functionname= <paramname=",
        "Inkling": """
            <|message_system|> <|message_user|> <|message_model|> <|message_tool|> <|content_text|> <|content_thinking|>
            <|content_invoke_tool_json|> <|content_model_end_sampling|> <|end_message|> <|unused_200053|>
        """,
        "PLaMo": """
            <|plamo:bos|> <|plamo:msg|> <|plamo:tag|> <|plamo:begin_tool_request:plamo|>
            <|plamo:end_tool_arguments:plamo|> <|plamo:begin_think:plamo|>
        """,
        "K2 Horizon": "<ifm|tool_calls> </ifm|tool_call> <ifm|arg_key> </ifm|arg_value> <ifm|think_fast> </ifm|think>",
        "Muse": "<atem:function_calls> </atem:function_calls> </atem:invoke> </atem:parameter>",
        "Laguna": "〈|EOS|〉 <assistant> </assistant> <system> </system> <user> </user> <available_tools>",
        "dots": "<|userprompt|> <|endofuserprompt|> <|response|> <|endofresponse|> <dots_function_call>",
        "GigaChat and Megrez": "<|message_sep|> <|role_sep|> <|function_call|> <|role_start|> <|turn_end|>",
        "TeleChat and NexusRaven": "<_user> <_bot> <_end> <_start> <_system> <human_end> <bot_end>",
        "SmolVLM and Idefics": "<end_of_utterance> <fake_token_around_image> <global-img> <row_1_col_1>",
        "Solar, Reka, Grok": "<|begin|> <|content|> <|flush|> <|tool_calls|> <|separator|> <reasoning>",
        "Claude": """
            <function_calls> <invoke> </antml:invoke> <antml:function_calls> </antml:parameter> <antml:thinking>
        """,
    }.items()
}
SPACED: dict[str, list[str]] = {
    "Qwen": ["<function = search>", "<parameter = query>"],
    "DeepSeek": ['<｜DSML｜invoke name="search">', '<｜DSML｜parameter name="query" string="true">'],
    "MiniMax": [
        "]<]start of image[>[",
        "]<]end of speech[>[",
        "]<]vision pad[>[",
        '<invoke name="search">',
        '<parameter name="query">',
    ],
    "MiniCPM": ['<function name="search">', '<param name="query">'],
    "Muse": ['<atem:invoke name="search">', '<atem:parameter name="query">', '<tool_output name="search">'],
    "Step": ['<steptml:invoke name="search">', '<steptml:parameter name="query">'],
    "Cohere": ["<co: 0>", "</co: 0,1>", "<co: 0:[1,2]>"],
    "Emu": ["<|image start|>", "<|image token|>"],
    "fences": ["```tool_code\n", "``` tool_call\n", "~~~tool_code\n", "```tool_outputs\n", "````tool_code\n"],
    "Kimi": ["functions.search:0{", "functions.search:0 {", "functions.open-page:12{"],
}
TOKENS = sorted({token for table in (FAMILIES, SPACED) for tokens in table.values() for token in tokens})
