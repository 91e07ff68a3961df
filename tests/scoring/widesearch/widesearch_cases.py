"""Hand-made answers and what the WideSearch benchmark's evaluation gives for them."""

from __future__ import annotations

from typing import Any, NamedTuple


class Case(NamedTuple):
    """A gold file and a response; `expected` is success, precision and recall by row, then by item."""

    name: str
    evaluation: str
    gold: str
    response: str
    expected: tuple[float, float, float, float, float]


def table(*rows: str, head: str = "name|city") -> str:
    names = head.split("|")
    lines = [names, ["---"] * len(names), *(row.split("|") for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def fence(text: str) -> str:
    return f"```markdown\n{text}\n```"


def _evaluation(*columns: str, keys: int = 1, **pipeline: dict[str, Any]) -> dict[str, Any]:
    return {"unique_columns": list(columns[:keys]), "required": list(columns), "eval_pipeline": pipeline}


_TEXT: dict[str, Any] = {"preprocess": ["norm_str"], "metric": ["exact_match"]}
_NUMBER: dict[str, Any] = {"preprocess": ["extract_number"], "metric": ["number_near"]}
_DATE: dict[str, Any] = {"preprocess": ["norm_date"], "metric": ["date_near"]}

EVALUATIONS: dict[str, dict[str, Any]] = {
    "text": _evaluation("name", "city", name=_TEXT, city=_TEXT),
    "raw": _evaluation("name", "city", name={"metric": []}, city={"metric": ["exact_match"]}),
    "two keys": _evaluation("name", "city", "size", keys=2, name=_TEXT, city=_TEXT, size=_TEXT),
    "number": _evaluation("name", "size", name=_TEXT, size={**_NUMBER, "criterion": 0.05}),
    "no criterion": _evaluation("name", "size", name=_TEXT, size=_NUMBER),
    "bare number": _evaluation(
        "name", "size", name=_TEXT, size={"metric": ["number_near"], "criterion": 0.05}
    ),
    "date": _evaluation("name", "born", name=_TEXT, born=_DATE),
    "exact date": _evaluation("name", "born", name=_TEXT, born={**_DATE, "metric": ["exact_match"]}),
    "url": _evaluation("name", "site", name=_TEXT, site={"preprocess": [], "metric": ["url_match"]}),
    "part": _evaluation("name", "city", name=_TEXT, city={**_TEXT, "metric": ["in_match"]}),
    "twice": _evaluation("name", "city", name=_TEXT, city={**_TEXT, "metric": ["exact_match", "in_match"]}),
    "unmeasured": _evaluation(
        "name", "city", name={**_TEXT, "metric": ["number_near"]}, city={**_TEXT, "metric": []}
    ),
    "number key": _evaluation("name", "city", name=_NUMBER, city=_TEXT),
    "chinese": _evaluation("城市", "人口", 城市=_TEXT, 人口={**_NUMBER, "criterion": 0.1}),
}

PLAIN = "name,city\nAlice,Paris\nBob,Rome\n"
ALICE, BOB = "Alice|Paris", "Bob|Rome"
SIZES, NAME_SIZE = "name,size\nAlice,100\nBob,200\n", "name|size"
BORN, NAME_BORN = "name,born\nAlice,2020-03-14\n", "name|born"
SITES, NAME_SITE = "name,site\nAlice,https://a.org/x\nBob,http://b.org\n", "name|site"
TWO_KEYS, THREE = "name,city,size\nAlice,Paris,1\nAlice,Rome,2\nBob,Rome,3\n", "name|city|size"

CASES = (
    Case("perfect", "text", PLAIN, fence(table(ALICE, BOB)), (1, 1, 1, 1, 1)),
    Case("without a fence", "text", PLAIN, table(ALICE, BOB), (1, 1, 1, 1, 1)),
    Case("prose around pipes", "text", PLAIN, "I found:\n" + table(ALICE, BOB) + "\nDone.", (1, 1, 1, 1, 1)),
    Case("prose with a pipe before", "text", PLAIN, "a | b\n\n" + table(ALICE, BOB), (0, 0, 0, 0, 0)),
    Case(
        "first of two fences",
        "text",
        PLAIN,
        fence(table(ALICE)) + "\n" + fence(table(ALICE, BOB)),
        (0, 1, 1 / 2, 1, 1 / 2),
    ),
    Case(
        "fence beats pipes",
        "text",
        PLAIN,
        table(ALICE, BOB) + "\n" + fence(table(ALICE)),
        (0, 1, 1 / 2, 1, 1 / 2),
    ),
    Case(
        "first of two pipe tables",
        "text",
        PLAIN,
        table(ALICE) + "\n\n" + table(ALICE, BOB),
        (0, 1, 1 / 2, 1, 1 / 2),
    ),
    Case(
        "fence of another language", "text", PLAIN, "```md\n" + table(ALICE, BOB) + "\n```", (1, 1, 1, 1, 1)
    ),
    Case("unclosed fence", "text", PLAIN, "```markdown\n" + table(ALICE, BOB), (1, 1, 1, 1, 1)),
    Case("empty fence", "text", PLAIN, "```markdown\n```\n" + table(ALICE, BOB), (0, 0, 0, 0, 0)),
    Case("empty response", "text", PLAIN, "", (0, 0, 0, 0, 0)),
    Case("no table", "text", PLAIN, "Alice is in Paris.", (0, 0, 0, 0, 0)),
    Case("three pipes", "text", PLAIN, "|name|city|", (0, 0, 0, 0, 0)),
    Case("header only", "text", PLAIN, fence(table()), (0, 0, 0, 0, 0)),
    Case(
        "indented rows without a fence",
        "text",
        PLAIN,
        table(ALICE, BOB).replace("\n| Bob", "\n  | Bob"),
        (0, 1, 1 / 2, 1, 1 / 2),
    ),
    Case("no ruling line", "text", PLAIN, fence("|name|city|\n|Alice|Paris|\n|Bob|Rome|"), (1, 1, 1, 1, 1)),
    Case(
        "no outer pipes", "text", PLAIN, fence("name|city\n---|---\nAlice|Paris\nBob|Rome"), (1, 1, 1, 1, 1)
    ),
    Case("windows line ends", "text", PLAIN, fence(table(ALICE, BOB)).replace("\n", "\r\n"), (1, 1, 1, 1, 1)),
    Case(
        "prose inside the fence",
        "text",
        PLAIN,
        fence("Here:\n" + table(ALICE, BOB) + "\nthat is all"),
        (1, 1, 1, 1, 1),
    ),
    Case("row of dashes", "text", PLAIN, fence(table(ALICE, BOB, "-|-")), (1, 1, 1, 1, 1)),
    Case("missing column", "text", PLAIN, fence(table("Alice", "Bob", head="name")), (0, 0, 0, 0, 0)),
    Case(
        "extra column",
        "text",
        PLAIN,
        fence(table("Alice|Paris|1", "Bob|Rome|2", head="name|city|x")),
        (0, 0, 0, 0, 0),
    ),
    Case(
        "repeated column",
        "text",
        PLAIN,
        fence(table("Alice|Paris|Paris", "Bob|Rome|Rome", head="name|city|city")),
        (0, 0, 0, 0, 0),
    ),
    Case(
        "columns that differ by case",
        "text",
        PLAIN,
        fence("So:\n|name|city|City|\n|Alice|Paris|Paris|\n|Bob|Rome|Rome|"),
        (0, 0, 0, 0, 0),
    ),
    Case(
        "reordered columns",
        "text",
        PLAIN,
        fence(table("Paris|Alice", "Rome|Bob", head="city|name")),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "case and spaces in names",
        "text",
        PLAIN,
        fence(table(ALICE, BOB, head="Na me|CITY")),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "unnamed column",
        "text",
        PLAIN,
        fence(table("Alice|Paris|1", "Bob|Rome|2", head="name|city|")),
        (1, 1, 1, 1, 1),
    ),
    Case("renamed column", "text", PLAIN, fence(table(ALICE, BOB, head="person|city")), (0, 0, 0, 0, 0)),
    Case("reordered rows", "text", PLAIN, fence(table(BOB, ALICE)), (1, 1, 1, 1, 1)),
    Case("missing row", "text", PLAIN, fence(table(ALICE)), (0, 1, 1 / 2, 1, 1 / 2)),
    Case("extra row", "text", PLAIN, fence(table(ALICE, BOB, "Carol|Oslo")), (0, 2 / 3, 1, 2 / 3, 1)),
    Case("wrong cell", "text", PLAIN, fence(table(ALICE, "Bob|Oslo")), (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4)),
    Case("no key matches", "text", PLAIN, fence(table("Carol|Paris", "Dora|Rome")), (0, 0, 0, 0, 0)),
    Case(
        "exact duplicate keeps the first",
        "text",
        PLAIN,
        fence(table("Alice|Oslo", ALICE, BOB)),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "variants of a key all count",
        "text",
        PLAIN,
        fence(table(ALICE, "alice|Paris", "*Alice*|Paris", BOB)),
        (0, 1, 2, 1, 2),
    ),
    Case("spaces inside a key", "text", PLAIN, fence(table("A l i c e|Paris", BOB)), (1, 1, 1, 1, 1)),
    Case(
        "gold keys that differ by case",
        "text",
        "name,city\nAlice,Paris\nALICE,Paris\nBob,Rome\n",
        fence(table(ALICE, BOB)),
        (0, 3 / 2, 1, 3 / 2, 1),
    ),
    Case(
        "gold duplicates count once",
        "text",
        "name,city\nAlice,Paris\nAlice,Rome\nBob,Rome\n",
        fence(table(ALICE, BOB)),
        (1, 1, 1, 1, 1),
    ),
    Case("bold cells", "text", PLAIN, fence(table("**Alice**|**Paris**", BOB)), (1, 1, 1, 1, 1)),
    Case(
        "accents matter",
        "text",
        "name,city\nAlice,Orléans\nBob,Rome\n",
        fence(table("Alice|Orleans", BOB)),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "non-breaking space",
        "text",
        PLAIN,
        fence(table("Alice|Par\xa0is", BOB)),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "empty cells are nan",
        "text",
        "name,city\nAlice,\nBob,Rome\n",
        fence(table("Alice|N/A", BOB)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "None and null are nan",
        "text",
        "name,city\nAlice,None\nBob,null\n",
        fence(table("Alice|nan", "Bob|")),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "nan is text",
        "text",
        "name,city\nAlice,\nBob,Rome\n",
        fence(table("Alice|-", BOB)),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "zeros before numbers",
        "text",
        "name,city\nAlice,7\nBob,8\n",
        fence(table("Alice|007", "Bob|+8")),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "an empty cell makes floats",
        "text",
        "name,city\nAlice,7\nBob,8\n",
        fence(table("Alice|7", "Bob|")),
        (0, 0, 0, 1 / 2, 1 / 2),
    ),
    Case(
        "a word keeps numbers text",
        "text",
        "name,city\nAlice,7\nBob,8\n",
        fence(table("Alice|007", "Bob|x")),
        (0, 0, 0, 1 / 2, 1 / 2),
    ),
    Case(
        "a float makes floats",
        "text",
        "name,city\nAlice,7\nBob,8.5\n",
        fence(table("Alice|7", "Bob|8.50")),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "true and TRUE",
        "text",
        "name,city\nAlice,true\nBob,False\n",
        fence(table("Alice|TRUE", "Bob|FALSE")),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "truth beside a word",
        "raw",
        "name,city\nAlice,true\nBob,False\n",
        fence(table("Alice|TRUE", "Bob|no")),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "thousands separator is text",
        "text",
        "name,city\nAlice,1000\nBob,2\n",
        fence(table("Alice|1,000", "Bob|2")),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "beyond 64 bits",
        "raw",
        "name,city\nAlice,99999999999999999999\nBob,2\n",
        fence(table("Alice|099999999999999999999", "Bob|2")),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "long decimals",
        "raw",
        "name,city\nAlice,0.1000000000000000055\nBob,2.5\n",
        fence(table("Alice|0.1", "Bob|2.50")),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "exponents",
        "raw",
        "name,city\nAlice,1e3\nBob,2.5\n",
        fence(table("Alice|1000", "Bob|2.5")),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "escaped pipe",
        "text",
        "name,city\nAlice,a|b\nBob,Rome\n",
        fence("|name|city|\n|---|---|\n|Alice|a\\|b|\n|Bob|Rome|"),
        (0, 0, 0, 0, 0),
    ),
    Case("row too long", "text", PLAIN, fence("|name|city|\n|Alice|Paris|\n|Bob|Rome|x|"), (0, 0, 0, 0, 0)),
    Case(
        "first row too long",
        "text",
        PLAIN,
        fence("|name|city|\n|Alice|Paris|x|\n|Bob|Rome|"),
        (0, 0, 0, 0, 0),
    ),
    Case(
        "row too short",
        "text",
        PLAIN,
        fence("|name|city|\n|Alice|Paris|\n|Bob|"),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case("an odd quote", "text", PLAIN, fence(table('Alice|"Paris', BOB)), (0, 0, 0, 0, 0)),
    Case("quoted cell", "text", PLAIN, fence(table('Alice|"Paris"', BOB)), (1, 1, 1, 1, 1)),
    Case(
        "quote inside a cell",
        "text",
        'name,city\nAlice,"5"" disk"\nBob,Rome\n',
        fence(table('Alice|5" disk', BOB)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "two keys",
        "two keys",
        TWO_KEYS,
        fence(table("Alice|Paris|1", "Alice|Rome|2", "Bob|Rome|3", head=THREE)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "one of two keys wrong",
        "two keys",
        TWO_KEYS,
        fence(table("Alice|Oslo|1", "Alice|Rome|2", "Bob|Rome|9", head=THREE)),
        (0, 1 / 3, 1 / 3, 5 / 9, 5 / 9),
    ),
    Case(
        "within tolerance",
        "number",
        SIZES,
        fence(table("Alice|105", "Bob|about 190 m", head=NAME_SIZE)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "beyond tolerance",
        "number",
        SIZES,
        fence(table("Alice|106", "Bob|200", head=NAME_SIZE)),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "thousands in numbers",
        "number",
        "name,size\nAlice,1234\nBob,2\n",
        fence(table("Alice|1,234", "Bob|2 units", head=NAME_SIZE)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "percent is a fraction",
        "number",
        "name,size\nAlice,0.5\nBob,50%\n",
        fence(table("Alice|50%", "Bob|50", head=NAME_SIZE)),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "no digits on both sides",
        "number",
        "name,size\nAlice,none known\nBob,2\n",
        fence(table("Alice|unknown", "Bob|2", head=NAME_SIZE)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "no digits on one side",
        "number",
        SIZES,
        fence(table("Alice|many", "Bob|200", head=NAME_SIZE)),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "gold zero needs equality",
        "number",
        "name,size\nAlice,0\nBob,0\n",
        fence(table("Alice|0.0", "Bob|0.001", head=NAME_SIZE)),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "no criterion fails",
        "no criterion",
        SIZES,
        fence(table("Alice|100", "Bob|200", head=NAME_SIZE)),
        (0, 0, 0, 0, 0),
    ),
    Case(
        "no criterion without numbers",
        "no criterion",
        "name,size\nAlice,x\nBob,y\n",
        fence(table("Alice|-", "Bob|?", head=NAME_SIZE)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "nan is no number",
        "bare number",
        "name,size\nAlice,\nBob,2\n",
        fence(table("Alice|", "Bob|2", head=NAME_SIZE)),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "underscores are numbers",
        "bare number",
        "name,size\nAlice,1000\nBob,2\n",
        fence(table("Alice|1_000", "Bob|2", head=NAME_SIZE)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "date in words", "date", BORN, fence(table("Alice|March 14, 2020", head=NAME_BORN)), (1, 1, 1, 1, 1)
    ),
    Case("date day first", "date", BORN, fence(table("Alice|14 Mar 2020", head=NAME_BORN)), (1, 1, 1, 1, 1)),
    Case(
        "date with slashes", "date", BORN, fence(table("Alice|03/14/2020", head=NAME_BORN)), (1, 1, 1, 1, 1)
    ),
    Case(
        "date in Chinese", "date", BORN, fence(table("Alice|2020年3月14日", head=NAME_BORN)), (1, 1, 1, 1, 1)
    ),
    Case("month only", "date", BORN, fence(table("Alice|March 2020", head=NAME_BORN)), (1, 1, 1, 1, 1)),
    Case("date with dots", "date", BORN, fence(table("Alice|2020.3.14", head=NAME_BORN)), (1, 1, 1, 1, 1)),
    Case("thirty-one days", "date", BORN, fence(table("Alice|2020-04-14", head=NAME_BORN)), (1, 1, 1, 1, 1)),
    Case(
        "thirty-two days",
        "date",
        BORN,
        fence(table("Alice|2020-04-15", head=NAME_BORN)),
        (0, 0, 0, 1 / 2, 1 / 2),
    ),
    Case(
        "no dates on both sides",
        "date",
        "name,born\nAlice,long ago\n",
        fence(table("Alice|unclear", head=NAME_BORN)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "no date on one side",
        "date",
        BORN,
        fence(table("Alice|unclear", head=NAME_BORN)),
        (0, 0, 0, 1 / 2, 1 / 2),
    ),
    Case(
        "date with a time zone",
        "date",
        BORN,
        fence(table("Alice|2020-03-14T10:00:00Z", head=NAME_BORN)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "unmatched key with dates only",
        "date",
        BORN,
        fence(table("Bob|2020-03-14", head=NAME_BORN)),
        (0, 0, 0, 0, 0),
    ),
    Case(
        "dates made equal",
        "exact date",
        BORN,
        fence(table("Alice|14th March, 2020", head=NAME_BORN)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "months are their first day",
        "exact date",
        "name,born\nAlice,2020-03-01\n",
        fence(table("Alice|Mar 2020", head=NAME_BORN)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "same host",
        "url",
        SITES,
        fence(table("Alice|http://a.org/other?q=1", "Bob|[b](https://b.org/x)", head=NAME_SITE)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "www is another host",
        "url",
        SITES,
        fence(table("Alice|https://www.a.org", "Bob|b.org", head=NAME_SITE)),
        (0, 0, 0, 1 / 2, 1 / 2),
    ),
    Case(
        "no address on both sides",
        "url",
        "name,site\nAlice,none\nBob,http://b.org\n",
        fence(table("Alice|a.org", "Bob|http://b.org", head=NAME_SITE)),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "broken address fails",
        "url",
        SITES,
        fence(table("Alice|https://[a", "Bob|http://b.org", head=NAME_SITE)),
        (0, 0, 0, 0, 0),
    ),
    Case(
        "part of gold",
        "part",
        "name,city\nAlice,Paris and London\nBob,Rome\n",
        fence(table("Alice|London", "Bob|Rome and Oslo")),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case(
        "nothing is no part",
        "part",
        "name,city\nAlice,Paris\nBob,Rome\n",
        fence(table("Alice|", "Bob|Rome")),
        (0, 1 / 2, 1 / 2, 3 / 4, 3 / 4),
    ),
    Case("two metrics count twice", "twice", PLAIN, fence(table(ALICE, BOB)), (0, 1, 1, 3 / 2, 3 / 2)),
    Case(
        "a column without metrics",
        "unmeasured",
        PLAIN,
        fence(table(ALICE, "Bob|Oslo")),
        (0, 1, 1, 1 / 2, 1 / 2),
    ),
    Case("whole tables equal", "unmeasured", PLAIN, fence(table(ALICE, BOB)), (1, 1, 1, 1 / 2, 1 / 2)),
    Case(
        "keys by number",
        "number key",
        "name,city\nNo. 1,Paris\nNo. 2,Rome\n",
        fence(table("1|Paris", "2 |Rome")),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "keys without a number are all one",
        "number key",
        "name,city\nx,Paris\ny,Rome\n",
        fence(table("a|Paris", "b|Rome")),
        (1, 1, 1, 3 / 2, 3 / 2),
    ),
    Case(
        "Chinese headers",
        "chinese",
        "城市,人口\n北京,2154\n上海,2487\n",
        fence(table("北京|2150万", "上海|2487 万", head="城 市|人口")),
        (1, 1, 1, 1, 1),
    ),
    Case(
        "full-width digits",
        "chinese",
        "城市,人口\n北京,2154\n上海,2487\n",
        fence(table("北京|２１５４", "上海|2487", head="城市|人口")),
        (1, 1, 1, 1, 1),
    ),
    Case("empty gold and empty answer", "unmeasured", "name,city\n", fence(table()), (1, 0, 0, 0, 0)),
    Case("answer to an empty gold table", "text", "name,city\n", fence(table(ALICE)), (0, 0, 0, 0, 0)),
)
