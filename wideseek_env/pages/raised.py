"""Writes raised, lowered and struck text as plain text, so that it does not run into the text before it.

`wideseek_env.pages.visible` puts a mark before and after such text. `wideseek_env.pages.marks` finds the marks. Then
`written` decides from the text around it what it is: an exponent (`10^6`), an ordinal (`1st`), a footnote mark
(`1,234 [1]`), an index (`v_max`), a formula (`CO2`), or text that was struck out (`~~5~~ 6`).
"""

from __future__ import annotations

import re

BEGIN = "\x01"
RAISED = f"{BEGIN}r"
POWER = f"{BEGIN}p"  # raised text that is an exponent, whatever is before it
LOWERED = f"{BEGIN}l"
STRUCK = f"{BEGIN}s"
END = "\x05"

_TAG = re.compile(r"<[^<>]*+>")
_ONLY_LINKS = re.compile(r"(?:[^<]++|</?+a(?:\s[^<>]*+)?+>)*+")
_SIGNS = str.maketrans("−–‐‑⁻", "-----")

_INTEGER = re.compile(r"[+-]?\d{1,4}(?:[.,/]\d{1,4})?")
_SIGNED = re.compile(r"[+-](?:\d{1,4}(?:[.,/]\d{1,4})?|[a-z])")
_VARIABLE = re.compile(r"-?\d{0,3}[nkxyijpqN](?:[+-]\d{1,3})?|\d{0,3}[n-z][+-]\d{1,3}")
_ION = re.compile(r"\d{1,2}[+-]")
_BRACKETED = re.compile(r"(?:[\[［【〔][^\[\]［］【】〔〕]*+[\]］】〕]\s*+)++")
_THEN_BRACKETED = re.compile(r"([+-]?\w{1,9})\s?+(?:\[[^\[\]]*+\]\s*+)++")
_CENTS = re.compile(r"\d\d")
_PRICE_BEFORE = re.compile(r"[$€£¥₹₽₩]\s?\d{1,3}(?:[ ,.]?\d{3})*[.,]?$")
_PRICE_AFTER = re.compile(r"\s?(?:[€$£¥₹₽]|zł\b|Kč\b|kr\b|EUR\b|USD\b)")
_DECIMALS = re.compile(r"[.,]\d{1,3}")
_HALVES = re.compile(r"[¼½¾⅐-⅞]")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_NOTE = re.compile(r"(?:\w{1,2}|\w+[.\d]\w*|note \w+)(?:[\s,;]+\w{1,3})*+")
_SIMPLE = re.compile(r"[+-]?\w+(?:[.,]\d+)?|\d*[+-]")
_ORDINALS = frozenset("st nd rd th er ère ere re e è ème eme nde ter te de ste o os ª º".split())
_ABBREVIATION = re.compile(r"(?<![\d.,])(?:\d{1,3}|\b[A-Za-z]{1,3})\.$")
_TRADE = {"tm": "™", "sm": "℠", "(r)": "®", "(tm)": "™"}
_DEGREES = frozenset("o°º∘")
_DEGREE = re.compile(r"[CF](?![a-z])")
_DEGREE_OF = re.compile(r"\s?(?:[CFKNSEW](?![a-z])|[Cc]elsius|[Ff]ahrenheit|\d{1,2}\s?['′])")
_TIMES = frozenset("h m s min sec hr d".split())
_UNITS = frozenset(
    "m cm mm km dm nm µm μm ft in mi yd ha s sec min h hr kg g mg l L mol cd A K Hz J N Pa V W C T sr rad px mile "
    "miles feet foot inch inches yard yards metre metres meter meters acre mc cu sq mK kJ cms kms Mpc pc ly AU eV "
    "kW MW".split()
)
_NUMBER_AT_END = re.compile(r"(?<![\d.,])(?:\d|[.,](?=\d)){1,30}$")
_LONGEST_WORD = 20  # letters: of a longer word, only the end is read
_ROMAN = re.compile(r"[IVXLCDM]+")
_OPERATOR_BEFORE = re.compile(r"(?:[*×·⋅^√]|[\d)]\s?=|[\w)]\s?[+−])\s?(?:\d|[.,](?=\d)){1,30}$")
_OPERATOR_AFTER = re.compile(r"\s?[=×·⋅≈≤≥±^]|\s?[+*]\s?[\w(]|\s[−-]\s?\d|−\s?\w|\)\s?[=^]")
_POWER_AT_END = re.compile(r"\^(?:-?[\w.,]{1,9}|\([^()]{1,30}\))$")
_NOT_A_QUANTITY = re.compile(r"(?:[Nn]/[Aa]|\d[MKBkTt]|[^\W\d_]{3,20}\s[A-LN-Z])$")
_FUNCTIONS = frozenset("sin cos tan cot sec csc sinh cosh tanh log ln".split())
_LENGTHS = frozenset(("Km", "KM", "Cm", "CM"))
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]$")
_CJK_LENGTH = re.compile(r"(?<![平立]方)(?<![平立]方[千厘毫分公英海])(?:米|里|尺|寸|秒)$")
_FORMULA_AT_END = re.compile(r"\([^()]{0,30}[+\-−*/×·][^()]{0,30}\)$|_\w{1,9}$")
_ISOTOPE = re.compile(
    r"(?:H|He|Li|Be|B|C|N|O|F|Ne|Na|Mg|Al|Si|P|S|Cl|Ar|K|Ca|Sc|Ti|V|Cr|Mn|Fe|Co|Ni|Cu|Zn|Ga|Ge|As|Se|Br|Kr|Rb|Sr|Y|"
    r"Zr|Nb|Mo|Tc|Ru|Rh|Pd|Ag|Cd|In|Sn|Sb|Te|I|Xe|Cs|Ba|La|Ce|Pr|Nd|Pm|Sm|Eu|Gd|Tb|Dy|Ho|Er|Tm|Yb|Lu|Hf|Ta|W|Re|Os|"
    r"Ir|Pt|Au|Hg|Tl|Pb|Bi|Po|At|Rn|Fr|Ra|Ac|Th|Pa|U|Np|Pu|Am|Cm|Bk|Cf|Es|Fm|Md|No|Lr)(?![a-z])"
)
_ISOMER = re.compile(r"\d{2,3}m")
_WORD_NOT_ISOTOPE = re.compile(r"(?:As|At|He|I|In|No|Am|Be)\s\w|[A-Z]\s[a-z]")
_SCORE_AT_END = re.compile(r"\d[-–−]\d$")
_RANGE = re.compile(r"\(?\d{1,2}(?:-\d{1,2})?\)?")
_CHORD = frozenset(("6", "7", "9", "11", "13"))


