"""Keeps a socket open whose token ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from .api import Api
from .errors import JobError
from .message import write

RENEW_AT = 0.8
"""A fresh ticket is given when so much of a token's time has passed, unless less than this is left."""
RENEW_BEFORE = 5.0
LONGEST = 86_400.0
"""The longest that a timer waits."""


class Renewal:
    """Gives fresh tickets, each before the token ends that the last one was bought with."""

    def __init__(self, api: Api, send: Callable[[str], None], ref: Callable[[], str]) -> None:
        self._api = api
        self._send = send
        self._ref = ref
        self.asked = ""
        """The mark of the last message that gave one."""

    async def run(self, ends_at: float) -> None:
        """Goes on as long as there is time; what is missed here, the close of the socket says."""
        while (left := ends_at - time.time()) >= RENEW_BEFORE:
            await asyncio.sleep(min(left * RENEW_AT, LONGEST))
            try:
                fresh = await self._api.ticket()
            except JobError:
                continue
            # The same token is no reason to speak of it.
            if fresh.ends_at != ends_at:
                self.asked = self._ref()
                payload = {"ticket": fresh.secret}
                self._send(write({"action": "authenticate", "payload": payload, "ref": self.asked}))
            if fresh.ends_at is None:
                return
            ends_at = fresh.ends_at
