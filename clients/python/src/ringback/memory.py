"""What a client remembers beyond its sockets, and, in a store, beyond its process."""

from __future__ import annotations

import asyncio
import json
import logging

from .store import Store

REMEMBERED = 2_000
"""The ids that are remembered, so that what comes again is shown once: more than a session may leave unacknowledged.
Of more the oldest are forgotten."""

log = logging.getLogger("ringback")


class Memory:
    """The session, and which messages have arrived."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._seen: dict[str, None] = {}
        self._is_failing = False
        self.session: tuple[str, str] | None = None
        """The session and its token, which is a secret."""
        self._read()

    def began(self, session: str, token: str) -> None:
        """There is a session.

        It is written at once, and what else goes on waits for that: who is killed a moment later still has what it asks for
        from now on.
        """
        if self.session != (session, token):
            self.session = (session, token)
            if self._store is not None:
                self._write(self._store, self._text())

    def is_new(self, message_id: str) -> bool:
        """Notes that a message has arrived; answers whether it is the first time."""
        if message_id in self._seen:
            return False
        self._seen[message_id] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True

    async def keep(self) -> None:
        """Writes it to the store, beside everything else."""
        if self._store is not None and self.session is not None:
            await asyncio.to_thread(self._write, self._store, self._text())

    def _read(self) -> None:
        text = self._store.read() if self._store is not None else None
        if text is None:
            return
        try:
            kept = json.loads(text)
            session, token, seen = kept["session"], kept["token"], kept["seen"][-REMEMBERED:]
            if not isinstance(session, str) or not isinstance(token, str):
                raise TypeError
            self.session, self._seen = (session, token), dict.fromkeys(map(str, seen))
        except (ValueError, KeyError, TypeError):
            # What cannot be read is as good as nothing.
            log.warning("what is in the store is no session of ringback; a new one is begun")

    def _text(self) -> str:
        session, token = self.session or (None, None)
        return json.dumps({"session": session, "token": token, "seen": list(self._seen)})

    def _write(self, store: Store, text: str) -> None:
        try:
            store.write(text)
            self._is_failing = False
        except Exception as error:
            # It works on, and who comes after this process begins anew. It is said once, not with every batch.
            if not self._is_failing:
                log.warning("the session cannot be kept, and will be lost with this process: %s", error)
            self._is_failing = True
