"""The wish to have the session on the socket that there is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ErrorItem
from .events import Place
from .later import is_passing
from .memory import Memory
from .message import Message, write
from .requests import Requests


class Resuming:
    """Asks for the session, until it is this socket's."""

    def __init__(self, memory: Memory, requests: Requests, post: Callable[[str], None]) -> None:
        self._memory = memory
        self._requests = requests
        self._post = post
        self._asked = ""
        self._refusals = 0
        self.have: Mapping[str, Place] = {}
        """Where this client is in texts, as far as the gateway was told that."""

    def ask(self) -> None:
        """Asks for the session; the less of it, the more often that was refused: then it may be that which is wrong."""
        payload: dict[str, Any] | None = None
        self.have = {}
        if self._memory.session is not None and self._refusals < 2:
            session, token = self._memory.session
            payload = {"session": session, "token": token}
            if self._refusals < 1:
                payload["have"] = self.have = self._requests.have
        self._asked = self._requests.ref()
        self._post(write({"action": "resume", "payload": payload, "ref": self._asked}))

    async def ask_later(self, errors: tuple[ErrorItem, ...]) -> None:
        """Asks once more, after the time that the errors say."""
        if not is_passing(errors):
            self._refusals += 1
        delay = max((error.retry_after or 1.0 for error in errors), default=1.0)
        await asyncio.sleep(delay * (1 + random.random() / 4))
        self.ask()

    def is_answered_by(self, message: Message) -> bool:
        """Whether this is the answer."""
        return message.ref is not None and message.ref == self._asked

    def was_too_large(self) -> None:
        """The gateway has closed the socket on it."""
        self._refusals += 1

    def done(self) -> None:
        """The session is this socket's."""
        self._refusals = 0
