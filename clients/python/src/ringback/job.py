"""A job that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

from .errors import JobError
from .events import Cancelled, Failed, Queued, Result
from .story import Events, Story

T = TypeVar("T")


class Job:
    """A job: await it for its result, iterate over what happens to it, both as often as you like.

    A job that has no result raises a `JobError`. Where a coroutine is wanted (`asyncio.create_task`, a `TaskGroup`), give
    `job.result()`.
    """

    def __init__(self, story: Story, cancel: Callable[[str], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        self._story = story
        self._cancel = cancel
        self._id: asyncio.Future[str] = loop.create_future()
        self._result: asyncio.Future[Any] = loop.create_future()
        for future in (self._id, self._result):
            # Whoever only iterates hears of a failure there.
            future.add_done_callback(lambda done: done.exception())

    def __await__(self) -> Generator[Any, None, Any]:
        return Answer(self._result).__await__()

    async def result(self) -> Any:
        """Its result, as of the job itself, for those who want a coroutine. Cancelling it leaves the job alone."""
        return await self

    def __aiter__(self) -> Events:
        return Events(self._story)

    @property
    def id(self) -> Answer[str]:
        """Await it for the job's id, which is there as soon as the job is committed."""
        return Answer(self._id)

    async def cancel(self) -> None:
        """Cancels it; done when the gateway has said that it will be. Its end comes as that of any job."""
        await self._cancel(await self.id)

    def _queued(self, job_id: str) -> None:
        self._id.set_result(job_id)
        self._story.begin(Queued(job_id))

    def _succeeded(self, job_id: str, result: Any) -> None:
        self._story.finish(Result(job_id, result))
        self._result.set_result(result)

    def _failed(self, error: JobError) -> None:
        self._story.finish(Failed(error.job_id, error))
        self._has_none(error)

    def _cancelled(self, job_id: str, error: JobError) -> None:
        self._story.finish(Cancelled(job_id, error))
        self._has_none(error)

    def _has_none(self, error: JobError) -> None:
        if not self._id.done():
            self._id.set_exception(error)
        self._result.set_exception(error)


class Answer(Generic[T]):
    """Something to await, as often as you like. Who gives up awaiting it takes it from nobody else."""

    def __init__(self, future: asyncio.Future[T]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.shield(self._future).__await__()