def written(kind: str, content: str, before: str, after: str) -> str:
    """Marked text as plain text, from the text before and after it, which may contain tags (clean markup)."""
    inner = " ".join(content.split())
    if not inner:
        return content and " "
    if kind == STRUCK:
        return _struck(content, before, after)
    if "<" in inner and not _ONLY_LINKS.fullmatch(inner):
        return content if content[0] == "<" else f" {content}"  # it contains blocks
    plain = _TAG.sub("", inner).strip().translate(_SIGNS)
    shown = inner
    if not plain:
        return inner
    if plain[-1] == "]" and (noted := _THEN_BRACKETED.fullmatch(plain)) is not None:
        shown = plain = noted[1]  # a footnote mark after an exponent
    after = after.removeprefix("</a>")
    return (
        _lowered(shown, plain, before, after)
        if kind == LOWERED
        else _raised(shown, plain, before, after, kind)
    )


def _raised(shown: str, plain: str, before: str, after: str, kind: str) -> str:
    last = before[-1:]
    if not last or last.isspace() or last in ">([{|":
        return _leading(shown, plain, after)
    if kind == POWER:
        return _power(shown, plain, after)
    if plain.lower() in _TRADE:
        return _TRADE[plain.lower()]
    if plain in ("'", '"', "′", "″", "°", "™", "®", "℠"):
        return shown
    if _BRACKETED.fullmatch(plain):
        return ""  # a footnote mark
    if _POWER_AT_END.search(before) and not _SIGNED.fullmatch(plain):
        return _note(shown, plain, before, after)  # raised text after raised text
    if (
        last in ".,"
        and _CENTS.fullmatch(plain)
        and (_PRICE_AFTER.match(after) or _PRICE_BEFORE.search(before))
    ):
        return shown
    if last == "." and plain in _ORDINALS and _ABBREVIATION.search(before):
        return shown
    if last.isdigit() and last.isascii():
        return _after_digit(shown, plain, before, after)
    if last.isalpha():
        return _after_letter(shown, plain, before, after)
    if last in "♯♭#" and plain in _CHORD:
        return shown
    if (
        last in ")_"
        and _FORMULA_AT_END.search(before)
        and (_INTEGER.fullmatch(plain) or _VARIABLE.fullmatch(plain))
    ):
        return _power(shown, plain, after)
    return _note(shown, plain, before, after)


