"""Makes text from outside harmless by changing everything that a model could take for its own markup. The changes are
visible.

A page may contain `<tool_call>` or `<|im_end|>`, by chance or on purpose. In a conversation, a parser could read
`<tool_call>` as a call, and a tokenizer could read `<|im_end|>` as the end of a turn. So the angle brackets of such
tags become ‹single guillemets›, which are readable but are not markup. Names in square brackets (`[INST]`) and the
bracket tokens of MiniMax (`]~b]`) get a space inside. Some spellings become such a token only after a program has
changed letter case and full-width forms or dropped invisible characters. These spellings are changed in the same way.

A shape decides wherever a shape is enough: bars inside angle brackets, a name with a namespace, a name that says tool
call. The other tokens are in tables of names. `docs/pages.md` lists what is covered.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_BRACKETS = str.maketrans("<＜﹤〈>＞﹥〉", "‹‹‹‹››››")

# Tags with or without attributes, in every family.
_TAGS = """
    tool tools think thinking think_fast think_faster think_on think_off no_think thought thoughts reasoning scratch_pad
    scratchpad reason reflection inner_thoughts inner_monologue answer function functions functionname invoke param
    paramname parameter parameters arg_key arg_value arg_type observation information system user assistant human
    developer ipython available_tools code_interpreter
"""
# Tags that are a token only without attributes. Ordinary words are here, since `<image src=…>` is ordinary.
_EXACT = """
    s sys image img video audio sound speech escape search response role ai 用户 sop eoa eoh eosys mid suf blank
    global-img fake_token_around_image osagent_mode gh_stars issue_start issue_comment issue_closed jupyter_start
    jupyter_text jupyter_code jupyter_output jupyter_error jupyter_script empty_output empty_source_file commit_before
    commit_msg commit_message commit_after file_sep repo_name reponame repo_struct code_context pr_start review_comment
"""
# Namespaces that only models use: everything in them is markup.
_NAMESPACES = "seed minimax mm atem antml steptml racm3 plamo ifm"
# Names in square brackets, in any letter case, and those that are markup only in upper case.
_SQUARE_NAMES = """
    inst tool_calls tool_call tool_results tool_result tool_content tool_request end_tool_request tool_response
    end_tool_result available_tools system_prompt model_settings call_id gmask smask img_break img_end begin_audio
    next_audio_text repeat_audio_text streaming_pad streaming_word start_header_id end_header_id
