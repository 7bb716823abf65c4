"""What a client remembers beyond its sockets, and, in a store, beyond its process."""

from __future__ import annotations

import json
import logging
import threading

from .apart import Apart
from .store import Store
from .told import Account

REMEMBERED = 2_000
"""The ids that are remembered, so that what comes again is shown once: more than a session may leave unacknowledged.
Of more the oldest are forgotten."""

WRITE_WITHIN = 5.0
"""So long a store may take while others wait for it; a store that hangs stops nothing for longer."""

log = logging.getLogger("ringback")


class Memory:
    """The session, and which messages have arrived."""

    def __init__(self, store: Store | None, url: str) -> None:
        self._store = store
        self._url = url
        self.account = Account()
        self._seen: dict[str, None] = {}
        self._is_failing = False
        self._apart = Apart()
        self._turn = threading.Lock()
        """It is written by one at a time, and what is written is what there is then: so the last one to write is right."""
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
                self._keep_at_once(self._store)

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
        store = self._store
        if store is None or self.session is None:
            return
        try:
            await self._apart.call(lambda: self._write(store))
        except RuntimeError:
            # There are no more threads: the program is about to end, and nothing goes on beside this.
            self._write(store)

    def _read(self) -> None:
        text = self._store.read() if self._store is not None else None
        if text is None:
            return
        try:
            kept = json.loads(text)
            session, token, seen, url = kept["session"], kept["token"], kept["seen"][-REMEMBERED:], kept["url"]
            if not isinstance(session, str) or not isinstance(token, str):
                raise TypeError
            if url != self._url:
                # Its token is a secret between this client and that gateway.
                return log.warning("what is in the store is a session at %s; a new one is begun at %s", url, self._url)
            self.account.learn(kept)
            self.session, self._seen = (session, token), dict.fromkeys(map(str, seen))
        except (ValueError, KeyError, TypeError, AttributeError):
            # What cannot be read is as good as nothing.
            log.warning("what is in the store is no session of ringback; a new one is begun")

    def _text(self) -> str:
        session, token = self.session or (None, None)
        seen = list(self._seen)
        return json.dumps({"url": self._url, "session": session, "token": token, "seen": seen, **self.account.kept})

    def _keep_at_once(self, store: Store) -> None:
        try:
            writing = threading.Thread(target=self._write, args=[store], name="ringback", daemon=True)
            writing.start()
        except RuntimeError:
            return self._write(store)
        writing.join(WRITE_WITHIN)
        if writing.is_alive():
            self._fails("the store takes too long")

    def _write(self, store: Store) -> None:
        if not self._turn.acquire(timeout=WRITE_WITHIN):
            return self._fails("the store takes too long")
        try:
            store.write(self._text())
            self._is_failing = False
        except Exception as error:
            self._fails(error)
        finally:
            self._turn.release()

    def _fails(self, why: object) -> None:
        """It works on, and who comes after this process begins anew. It is said once, not with every batch."""
        if not self._is_failing:
            log.warning("the session cannot be kept, and will be lost with this process: %s", why)
        self._is_failing = True
