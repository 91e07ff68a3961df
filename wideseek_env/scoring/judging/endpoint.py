"""`OpenAIJudge`: asks a language model behind an OpenAI-compatible endpoint whether cells agree."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from wideseek_env.addresses import without_keys
from wideseek_env.errors import ConfigError
from wideseek_env.files import cache_folder
from wideseek_env.llm.budget import Endpoint, TokenBudget
from wideseek_env.llm.client import ChatClient
from wideseek_env.llm.retry import RetryPolicy
from wideseek_env.llm.usage import Prices, Usage
from wideseek_env.llm.wire import ChatReply
from wideseek_env.scoring.judging import prompts
from wideseek_env.scoring.judging.cache import Cache, JudgeCache
from wideseek_env.scoring.judging.reading import answers, as_choice, as_verdict
from wideseek_env.task import Language

Item = TypeVar("Item", bound=Hashable)

_LOG = logging.getLogger(__name__)
_CHARACTERS = (
    16_000  # characters of all cells in one request: with the instructions, this is well below 8k tokens
)
_MOST_KEYS = 500
_KEPT = 100
_SEED = 0


@dataclass(frozen=True, slots=True)
class JudgeUsage(Usage):
    """Counts the use of a judge: the fields of `Usage`, and the sources of its answers.

    cached: questions that the cache answered. asked: questions sent to the model. unreadable: sent questions whose
    answer could not be read, even after each was sent again alone. Their cells count as wrong.
    """

    cached: int = 0
    asked: int = 0
    unreadable: int = 0


class Unreadable(NamedTuple):
    """A question without a readable answer: the cells, and the beginning of the model's last reply."""

    column: str
    predicted: str
    gold: str
    reply: str


