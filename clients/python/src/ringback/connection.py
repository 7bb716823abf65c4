"""One socket: what is written to it and read from it, and whether it is still there."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

PING_AFTER = 20.0
"""A socket on which nothing is heard for this long is asked whether it is there."""
PONG_WITHIN = 10.0
CLOSE_WITHIN = 2.0
"""So long the gateway may take to read what is written last, and to answer a close."""
OUTBOX_AT_MOST = 10_000
"""While so many frames wait, none is taken from outside: jobs and cancels, of each of which there are fewer, come first."""


@dataclass(frozen=True)
class Ending:
    """Why there is no socket any more, or none yet."""

    why: str
    is_final: bool = False
    """The gateway has said not to come back."""
    is_unauthorized: bool = False
    too_large: int = 0
    """How many bytes the largest frame had, where something was sent that was too large for the gateway to read past."""
    retry_after: float = 0.0
    was_open: bool = False


class Connection:
    """A socket that is open."""

    def __init__(self, socket: ClientConnection, ends_at: float | None) -> None:
        self.ends_at = ends_at
        """When the token ends that it was opened with, in seconds since 1970; none, where it does not."""
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._outbox: deque[str] = deque()
        self._largest = 0
        self._waits = asyncio.Event()
        self._lost = ""

    @property
    def is_full(self) -> bool:
        """Whether too much waits already."""
        return len(self._outbox) >= OUTBOX_AT_MOST

    def send(self, text: str) -> None:
        """Writes a frame as soon as what was to be written before is."""
        self._outbox.append(text)
        self._largest = max(self._largest, len(text.encode()))
        self._waits.set()

    def lose(self, why: str) -> None:
        """Gives it up, whether or not the gateway hears of that."""
        self._lost = self._lost or why
        self._socket.transport.abort()

    async def converse(self, hear: Callable[[str], None]) -> Ending:
        """Reads and writes until it has ended."""
        beside = [asyncio.create_task(self._write()), asyncio.create_task(self._watch())]
        try:
            while True:
                frame = await self._socket.recv()
                self._heard_at = self._loop.time()
                # A binary frame is nothing that this client knows.
                if isinstance(frame, str):
                    hear(frame)
        except ConnectionClosed as closed:
            return self._ending(closed)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self._socket.transport.abort()

    async def close(self) -> None:
        """Writes what waits, says goodbye, and waits for the answer, but not for long."""
        with contextlib.suppress(asyncio.TimeoutError, ConnectionClosed):
            await asyncio.wait_for(self._written(), CLOSE_WITHIN)
        await self._socket.close()

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._waits.wait()
                await self._written()

    async def _written(self) -> None:
        while self._outbox:
            await self._socket.send(self._outbox.popleft())
        self._waits.clear()

    async def _watch(self) -> None:
        """Finds out whether a socket that is silent is there."""
        while True:
            silence = self._loop.time() - self._heard_at
            if silence < PING_AFTER:
                await asyncio.sleep(PING_AFTER - silence)
                continue
            asked = self._loop.time()
            self.send(json.dumps({"action": "ping"}))
            await asyncio.sleep(PONG_WITHIN)
            # Where the program itself was busy for long, what has come is not read yet: it is asked again.
            is_late = self._loop.time() - asked > PONG_WITHIN + 1
            if self._heard_at < asked and not is_late:
                return self.lose("no pong in time")

    def _ending(self, closed: ConnectionClosed) -> Ending:
        if self._lost:
            return Ending(self._lost, was_open=True)
        if closed.sent is not None and closed.sent.code == 1009 and not closed.rcvd_then_sent:
            return Ending("a message was larger than max_message", was_open=True)
        if closed.rcvd is None:
            return Ending("it was cut", was_open=True)
        code, reason = closed.rcvd.code, closed.rcvd.reason
        is_final = code >= 4000 and reason.endswith("do not come back")
        too_large = self._largest if code == 1009 else 0
        return Ending(reason or f"code {code}", is_final, too_large=too_large, was_open=True)
