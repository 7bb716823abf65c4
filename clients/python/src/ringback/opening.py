"""The opening of a socket, with a ticket where there are tokens."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from .api import Api, Ticket, refusal
from .connection import CLOSE_WITHIN, Connection, Ending
from .errors import JobError
from .settings import Settings
from .tokens import UNAUTHORIZED

OPEN_WITHIN = 10.0


async def open_socket(settings: Settings, api: Api) -> Connection | Ending:
    """A socket, or why there is none."""
    ticket = None
    if settings.tokens.are_given:
        # A socket is opened with a ticket, as that of a page: it is bought with a token and is good once.
        try:
            ticket = await api.ticket()
        except JobError as error:
            return Ending(str(error), is_unauthorized=error.code in UNAUTHORIZED, retry_after=error.retry_after)
    try:
        socket = await _connect(settings, ticket)
    except InvalidStatus as error:
        return _refused(error, with_ticket=ticket is not None)
    except (TimeoutError, asyncio.TimeoutError):
        return Ending("no answer to the handshake")
    except Exception as error:
        # Whatever it is, such as a proxy for which something is not installed: it may be mended while this client waits.
        return Ending(str(error) or type(error).__name__)
    return Connection(socket, ticket.ends_at if ticket is not None else None)


class _Opening(connect):
    """A ticket is for the gateway that was named, and would be sent to wherever a redirect leads."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _connect(settings: Settings, ticket: Ticket | None) -> connect:
    more: dict[str, Any] = {} if settings.ssl is None else {"ssl": settings.ssl}
    proxy: str | Literal[True] | None = settings.proxy or None
    return _Opening(
        settings.url,
        subprotocols=[Subprotocol("ringback"), Subprotocol(f"ringback.ticket.{ticket.secret}")] if ticket else None,
        compression=None,
        open_timeout=OPEN_WITHIN,
        # Whether it is there is found out by the connection: what is silent is asked, and nothing else.
        ping_interval=None,
        close_timeout=CLOSE_WITHIN,
        max_size=settings.max_message,
        proxy=proxy,
        **more,
    )


def _refused(error: InvalidStatus, *, with_ticket: bool) -> Ending:
    """What a gateway has against opening a socket, in its own words where there are some."""
    status, body = error.response.status_code, error.response.body
    if 300 <= status < 400:
        there = error.response.headers.get("Location", "nowhere")
        return Ending(f"the socket is not there, but perhaps at {there}; connect with that url, if it is to be trusted")
    try:
        answer = json.loads(body or b"")
    except (ValueError, RecursionError):
        answer = None
    problem = refusal("the wish to open a socket", status, answer)
    if with_ticket or status not in (401, 403):
        # A ticket that came too late says nothing of the token: the next socket has another.
        return Ending(str(problem), retry_after=problem.retry_after)
    why = "the gateway asks for a token; give one with the option token" if status == 401 else str(problem)
    return Ending(why, is_unauthorized=True)
