"""What a client is told when it is made, checked there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import urlsplit

from .store import Store
from .tokens import TokenSource, Tokens

if TYPE_CHECKING:
    from typing_extensions import Unpack

SOCKET_PATH = "/ws/system/"
RETRY_FIRST = 0.5
RETRY_MOST = 15.0
MESSAGE_AT_MOST = 64 * 1024 * 1024


class Options(TypedDict, total=False):
    """What may be said beside the address of the socket."""

    token: TokenSource | None
    """For a gateway that asks for one. A function is asked whenever one is needed, and should then give one that is still
    good for a while; when it raises an error whose `status`, or `response.status_code`, is 401 or 403, the state is
    `unauthorized`."""
    store: Store | None
    """Where the session is kept; in memory, if this does not say."""
    ssl: SSLContext | None
    """Whom to trust, where that is not what the system trusts."""
    proxy: str | bool
    """Through which HTTP proxy it goes, with the socket as with HTTP: `True`, if this does not say, for what the system and
    the environment (`HTTPS_PROXY`, `NO_PROXY`) say, `False` for none, or the address of one."""
    retry_first: float
    """The shortest time between two sockets, in seconds."""
    retry_most: float
    """The longest."""
    max_message: int
    """A message of more bytes, such as a huge result, ends the socket, and does so again when it comes again."""


@dataclass(frozen=True)
class Settings:
    """Options that make sense."""

    url: str
    tokens: Tokens
    store: Store | None
    ssl: SSLContext | None
    proxy: str | bool
    retry_first: float
    retry_most: float
    max_message: int

    @classmethod
    def of(cls, url: str, **options: Unpack[Options]) -> Settings:
        """Checks them. What makes no sense raises a `ValueError` or a `TypeError` that says what to do."""
        unknown = set(options) - set(Options.__annotations__)
        if unknown:
            names = ", ".join(sorted(Options.__annotations__))
            raise TypeError(f"connect has no option {sorted(unknown)[0]!r}; it has {names}")
        first = _time("retry_first", options.get("retry_first", RETRY_FIRST))
        most = _time("retry_most", options.get("retry_most", RETRY_MOST))
        if most < first:
            raise ValueError(f"retry_most ({most}) must not be less than retry_first ({first})")
        size = options.get("max_message", MESSAGE_AT_MOST)
        if type(size) is not int or size < 1:
            raise ValueError("max_message must be a number of bytes, 1 or more")
        store, ssl = options.get("store"), options.get("ssl")
        if store is not None and not (callable(getattr(store, "read", None)) and callable(getattr(store, "write", None))):
            raise TypeError(f"store must have read() and write(text), as FileStore(path) has; not {type(store).__name__}")
        if ssl is not None and not isinstance(ssl, SSLContext):
            raise TypeError(f"ssl must be an ssl.SSLContext, not {type(ssl).__name__}")
        tokens, proxy = Tokens(options.get("token")), _proxy(options.get("proxy", True))
        return cls(_socket(url), tokens, store, ssl, proxy, first, most, size)


def _socket(url: Any) -> str:
    example = f"such as ws://127.0.0.1:8000{SOCKET_PATH}"
    if not isinstance(url, str):
        raise TypeError(f"url must be a str that names the socket, {example}; not {type(url).__name__}")
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"url must name the socket, {example}, and begin with ws:// or wss://; it is {url!r}")
    if not parts.path.endswith(SOCKET_PATH) or parts.query or parts.fragment:
        raise ValueError(f"url must end with {SOCKET_PATH}, {example}; it is {url!r}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url must not have a name and a password in it; give a token with the option token")
    _ = parts.port
    return url


def _proxy(value: Any) -> str | bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise TypeError(f"proxy must be True, False or the address of one, not {type(value).__name__}")
    parts = urlsplit(value)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"proxy must be the address of an HTTP proxy, such as http://127.0.0.1:3128; it is {value!r}")
    return value


def _time(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a number of seconds, over 0")
    return float(value)