"""
_SQUARE_UPPER = "ARGS THINK IMG AUDIO TRANSCRIBE PREFIX MIDDLE SUFFIX BOS EOS EOT EOD PAD UNK CLS SEP MASK"
_FALCON_NAMES = "title abstract introduction summary comment question answer domain prefix suffix middle"


def _any(names: str) -> str:
    """A pattern for some names, the longest first, with white space around underscores."""
    ordered = sorted(names.split(), key=len, reverse=True)
    return "|".join(re.escape(name).replace("_", r"\s*+_\s*+") for name in ordered)


def _either_case(names: str) -> str:
    """A pattern for some names in any letter case. It is faster than a pattern that ignores case."""
    return "|".join(
        "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in name) for name in names.split()
    )


# Every repetition is possessive or bounded, so the time is linear in the text, whatever the text is. No repetition
# reads over a guillemet, so the guillemets that a call writes cannot complete a match in the next call.
_REST = r"(?:[^<>‹›]{0,200}+>)?+"
_MARKUP = re.compile(  # in lower case
    r"<\s*+(?:"
    # bars mark a special token: <|turn>, <|im_end|>, <|"|>, </|DSML|invoke name="search">, <|im_end| cut off
    r'/?+\s*+\|\s*+(?:\w[\w.:/-]{0,60}+\s*+>|[\w"%/][^<>|‹›\n]{0,80}+\|\s*+>|'
    rf"\w{{2,60}}+\|{_REST}|\|?+\s*+dsml\s*+\|{_REST})"
    # <turn|>
    r"|[\w./:-]{1,40}+\|\s*+>"
    rf"|/?+\s*+(?:"
    # <ns:invoke …, <ns|arg_key>, or without a namespace: <think>, <function=name>, </tools id="1">, <invoke cut off;
    # <start_function_call>, <tool-call>, <TOOLCALL>, <longcat_tool_call>, <tool_calls_begin>, <tool_sep>; not <toolbox>
    rf"(?:[a-z]\w{{0,15}}[:|]\s*+)?(?:{_any(_TAGS)}|arg(?:ument)?(?=\s*+=|\s++name)|\w{{0,24}}?(?:tool|function)s?\s*+[_-]?+\s*+"
    rf"(?:call|response|result|output|code|declar|request|use|sep)\w{{0,24}}+)(?![\w.@-]){_REST}"
    # <seed:bos>
    rf"|(?:{_any(_NAMESPACES)})\s*+[:|]\s*+[\w.-]{{1,40}}+{_REST}"
    # <co: 0>
    r"|co\s*+(?::[^<>‹›]{0,60}+)?+>"
    r")"
    # <s>, <<SYS>>, <EOS_TOKEN>, <start_of_turn>, <extra_id_0>: without attributes
    r"|<?+\s*+/?+\s*+_?+(?:"
    rf"(?:{_any(_EXACT)})"
    r"|(?:bos|eos|eod|eop|eot|eom|pad|unk|sep|cls|mask)(?:_token)?+"
    r"|(?:begin|beginning|end|start)_of_\w{1,24}+"
    r"|(?:unused|unused_token_|tokens_unused_|extra_|extra_id_|reserved|reserved_|reserved_special_token_|special|"
    r"special_|special_token_|madeupword|mask[_:]|control_|placeholder_|loc_?|seg_?)\d{1,6}+"
    r"|row_\d{1,3}+_col_\d{1,3}+"
    r"|(?:longcat|tts|fim)[_-]\w{1,24}+"
    r"|(?:user|human|bot|assistant|system|turn|role|think|thought)_(?:start|end|begin)"
    r"|(?:im|img|image|vid|video|audio|speech|sound|vision|so|patch)_(?:start|end|begin|pad|patch|context|token|"
    r"soft_token|col|row|atom|newline|placeholder|embedding|bos|eos)"
    r"|(?<=_)(?:user|bot|end|start|system|observation)"
    # ]<]minimax[>[
    r"|\][^<>\[\]‹›]{1,40}+\["
    r")\s*+/?+\s*+>\s*+>?+"
    r")"
)
_GENERIC = re.compile(r"\w<(?!Think)[A-Z][a-z]+>+")  # List<Tool> is code
_FALCON = re.compile(rf">>(?:{_any(_FALCON_NAMES)})<<")
_LAGUNA = re.compile(r"〈\|[\w ]{2,30}+\|〉")
# Each of the next patterns matches what a space is put behind.
_BRACKET_NAME = (
    r"(?=[/@|\w]{3,32}+\])"  # most links end the match here
    rf"(?:/?+(?:{'|'.join(_SQUARE_UPPER.split())}|{_either_case(_SQUARE_NAMES)}"
    rf"|(?:{_either_case('unused unused_token_ control_ extra_id_ special_ reserved_')})\d{{1,6}}+)"
    r"|@[A-Z]{2,5}+@|\|/?+\w{1,40}+\|)\]"
)
_SQUARE = re.compile(rf"\[(?={_BRACKET_NAME})")
# ]~b], ]~!b[, ]!p~[ and [e~[ of MiniMax, but not [~x]
_TILDE = re.compile(
    r"~(?:(?<=\]~)(?=!?+[a-z]{1,2}+[\[\]])|(?:(?<=\][a-z]~)|(?<=\][!a-z][a-z!]~))(?=[\[\]])|(?<=\[[a-z]~)(?=\[))",
    re.IGNORECASE,
)
# functions.search:0{…} of Kimi and functools[{…}] of Phi
_CALL = re.compile(r"funct(?:ions\.(?=[\w-]{1,64}+:\d{1,6}+\s*+\{)|ools(?=\[\s*+\{))")
_FLOWER = re.compile(r"✿(?=(?:FUNCTION|ARGS|RESULT|RETURN)✿)", re.IGNORECASE)  # of Qwen-Agent
_DSML = re.compile(r"\|(?=DSML\|)", re.IGNORECASE)  # of DeepSeek
# The name of a fence: ```tool_code
_FENCE = re.compile(
    r"(?:```|~~~)[^\S\n]*+(?:tool|function)[_-]?(?:call|code|output|request|response|result)\w{0,8}+",
    re.IGNORECASE,
)
_NAME = re.compile(r"[^`~｀～\s].*", re.DOTALL)

# Characters that are invisible or that a program could fold into ASCII. Accented letters and Chinese punctuation are
# not here, because ordinary text has them inside brackets.
_ODD = (
    "\x80-\x9f\xad\u0300-\u036f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2100-\u214f\u24b6-\u24e9\u3164\ufe00-\ufe0f\ufeff\uff01\uff0f-\uff19\uff20-\uff3a\uff3f\uff41-\uff5a\uff5c\uff5e\uffa0"
    "\uffe8\U0001d400-\U0001d7ff\U0001f130-\U0001f189\U000e0000-\U000e0fff"
)
_ASCII_NAME = r"A-Za-z0-9_/@|~!"
_ODD_TAIL = rf"[{_ASCII_NAME}]{{0,40}}+(?:[{_ODD}][{_ASCII_NAME}{_ODD}]{{0,60}}+[\[\]［］]|[［］])"
_ODD_NAME = re.compile(rf"\[{_ODD_TAIL}")
# Most links begin with a word and a space, which ends the match at once.
_ANY_NAME = re.compile(rf"\[(?![{_ASCII_NAME}]{{0,40}}+ )(?:{_BRACKET_NAME}|{_ODD_TAIL})")
_ODD_BRACKET = re.compile(rf"［[{_ASCII_NAME}{_ODD}]{{1,60}}+[\[\]［］]")
_ODD_TILDE, _WIDE_TILDE = (re.compile(rf"{tilde}[!A-Za-z{_ODD}]{{0,12}}+[\[\]［］]") for tilde in "~～")
_TICKS, _WAVES = (re.compile(rf"{char}(?:[{_ODD}]{{0,4}}{char}){{2}}") for char in "`~")
_ODD_BARS = re.compile(r"｜[^｜\s]{4,12}+[｜|]")

_JUNK = "\0"  # replaces an invisible character
_INVISIBLE = frozenset(("Cf", "Cc", "Mn", "Me", "Cs", "Co", "Cn"))
_REMEMBERED = 20_000


class _Fold(dict[int, str]):
    """A table for `str.translate`. The table replaces every character by the character that the most lenient program
    would read."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        seen = char
        if char.isspace():
            pass
        elif unicodedata.category(char) in _INVISIBLE:
            seen = _JUNK
        elif char == "▁":
            seen = "_"
        else:
            plain = [c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c)]
            if len(plain) == 1:
                seen = "|" if plain[0] in "│∣‖" else plain[0]
        if len(self) < _REMEMBERED:
            self[code] = seen
        return seen


