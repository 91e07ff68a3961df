"""`OpenAIJudge`: a language model behind an OpenAI-compatible endpoint decides whether cells agree."""

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

from wideseek_env.errors import ConfigError
from wideseek_env.files import cache_folder
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
_CHARACTERS = 16_000  # of cells in one request: with the instructions, well inside an 8k-token context
_MOST_KEYS = 500
_KEPT = 100
_SEED = 0


@dataclass(frozen=True, slots=True)
class JudgeUsage(Usage):
    """What a judge used, beside `Usage`: where its answers came from.

    cached: questions answered by the cache. asked: questions put to the model. unreadable: those of them
    whose answer could not be read even when they were put once more alone; they count as wrong.
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
    """Asks a model, column by column, and remembers its verdicts. A `Judge` and a `KeyAligner`.

    All open cells of a column go into one request (several, sent concurrently, when there are more than
    `batch` or their texts are long), at temperature 0 and with a fixed seed. A question whose answer cannot
    be read is put once more, alone; if that fails too, the cell is wrong, which `usage` counts, `unreadable`
    shows and the log says. Such answers are not cached.

    The cache is keyed by model, prompt version, language, `fields`, column, criterion and cells, not by the
    address. A cell of more than 2,000 characters is judged by its beginning. `name` is
    ``openai:MODEL@v1``, where ``v1`` is the version of the prompts.

    Raises `wideseek_env.errors.ServiceError` when the endpoint refuses or keeps failing: a verdict is never
    made up for a server that is down.
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
        """Nothing is sent and no file is touched yet.

        Args:
            base_url, model, api_key_env, timeout, concurrency, retry, prices, sleep: See `ChatClient`.
            cache: Where answers are remembered: a cache, or the path of an SQLite file. None is
                ``judge/answers.sqlite`` in the user's cache folder (``WIDESEEK_CACHE``).
            aligns_keys: Whether `align_keys` asks the model; otherwise it finds nothing, and the name says so.
            language: Of the instructions; ``auto`` takes Chinese where the criterion (else the column) is.
            batch: Most questions in one request.
            structured: Ask the server to enforce the form of the reply by a JSON schema.
            fields: Added to every request. A value of None leaves a field out, for models that refuse
                ``temperature`` or ``seed``.

        Raises:
            ConfigError: a setting out of range.
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
        return f"OpenAIJudge({self._client.base_url!r}, {self._client.model!r})"

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
        """What this judge has used since it was made (an unpickled one starts at zero)."""
        with self._lock:
            return self._counts + JudgeUsage(**asdict(self._client.usage))

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The last questions (up to 100) whose answers could not be read."""
        return tuple(self._kept)

    def close(self) -> None:
        """Close the connections; the judge can still be used."""
        self._client.close()

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """One verdict a (predicted, gold) pair; see `Judge`. `ServiceError` when the endpoint fails."""
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
        """The gold key that denotes what a predicted key denotes, for those that have one; see `KeyAligner`.

        At most 500 predicted keys are looked at, so that an answer of a million rows has no price.
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
        """The answer to each question that has one, from the cache or the model; `cells` is for reports."""
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
    """Questions of one kind about one column, and how they are put and read."""

    kind: prompts.Question
    language: Language
    column: str
    items: Sequence[Item]
    key: Callable[[Item], str]
    document: Callable[[Sequence[Item], range], dict[str, Any]]
    read: Callable[[object], int | None]
    choices: int


def _parts(items: Sequence[Item], most: int, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """`items` in order, in lists of at most `most` items and, unless one alone is longer, 16,000 characters."""
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
