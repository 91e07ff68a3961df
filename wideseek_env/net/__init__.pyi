"""The names that `wideseek_env.net` exports; each is imported when it is first used."""

from .address import AddressPolicy as AddressPolicy
from .errors import FetchError as FetchError
from .fetch import Fetcher as Fetcher
from .fetch import Request as Request
from .fetch import Response as Response
from .limits import Limits as Limits
from .limits import Retries as Retries
from .pace import Pace as Pace
from .secrets import Secret as Secret
from .store import Store as Store
from .urls import WebUrl as WebUrl
from .urls import parse_url as parse_url