def _after_digit(shown: str, plain: str, before: str, after: str) -> str:
    if plain in _DEGREES and _DEGREE_OF.match(after):
        return "°"
    number = _NUMBER_AT_END.search(before)
    whole = number is not None and number[0].isdigit()
    if plain.lower() in _ORDINALS and (
        len(plain) > 1 or (whole and number is not None and len(number[0]) < 4)
    ):
        return shown
    if _DECIMALS.fullmatch(plain) and whole:
        return shown
    if _CENTS.fullmatch(plain) and (
        _PRICE_AFTER.match(after)
        or (_PRICE_BEFORE.search(before) and (number is None or number[0] != "10" or plain in ("00", "99")))
    ):
        return f".{shown}"
    if _HALVES.fullmatch(plain):
        return f" {shown}"
    if plain == "0" and _DEGREE.match(after):
        return "°"
    if plain in _TIMES:
        return apart(shown, after)
    if plain in ("+", "-"):
        return shown
    if _SCORE_AT_END.search(before) and (plain.isdigit() or _RANGE.fullmatch(plain)):
        return shown if plain[0] == "(" else f"({shown})"  # the points of a tie-break
    base = number[0] if number is not None else ""
    short = whole and len(base) < 4
    if (
        _SIGNED.fullmatch(plain)
        or _ION.fullmatch(plain)
        or (
            _VARIABLE.fullmatch(plain) and (short or len(plain) > 1) and (plain != "p" or base in ("2", "10"))
        )
        or ("^" in plain and whole)
    ):
        return _power(shown, plain, after)
    if _INTEGER.fullmatch(plain) and (
        base == "10"
        or _FORMULA_AT_END.search(before)
        or (
            plain != "1"
            and "," not in base
            and not _YEAR.fullmatch(base)
            and (_OPERATOR_BEFORE.search(before) or _OPERATOR_AFTER.match(after))
        )
    ):
        return _power(shown, plain, after)
    return _note(shown, plain, before, after)


def _after_letter(shown: str, plain: str, before: str, after: str) -> str:
    word = _word_at_end(before)
    if plain in ("+", "-") or not any(map(str.isalnum, plain)):
        return shown
    if _ION.fullmatch(plain):
        return _power(shown, plain, after)
    if _CJK.search(before):
        length = plain in ("2", "3") and _CJK_LENGTH.search(before)
        return _power(shown, plain, after) if length else _note(shown, plain, before, after)
    may_be_name = word[-1].isupper() or word[-1] in "akt"  # else the slow pattern cannot match
    if plain.isdigit() and (
        (may_be_name and _NOT_A_QUANTITY.search(before)) or (plain == "1" and word in _UNITS)
    ):
        return _note(shown, plain, before, after)
    if plain[0] == "(" and plain[-1] == ")":
        return _note(shown, plain, before, after)
    if plain in _CHORD and word in tuple("ABCDEFG"):
        return apart(shown, after)
    short = len(word) == 1 or (len(word) == 2 and word.islower())
    if (
        _SIGNED.fullmatch(plain)
        or (_INTEGER.fullmatch(plain) and (short or word in _UNITS or word in _FUNCTIONS))
        or (plain in ("2", "3") and word in _LENGTHS)
        or (short and _VARIABLE.fullmatch(plain))
        or _FORMULA_AT_END.search(before)
    ):
        return _power(shown, plain, after)
    if plain.isalpha():
        if word[-1:] == "M" and plain in ("c", "ac") and after[:1].isupper():
            return shown  # a name such as McDonald
        if short and word.islower() and not plain.isascii():
            return _power(shown, plain, after)
        if plain.lower() in _ORDINALS and (_ROMAN.fullmatch(word) or len(word) <= 2):
            return shown
        if len(plain) == 1 and len(word) == 1:
            return shown if word.isupper() and plain in "rtasd" else _power(shown, plain, after)
        if len(plain) > 1 and len(word) <= 2:
            return shown  # an abbreviation, such as Mlle
    elif short and not plain.isalnum() and "," not in plain and len(plain) > 2:
        return _power(shown, plain, after)
    return _note(shown, plain, before, after)


