"""A job that somebody waits for."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import Any, TypeVar

from .. import job as asynchronous
from ..events import JobEvent
from .backstage import Backstage, result_of
from .stream import Stream

T = TypeVar("T")


class Job:
    """A job: ask for its result, iterate over what happens to it, both as often as you like."""

    def __init__(self, backstage: Backstage, job: asynchronous.Job) -> None:
        self._backstage = backstage
        self._job = job
        self._id = _mirror(job._id)
        self._result = _mirror(job._result)

    def result(self, timeout: float | None = None) -> Any:
        """Waits for its result. A job that has none raises a `JobError`; one that takes longer, a `TimeoutError`."""
        self._backstage.forbid_waiting()
        return result_of(self._result, timeout)

    def id(self, timeout: float | None = None) -> str:
        """Waits for its id, which is there as soon as the job is committed."""
        self._backstage.forbid_waiting()
        return result_of(self._id, timeout)

    def cancel(self, timeout: float | None = None) -> None:
        """Cancels it, and waits until the gateway has said that it will be. Its end comes as that of any job."""
        self._backstage.wait(self._job.cancel, timeout)

    def events(self, timeout: float | None = None) -> Stream[JobEvent]:
        """What happens to it, from its beginning. The time is for each event."""
        return Stream(self._backstage, self._job.__aiter__(), timeout)

    def __iter__(self) -> Stream[JobEvent]:
        return self.events()


def _mirror(future: asyncio.Future[T]) -> concurrent.futures.Future[T]:
    """The same, for other threads, also when the loop has ended. It is called in the thread of the loop."""
    mirror: concurrent.futures.Future[T] = concurrent.futures.Future()

    def settle(done: asyncio.Future[T]) -> None:
        error = done.exception()
        if error is None:
            mirror.set_result(done.result())
        else:
            mirror.set_exception(error)

    future.add_done_callback(settle)
    return mirror
