"""Notices to everyone."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

WAITING_AT_MOST = 1_000
"""So many notices wait for who iterates over them; of more the oldest are dropped, and counted in `missed`."""


@dataclass(frozen=True)
class Notice:
    """What somebody says to everyone who is connected."""

    text: str
    id: str


class Notices:
    """An iterator over the notices from now on, until the client is closed. Giving up a wait loses nothing."""

    def __init__(self) -> None:
        self.missed = 0
        """How many were dropped, since they were not read in time."""
        self._waiting: deque[Notice] = deque()
        self._is_over = False
        self._news = asyncio.Event()

    def __aiter__(self) -> Notices:
        return self

    async def __anext__(self) -> Notice:
        while not self._waiting:
            if self._is_over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    def _add(self, notice: Notice) -> None:
        if len(self._waiting) >= WAITING_AT_MOST:
            self._waiting.popleft()
            self.missed += 1
        self._waiting.append(notice)
        self._news.set()

    def _end(self) -> None:
        self._is_over = True
        self._news.set()