_FOLD = _Fold()


def is_harmless(markup: str) -> bool:
    """Whether it is certain that `neutralise` would change no text of this HTML. If the result is False, `neutralise`
    may still change nothing."""
    if "&lt;" in markup or ("[" in markup and _ANY_NAME.search(markup)):
        return False
    if "{" in markup and _CALL.search(markup):
        return False
    if _has_fence(markup) or ("~" in markup and _TILDE.search(markup)):
        return False
    return markup.isascii() or not (
        "＜" in markup or "﹤" in markup or "〈" in markup or _has_odd_marks(markup)
    )


def neutralise(text: str) -> str:
    """`text` with chat-template and tool markup made harmless as described above. A second call on the result changes
    nothing."""
    if "[" in text:
        text = _SQUARE.sub("[ ", text)
    if "~" in text or "`" in text:
        text = _TILDE.sub("~ ", text)
        if _has_fence(text):
            text = _changed(text, (_FENCE,), _quoted_name)
    if "{" in text:
        text = _CALL.sub(r"\g<0> ", text)
    if text.isascii():
        if "<" in text:
            text = _changed(text, (_MARKUP, _FALCON) if "<<" in text else (_MARKUP,), _guillemets, lower=True)
        return text
    if ("[" in text and _ODD_NAME.search(text)) or _has_odd_marks(text):
        text = _changed(text, (_SQUARE, _TILDE, _FLOWER, _DSML), "{} ".format)
    if "<" in text or "＜" in text or "﹤" in text or "〈" in text:
        text = _changed(text, (_MARKUP, _FALCON, _LAGUNA), _guillemets, lower=True)
    return text


def _has_fence(text: str) -> bool:
    return bool(("`" in text and _TICKS.search(text)) or ("~" in text and _WAVES.search(text)))


def _has_odd_marks(text: str) -> bool:
    """Whether `text` may hold full-width brackets, tildes, bars or flowers that are markup or become it by folding."""
    return bool(
        ("［" in text and _ODD_BRACKET.search(text))
        or ("~" in text and _ODD_TILDE.search(text))
        or ("～" in text and _WIDE_TILDE.search(text))
        or ("｜" in text and _ODD_BARS.search(text))
        or "✿" in text
    )


def _changed(
    text: str, patterns: tuple[re.Pattern[str], ...], change: Callable[[str], str], lower: bool = False
) -> str:
    """`text` with `change` made to every piece that matches a pattern when it is folded, and lower case if `lower`."""
    folded = text if text.isascii() else text.translate(_FOLD)
    seen = folded.replace(_JUNK, "")
    if lower:
        seen = seen.lower()  # no folded character becomes two
    spans = sorted(match.span() for pattern in patterns for match in pattern.finditer(seen))
    if not spans:
        return text
    if len(seen) < len(folded):
        places = [place for place, char in enumerate(folded) if char != _JUNK]
        spans = [(places[start], places[end - 1] + 1) for start, end in spans]
    out: list[str] = []
    at = 0
    for start, end in spans:
        if start and _GENERIC.fullmatch(text, start - 1, end):
            continue
        if start >= at:  # else a match of another pattern has changed its beginning
            out += (text[at:start], change(text[start:end]))
            at = end
    return "".join([*out, text[at:]])


def _guillemets(text: str) -> str:
    return text.translate(_BRACKETS)


def _quoted_name(fence: str) -> str:
    return _NAME.sub(r"‹\g<0>›", fence)
