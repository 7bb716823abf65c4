"""The thread in which a client lives that others wait for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import JobError

T = TypeVar("T")


class Backstage:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ringback", daemon=True)
        self._gate = threading.Lock()
        self._is_over = False
        self._thread.start()

    def call(self, function: Callable[[], T]) -> T:
        """What a function answers, or raises, that is called there."""

        async def called() -> T:
            return function()

        return self.wait(called)

    def wait(self, begin: Callable[[], Awaitable[T]], timeout: float | None = None) -> T:
        """What is awaited there. A `TimeoutError` says that it took too long; then it is given up."""
        self.forbid_waiting()

        async def awaited() -> T:
            return await begin()

        with self._gate:
            if self._is_over:
                raise JobError("the client was closed", code="closed")
            future = asyncio.run_coroutine_threadsafe(awaited(), self._loop)
        try:
            return result_of(future, timeout)
        except concurrent.futures.CancelledError:
            raise JobError("the client was closed", code="closed") from None
        finally:
            future.cancel()

    def forbid_waiting(self) -> None:
        """Raises an error in the thread that everything here is waiting for."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a listener must not wait for its own client; let another thread do that")

    def end(self) -> None:
        """Ends it; whoever waits for something there is told that the client was closed."""
        with self._gate:
            if self._is_over:
                return
            self._is_over = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        with contextlib.suppress(RuntimeError):
            # It needs a thread, and a program that is about to end gives no more.
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


def result_of(future: concurrent.futures.Future[T], timeout: float | None) -> T:
    """What a future holds as soon as it does. Before Python 3.11 its `TimeoutError` is another than everybody's."""
    try:
        return future.result(timeout)
    except concurrent.futures.TimeoutError:
        if future.done():
            # It came at the last moment, or it is what was waited for that says so.
            return future.result()
        raise TimeoutError(f"it was not there within {timeout} s") from None
