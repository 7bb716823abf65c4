"""Where the tokens come from that say who this client is."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Union

from .apart import Apart
from .errors import JobError

TokenSource = Union[str, Callable[[], Union[str, Awaitable[str]]]]
"""A token, or a function that gives one, which may be async. One that is not is called in a thread, since it may block."""

UNAUTHORIZED = frozenset({"unauthorized", "forbidden"})
"""Errors after which only another token helps."""


class Tokens:
    """Asks for a token whenever one is needed."""

    def __init__(self, source: TokenSource | None) -> None:
        if isinstance(source, str):
            _check(source)
        elif source is not None and not callable(source):
            raise TypeError(f"token must be a str or a function that gives one, not {type(source).__name__}")
        self._source = source
        self._apart = Apart()

    @property
    def are_given(self) -> bool:
        """Whether there are any."""
        return self._source is not None

    async def current(self) -> str | None:
        """The token to use now. A `JobError` says why there is none."""
        source = self._source
        if source is None or isinstance(source, str):
            return source
        try:
            given = source() if _is_async(source) else await self._apart.call(source)
            token = await given if inspect.isawaitable(given) else given
            return _check(token)
        except Exception as error:
            code = {401: "unauthorized", 403: "forbidden"}.get(_status(error), "unavailable")
            raise JobError(f"there is no token: {str(error) or repr(error)}", code=code) from error


def _is_async(source: Callable[[], object]) -> bool:
    return inspect.iscoroutinefunction(source) or inspect.iscoroutinefunction(type(source).__call__)


def _check(token: Any) -> str:
    if not isinstance(token, str):
        raise TypeError(f"a token must be a str, not {type(token).__name__}")
    if not token or not token.isascii() or any(letter.isspace() for letter in token):
        raise ValueError("a token must be ASCII without spaces, and not empty; leave out what is around it")
    return token


def _status(error: Exception) -> int:
    """The status of an answer of HTTP that an error stands for, as the usual libraries have it."""
    response = getattr(error, "response", None)
    for found in (getattr(error, "status", None), getattr(response, "status_code", None)):
        if isinstance(found, int):
            return found
    return 0
