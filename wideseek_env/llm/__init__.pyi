"""The names that `wideseek_env.llm` exports; each is imported when it is first used."""

from .client import ChatClient as ChatClient
from .retry import RetryPolicy as RetryPolicy
from .usage import Prices as Prices
from .usage import Usage as Usage
from .wire import ChatReply as ChatReply
from .wire import Message as Message