class OpenAIJudge:
    """A judge that asks a model, column by column, and caches the model's verdicts. The class is a `Judge` and a
    `KeyAligner`.

    All cells of a column that rules and the cache do not decide are sent in one request. If there are more than `batch`
    cells or their texts are long, there are several concurrent requests. Requests use temperature 0 and a fixed seed.
    If the judge cannot read the answer to a question, it sends the question again, alone. If that fails too, the cell
    counts as wrong. Then `usage` counts the question, `unreadable` lists it, and the log reports it. Such answers are
    not cached.

    The cache key consists of model, prompt version, language, `fields`, column, criterion and cells. The cache key does
    not include the URL. If a cell has more than 2,000 characters, the model sees only its beginning. `name` is
    ``openai:MODEL@v2``, where ``v2`` is the version of the prompts.

    `wideseek_env.errors.ServiceError` is raised when the endpoint refuses a request or all retries fail. The judge
    never makes up a verdict in such a case.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str = "OPENAI_API_KEY",
        cache: Cache | str | Path | None = None,
        aligns_keys: bool = True,
        language: Language | Literal["auto"] = "auto",
        batch: int = 50,
        structured: bool = False,
        fields: Mapping[str, Any] | None = None,
        prices: Prices | None = None,
        timeout: float = 120.0,
        concurrency: int = 8,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make a judge. This sends no request and opens no file.

        Args:
            base_url: The URL of the API, such as ``http://127.0.0.1:8000/v1``.
            model: The name of the model on the server.
            api_key_env: The name of the environment variable with the key.
            cache: The cache of answers, or the path of an SQLite file. None means ``judge/answers.sqlite`` in the
                user's cache folder (``WIDESEEK_CACHE``).
            aligns_keys: Whether `align_keys` asks the model. If False, `align_keys` finds no matches, and the judge's
                name shows this.
            language: The language of the instructions. With ``auto``, the instructions are Chinese if the criterion is
                Chinese. If there is no criterion, the column's name decides.
            batch: The most questions in one request.
            structured: Whether to ask the server to enforce a JSON schema for the reply.
            fields: Fields added to every request. The value None leaves a field out, for models that refuse
                ``temperature`` or ``seed``.
            prices: The prices from which the cost in `usage` is computed. None means that tokens cost nothing.
            timeout: The seconds that one request may take.
            concurrency: The most requests in flight at the same time.
            retry: When and how often failed requests are sent again. None means `RetryPolicy()`.
            sleep: Waits a number of seconds, for tests.

        Raises:
            ConfigError: A setting is out of range.
        """
        if batch < 1 or language not in ("auto", "en", "zh"):
            raise ConfigError(
                f"batch must be at least 1 and language auto, en or zh, not {batch}, {language!r}"
            )
        self._client = ChatClient(
            base_url,
            model,
            api_key_env=api_key_env,
            timeout=timeout,
            concurrency=concurrency,
            retry=retry,
            prices=prices,
            sleep=sleep,
        )
        if cache is None:
            cache = cache_folder() / "judge" / "answers.sqlite"
        self._cache = JudgeCache(cache) if isinstance(cache, str | Path) else cache
        self.aligns_keys = aligns_keys
        self.language = language
        self.batch = batch
        self.structured = structured
        self.fields = dict(fields or {})
        self.name = f"openai:{model}@{prompts.PROMPT_VERSION}" + ("" if aligns_keys else "(keys by rules)")
        self._start_counting()

    def __repr__(self) -> str:
        return f"OpenAIJudge({without_keys(self._client.base_url)!r}, {self._client.model!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value for name, value in vars(self).items() if name not in ("_lock", "_counts", "_kept")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start_counting()

    def _start_counting(self) -> None:
        self._lock = threading.Lock()
        self._counts = JudgeUsage()
        self._kept: deque[Unreadable] = deque(maxlen=_KEPT)

    @property
    def usage(self) -> JudgeUsage:
        """What this judge has used since it was made. In an unpickled judge, the counts start at zero."""
        with self._lock:
            return self._counts + JudgeUsage(**asdict(self._client.usage))

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The last questions (up to 100) whose answers could not be read."""
        return tuple(self._kept)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The service that this object uses."""
        return self._client.endpoints

    @property
    def token_budget(self) -> TokenBudget | None:
        """The budget that `limit_tokens` set."""
        return self._client.token_budget

    def limit_tokens(self, budget: TokenBudget) -> None:
        """Count tokens in `budget`. When it is used up, requests fail with `BudgetError`."""
        self._client.limit_tokens(budget)

    def close(self) -> None:
        """Close the connections. The judge can still be used after that."""
        self._client.close()

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """One verdict per (predicted, gold) pair, in their order. Raises `ServiceError` when the endpoint fails."""
        language = self._language(criterion, column)
        cells = [(prompts.shown(predicted), prompts.shown(gold)) for predicted, gold in pairs]

        def key(pair: tuple[str, str]) -> str:
            return self._key("verdicts", language, column, criterion, *pair)

        def document(part: Sequence[tuple[str, str]], ids: range) -> dict[str, Any]:
            return prompts.verdict_document(column, criterion, part, ids)

        decided = self._decide(
            _Questions(
                "verdicts", language, column, list(dict.fromkeys(cells)), key, document, as_verdict, 0
            ),
            lambda pair: pair,
        )
        return [bool(decided.get(pair, 0)) for pair in cells]

    def align_keys(self, column: str, predicted: Sequence[str], gold: Sequence[str]) -> dict[str, str]:
        """Maps predicted keys to the gold key that means the same. A predicted key without such a gold key is left out.

        At most 500 predicted keys are checked, to limit the cost of an answer with a million rows. Raises
        `ServiceError` when the endpoint fails.
        """
        if not self.aligns_keys:
            return {}
        names, mapping = list(dict.fromkeys(predicted)), {}
        if len(names) > _MOST_KEYS:
            _LOG.warning("only the first %d of %d keys of %r are aligned", _MOST_KEYS, len(names), column)
        left = names[:_MOST_KEYS]
        language = self._language(column)
        for reference in _parts(list(dict.fromkeys(gold)), 10**9, lambda text: len(prompts.shown(text))):
            texts = [prompts.shown(text) for text in reference]
            digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()

            def key(name: str, digest: str = digest) -> str:
                return self._key("keys", language, column, prompts.shown(name), digest)

            def document(part: Sequence[str], ids: range, texts: Sequence[str] = texts) -> dict[str, Any]:
                return prompts.keys_document(column, [prompts.shown(name) for name in part], texts, ids)

            def read(value: object, count: int = len(texts)) -> int | None:
                return as_choice(value, count)

            decided = self._decide(
                _Questions("keys", language, column, left, key, document, read, len(texts)),
                lambda name: (name, ""),
            )
            mapping.update({name: reference[choice - 1] for name, choice in decided.items() if choice})
            left = [name for name in left if name not in mapping]
        return {name: mapping[name] for name in names if name in mapping}

    def _decide(
        self, questions: _Questions[Item], cells: Callable[[Item], tuple[str, str]]
    ) -> dict[Item, int]:
        """The answer to each question that has one, from the cache or the model. `cells` returns the cells of a
        question, for reports."""
        keys = {item: questions.key(item) for item in questions.items}
        known = self._cache.get_many(keys.values())
        decided = {item: int(known[key]) for item, key in keys.items() if key in known}
        left = [item for item in questions.items if item not in decided]
        self._count(JudgeUsage(cached=len(decided), asked=len(left)))
        said: dict[Item, str] = {}

        def ask(batches: Sequence[Sequence[Item]], again: bool) -> None:
            ids = [prompts.numbers([keys[item] for item in part], len(part)) for part in batches]

            def take(number: int, reply: ChatReply) -> None:
                raw = answers(reply.text, ids[number])
                fresh: dict[Item, int] = {}
                for at, item in zip(ids[number], batches[number], strict=True):
                    value = questions.read(raw[at]) if at in raw else None
                    if value is None:
                        said[item] = reply.text
                    else:
                        fresh[item] = int(value)
                decided.update(fresh)
                self._cache.put_many({keys[item]: str(value) for item, value in fresh.items()})

            self._client.chat_many(
                [
                    prompts.conversation(
                        questions.kind, questions.language, questions.document(part, part_ids), again=again
                    )
                    for part, part_ids in zip(batches, ids, strict=True)
                ],
                [self._fields(questions, part_ids) for part_ids in ids],
                take,
            )

        ask(
            list(_parts(left, self.batch, lambda item: len(json.dumps(item, ensure_ascii=False)))),
            again=False,
        )
        ask([[item] for item in left if item not in decided], again=True)
        for item in left:
            if item not in decided:
                self._report(Unreadable(questions.column, *cells(item), said.get(item, "")[:500]))
        return decided

    def _fields(self, questions: _Questions[Item], ids: range) -> dict[str, Any]:
        fields: dict[str, Any] = {"temperature": 0, "seed": _SEED}
        if self.structured:
            fields["response_format"] = prompts.reply_schema(questions.kind, ids, questions.choices)
        return fields | self.fields

    def _report(self, question: Unreadable) -> None:
        self._count(JudgeUsage(unreadable=1))
        self._kept.append(question)
        _LOG.warning(
            "%s gave no readable answer about %r in column %r; it counts as wrong",
            self.name,
            question.predicted[:100],
            question.column,
        )

    def _count(self, usage: JudgeUsage) -> None:
        with self._lock:
            self._counts += usage

    def _language(self, *texts: str) -> Language:
        return prompts.language_of(*texts) if self.language == "auto" else self.language

    def _key(self, *parts: str) -> str:
        whole = [self._client.model, prompts.PROMPT_VERSION, self.structured, self.fields, *parts]
        return hashlib.sha256(json.dumps(whole, sort_keys=True, default=repr).encode()).hexdigest()


class _Questions(NamedTuple, Generic[Item]):
    """Questions of one kind about one column, with the functions that write their requests and read their answers."""

    kind: prompts.Question
    language: Language
    column: str
    items: Sequence[Item]
    key: Callable[[Item], str]
    document: Callable[[Sequence[Item], range], dict[str, Any]]
    read: Callable[[object], int | None]
    choices: int


def _parts(items: Sequence[Item], most: int, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """`items` in order, split into lists of at most `most` items and 16,000 characters. An item with more characters is
    a list by itself."""
    part: list[Item] = []
    length = 0
    for item in items:
        if part and (len(part) == most or length + size(item) > _CHARACTERS):
            yield part
            part, length = [], 0
        part.append(item)
        length += size(item)
    if part:
        yield part
