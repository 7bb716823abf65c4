"""What has arrived, until the gateway is told so."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from .memory import REMEMBERED, Memory

ACK_AFTER = 0.1
"""Acknowledgements wait this long for others, and go in lists of at most so many."""
ACKS_AT_ONCE = 500
DOUBTED_AT_MOST = 20
"""So many of the latest lists are kept in case the gateway refuses one, since it has no other answer to them."""


class Receipts:
    """Acknowledges in batches, each when the memory of it is kept: what is not acknowledged comes again."""

    def __init__(
        self,
        memory: Memory,
        send: Callable[[dict[str, Any]], bool],
        ref: Callable[[], str],
        sent: Callable[[], None],
    ) -> None:
        self._memory = memory
        self._send = send
        self._ref = ref
        self._sent = sent
        # Where the store is slow, the oldest go unacknowledged: they come again, and are known.
        self._ids: deque[str] = deque(maxlen=REMEMBERED)
        self._doubted: dict[str, list[str]] = {}
        self._losses = 0
        self._is_news = False
        self._hurry = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    def add(self, *message_ids: str) -> None:
        """Messages have arrived."""
        self._is_news = True
        self._ids.extend(message_ids)
        if message_ids and len(self._ids) >= ACKS_AT_ONCE:
            self._hurry.set()
        if self._work is None:
            self._work = asyncio.create_task(self._acknowledge())

    def refused(self, ref: str) -> None:
        """The gateway has taken no note of that: it is told once more."""
        ids = self._doubted.pop(ref, [])
        if ids:
            self.add(*ids)

    def lost(self) -> None:
        """The socket is gone: what it brought comes again on the next, and is acknowledged there, not before."""
        self._losses += 1
        self._ids.clear()
        self._doubted.clear()

    async def finish(self) -> None:
        """Acknowledges what there is, without waiting for more."""
        self._hurry.set()
        if self._work is not None:
            await self._work

    async def _acknowledge(self) -> None:
        is_done = True
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), ACK_AFTER)
            while self._is_news and is_done:
                self._is_news = False
                ids, losses = list(self._ids), self._losses
                self._ids.clear()
                await self._memory.keep()
                while ids and is_done and losses == self._losses:
                    is_done = self._tell(ids[:ACKS_AT_ONCE])
                    if is_done:
                        del ids[:ACKS_AT_ONCE]
                if not is_done:
                    self._ids.extendleft(reversed(ids))
        finally:
            self._hurry.clear()
            self._work = None
        if is_done:
            self._sent()
        else:
            # There is no room on this socket now.
            self.add()

    def _tell(self, ids: list[str]) -> bool:
        ref = self._ref()
        if not self._send({"action": "ack", "payload": {"ids": ids}, "ref": ref}):
            return False
        self._doubted[ref] = ids
        if len(self._doubted) > DOUBTED_AT_MOST:
            del self._doubted[next(iter(self._doubted))]
        return True
