"""The configuration of a live corpus: a dictionary, a TOML file, or a name like ``live:searxng=https://…``."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from wideseek_env.corpus.base import Corpus
    from wideseek_env.corpus.live.engines import SearchEngine
    from wideseek_env.corpus.live.readers import PageReader
    from wideseek_env.net.fetch import Fetcher

PREFIX = "live"
# A comma separates settings only before a name with a value or before a switch. Other commas belong to values.
_SEPARATOR = re.compile(r",(?=[a-z_]+=|(?:serper|robots)(?:,|$))")
_ENGINES = ("serper", "searxng", "json")


@dataclass(frozen=True)
class LiveConfig:
    """The settings of a live corpus. API keys are not settings. They are read from the environment."""

    search: str = ""
    """The search engine: serper, searxng or json. With "", the engine is the one whose settings are given, or there is
    no search."""
    serper: bool = False
    """Short for `search = "serper"`."""
    searxng: str = ""
    """The URL of a SearXNG server."""
    json: str = ""
    """The URL of an endpoint that answers in JSON. The URL contains {query} and optionally {count}."""
    results: str = "results"
    """json: where the list of results is in the answer, as field names with dots between them."""
    url_field: str = "url"
    """json: the field with the URL of a result."""
    title_field: str = "title"
    """json: the field with the title of a result."""
    snippet_field: str = "snippet"
    """json: the field with the snippet of a result."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """json: headers to send. $NAME in a value is replaced by the value of that environment variable."""
    country: str = ""
    """serper: two-letter code of the country to search from."""
    language: str = ""
    """serper, searxng: code of the language to search in."""
    categories: str = ""
    """searxng: categories, separated by commas."""
    engines: str = ""
    """searxng: engines, separated by commas."""
    browse: str = "direct"
    """How pages are opened: direct, jina or none."""
    jina: str = ""
    """The URL of a Jina reader that you host."""
    cache: str = ""
    """The file in which answers are cached. "" for no cache."""
    cache_hours: float = 168.0
    """How long an answer is kept, in hours."""
    cache_mb: int = 2000
    """The largest size of the cache, in MB."""
    record: str = ""
    """The file in which all requests and answers are recorded."""
    replay: str = ""
    """The recording that answers all requests instead of the web. All other settings are then ignored."""
    robots: bool = False
    """Whether to refuse pages that a site's robots.txt forbids."""
    timeout: float = 20.0
    """The most seconds for opening a page, including redirects and retries. Keep this value below the timeout of the
    tool executor."""
    attempts: int = 3
    """How many times a request is tried, the first time included."""
    per_host: int = 4
    """The most requests to one host at the same time."""
    per_second: float = 0.0
    """The most requests to one host per second. 0 for no limit."""
    page_mb: float = 5.0
    """The largest size of a page as sent (maybe compressed), in MB."""
    workers: int = 8
    """The most searches at the same time."""
    user_agent: str = ""
    """The User-Agent header that is sent to sites."""
    ca_file: str = ""
    """A file with certificate authorities to trust instead of the usual ones."""
    name: str = ""
    """The name of the corpus in recorded runs."""

    def __post_init__(self) -> None:
        hints = get_type_hints(LiveConfig)
        for setting in dataclasses.fields(self):
            value, wanted = getattr(self, setting.name), hints[setting.name]
            kinds: tuple[type, ...] = {float: (int, float), bool: (bool,), int: (int,), str: (str,)}.get(
                wanted, (Mapping,)
            )
            if not isinstance(value, kinds) or (isinstance(value, bool) and wanted is not bool):
                raise ConfigError(
                    f"{setting.name} of a live corpus must be {_kind_name(wanted)}, not {value!r}"
                )
        if self.search not in ("", *_ENGINES):
            raise ConfigError(f"no search engine {self.search!r}; there are: {', '.join(_ENGINES)}")
        if self.browse not in ("direct", "jina", "none"):
            raise ConfigError(f"browse must be direct, jina or none, not {self.browse!r}")
        if self.record and self.replay:
            raise ConfigError("a live corpus cannot record and replay at the same time")
        if not (self.cache_hours > 0 and self.page_mb > 0 and self.cache_mb >= 0):
            raise ConfigError("cache_hours and page_mb must be above 0, and cache_mb must be 0 or more")

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> LiveConfig:
        """The settings in a mapping. Raises `ConfigError` for a name that does not exist or a value of the wrong
        type."""
        names = [setting.name for setting in dataclasses.fields(cls)]
        for name in settings:
            if name not in names:
                raise ConfigError(f"a live corpus has no setting {name!r}; there are: {', '.join(names)}")
        return cls(**settings)

    @classmethod
    def from_toml(cls, path: Path | str) -> LiveConfig:
        """The settings in the table `[live]` of a TOML file, or in the whole file when it has no such table."""
        try:
            with open(path, "rb") as file:
                settings = tomllib.load(file)
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"cannot read {path}: {error}") from None
        table = settings.get("live", settings)
        if not isinstance(table, dict):
            raise ConfigError(f"live in {path} must be a table")
        return cls.from_mapping(table)

    @classmethod
    def from_spec(cls, spec: str) -> LiveConfig:
        """The settings in ``live:key=value,…``. A key without a value is true. ``live:FILE.toml`` reads a file.
        Settings after the file name replace those of the file.

        Headers cannot be given in such a name.
        """
        kind, _, rest = spec.partition(":")
        if kind != PREFIX:
            raise ConfigError(f"the name of a live corpus must begin with {PREFIX}:, not {kind!r}")
        items = [item for item in _SEPARATOR.split(rest) if item]
        base = cls.from_toml(items.pop(0)) if items and items[0].endswith(".toml") else cls()
        hints = get_type_hints(cls)
        changes: dict[str, Any] = {}
        for item in items:
            name, equals, text = item.partition("=")
            wanted = hints.get(name)
            if wanted is None:
                cls.from_mapping({name: text})  # its error lists the settings
            if wanted not in (str, bool, int, float):
                raise ConfigError(f"{name} cannot be given in the name of a live corpus; use a TOML file")
            if equals and not text:
                raise ConfigError(f"{name}= in the name of a live corpus has no value")
            changes[name] = _converted(name, text if equals else "true", wanted)
        return dataclasses.replace(base, **changes)

    def open(self) -> Corpus:
        """Open the corpus. Raises `ConfigError` when something is missing, such as a key."""
        from wideseek_env.corpus.live.corpus import LiveCorpus
        from wideseek_env.corpus.live.recording import Recorder, Replay
        from wideseek_env.net.store import Store

        if self.replay:
            return Replay(self.replay)
        engine, reader = self._engine(), self._reader()
        cache = Store(self.cache, "cache", most_bytes=self.cache_mb * 1_000_000) if self.cache else None
        corpus = LiveCorpus(
            search=engine,
            browse=reader,
            cache=cache,
            keep=self.cache_hours * 3600,
            workers=self.workers,
            name=self.name,
        )
        # A pickle of the corpus has these settings. A recorder has its own file in its pickle.
        file, authorities = (text and str(Path(text).absolute()) for text in (self.cache, self.ca_file))
        corpus.reopen = dataclasses.replace(self, record="", cache=file, ca_file=authorities).open
        if not self.record:
            return corpus
        try:
            return Recorder(self.record, corpus)
        except BaseException:
            corpus.close()
            raise

    def _engine(self) -> SearchEngine | None:
        from wideseek_env.corpus.live import engines
        from wideseek_env.net.secrets import headers_from_config

        given = [kind for kind in _ENGINES if getattr(self, kind)]
        kind = self.search or (given[0] if given else "")
        if given and given != [kind]:
            raise ConfigError(f"a live corpus has one search engine, not {', '.join(sorted({kind, *given}))}")
        match kind:
            case "serper":
                target = engines.endpoint(engines.SERPER, "Serper")
                return engines.Serper(
                    country=self.country, language=self.language, fetcher=self._operators(target)
                )
            case "searxng":
                if not self.searxng:
                    raise ConfigError("say where the SearXNG server is: searxng=https://…")
                target = engines.endpoint(self.searxng, "SearXNG")
                return engines.SearXNG(
                    self.searxng,
                    language=self.language,
                    categories=self.categories,
                    engines=self.engines,
                    fetcher=self._operators(target),
                )
            case "json":
                if not self.json:
                    raise ConfigError("say which endpoint to search: json=https://…?q={query}")
                target = engines.endpoint(self.json, "a JSON search")
                return engines.JsonSearch(
                    self.json,
                    results=self.results,
                    fields=engines.Fields(self.url_field, self.title_field, self.snippet_field),
                    headers=headers_from_config(dict(self.headers)),
                    fetcher=self._operators(target),
                )
        return None

    def _reader(self) -> PageReader | None:
        from wideseek_env.corpus.live import engines, readers
        from wideseek_env.net.fetch import USER_AGENT
        from wideseek_env.net.robots import Robots
        from wideseek_env.net.secrets import secret_from_env

        if self.browse == "none":
            return None
        if self.jina or self.browse == "jina":
            url = self.jina or readers.JINA
            key = None
            if os.environ.get("JINA_API_KEY", "").strip():
                key = secret_from_env("JINA_API_KEY", purpose="the Jina reader")
            target = engines.endpoint(url, "the Jina reader")
            return readers.JinaReader(url=url, key=key, fetcher=self._operators(target, read=self.timeout))
        fetcher = self._fetcher()
        if not self.robots:
            return readers.DirectReader(fetcher)
        agent = (self.user_agent or USER_AGENT).split("/")[0].split(" ")[0]
        return readers.DirectReader(fetcher, Robots(self._fetcher(total=5.0, attempts=1), agent))

    def _operators(self, target: Any, read: float = 12.0) -> Fetcher:
        from wideseek_env.corpus.live.engines import operators_policy

        return self._fetcher(policy=operators_policy(target), read=read)

    def _fetcher(
        self, *, policy: Any = None, total: float = 0.0, attempts: int = 0, read: float = 12.0
    ) -> Fetcher:
        from wideseek_env.net.fetch import USER_AGENT, Fetcher
        from wideseek_env.net.limits import Limits, Retries
        from wideseek_env.net.pace import Pace

        body = int(self.page_mb * 1_000_000)
        return Fetcher(
            policy=policy,
            limits=Limits(total=total or self.timeout, body=body, unpacked=4 * body, read=read),
            retries=Retries(attempts=attempts or self.attempts),
            pace=Pace(self.per_host, self.per_second),
            user_agent=self.user_agent or USER_AGENT,
            ca_file=self.ca_file or None,
        )


