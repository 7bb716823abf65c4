"""The session, from socket to socket: it is resumed on each of them, until it is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from .api import Api
from .beside import Beside
from .cancels import Cancels
from .connection import Connection, Ending
from .delays import Delays
from .ears import Ears, Way
from .errors import JobError, errors_in
from .later import is_passing
from .lookup import Lookup
from .memory import Memory
from .message import OUTCOMES, Message, read, write
from .notices import Notice
from .opening import open_socket
from .receipts import Receipts
from .renewal import Renewal
from .requests import Requests
from .resuming import Resuming
from .settings import Settings
from .state import State, StateName
from .told import Told, ToldJob, told_by

RESUME_WITHIN = 20.0
"""Longer than a gateway waits for its database."""
KEEP_WITHIN = 5.0
"""So long a store may take when the client is closed; what it has not kept by then is not acknowledged."""
EARLY_AT_MOST = 1_000
"""So many notices that come before the session is this socket's are kept; of more the oldest are dropped: for a session
that goes on they come again, and one that begins would else have begun a moment later."""


log = logging.getLogger("ringback")


class Session:
    """What keeps a client connected."""

    def __init__(self, settings: Settings, api: Api, ears: Ears) -> None:
        self.state = State("connecting")
        self.is_ready = False
        """Whether the session is the socket's, so that what is sent belongs to it."""
        self._work = Beside()
        """What is done as long as there is this client."""
        self.requests = Requests(self._post, api.text, self.cancel, Lookup(api.jobs), self._work.start)
        self.cancels = Cancels(self._post)
        self._settings = settings
        self._api = api
        self._ears = ears
        self._memory = Memory(settings.store, settings.url)
        self.account = self._memory.account
        self._resuming = Resuming(self._memory, self.requests, self._post)
        self._receipts = Receipts(self._memory, self.send, self.requests.ref, self.requests.acknowledged)
        self._delays = Delays(settings.retry_first, settings.retry_most)
        self._connection: Connection | None = None
        self._was_ready = False
        self._has_warned = False
        self._is_closing = False
        self._ready_at = 0.0
        self._now = asyncio.Event()
        self._renewal = Renewal(api, self._post, self.requests.ref)
        self._early: deque[Message] = deque(maxlen=EARLY_AT_MOST)
        self._beside = Beside()
        """What is done as long as there is this socket."""

    async def run(self) -> None:
        """Connects, and stays so, until the gateway says not to come back, or this client does."""
        try:
            while not self._is_closing:
                self._tell(self._opening(), self.state.why)
                ending = await self._once()
                self._left(ending)
                if ending.is_final:
                    self.end(ending.why)
                    break
                if not self._is_closing:
                    await self._pause(ending)
        except Exception as error:
            self.end(f"this client is broken: {error!r}")
            raise
        finally:
            await asyncio.gather(self._beside.end(), self._work.end())

    def forget_told(self) -> None:
        """Empties what the session was told of."""
        self.account.forget()
        self._account_changed()

    def connect_now(self) -> None:
        """Opens a socket without waiting, unless one is open or opening."""
        if self._connection is None:
            self._delays.begin_again()
            self._now.set()

    def send(self, message: Mapping[str, Any]) -> bool:
        """Sends a message; answers whether there is a session to send it to now, and room."""
        text = write(message)
        if not self.is_ready or self._connection is None or self._connection.is_full:
            return False
        self._post(text)
        return True

    async def cancel(self, job_id: str) -> None:
        """Cancels a job."""
        if self.state.name == "closed":
            raise JobError(self.state.why, code="closed", job_id=job_id)
        await self.cancels.cancel(job_id, self.requests.ref())

    async def close(self) -> None:
        """Says goodbye on the socket that there is, and ends."""
        # What comes from now on is not heard, and not acknowledged: it comes again, to whoever goes on with the session.
        self._is_closing = True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._receipts.finish(), KEEP_WITHIN)
        if self._connection is not None:
            await self._connection.close()
        self._now.set()
        self.end("the client was closed")

    def end(self, why: str) -> None:
        """There will be no other socket."""
        if self.state.name == "closed":
            return
        self.is_ready = False
        self._tell("closed", why)
        self.requests.end(why)
        self.cancels.end(why)
        self._ears.end()

    async def _once(self) -> Ending:
        """One socket, from the ticket that it needs to its end."""
        opened = await open_socket(self._settings, self._api)
        if isinstance(opened, Ending):
            return opened
        self._connection = opened
        self._frame("note", "connection opened")
        self._beside.start(self._resumed_within(opened))
        self._resuming.ask()
        return await opened.converse(self._received)

    async def _pause(self, ending: Ending) -> None:
        """Waits for the time of the next socket, or until somebody wants it now."""
        self._now.clear()
        delay: float | None = None
        if ending.is_unauthorized:
            self._tell("unauthorized", ending.why)
            if not self._has_warned:
                log.warning("this client is not connected until connect_now() asks again: %s", ending.why)
            self._has_warned = True
        else:
            delay = self._delays.next(ending.retry_after)
            self._tell(self._opening(), ending.why, time.time() + delay)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._now.wait(), delay)

    def _left(self, ending: Ending) -> None:
        """There is no socket."""
        self._frame("note", f"{'connection lost' if ending.was_open else 'could not connect'} ({ending.why})")
        self._beside.drop()
        if ending.too_large and not self.is_ready:
            # It was the wish to resume, with all that this client has.
            self._resuming.was_too_large()
        if self.is_ready:
            self._delays.lived(time.monotonic() - self._ready_at)
        self._connection = None
        self.is_ready = False
        self._early.clear()
        self._receipts.lost()
        self.requests.lost(too_large=ending.too_large)
        self.cancels.lost()

    async def _resumed_within(self, connection: Connection) -> None:
        await asyncio.sleep(RESUME_WITHIN)
        if not self.is_ready:
            connection.lose("no answer to the wish to resume")

    def _received(self, text: str) -> None:
        if self._is_closing:
            return
        self._frame("in", text)
        message = read(text)
        if message is None:
            return
        try:
            if message.action == "system_notification" and not self.is_ready:
                # Those that were missed come first, and this one after them, again.
                self._early.append(message)
            else:
                self._take(message)
        except Exception as error:
            # A message that is not as the protocol has it must not keep the next ones from being heard.
            context = {"message": f"ringback could not read a message {message.action}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _take(self, message: Message) -> None:
        """Hears a message, if that is the first time."""
        if message.id is not None:
            is_new = self._memory.is_new(message.id)
            self._receipts.add(message.id)
            if not is_new:
                # A job that is asked for again has the outcome that was heard before.
                if message.action in OUTCOMES:
                    self.requests.over(message)
                return
        if message.ref is not None and message.ref == self._renewal.asked:
            return
        if self._resuming.is_answered_by(message):
            if message.action == "resumed":
                self._resumed(message.payload)
            else:
                # Without a session nothing else goes on.
                self._beside.start(self._resuming.ask_later(errors_in(message.payload)))
        elif message.action != "pong":
            self._hear(message)

    def _hear(self, message: Message) -> None:
        # An answer may end what it is the answer to.
        job = self.requests.answered_by(message)
        if message.action == "job_queued":
            self.requests.queued(message)
        elif message.action == "job_chunk":
            if not self.requests.chunk(message):
                return
        elif message.action == "job_progress":
            self.requests.progress(message)
        elif message.action in OUTCOMES:
            self.requests.over(message)
        elif message.action == "job_cancelling":
            self.cancels.answered(message)
        elif message.action == "system_notification":
            self._ears.notice(Notice(str(message.payload), message.id or ""))
        elif message.action == "error" and message.ref is not None:
            errors = errors_in(message.payload)
            if errors:
                self.requests.refused(message.ref, errors)
                self.cancels.refused(message.ref, errors)
                if is_passing(errors):
                    self._receipts.refused(message.ref)
        self._ears.on_message.tell(message, job)
        self._note(told_by(message, time.time()))

    def _note(self, entries: Iterable[Told]) -> None:
        if self.account.add(entries):
            self._account_changed()

    def _account_changed(self) -> None:
        if not self._is_closing and self.state.name != "closed":
            self._receipts.add()
        self._ears.on_told.tell(self.account.told)

    def _resumed(self, payload: Mapping[str, Any]) -> None:
        """The session is this socket's."""
        recovered = payload.get("recovered") is True
        self._memory.began(str(payload["session"]), str(payload["token"]))
        self.is_ready = self._was_ready = True
        self._has_warned = False
        self._resuming.done()
        self._ready_at = time.monotonic()
        if self._connection is not None and self._connection.ends_at is not None:
            self._beside.start(self._renewal.run(self._connection.ends_at))
        self.requests.begun(recovered=recovered, have=self._resuming.have)
        self.cancels.begun()
        self._tell("connected")
        # Those whose answers nobody has heard.
        pending = payload.get("pending")
        self._note(ToldJob(job["job_id"]) for job in (pending if isinstance(pending, list) else []))
        # A session that has just begun has missed nothing.
        early = [] if recovered else list(self._early)
        self._early.clear()
        for notice in early:
            self._take(notice)

    def _opening(self) -> StateName:
        return "reconnecting" if self._was_ready else "connecting"

    def _post(self, text: str) -> None:
        if self._connection is not None:
            self._frame("out", text)
            self._connection.send(text)

    def _frame(self, way: Way, text: str) -> None:
        self._ears.on_frame.tell(way, text)

    def _tell(self, name: StateName, why: str = "", retry_at: float | None = None) -> None:
        state = State(name, why, retry_at)
        if state != self.state:
            self.state = state
            self._ears.on_state.tell(state)