def _word_at_end(text: str) -> str:
    """The letters at the end of a text. A pattern that ends in `$` would be tried at every place of the text."""
    start = len(text)
    first = max(0, start - _LONGEST_WORD)
    while start > first and text[start - 1].isalnum() and not text[start - 1].isdecimal():
        start -= 1
    return text[start:]


def _leading(shown: str, plain: str, after: str) -> str:
    """Raised text with nothing before it: the number of an isotope, or a mark before the text of a footnote."""
    if plain in _DEGREES and _DEGREE.match(after):
        return "°"
    if (
        (plain.isdigit() or _ISOMER.fullmatch(plain))
        and len(plain) <= 4
        and (isotope := _ISOTOPE.match(after))
    ):
        light = isotope[0] in ("H", "He", "Li", "Be", "B")
        if light if len(plain) == 1 else not _WORD_NOT_ISOTOPE.match(after) or len(plain) > 2:
            return shown
    if after[:1].isalnum() and _NOTE.fullmatch(plain):
        return f"[{shown}] "
    return shown


def _note(shown: str, plain: str, before: str, after: str) -> str:
    if not any(map(str.isalnum, plain)):
        return f" {shown}" if before[-1:].isdigit() else shown
    return apart(f" [{shown}]" if _NOTE.fullmatch(plain) else f" {shown}", after)


def _power(shown: str, plain: str, after: str) -> str:
    shown = shown.translate(_SIGNS)
    return apart(f"^{shown}" if _SIMPLE.fullmatch(plain) else f"^({shown})", after)


def _lowered(shown: str, plain: str, before: str, after: str) -> str:
    last = before[-1:]
    if _BRACKETED.fullmatch(plain) and last and not last.isspace():
        return ""  # a footnote mark
    if not last.isalnum() and last not in (")", "]"):
        return apart(shown, after) if last and not last.isspace() else shown
    word = _word_at_end(before)
    if plain.isdigit() and not last.isdigit():
        return f"_{shown} " if after[:1].isdigit() else shown
    if plain.isdigit() or (word and (len(word) <= 2 or len(plain) <= 2)):
        return apart(f"_{shown}" if _SIMPLE.fullmatch(plain) else f"_({shown})", after)
    return apart(f" {shown}", after)


def _struck(content: str, before: str, after: str) -> str:
    """Every piece of text between tags in `~~`."""
    pieces = re.split(r"(<[^<>]*+>|\x1e)", content)
    pieces[::2] = [
        f"{piece[: len(piece) - len(piece.lstrip())]}~~{piece.strip()}~~{piece[len(piece.rstrip()) :]}"
        if piece and not piece.isspace()
        else piece
        for piece in pieces[::2]
    ]
    written = "".join(pieces)
    gap = " " if before[-1:].isalnum() and written[:1] == "~" else ""
    return gap + (apart(written, after) if written[-1:] == "~" else written)


def apart(written: str, after: str) -> str:
    """The text, with a space if a letter or digit follows."""
    return f"{written} " if after[:1].isalnum() else written