def open_live(spec: str | Mapping[str, Any] | LiveConfig) -> Corpus:
    """The live corpus of a name (``live:…``), a dictionary of settings, or a `LiveConfig`."""
    if isinstance(spec, str):
        return LiveConfig.from_spec(spec).open()
    return (spec if isinstance(spec, LiveConfig) else LiveConfig.from_mapping(spec)).open()


def located_spec(spec: str, folder: Path) -> str:
    """The name ``live:…`` with absolute paths. Relative paths in it begin at `folder`."""
    items = _SEPARATOR.split(spec.partition(":")[2])
    for number, item in enumerate(items):
        name, equals, text = item.partition("=")
        if number == 0 and item.endswith(".toml"):
            items[0] = str(folder / item)
        elif equals and name in ("cache", "record", "replay", "ca_file"):
            items[number] = f"{name}={folder / text}"
    return f"{PREFIX}:{','.join(items)}"


def _converted(name: str, text: str, wanted: type) -> Any:
    if wanted is bool:
        if text not in ("true", "false"):
            raise ConfigError(f"{name} of a live corpus must be true or false, not {text!r}")
        return text == "true"
    try:
        return wanted(text)
    except ValueError:
        raise ConfigError(f"{name} of a live corpus must be {_kind_name(wanted)}, not {text!r}") from None


def _kind_name(wanted: Any) -> str:
    names = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
    return names.get(wanted, "a table of texts")
