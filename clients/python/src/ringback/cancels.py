"""The jobs whose end was asked for, until that is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .asked import refused_by
from .errors import ErrorItem, JobError
from .later import Later, is_passing
from .message import Message, write

CANCELS_AT_MOST = 10_000
"""So many may be waited for; the next is refused, with the code `busy`."""


class Cancel:
    """The wish to cancel a job."""

    def __init__(self, job_id: str, text: str) -> None:
        self.job_id = job_id
        self.text = text
        self.sent = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Cancels:
    """Each is sent until it has its answer, on whatever socket there is."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._by_ref: dict[str, Cancel] = {}
        self._later = Later()
        self._is_ready = False

    async def cancel(self, job_id: str, ref: str) -> None:
        """Cancels a job; done when the gateway has said that it will be, otherwise a `JobError`."""
        if len(self._by_ref) >= CANCELS_AT_MOST:
            raise JobError("too many cancels are waited for; await some before the next", code="busy", job_id=job_id)
        text = write({"action": "cancel_job", "payload": {"job_id": job_id}, "ref": ref})
        cancel = self._by_ref[ref] = Cancel(job_id, text)
        try:
            if self._is_ready:
                self._ask(ref)
            await cancel.done
        finally:
            # Who has given up waiting is not asked for any more.
            self._by_ref.pop(ref, None)
            self._later.drop(ref)

    def begun(self) -> None:
        """There is a session."""
        self._is_ready = True
        for ref in list(self._by_ref):
            self._ask(ref)

    def lost(self) -> None:
        """Nothing can be sent until there is one again."""
        self._is_ready = False
        self._later.clear()

    def end(self, why: str) -> None:
        """There will be none any more."""
        self.lost()
        for cancel in self._by_ref.values():
            self._fail(cancel, JobError(why, code="closed", job_id=cancel.job_id))

    def answered(self, message: Message) -> None:
        """The job will be cancelled."""
        cancel = self._by_ref.get(message.ref or "")
        if cancel is not None and not cancel.done.done():
            cancel.done.set_result(None)

    def refused(self, ref: str, errors: tuple[ErrorItem, ...]) -> None:
        """The gateway has said no."""
        cancel = self._by_ref.get(ref)
        if cancel is None or cancel.done.done():
            return
        if is_passing(errors):
            self._later.after(errors, cancel.sent - 1, ref, lambda: self._ask(ref))
        elif errors[0].type == "conflict" and cancel.sent > 1:
            # It is over, as it was to be: the first answer was lost.
            cancel.done.set_result(None)
        else:
            self._fail(cancel, refused_by(errors, cancel.job_id))

    def _ask(self, ref: str) -> None:
        cancel = self._by_ref.get(ref)
        if cancel is not None and self._is_ready:
            cancel.sent += 1
            self._send(cancel.text)

    def _fail(self, cancel: Cancel, error: JobError) -> None:
        if not cancel.done.done():
            cancel.done.set_exception(error)
